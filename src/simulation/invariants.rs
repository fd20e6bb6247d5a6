//! What must hold at every step, judged by true time and the STS's own record, never by the code's arithmetic.

use super::outside::{Issued, MINUTE, SECOND, Time};
use super::parts::{Driver, Executor, Served};
use crate::distribute::asking::Notice;

/// A credential is not handed out in the last 15 s before its true end.
const MARGIN: Time = 15 * SECOND;

/// Times are whole seconds on the wire: where only the driver's clock is right, an end may be this much later.
const WHOLE_SECOND: Time = SECOND;

/// How long before its end a driver's credential may be served no more on the way to an executor.
const ON_THE_WAY: Time = 10 * SECOND;

/// The longest an ask takes that fails: 2 s to connect, 2 s to prove, 2 s to be answered.
pub(super) const ASK_TAKES: Time = 6 * SECOND;

/// The longest pause between two asks that fail.
const BACKOFF: Time = 30 * SECOND;

/// How often the driver looks around: within this it notices that its clock was set, or that the token changed.
const LOOK: Time = 30 * SECOND;

/// The longest pause of the driver after a failed exchange: the longest `Retry-After` that it honours.
const DRIVER_BACKOFF: Time = 5 * MINUTE;

/// Rule: never past the end minus the margin where the machine's clock is right. Where it is behind, the time that
/// really passed ends it, as the driver's clock showed it; both must be behind for a life to be longer.
pub(super) fn nothing_expired_is_served(now: Time, issued: Issued, clock: i64, other_clock: i64) {
    let behind = |clock: i64| (-clock).max(0) as u64 * SECOND;
    let stretched = match behind(clock) {
        0 => 0,
        own => own.min(behind(other_clock) + WHOLE_SECOND),
    };
    assert!(
        now < issued.expires - MARGIN + stretched,
        "what ends at {} ms is served at {now} ms; clocks are wrong by {clock} s and {other_clock} s",
        issued.expires
    );
}

/// Rule: within a run of the driver an executor's bundle is only replaced by a later one, and never by one of a run
/// that is over.
pub(super) fn versions_never_go_back(executor: &mut Executor, run: u64) {
    let Some(version) = executor.store.newest().map(|held| held.version) else { return };
    if let Some((held_run, held)) = executor.holds {
        assert!(run >= held_run, "a bundle of run {held_run} was replaced by one of run {run}");
        if held.epoch == version.epoch {
            assert!(version.number >= held.number, "version {} was replaced by {}", held.number, version.number);
        }
    }
    executor.holds = Some((run, version));
}

/// Rule: an answer never takes away what could be served before it came.
pub(super) fn an_expired_bundle_never_replaces_a_live_one(served_before: bool, executor: &Executor, now: Time) {
    assert!(!served_before || executor.serves_anything(now), "an answer at {now} ms took away what was served");
}

/// Rule: an executor that can reach a driver that holds credentials has them, each scheme's, within the driver's look
/// around, the longest pause between two asks and an ask that still failed. It is also the newest bundle.
pub(super) fn a_reachable_driver_s_credentials_are_had(
    driver: &Driver,
    executor: &Executor,
    served: &[Option<Served>],
    poll: Time,
    now: Time,
) {
    let bound = LOOK + poll.max(BACKOFF) + ASK_TAKES + 2 * SECOND;
    for (served, since) in served.iter().zip(&executor.well_since) {
        let Some(since) = since.filter(|since| now - since > bound) else { continue };
        assert!(served.is_some(), "at {now} ms an executor has nothing, although all is well since {since}");
        let (newest, published) = driver.published;
        if now - published > bound {
            let held = executor.store.newest().map(|held| held.version);
            assert_eq!(held, newest, "at {now} ms an executor has not the newest, although all is well since {since}");
        }
    }
}

/// Rule: an executor that serves does not run dry beside a driver that has more: it pauses for a quarter of what remains
/// at most, so it has asked thrice before the end. What an ask that failed delays does not count.
pub(super) fn no_executor_runs_dry_beside_a_driver_that_has_more(
    executor: &mut Executor,
    served: &[Option<Served>],
    now: Time,
) {
    let bound = BACKOFF + ASK_TAKES + 4 * SECOND;
    for (scheme, since) in executor.well_since.iter().enumerate() {
        let serves = served[scheme].is_some();
        let served_before = std::mem::replace(&mut executor.served[scheme], serves);
        let dry = served_before && !serves;
        assert!(!dry || since.is_none_or(|since| now - since <= bound), "an executor ran dry at {now} ms");
    }
}

/// Follows since when nothing has stood between an executor and each scheme's credential on the driver.
pub(super) fn watch_link(on_driver: &[Option<Served>], clocks_right: bool, executor: &mut Executor, now: Time) {
    let well = executor.up && executor.clock == 0 && executor.link.is_well() && clocks_right;
    for (number, since) in executor.well_since.iter_mut().enumerate() {
        let served = on_driver.get(number).copied().flatten().filter(|_| well);
        let lasts = served.is_some_and(|(_, left)| left.as_millis() > u128::from(ON_THE_WAY));
        *since = since.filter(|_| lasts).or(lasts.then_some(now));
    }
}

/// Rule: a driver whose token is good, whose clock is right and whose STS answers has credentials within a look and
/// the longest pause after a failure.
pub(super) fn a_driver_that_can_have_credentials_has_them(served: &[Option<Served>], since: Option<Time>, now: Time) {
    let bound = LOOK + DRIVER_BACKOFF + 10 * SECOND;
    let Some(since) = since.filter(|since| now - since > bound) else { return };
    let all = served.iter().all(Option::is_some);
    assert!(all, "at {now} ms the driver lacks a credential, although all is well since {since}");
}

/// Rule: no executor asks in a loop, whatever it is told: a second at least lies between an answer and the next ask.
pub(super) fn asks_are_a_second_apart(executor: &mut Executor, now: Time) {
    let last = executor.asked_last.replace(now);
    assert!(last.is_none_or(|last| now - last >= SECOND), "asks at {last:?} and {now} ms");
}

/// Rule: each turn is said once: worse and better, differing and agreeing follow each other.
pub(super) fn each_turn_is_said_once(executor: &mut Executor, notices: &[Notice]) {
    for notice in notices {
        let (degraded, differs) = &mut executor.said;
        let (state, becomes) = match notice {
            Notice::Degraded { .. } => (degraded, true),
            Notice::Recovered { .. } => (degraded, false),
            Notice::ClockDiffers(_) => (differs, true),
            Notice::ClockAgrees => (differs, false),
        };
        assert_ne!(*state, becomes, "said twice: {notice}");
        *state = becomes;
    }
}
