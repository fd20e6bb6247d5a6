//! What becomes of credentials as the identity token is rotated, is not, changes hands or goes bad.

use std::time::Duration;

use super::*;
use crate::manager::{TokenHealth, TokenState};

#[test]
fn a_token_that_is_rotated_by_the_same_principal_causes_no_exchange() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.service = Ok(12 * HOUR));
    for minute in 0..8 * 60 {
        if minute % 8 == 0 {
            let at = START + minute * 60;
            simulation.set(|world| world.token = Ok(("alice".to_owned(), at, at + 600)));
        }
        simulation.pass(60);
    }
    assert_eq!(simulation.calls().len(), 1, "{:?}", simulation.calls());
}

#[test]
fn another_principal_is_an_exchange_within_one_poll_and_an_audit_event() {
    let mut simulation = Simulation::new();
    simulation.pass(600);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
    simulation.set(|world| world.token = Ok(("bob".to_owned(), START + 600, START + DAY)));
    simulation.pass(31);
    assert_eq!(simulation.owner().as_deref(), Some("bob"));
    assert_eq!(simulation.version(), 2);
    let audit = simulation.outside.with(|world| world.audit.join("\n"));
    assert!(audit.contains(r#""event":"identity_changed","from":"alice","to":"bob""#), "{audit}");
}

#[test]
fn a_pinned_principal_is_not_replaced_and_its_credential_serves_on() {
    let settings = ManagerSettings { pin_principal: true, ..ManagerSettings::default() };
    let mut simulation = Simulation::with(settings, &["s3a"]);
    simulation.pass(60);
    simulation.set(|world| world.token = Ok(("mallory".to_owned(), START, START + DAY)));
    simulation.pass(3000);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
    assert_eq!(simulation.calls().len(), 1);
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START + 9, START + DAY)));
    simulation.pass(60);
    assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 2));
}

#[test]
fn a_token_that_is_not_rotated_causes_one_early_exchange_and_then_none_until_a_new_one_comes() {
    let mut simulation = Simulation::new();
    simulation.set(|world| {
        world.token = Ok(("alice".to_owned(), START, START + 600));
        world.service = Ok(12 * HOUR);
    });
    simulation.pass(11 * HOUR);
    assert_eq!(simulation.calls(), [0, 570], "at start, and 30 s before the token lapses");
    assert_eq!(simulation.owner().as_deref(), Some("alice"), "the credential outlives the token");
    simulation.pass(2 * HOUR);
    assert_eq!((simulation.owner(), simulation.calls().len()), (None, 2), "never served past its expiry");
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START + 13 * HOUR, START + 14 * HOUR)));
    simulation.pass(31);
    assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 3));
}

#[test]
fn a_file_that_became_worse_changes_nothing_until_a_good_one_is_back() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    for bad in [Bad::Audience, Bad::Missing, Bad::Empty] {
        simulation.set(|world| world.token = Err(bad));
        simulation.pass(300);
        assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 1), "{bad:?}");
    }
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + 30 * DAY)));
    simulation.pass(HOUR);
    assert!(simulation.calls().len() >= 2);
}

#[test]
fn an_exchange_that_was_begun_for_another_principal_is_not_used() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.hang = true);
    simulation.pass(5);
    simulation.set(|world| {
        world.hang = false;
        world.token = Ok(("bob".to_owned(), START, START + DAY));
    });
    simulation.pass(31);
    let late = simulation.hanging.lock().unwrap().pop().unwrap();
    late();
    simulation.pass(2);
    assert_eq!((simulation.owner().as_deref(), simulation.version()), (Some("bob"), 1));
}

#[test]
fn however_often_it_is_looked_at_a_lapsing_token_causes_one_exchange() {
    let renewal = RenewalSettings { min_interval: Duration::from_secs(1), ..RenewalSettings::default() };
    let mut simulation = Simulation::with(ManagerSettings { renewal, ..ManagerSettings::default() }, &["s3a"]);
    simulation.set(|world| {
        world.token = Ok(("alice".to_owned(), START, START + 600));
        world.service = Ok(12 * HOUR);
    });
    simulation.pass(571);
    for _ in 0..10 {
        simulation.pass(2);
        simulation.poke();
    }
    assert_eq!(simulation.calls(), [0, 570]);
}

#[test]
fn what_only_a_new_token_mends_is_not_asked_again_until_there_is_one() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.service = Err(EXPIRED));
    simulation.pass(HOUR);
    let calls = simulation.calls().len();
    assert_eq!(calls, 2, "the first, and the renewal that failed");
    simulation.set(|world| {
        world.service = Ok(HOUR);
        world.token = Ok(("alice".to_owned(), START + 7, START + DAY));
    });
    simulation.pass(31);
    assert_eq!(simulation.calls().len(), 3);
}

#[test]
fn what_a_new_token_mends_is_tried_with_the_one_that_came_while_the_exchange_hung() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.hang = true);
    simulation.pass(30 * 60);
    simulation.set(|world| {
        world.hang = false;
        world.service = Err(EXPIRED);
        world.token = Ok(("alice".to_owned(), START + 5, START + DAY));
    });
    simulation.pass(31);
    let late = simulation.hanging.lock().unwrap().pop().unwrap();
    late();
    simulation.set(|world| world.service = Ok(HOUR));
    assert_eq!(simulation.calls().len(), 2, "the first, and the one that hung");
    simulation.pass(5);
    assert_eq!((simulation.calls().len(), simulation.version()), (3, 2));
}

#[test]
fn a_wall_clock_that_is_set_is_noticed_and_everything_reckoned_by_it_is_reckoned_anew() {
    let shift = |world: &mut World, by: i64| {
        let wall = world.moment.wall.unix_seconds().saturating_add_signed(by);
        world.moment.wall = Timestamp::from_unix_seconds(wall).unwrap();
    };
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| shift(world, 5));
    simulation.pass(60);
    assert_eq!(simulation.version(), 1, "5 s are no setting");
    simulation.set(|world| shift(world, 1800 - 5));
    simulation.pass(31);
    assert_eq!((simulation.version(), simulation.calls().len()), (2, 1), "published anew for those who ask");
    simulation.pass(900);
    assert_eq!(simulation.calls().len(), 2, "renewed at half of what is left by this clock");
    let token_life = 2 * HOUR as i64;
    simulation.set(|world| {
        let now = world.moment.wall.unix_seconds();
        world.token = Ok(("alice".to_owned(), now, now + 2 * HOUR));
    });
    simulation.pass(31);
    simulation.set(|world| shift(world, token_life));
    simulation.pass(HOUR);
    let calls = simulation.calls().len();
    simulation.set(|world| shift(world, -token_life));
    simulation.pass(31);
    assert!(simulation.calls().len() > calls, "a token that was expired by a wrong clock is good again");
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
}

#[test]
fn a_token_with_less_than_10_seconds_left_is_not_exchanged() {
    for (left, outcome, calls) in [(9, Err("TOKEN_NEARLY_EXPIRED"), 0), (10, Ok(()), 1)] {
        let mut simulation = Simulation::new();
        simulation.set(|world| world.token = Ok(("alice".to_owned(), START - 600, START + left)));
        simulation.pass(1);
        assert_eq!((simulation.start_code(), simulation.calls().len()), (Some(outcome), calls), "{left}");
    }
}

fn health(state: TokenState, times_not_rotated: u64, times_worse: u64) -> TokenHealth {
    TokenHealth { state, times_not_rotated, times_worse }
}

#[test]
fn a_token_past_its_exp_in_an_unchanged_file_is_a_state_of_its_own_and_is_counted_once() {
    let mut simulation = Simulation::new();
    simulation.set(|world| {
        world.token = Ok(("alice".to_owned(), START, START + 600));
        world.service = Ok(12 * HOUR);
    });
    assert_eq!(simulation.watch.report().token, health(TokenState::NoneYet, 0, 0));
    simulation.pass(599);
    assert_eq!(simulation.watch.report().token, health(TokenState::Good, 0, 0));
    simulation.pass(31);
    assert_eq!(simulation.watch.report().token, health(TokenState::NotRotated, 1, 0), "noticed at the next look");
    simulation.pass(20 * HOUR);
    assert_eq!(
        simulation.watch.report().token,
        health(TokenState::NotRotated, 1, 0),
        "also when renewal is due and fails"
    );
    let now = START + 21 * HOUR;
    simulation.set(|world| world.token = Ok(("alice".to_owned(), now, now + 600)));
    simulation.pass(31);
    assert_eq!(simulation.watch.report().token, health(TokenState::Good, 1, 0));
    simulation.pass(2 * HOUR);
    assert_eq!(simulation.watch.report().token, health(TokenState::NotRotated, 2, 0));
}

#[test]
fn a_file_that_became_worse_is_a_state_of_its_own_and_is_counted_once() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.service = Ok(12 * HOUR));
    simulation.pass(60);
    let mut times = 0;
    for bad in [Bad::Missing, Bad::Empty, Bad::Audience] {
        simulation.set(|world| world.token = Err(bad));
        simulation.pass(300);
        times += 1;
        assert_eq!(simulation.watch.report().token, health(TokenState::Worse, 0, times), "{bad:?}");
        simulation.set(|world| world.token = Ok(("alice".to_owned(), START + times, START + DAY)));
        simulation.pass(31);
        assert_eq!(simulation.watch.report().token, health(TokenState::Good, 0, times), "{bad:?}");
    }
    assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 1));
}

#[test]
fn a_file_that_became_worse_stays_so_when_the_last_good_token_expires() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.service = Ok(12 * HOUR));
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + 600)));
    simulation.pass(60);
    simulation.set(|world| world.token = Err(Bad::Audience));
    simulation.pass(HOUR);
    assert_eq!(simulation.watch.report().token, health(TokenState::Worse, 0, 1));
}

#[test]
fn a_start_without_a_good_token_and_keys_that_cannot_be_had_are_no_worsening() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(Bad::Empty));
    simulation.pass(60);
    assert_eq!(simulation.watch.report().token, health(TokenState::NoneYet, 0, 0));
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + DAY)));
    simulation.pass(60);
    simulation.set(|world| world.token = Err(Bad::Keys));
    simulation.pass(60);
    assert_eq!(simulation.watch.report().token, health(TokenState::Good, 0, 0));
}

#[test]
fn while_a_token_is_good_an_older_one_of_the_same_principal_does_not_replace_it_203() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + 2 * HOUR)));
    simulation.pass(60);
    let older = ("alice".to_owned(), START - 61, START + DAY);
    simulation.set(|world| world.token = Ok(older.clone()));
    simulation.pass(59 * 60 + 40);
    assert_eq!(simulation.watch.report().token, health(TokenState::Worse, 0, 1));
    assert_eq!((simulation.owner(), simulation.calls().len()), (None, 1), "no exchange with it");
    simulation.pass(HOUR + 60);
    assert_eq!(simulation.watch.report().token, health(TokenState::Good, 0, 1), "the newer one has expired meanwhile");
    assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 2));
    let calls = simulation.calls().len();
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START - 121, START + DAY)));
    simulation.pass(HOUR);
    assert_eq!(
        simulation.watch.report().token,
        health(TokenState::Good, 0, 1),
        "60 s less is within the clocks' difference"
    );
    assert!(simulation.calls().len() > calls);
}

#[test]
fn an_older_token_of_another_principal_is_an_exchange_at_once() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.token = Ok(("bob".to_owned(), START - HOUR, START + DAY)));
    simulation.pass(31);
    assert_eq!(simulation.owner().as_deref(), Some("bob"));
}
