//! When to ask next: the driver's word for it, and the executor's own rule. Pure: no clock, no waiting.

use std::time::Duration;

use crate::time::Fraction;

/// Shortest time between two asks of an executor, whatever else is said: nobody is asked in a loop.
const LEAST: Duration = Duration::from_secs(1);

/// A driver that has nothing yet is asked again after at most this: executors wait for it with their start.
const LONGEST_WITHOUT_ANYTHING: Duration = Duration::from_secs(5);

/// Longest time between two asks that fail: a driver that is back is noticed within this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What the driver tells an executor that it gave credentials to, of which the first can be served for `remaining`:
/// half fixed, half random, so that executors do not come back together.
pub(super) fn next_ask(longest: Duration, remaining: Option<Duration>, random: Fraction) -> Duration {
    let half = part(bounded(longest, remaining), 2);
    half.saturating_add(random.of(half)).max(LEAST)
}

/// What the driver tells an executor that it had to refuse.
pub(super) fn next_ask_when_refused(random: Fraction) -> Duration {
    LEAST.saturating_add(random.of(LONGEST_WITHOUT_ANYTHING.saturating_sub(LEAST)))
}

/// At most `longest`, and a quarter of what remains: three more asks may fail before something expires.
fn bounded(longest: Duration, remaining: Option<Duration>) -> Duration {
    remaining.map_or(longest, |remaining| longest.min(part(remaining, 4)))
}

fn part(whole: Duration, of: u32) -> Duration {
    whole.checked_div(of).unwrap_or_default()
}

/// What came of an ask, as far as the next one depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    /// The driver answered, with a bundle or that nothing changed.
    Answer {
        /// When it wants to be asked again.
        next_ask: Duration,
    },
    /// The driver answered that there is nothing for us.
    Refusal {
        /// When it wants to be asked again.
        next_ask: Duration,
    },
    /// There was no answer.
    Failure,
}

/// An executor's rule for the time between two asks.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    failures: u32,
    degraded: bool,
}

/// What to do after an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// How long to wait.
    pub(super) wait: Duration,
    /// Whether things just turned: to the worse or to the better. That is said, once.
    pub(super) turn: Option<Turn>,
}

/// How things turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There were answers, or this was the first ask, and now there is none.
    Degraded,
    /// There are answers again.
    Recovered,
}

impl Pace {
    /// Nothing asked yet. `longest` is the longest time between two asks, however far off the driver says.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, failures: 0, degraded: false }
    }

    /// One step. `remaining` is how long the first of the credentials in hand that can be served will be so.
    pub(super) fn after(&mut self, heard: Heard, remaining: Option<Duration>, random: Fraction) -> Step {
        let (wait, degraded) = match heard {
            Heard::Answer { next_ask } => (self.after_answer(next_ask, remaining), false),
            Heard::Refusal { next_ask } => (self.after_answer(next_ask, remaining), true),
            Heard::Failure => (self.after_failure(remaining, random), true),
        };
        let turn = match (std::mem::replace(&mut self.degraded, degraded), degraded) {
            (false, true) => Some(Turn::Degraded),
            (true, false) => Some(Turn::Recovered),
            (false, false) | (true, true) => None,
        };
        Step { wait, turn }
    }

    fn after_answer(&mut self, next_ask: Duration, remaining: Option<Duration>) -> Duration {
        self.failures = 0;
        next_ask.min(bounded(self.longest, remaining)).max(LEAST)
    }

    /// 1 s, doubling to 30 s, with full jitter, but never under 1 s. While something can be served, at most a quarter of
    /// what remains: a driver that is back before the end must be noticed before it too.
    fn after_failure(&mut self, remaining: Option<Duration>, random: Fraction) -> Duration {
        let doubled = 2u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let longest = bounded(LONGEST_BACKOFF, remaining.filter(|left| !left.is_zero()));
        random.of(LEAST.saturating_mul(doubled).min(longest)).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_driver_spreads_asks_over_the_second_half_of_the_interval() {
        assert_eq!(next_ask(MINUTE, Some(seconds(3600)), Fraction::ZERO), seconds(30));
        assert_eq!(next_ask(MINUTE, Some(seconds(3600)), Fraction::ONE), seconds(60));
        assert_eq!(next_ask(MINUTE, Some(seconds(3600)), Fraction::MIDDLE).as_secs(), 44);
    }

    #[test]
    fn a_thousand_executors_that_start_together_do_not_come_back_together() {
        // Each has another random number, from nothing to the whole in even steps.
        let random = |number: u32| Fraction(u16::try_from(number * 65).unwrap());
        let most_in_a_second = |waits: &mut dyn Iterator<Item = Duration>| {
            let mut seconds = std::collections::BTreeMap::new();
            waits.for_each(|wait| *seconds.entry(wait.as_secs()).or_insert(0) += 1);
            seconds.into_values().max().unwrap_or(0)
        };
        // After a burst at the start, and after a renewal that came early: both are answers with the next ask in them.
        let spread = most_in_a_second(&mut (0..1000).map(|n| next_ask(MINUTE, Some(seconds(3600)), random(n))));
        assert!(spread <= 40, "{spread} of 1,000 in one of 30 seconds");
        let refused = most_in_a_second(&mut (0..1000).map(|n| next_ask_when_refused(random(n))));
        assert!(refused <= 260, "{refused} of 1,000 in one of 4 seconds");
        // While a driver is started again: the sixth failure in a row.
        let failed = most_in_a_second(&mut (0..1000).map(|n| {
            let mut pace = Pace::new(MINUTE);
            for _ in 0..5 {
                let _ = pace.after(Heard::Failure, None, random(n));
            }
            pace.after(Heard::Failure, None, random(n)).wait
        }));
        assert!(failed <= 80, "{failed} of 1,000 in one of 30 seconds");
    }

    #[test]
    fn asks_come_sooner_as_expiry_nears_but_never_under_a_second() {
        assert_eq!(next_ask(MINUTE, Some(seconds(40)), Fraction::ONE), seconds(10));
        assert_eq!(next_ask(MINUTE, Some(seconds(40)), Fraction::ZERO), seconds(5));
        assert_eq!(next_ask(MINUTE, Some(seconds(1)), Fraction::ONE), seconds(1));
        assert_eq!(next_ask(MINUTE, Some(Duration::ZERO), Fraction::ZERO), seconds(1));
    }

    #[test]
    fn a_refused_executor_comes_back_within_one_to_five_seconds() {
        assert_eq!(next_ask_when_refused(Fraction::ZERO), seconds(1));
        assert_eq!(next_ask_when_refused(Fraction::ONE), seconds(5));
    }

    #[test]
    fn the_drivers_word_counts_within_the_executors_own_bounds() {
        let wait =
            |next_ask, remaining| Pace::new(MINUTE).after(Heard::Answer { next_ask }, remaining, Fraction::ONE).wait;
        assert_eq!(wait(seconds(20), Some(seconds(3600))), seconds(20));
        assert_eq!(wait(Duration::MAX, Some(seconds(3600))), seconds(60));
        assert_eq!(wait(seconds(20), Some(seconds(40))), seconds(10));
        assert_eq!(wait(Duration::ZERO, None), seconds(1));
        assert_eq!(wait(seconds(20), None), seconds(20));
        assert_eq!(wait(seconds(20), Some(Duration::ZERO)), seconds(1));
    }

    #[test]
    fn failures_double_the_longest_wait_from_one_to_thirty_seconds() {
        let mut pace = Pace::new(MINUTE);
        let waits: Vec<u64> = (0..8).map(|_| pace.after(Heard::Failure, None, Fraction::ONE).wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        for _ in 0..100 {
            assert_eq!(pace.after(Heard::Failure, None, Fraction::ZERO).wait, seconds(1), "full jitter, with a floor");
        }
        let _ = pace.after(Heard::Answer { next_ask: seconds(20) }, None, Fraction::ONE);
        assert_eq!(pace.after(Heard::Failure, None, Fraction::ONE).wait, seconds(1), "an answer starts it anew");
    }

    #[test]
    fn failures_wait_at_most_a_quarter_of_what_can_still_be_served_and_as_usual_when_nothing_can() {
        let wait = |remaining| {
            let mut pace = Pace { longest: MINUTE, failures: 9, degraded: true };
            pace.after(Heard::Failure, remaining, Fraction::ONE).wait
        };
        assert_eq!(wait(Some(seconds(3600))), seconds(30));
        assert_eq!(wait(Some(seconds(40))), seconds(10));
        assert_eq!(wait(Some(seconds(2))), seconds(1), "never under a second");
        assert_eq!(wait(Some(Duration::ZERO)), seconds(30), "nothing is left to save");
    }

    #[test]
    fn turns_to_the_worse_and_to_the_better_are_said_once() {
        let (answer, refusal) = (Heard::Answer { next_ask: MINUTE }, Heard::Refusal { next_ask: MINUTE });
        let mut pace = Pace::new(MINUTE);
        let turns: Vec<Option<Turn>> = [answer, Heard::Failure, refusal, Heard::Failure, answer, answer, refusal]
            .into_iter()
            .map(|heard| pace.after(heard, None, Fraction::ZERO).turn)
            .collect();
        let (worse, better) = (Some(Turn::Degraded), Some(Turn::Recovered));
        assert_eq!(turns, [None, worse, None, None, better, None, worse]);
    }
}
