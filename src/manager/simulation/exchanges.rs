//! What becomes of credentials as the service answers, refuses, hangs or is away.

use std::time::Duration;

use super::*;
use crate::manager::RESOLVE_LIMIT;

#[test]
fn one_exchange_a_renewal_over_thirty_days_and_never_a_gap() {
    let mut simulation = Simulation::new();
    for _ in 0..30 * 24 {
        simulation.pass(HOUR);
        assert!(simulation.owner().is_some());
    }
    // An hour's credential is renewed after 30 minutes less half of six: 27 minutes.
    let expected = 30 * DAY / (27 * 60);
    let calls = simulation.calls().len() as u64;
    assert!(calls.abs_diff(expected) <= expected / 50, "{calls} calls, not about {expected}");
    assert_eq!(simulation.version(), calls);
}

#[test]
fn a_service_that_is_down_is_asked_with_growing_pauses_and_the_last_good_credential_serves_until_its_margin() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.service = Err(DOWN));
    simulation.pass(HOUR - 60 - 16);
    assert_eq!(simulation.owner().as_deref(), Some("alice"), "15 s and more are left");
    simulation.pass(2);
    assert_eq!(simulation.owner(), None, "less than 15 s are left");
    let failed = simulation.calls().len() - 1;
    assert!((33..=60).contains(&failed), "{failed} calls in 33 minutes");
    simulation.set(|world| world.service = Ok(HOUR));
    simulation.pass(61);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
}

#[test]
fn at_most_six_calls_in_the_first_thirty_seconds_of_an_outage() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.service = Err(DOWN));
    simulation.pass(30);
    assert!(simulation.calls().len() <= 6, "{:?}", simulation.calls());
}

#[test]
fn a_refusal_is_asked_again_after_one_to_two_minutes_and_at_once_with_a_new_token() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.service = Err(REFUSED));
    simulation.pass(HOUR - 120);
    let calls = simulation.calls();
    let pauses: Vec<u64> = calls.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(!pauses.is_empty() && pauses.iter().all(|pause| (60..=120).contains(pause)), "{pauses:?}");
    let last = *calls.last().unwrap();
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START + 5, START + DAY)));
    simulation.pass(31);
    assert!(simulation.calls().last().unwrap() - last <= 61, "{:?}", simulation.calls());
}

#[test]
fn a_start_waits_for_what_may_pass_and_gives_up_at_its_timeout_with_the_last_code() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(Bad::Missing));
    simulation.pass(100);
    assert_eq!(simulation.start_code(), None);
    simulation.pass(21);
    assert_eq!(simulation.start_code(), Some(Err("FILE_NOT_FOUND")));
    assert!(simulation.ended);

    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(Bad::Missing));
    simulation.pass(100);
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + DAY)));
    simulation.pass(61);
    assert_eq!(simulation.start_code(), Some(Ok(())));
}

#[test]
fn a_start_ends_at_once_where_waiting_does_not_help() {
    type Change = fn(&mut World);
    let cases: [(Change, &str); 3] = [
        (|world| world.service = Err(REFUSED), "TEST_REFUSED"),
        (|world| world.token = Err(Bad::Audience), "TOKEN_AUDIENCE"),
        (|world| world.token = Ok(("alice".to_owned(), START - HOUR, START)), "TOKEN_EXPIRED"),
    ];
    for (change, code) in cases {
        let mut simulation = Simulation::new();
        simulation.set(change);
        simulation.pass(3);
        assert_eq!(simulation.start_code(), Some(Err(code)));
        assert!(simulation.ended);
    }
}

#[test]
fn a_hanging_exchange_is_reported_once_is_not_joined_by_a_second_and_delays_no_other_scheme() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.pass(60);
    assert_eq!(simulation.version(), 1, "published once all schemes have one");
    simulation.set(|world| world.hang = true);
    simulation.pass(30 * 60);
    assert_eq!(simulation.hanging.lock().unwrap().len(), 2, "one each, however long it hangs");
    simulation.set(|world| world.hang = false);
    let released = simulation.hanging.lock().unwrap().pop().unwrap();
    released();
    simulation.pass(2 * HOUR);
    assert!(simulation.version() >= 4, "the other scheme goes on: {}", simulation.version());
    assert_eq!(simulation.hanging.lock().unwrap().len(), 1);
    assert_eq!(RESOLVE_LIMIT, Duration::from_secs(30));
}

#[test]
fn a_target_that_fails_keeps_its_credential_has_its_own_backoff_and_never_delays_another() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["s3a", "s3a/logs"]);
    simulation.pass(60);
    assert_eq!(simulation.version(), 1);
    simulation.set(|world| world.service_of_s3a = Some(DOWN));
    simulation.pass(HOUR - 60 - 16);
    assert_eq!(simulation.owner().as_deref(), Some("alice"), "the last good one serves on");
    for _ in 0..24 {
        simulation.pass(HOUR);
        assert_eq!((simulation.owner(), simulation.owner_of("s3a/logs").as_deref()), (None, Some("alice")));
    }
    let report = simulation.watch.report();
    let [failing, other] = ["s3a", "s3a/logs"].map(|name| CredentialName::parse(name).unwrap());
    assert!(report.last_success[&failing].unix_seconds() < START + 60);
    assert!(simulation.outside.moment().wall.unix_seconds() - report.last_success[&other].unix_seconds() <= 1800);
    assert!(report.failures.keys().all(|(name, _)| *name == Some(failing.clone())), "{report:?}");
    // An hour's credential is renewed every 27 minutes, as if there were no other.
    assert!((54..=56).contains(&simulation.version()), "{}", simulation.version());
    simulation.set(|world| world.service_of_s3a = None);
    simulation.pass(61);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
    let audit = simulation.outside.with(|world| world.audit.clone());
    let named = audit.iter().filter(|line| line.contains("\"scheme\":\"s3a\",\"target\":\"logs\"")).count();
    assert!((54..=57).contains(&named), "{named}");
}

#[test]
fn a_panicking_provider_is_a_failure_like_any_other() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.panics = true);
    simulation.pass(30 * 60);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
}

#[test]
fn a_wall_clock_that_is_set_back_does_not_stretch_a_life() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| {
        world.service = Err(DOWN);
        world.moment.wall = world.moment.wall.minus(Duration::from_secs(5 * HOUR));
    });
    simulation.pass(HOUR - 60 - 14);
    assert_eq!(simulation.owner(), None);
}

#[test]
fn a_start_ends_at_a_refusal_also_where_another_scheme_may_still_pass() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.set(|world| world.service_of_s3a = Some(DOWN));
    simulation.set(|world| world.service = Err(REFUSED));
    simulation.pass(3);
    assert_eq!(simulation.start_code(), Some(Err("TEST_REFUSED")));
}
