//! The invariants of the exchanges: each call to the STS has a reason, and there are few while it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outside::{MINUTE, SECOND, Time};

/// Design, decision 5: at most so many calls for a scheme in the first 30 s of failures.
const MOST_AT_FIRST: usize = 6;
const AT_FIRST: Time = 30 * SECOND;

/// The backoff is never over a third of the life that remains, so calls come closer again as the end nears; they are
/// never closer than a second, and from the end on they are a minute apart.
const MOST_IN_A_MINUTE: usize = 20;

/// One early exchange a token is made in its last 30 s; the manager looks in time and not before.
const LAPSE: Time = 31 * SECOND;

/// The last part of a life, in which it is too late to renew.
const MARGIN: Time = 15 * SECOND;

/// What the STS saw of one run of a driver.
pub(super) struct Calls {
    of_scheme: BTreeMap<String, Scheme>,
    /// How often the token file was written, and how often for somebody else.
    tokens: u64,
    principals: u64,
    /// How often the driver's clock was set.
    clocks: u64,
    /// How often the token file became worse: an early exchange may fail with it, and is made up for later.
    worse: u64,
    total: u64,
}

#[derive(Default)]
struct Scheme {
    in_flight: Option<Time>,
    last: Option<Time>,
    /// The newest of what is held: when it was got, and how long it then lived on by the driver's clocks.
    held: Option<(Time, Duration)>,
    failed: bool,
    /// The calls since the last success that began after `tokens` changed last.
    streak: Vec<Time>,
    tokens: u64,
    principals: u64,
    clocks: u64,
    worse: u64,
    lapse_used_for: Option<u64>,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self { of_scheme: BTreeMap::new(), tokens: 0, principals: 0, clocks: 0, worse: 0, total: 0 }
    }

    /// A new run of the driver knows nothing of the one before.
    pub(super) fn driver_restarts(&mut self) {
        self.of_scheme.clear();
    }

    pub(super) fn token_changed(&mut self) {
        self.tokens += 1;
    }

    pub(super) fn token_became_worse(&mut self) {
        self.worse += 1;
    }

    pub(super) fn principal_changed(&mut self) {
        self.principals += 1;
    }

    pub(super) fn clock_set(&mut self) {
        self.clocks += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether a call hangs for longer than an STS that is well takes.
    pub(super) fn hangs(&self, now: Time) -> bool {
        self.of_scheme.values().any(|scheme| scheme.in_flight.is_some_and(|since| now - since > SECOND))
    }

    pub(super) fn begins(&mut self, scheme: &str, now: Time, driver_clock: i64, token_expires: Time) {
        self.total += 1;
        let tokens = self.tokens;
        let of = self.of_scheme.entry(scheme.to_owned()).or_default();
        // Rule: no second exchange joins one that hangs.
        assert!(of.in_flight.is_none(), "{scheme}: a call begins at {now} while another one hangs");
        of.in_flight = Some(now);
        let another = std::mem::replace(&mut of.principals, self.principals) != self.principals;
        // A clock that is set makes a token another one, and a life.
        let set = std::mem::replace(&mut of.clocks, self.clocks) != self.clocks;
        let worse = std::mem::replace(&mut of.worse, self.worse) != self.worse;
        let changed = std::mem::replace(&mut of.tokens, tokens) != tokens || set;
        if changed {
            of.streak.clear();
        }
        let Some(last) = of.last.replace(now) else { return };
        let left = token_expires as i64 - driver_clock * SECOND as i64 - now as i64;
        if of.failed {
            of.calls_while_failing_are_few(scheme, now, last, changed, left);
        } else if !another && !set && !worse {
            of.a_call_after_success_has_a_reason(scheme, now, tokens, left);
        }
    }

    pub(super) fn ended(&mut self, scheme: &str, now: Time, left: Option<Duration>) {
        let of = self.of_scheme.entry(scheme.to_owned()).or_default();
        of.in_flight = None;
        of.failed = left.is_none();
        match left {
            Some(left) => {
                of.held = Some((now, left));
                of.streak.clear();
            }
            None => of.streak.push(now),
        }
    }
}

impl Scheme {
    /// Rule: at most 6 calls in the first 30 s of failures; never a loop, as long as they last. A changed token starts
    /// it anew, since it may be what was missing.
    fn calls_while_failing_are_few(&self, scheme: &str, now: Time, last: Time, changed: bool, left: i64) {
        if changed {
            return;
        }
        assert!(now - last >= SECOND, "{scheme}: calls at {last} and {now} ms are closer than a second");
        let in_last = |span: Time| self.streak.iter().filter(|call| now - **call < span).count() + 1;
        let hurries = self.held.is_some_and(|(got, life)| {
            let ends = got + u64::try_from(life.as_millis()).unwrap();
            // Near the end of what is held the third of its life hurries.
            now < ends + AT_FIRST && ends < now + 3 * MINUTE
        });
        let first = self.streak.first().copied().unwrap_or(now);
        if now - first < AT_FIRST && !hurries {
            // The early exchange of a token that lapses is one more.
            let lapsed = left.abs() <= LAPSE as i64;
            let most = MOST_AT_FIRST + usize::from(lapsed);
            assert!(in_last(AT_FIRST) <= most, "{scheme}: more than {most} calls in 30 s of failures at {now} ms");
        }
        assert!(in_last(MINUTE) <= MOST_IN_A_MINUTE, "{scheme}: a loop of calls at {now} ms");
    }

    /// Rule: one exchange a renewal, after 0.4 of the life at the earliest (half of it less a tenth), and one early
    /// exchange for each token that is about to lapse. A changed token of the same principal is no reason.
    fn a_call_after_success_has_a_reason(&mut self, scheme: &str, now: Time, tokens: u64, left: i64) {
        let Some((got, life)) = self.held else { return };
        let life_ms = u64::try_from(life.as_millis()).unwrap();
        // What lives for less than the margin by a clock that is ahead is of no use, and is renewed after a second.
        let earliest = (life_ms * 2 / 5).min(life_ms.saturating_sub(MARGIN));
        if now - got + SECOND >= earliest {
            return;
        }
        let lapses = left <= LAPSE as i64 && self.lapse_used_for.replace(tokens) != Some(tokens);
        assert!(lapses, "{scheme}: a call at {now} ms, {} ms after a success that lives {life:?}", now - got);
    }
}
