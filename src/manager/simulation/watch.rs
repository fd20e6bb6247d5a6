//! What others see of the renewal: counts, last successes, and what waiting does not mend.

use super::*;

fn s3a() -> CredentialName {
    Scheme::s3a().into()
}

#[test]
fn a_token_that_waiting_does_not_mend_is_stuck_until_a_good_one_is_seen() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(Bad::Missing));
    simulation.pass(11);
    let report = simulation.watch.report();
    let looks = report.failures[&(None, "FILE_NOT_FOUND")];
    assert!(looks >= 3 && report.failures.len() == 1, "at least at 0, 5 and 10 s: {report:?}");
    assert_eq!(report.stuck, [].into(), "a file that never was may still come");
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + DAY)));
    simulation.pass(5);
    let success = simulation.watch.report().last_success[&s3a()].unix_seconds();
    assert!((START + 11..=START + 16).contains(&success), "{success}");
    for bad in [Bad::Missing, Bad::Empty, Bad::Audience] {
        simulation.set(|world| world.token = Err(bad));
        simulation.pass(31);
        assert_eq!(simulation.watch.report().stuck, [(None, "TOKEN_FILE_WORSE")].into(), "{bad:?}");
        simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + DAY)));
        simulation.pass(31);
        assert_eq!(simulation.watch.report().stuck, [].into(), "{bad:?}");
    }
    let expires = simulation.outside.moment().wall.unix_seconds() + 60;
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, expires)));
    simulation.pass(91);
    assert_eq!(simulation.watch.report().stuck, [(None, "TOKEN_NOT_ROTATED")].into());
}

#[test]
fn a_refused_exchange_is_stuck_until_one_succeeds_and_one_that_may_pass_is_not() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.pass(1);
    for (facts, stuck) in [(DOWN, false), (REFUSED, true)] {
        simulation.set(|world| world.service_of_s3a = Some(facts));
        simulation.pass(HOUR);
        let report = simulation.watch.report();
        let expected = stuck.then(|| (Some(s3a()), facts.code));
        assert_eq!(report.stuck, expected.into_iter().collect(), "{}", facts.code);
        assert!(report.failures[&(Some(s3a()), facts.code)] > 0);
        assert!(report.last_success[&s3a()] < report.last_success[&CredentialName::parse("gs").unwrap()]);
        simulation.set(|world| world.service_of_s3a = None);
        simulation.pass(130);
        assert_eq!(simulation.watch.report().stuck, [].into(), "{}", facts.code);
    }
}

#[test]
fn the_first_of_two_schemes_has_succeeded_although_there_is_no_bundle_yet() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.set(|world| world.service_of_s3a = Some(DOWN));
    simulation.pass(1);
    assert_eq!(simulation.version(), 0);
    let seen: Vec<CredentialName> = simulation.watch.report().last_success.into_keys().collect();
    assert_eq!(seen, [CredentialName::parse("gs").unwrap()]);
}
