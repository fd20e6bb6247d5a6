//! When to renew and when to try again: pure functions of a life, a setting and a share of randomness.

use std::time::Duration;

use crate::time::Fraction;

/// Settings of renewal.
#[derive(Debug, Clone, Copy)]
pub struct RenewalSettings {
    /// A credential is never renewed later than its expiry minus this (`renewal.safetyMargin`). It counts at most
    /// half the life.
    pub safety_margin: Duration,
    /// The shortest time between two successful renewals of a credential (`renewal.minInterval`).
    pub min_interval: Duration,
}

impl Default for RenewalSettings {
    /// Spark's own defaults: 60 s and 30 s.
    fn default() -> Self {
        Self { safety_margin: Duration::from_secs(60), min_interval: Duration::from_secs(30) }
    }
}

/// Up to this life a credential is renewed at half of it, above at three quarters. Either way at least 15 minutes are
/// left where the life is 30 minutes or more: below that AWS SDKs ask on every request.
const LONG_LIFE: Duration = Duration::from_secs(3600);

/// A credential is not served in its last 15 s, so a renewal later than that comes too late.
const TOO_LATE: Duration = crate::credential::SERVING_MARGIN;

/// No two calls for a credential are closer than this.
const FLOOR: Duration = Duration::from_secs(1);

/// The longest time between two tries.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// How long a failure that needs a person is left alone, at least; as long again at most.
const RECHECK: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is honoured: longer ones would let one answer silence a job.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How long after it was received a credential that lives for `life` is renewed.
#[must_use]
pub(super) fn renewal_delay(life: Duration, settings: &RenewalSettings, jitter: Fraction) -> Duration {
    // Rule: at 0.5 of the life up to an hour, at 0.75 above, less 0 to 10 % of the life.
    let point = if life <= LONG_LIFE { part(life, 2) } else { part(life, 4).saturating_mul(3) };
    let point = point.saturating_sub(jitter.of(part(life, 10)));
    // Rule: never later than expiry minus the safety margin, which counts at most half the life.
    let latest = life.saturating_sub(settings.safety_margin.min(part(life, 2)));
    // Rule: the minimum interval yields where it would pass expiry minus 15 s, and nothing is ever under 1 s.
    point.min(latest).max(settings.min_interval).min(life.saturating_sub(TOO_LATE)).max(FLOOR)
}

/// How long to wait after the `failures`-th failure in a row (1 is the first) while what is held lives on for
/// `remaining` (`None`: nothing is held).
#[must_use]
pub(super) fn backoff_delay(
    failures: u32,
    remaining: Option<Duration>,
    retry_after: Option<Duration>,
    jitter: Fraction,
) -> Duration {
    // Rule: 1 s, doubling to 60 s; half of it fixed, half random.
    let doublings = failures.saturating_sub(1).min(6);
    let base = FLOOR.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_BACKOFF);
    let delay = part(base, 2).saturating_add(jitter.of(part(base, 2)));
    // Rule: never more than a third of the life that remains, never under 1 s.
    let capped = remaining.filter(|left| !left.is_zero()).map_or(delay, |left| delay.min(part(left, 3))).max(FLOOR);
    // Rule: what the service asks for counts, up to 5 minutes.
    retry_after.map_or(capped, |asked| capped.max(asked.min(LONGEST_RETRY_AFTER)))
}

/// How long to leave a failure alone that waiting does not mend.
#[must_use]
pub(super) fn recheck_delay(jitter: Fraction) -> Duration {
    RECHECK.saturating_add(jitter.of(RECHECK))
}

fn part(whole: Duration, parts: u32) -> Duration {
    whole.checked_div(parts).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: u64 = 60;

    fn renewal(life: u64, jitter: Fraction) -> u64 {
        renewal_delay(Duration::from_secs(life), &RenewalSettings::default(), jitter).as_secs()
    }

    #[test]
    fn renewed_at_half_the_life_up_to_an_hour_and_three_quarters_above_less_up_to_a_tenth() {
        assert_eq!(renewal(60 * MIN, Fraction::ZERO), 30 * MIN);
        assert_eq!(renewal(60 * MIN, Fraction::ONE), 24 * MIN);
        assert_eq!(renewal(120 * MIN, Fraction::ZERO), 90 * MIN);
        assert_eq!(renewal(120 * MIN, Fraction::ONE), 78 * MIN);
        assert_eq!(renewal(12 * 60 * MIN, Fraction::ZERO), 9 * 60 * MIN);
    }

    #[test]
    fn never_later_than_fifteen_minutes_before_expiry_where_the_life_is_thirty_minutes_or_more() {
        for life in [30 * MIN, 31 * MIN, 60 * MIN, 3601, 65 * MIN, 12 * 60 * MIN] {
            assert!(life - renewal(life, Fraction::ZERO) >= 15 * MIN, "{life}");
        }
    }

    #[test]
    fn the_safety_margin_counts_at_most_half_the_life() {
        let wide = RenewalSettings { safety_margin: Duration::from_secs(3000), ..RenewalSettings::default() };
        let delay = |life| renewal_delay(Duration::from_secs(life), &wide, Fraction::ZERO).as_secs();
        assert_eq!(delay(7200), 7200 - 3000);
        assert_eq!(delay(3600), 1800);
        assert_eq!(delay(900), 450);
    }

    #[test]
    fn the_minimum_interval_yields_where_it_would_pass_expiry_minus_fifteen_seconds_and_never_goes_under_one() {
        assert_eq!(renewal(50, Fraction::ZERO), 30);
        assert_eq!(renewal(45, Fraction::ZERO), 30);
        assert_eq!(renewal(44, Fraction::ZERO), 29);
        assert_eq!(renewal(16, Fraction::ZERO), 1);
        assert_eq!(renewal(1, Fraction::ONE), 1);
        assert_eq!(renewal(0, Fraction::ONE), 1);
    }

    #[test]
    fn the_backoff_doubles_from_one_second_to_sixty_half_fixed_and_half_random() {
        let delay = |failures, jitter| backoff_delay(failures, None, None, jitter).as_millis();
        let least: Vec<u128> = (1..=9).map(|n| delay(n, Fraction::ZERO)).collect();
        let most: Vec<u128> = (1..=9).map(|n| delay(n, Fraction::ONE)).collect();
        assert_eq!(least, [1000, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(most, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        assert_eq!(delay(u32::MAX, Fraction::ONE), 60_000);
    }

    #[test]
    fn at_most_six_calls_in_the_first_thirty_seconds() {
        for jitter in [Fraction::ZERO, Fraction::MIDDLE, Fraction::ONE] {
            let (mut calls, mut now) = (0, Duration::ZERO);
            while now < Duration::from_secs(30) {
                calls += 1;
                now += backoff_delay(calls, Some(Duration::from_secs(3600)), None, jitter);
            }
            assert!(calls <= 6, "{calls}");
        }
    }

    #[test]
    fn the_backoff_is_never_more_than_a_third_of_what_remains_nor_under_one_second() {
        let delay = |left| backoff_delay(9, Some(Duration::from_secs(left)), None, Fraction::ONE).as_secs();
        assert_eq!(delay(90), 30);
        assert_eq!(delay(3), 1);
        assert_eq!(delay(1), 1);
        assert_eq!(delay(0), 60, "nothing is left to save");
    }

    #[test]
    fn what_the_service_asks_for_counts_up_to_five_minutes() {
        let delay = |asked| backoff_delay(1, None, Some(Duration::from_secs(asked)), Fraction::ZERO).as_secs();
        assert_eq!((delay(0), delay(20), delay(300), delay(301)), (1, 20, 300, 300));
    }
}
