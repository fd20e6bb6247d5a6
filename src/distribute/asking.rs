//! What an executor asks, what it does with an answer, what it says and how long it waits. No sockets, no clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::SERVING_MARGIN;
use crate::distribute::message::{Ask, Reply, Timing};
use crate::distribute::pace::{Heard, Pace, Turn};
use crate::distribute::{AskError, DriverAddress, Refusal};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::ExecutorName;
use crate::store::{Applied, CredentialStore, Version};
use crate::time::{Fraction, Moment, Timestamp};

/// A clock that is further than this from the driver's is said to be wrong: where ours is behind by more than the
/// margin, an SDK that keeps what it got until its expiry by our clock uses it when it has expired.
const CLOCKS_DIFFER: Duration = SERVING_MARGIN;

/// From here on it is said to be right again: well below, so that a clock which hovers at the limit is no flood of
/// lines.
const CLOCKS_AGREE: Duration = Duration::from_secs(5);

/// What came of one ask of the loop.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskOutcome {
    /// The driver sent a bundle.
    Bundle {
        /// Which.
        version: Version,
        /// What the store did with it.
        applied: Applied,
    },
    /// The store has the newest bundle.
    Unchanged,
    /// The driver has nothing for us.
    Refused(Refusal),
    /// There was no answer.
    Failed(AskError),
}

impl AskOutcome {
    /// Which of [`ASK_OUTCOMES`](crate::distribute::ASK_OUTCOMES) it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bundle { .. } => "bundle",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// What is wrong and what it means, if something is.
    #[must_use]
    pub fn trouble(&self) -> Option<(&dyn fmt::Display, Facts)> {
        match self {
            Self::Bundle { .. } | Self::Unchanged => None,
            Self::Refused(refusal) => Some((refusal, refusal.facts())),
            Self::Failed(error) => Some((error, error.facts())),
        }
    }
}

/// An answer, and when it was asked for.
#[derive(Debug)]
pub(crate) struct Received {
    /// The driver's answer.
    pub(crate) reply: Reply,
    /// Its clock, and when it wants to be asked again.
    pub(crate) timing: Timing,
    /// Our clocks before the ask was sent.
    pub(crate) asked: Moment,
}

/// What is to be done after an ask.
#[derive(Debug)]
pub(crate) struct Step {
    /// What came of it.
    pub(crate) outcome: AskOutcome,
    /// How long to wait before the next one.
    pub(crate) wait: Duration,
    /// What is to be said, each thing once while it lasts.
    pub(crate) notices: Vec<Notice>,
}

/// The executor's side of the protocol.
pub(crate) struct Asking {
    driver: DriverAddress,
    name: ExecutorName,
    store: Arc<CredentialStore>,
    pace: Pace,
    /// The code of the trouble that was said last and is not over.
    degraded: Option<&'static str>,
    clock_differs: bool,
}

impl Asking {
    /// Nothing asked yet. What is received goes into `store`; `poll_interval` is the longest time between two asks.
    pub(crate) fn new(
        driver: DriverAddress,
        name: ExecutorName,
        poll_interval: Duration,
        store: Arc<CredentialStore>,
    ) -> Self {
        Self { driver, name, store, pace: Pace::new(poll_interval), degraded: None, clock_differs: false }
    }

    /// What to ask now.
    pub(crate) fn ask(&self) -> Ask {
        Ask { executor: self.name.clone(), have: self.store.newest().map(|held| held.version) }
    }

    /// Takes up what came of an ask.
    pub(crate) fn heard(&mut self, received: Result<Received, AskError>, at: Moment, random: Fraction) -> Step {
        let clock = received.as_ref().ok().and_then(|received| self.compare_clocks(received, at));
        let (outcome, heard) = self.take(received, at);
        // What has expired already does not hurry us: the driver has nothing newer, or it would have come.
        let remaining = self.store.newest().and_then(|held| held.credentials.servable(at).servable_for(at));
        let step = self.pace.after(heard, remaining, random);
        let turn = step.turn.and_then(|turn| self.turned(turn, &outcome));
        Step { outcome, wait: step.wait, notices: turn.into_iter().chain(clock).collect() }
    }

    fn take(&self, received: Result<Received, AskError>, at: Moment) -> (AskOutcome, Heard) {
        let Received { reply, timing: Timing { next_ask, .. }, .. } = match received {
            Ok(received) => received,
            Err(error) => return (AskOutcome::Failed(error), Heard::Failure),
        };
        match reply {
            Reply::Bundle(bundle) => {
                let version = bundle.version;
                let applied = self.store.apply(bundle, at);
                (AskOutcome::Bundle { version, applied }, Heard::Answer { next_ask })
            }
            Reply::Unchanged => (AskOutcome::Unchanged, Heard::Answer { next_ask }),
            Reply::Refused(refusal) => (AskOutcome::Refused(refusal), Heard::Refusal { next_ask }),
        }
    }

    fn turned(&mut self, turn: Turn, outcome: &AskOutcome) -> Option<Notice> {
        match turn {
            Turn::Degraded => outcome.trouble().map(|(what, facts)| {
                self.degraded = Some(facts.code);
                Notice::Degraded { what: what.to_string(), facts }
            }),
            Turn::Recovered => self.degraded.take().map(|from| Notice::Recovered { driver: self.driver.clone(), from }),
        }
    }

    /// Rule: a clock that differs from the driver's is said once, and once more when it is right again.
    fn compare_clocks(&mut self, received: &Received, at: Moment) -> Option<Notice> {
        let found = ClockDifference::between(received.timing.now, received.asked.wall, at.wall);
        if !self.clock_differs && found.by > CLOCKS_DIFFER {
            self.clock_differs = true;
            return Some(Notice::ClockDiffers(found));
        }
        if self.clock_differs && found.by <= CLOCKS_AGREE {
            self.clock_differs = false;
            return Some(Notice::ClockAgrees);
        }
        None
    }
}

/// How far our clock is from the driver's, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockDifference {
    by: Duration,
    ahead: bool,
}

impl ClockDifference {
    /// The driver's clock showed `driver` at some time between our `asked` and our `heard`: a slow network is no
    /// difference.
    fn between(driver: Timestamp, asked: Timestamp, heard: Timestamp) -> Self {
        let (ahead, behind) = (driver.until(asked), heard.until(driver));
        Self { by: ahead.max(behind), ahead: ahead > behind }
    }
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ahead { "ahead of" } else { "behind" };
        write!(f, "this executor's clock is {} s {side} the driver's", self.by.as_secs())
    }
}

impl std::error::Error for ClockDifference {}

impl Actionable for ClockDifference {
    fn facts(&self) -> Facts {
        Facts::new(
            "CLOCK_DIFFERS",
            Fault::Configuration,
            Retry::Backoff,
            "Set the clocks of both nodes, by NTP; until then credentials are served until the earlier clock's end of them.",
        )
    }
}

/// What the executor says of its asking.
#[derive(Debug)]
pub(crate) enum Notice {
    /// There is no good answer any more, or not yet.
    Degraded {
        /// Why.
        what: String,
        /// What it means.
        facts: Facts,
    },
    /// There are good answers again.
    Recovered {
        /// Whose.
        driver: DriverAddress,
        /// The code of what is over.
        from: &'static str,
    },
    /// Our clock or the driver's is wrong.
    ClockDiffers(ClockDifference),
    /// They agree again.
    ClockAgrees,
}

impl Notice {
    /// Writes it into the log.
    pub(crate) fn say(&self) {
        match self {
            Self::Degraded { .. } | Self::ClockDiffers(_) => log::warn!("{self}"),
            Self::Recovered { .. } | Self::ClockAgrees => log::info!("{self}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Degraded { what, facts } => write!(f, "{what} [{}]; asking on. {}", facts.code, facts.remedy),
            Self::Recovered { driver, from } => write!(f, "driver {driver} answers again; recovered from {from}"),
            Self::ClockDiffers(difference) => {
                let facts = difference.facts();
                write!(f, "{difference} [{}]. {}", facts.code, facts.remedy)
            }
            Self::ClockAgrees => f.write_str("this executor's clock and the driver's agree again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Epoch, VersionedCredentials};

    const NOW: u64 = 1_800_000_000;

    fn asking() -> Asking {
        let driver = DriverAddress::parse("driver:7443").unwrap();
        let name = ExecutorName::new("executor-1").unwrap();
        Asking::new(driver, name, Duration::from_secs(60), Arc::new(CredentialStore::new()))
    }

    fn moment(wall: u64) -> Moment {
        Moment { wall: Timestamp::from_unix_seconds(wall).unwrap(), monotonic: Duration::from_secs(wall - NOW + 5000) }
    }

    /// What is said when the driver's clock shows `driver`, and ours `asked` and then `heard`.
    fn said(asking: &mut Asking, driver: u64, asked: u64, heard: u64) -> Vec<String> {
        let timing = Timing { now: moment(driver).wall, next_ask: Duration::from_secs(60) };
        let received = Received { reply: Reply::Unchanged, timing, asked: moment(asked) };
        let step = asking.heard(Ok(received), moment(heard), Fraction::ZERO);
        step.notices.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_clock_that_differs_by_more_than_fifteen_seconds_is_said_once_and_once_more_when_it_is_right_again() {
        let differs = |by: &str| {
            vec![format!(
                "this executor's clock is {by} the driver's [CLOCK_DIFFERS]. Set the clocks of both nodes, by NTP; \
                 until then credentials are served until the earlier clock's end of them."
            )]
        };
        let agrees = vec!["this executor's clock and the driver's agree again".to_owned()];
        let silent = Vec::<String>::new();
        let mut asking = asking();
        let at = NOW + 1000;
        assert_eq!(said(&mut asking, at, at - 15, at - 15), silent, "15 s behind");
        assert_eq!(said(&mut asking, at, at + 15, at + 15), silent, "15 s ahead");
        assert_eq!(said(&mut asking, at, at - 16, at - 16), differs("16 s behind"));
        assert_eq!(said(&mut asking, at, at - 900, at - 900), silent, "it was said");
        assert_eq!(said(&mut asking, at, at + 6, at + 6), silent, "6 s are not yet right");
        assert_eq!(said(&mut asking, at, at + 5, at + 5), agrees);
        assert_eq!(said(&mut asking, at, at, at), silent);
        assert_eq!(said(&mut asking, at, at + 16, at + 17), differs("16 s ahead of"), "each time anew");
    }

    #[test]
    fn an_answer_that_took_long_is_no_wrong_clock() {
        let mut asking = asking();
        let at = NOW + 1000;
        for driver in [at, at + 20, at + 40] {
            assert_eq!(said(&mut asking, driver, at, at + 40), Vec::<String>::new(), "{driver}");
        }
    }

    #[test]
    fn becoming_degraded_and_recovering_are_one_line_each_with_the_reason() {
        let mut asking = asking();
        let driver = DriverAddress::parse("driver:7443").unwrap();
        let lost = || Err(AskError::TimedOut { driver: driver.clone() });
        let line = |asking: &mut Asking, received| {
            let step = asking.heard(received, moment(NOW), Fraction::ZERO);
            step.notices.iter().map(ToString::to_string).collect::<Vec<String>>()
        };
        let refused = || {
            let timing = Timing { now: moment(NOW).wall, next_ask: Duration::from_secs(5) };
            Ok(Received { reply: Reply::Refused(Refusal::NothingYet), timing, asked: moment(NOW) })
        };
        assert_eq!(
            line(&mut asking, lost()),
            ["driver driver:7443 did not answer in time [ASK_TIMED_OUT]; asking on. Look for packet loss between the \
              pods, and for a driver that is short of CPU."]
        );
        assert!(line(&mut asking, lost()).is_empty() && line(&mut asking, refused()).is_empty(), "it was said");
        assert_eq!(
            said(&mut asking, NOW, NOW, NOW),
            ["driver driver:7443 answers again; recovered from ASK_TIMED_OUT"]
        );
        assert!(said(&mut asking, NOW, NOW, NOW).is_empty());
        assert!(line(&mut asking, refused())[0].contains("[REFUSED_NOTHING_YET]"));
    }

    #[test]
    fn what_is_held_is_what_the_next_ask_has() {
        let mut asking = asking();
        assert_eq!(asking.ask().have, None);
        let version = Version { epoch: Epoch([3; 16]), number: 4 };
        let bundle = VersionedCredentials { version, credentials: crate::credential::UserCredentials::new() };
        let timing = Timing { now: moment(NOW).wall, next_ask: Duration::from_secs(60) };
        let received = Received { reply: Reply::Bundle(bundle), timing, asked: moment(NOW) };
        let step = asking.heard(Ok(received), moment(NOW), Fraction::ZERO);
        assert!(matches!(step.outcome, AskOutcome::Bundle { applied: Applied::Newer, .. }));
        assert_eq!((asking.ask().have, step.wait), (Some(version), Duration::from_secs(60)));
    }
}
