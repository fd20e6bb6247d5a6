//! What the status listener shows of a driver and of an executor, and when each is ready.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use safe_conduct::counter::Counts;
use safe_conduct::distribute::{ASK_OUTCOMES, AskOutcome};
use safe_conduct::error::{Facts, Retry};
use safe_conduct::manager::{RenewalReport, RenewalWatch};
use safe_conduct::name::CredentialName;
use safe_conduct::status::{Snapshot, StatusListener};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::http_server::RunningHttpServer;
use safe_conduct::time::{Clock, Moment};

use super::Failure;
use super::serving::EndpointRequests;

/// An executor that had no answer for so many poll intervals is not ready: one ask may be lost, and the next one be
/// late.
const SILENT_INTERVALS: u32 = 3;

/// Opens the status listener, if one is wanted.
pub(crate) fn serve(
    listen: Option<SocketAddr>,
    clock: &Arc<dyn Clock>,
    source: impl Fn(Moment) -> Snapshot + Send + Sync + 'static,
) -> Result<Option<RunningHttpServer>, Failure> {
    let Some(listen) = listen else { return Ok(None) };
    let running = StatusListener::start(listen, Box::new(source), Arc::clone(clock))?;
    log::info!("status at http://{}/readyz and /metrics", running.local_addr());
    Ok(Some(running))
}

/// What a driver shows.
///
/// It is ready while every credential may be served *and* nothing lasts that waiting does not mend: the last look at
/// the token, or a credential's last exchange, must not have ended in a failure of [`Retry::Never`] or
/// [`Retry::OnNewToken`]. A token that nobody rotates, a file that became worse and a role that refuses us so show
/// when they are found, which is as long before the credential's end as they allow: there is time to act. What may
/// pass, such as an STS that does not answer, does not count while credentials last: else a short fault of one STS
/// would make all jobs unready at once, and nobody could do anything about it in any of them.
pub(crate) struct DriverStatus {
    pub(crate) store: Arc<CredentialStore>,
    pub(crate) renewal: RenewalWatch,
    pub(crate) asks: Counts<&'static str>,
    pub(crate) endpoint: EndpointRequests,
}

impl DriverStatus {
    pub(crate) fn snapshot(&self, at: Moment) -> Snapshot {
        Snapshot {
            asks: self.asks.read(),
            endpoint_requests: requests(&self.endpoint),
            ..with_renewal(Snapshot::of(&self.store, at), self.renewal.report())
        }
    }
}

fn with_renewal(held: Snapshot, report: RenewalReport) -> Snapshot {
    let RenewalReport { token, failures, last_success, stuck, .. } = report;
    // The cause is more use than what follows from it.
    let ready = stuck.into_values().next().map_or(held.ready, Err);
    Snapshot {
        ready,
        failures,
        last_success,
        token_not_rotated: Some(token.times_not_rotated),
        token_worse: Some(token.times_worse),
        ..held
    }
}

/// What an executor shows.
///
/// It is ready while every credential may be served, the last ask did not end in a failure that waiting does not
/// mend, and the driver gave or confirmed a bundle within three poll intervals.
pub(crate) struct ExecutorStatus {
    store: Arc<CredentialStore>,
    endpoint: EndpointRequests,
    patience: Duration,
    asks: Counts<&'static str>,
    failures: Counts<(Option<CredentialName>, &'static str)>,
    last: Mutex<LastAsk>,
}

#[derive(Debug, Clone, Copy, Default)]
struct LastAsk {
    /// When the driver last gave or confirmed a bundle.
    good: Option<Moment>,
    trouble: Option<Facts>,
}

impl ExecutorStatus {
    pub(crate) fn new(store: Arc<CredentialStore>, endpoint: EndpointRequests, poll_interval: Duration) -> Self {
        Self {
            store,
            endpoint,
            patience: poll_interval.saturating_mul(SILENT_INTERVALS),
            asks: Counts::of(ASK_OUTCOMES),
            failures: Counts::of([]),
            last: Mutex::new(LastAsk::default()),
        }
    }

    /// An ask has ended.
    pub(crate) fn asked(&self, outcome: &AskOutcome, at: Moment) {
        self.asks.add(outcome.kind());
        let trouble = outcome.trouble().map(|(_, facts)| facts);
        if let Some(facts) = trouble {
            self.failures.add((None, facts.code));
        }
        let mut last = self.lock();
        let good = if trouble.is_none() { Some(at) } else { last.good };
        *last = LastAsk { good, trouble };
    }

    pub(crate) fn snapshot(&self, at: Moment) -> Snapshot {
        let seen = Snapshot::of(&self.store, at);
        let last = *self.lock();
        let good = last.good.map(|good| good.wall);
        let confirmed = seen.remaining.keys().filter_map(|name| Some((name.clone(), good?)));
        Snapshot {
            ready: self.readiness(last, seen.ready, at),
            last_success: confirmed.collect(),
            failures: self.failures.read(),
            asks: self.asks.read(),
            endpoint_requests: requests(&self.endpoint),
            ..seen
        }
    }

    fn readiness(&self, last: LastAsk, held: Result<(), &'static str>, at: Moment) -> Result<(), &'static str> {
        if let Some(facts) = last.trouble.filter(|facts| facts.retry != Retry::Backoff) {
            return Err(facts.code);
        }
        held?;
        let heard = last.good.is_some_and(|good| at.monotonic.saturating_sub(good.monotonic) <= self.patience);
        if heard { Ok(()) } else { Err(last.trouble.map_or("ASK_NO_ANSWER", |facts| facts.code)) }
    }

    /// Replaced as a whole: there is no half of one.
    fn lock(&self) -> MutexGuard<'_, LastAsk> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn requests(endpoint: &EndpointRequests) -> BTreeMap<u16, u64> {
    endpoint.get().map(Counts::read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safe_conduct::Secret;
    use safe_conduct::credential::{ServiceCredential, UserCredentials};
    use safe_conduct::distribute::{AskError, Refusal};
    use safe_conduct::manager::TokenHealth;
    use safe_conduct::name::{PropertyName, Scheme};
    use safe_conduct::store::{Applied, Epoch, Version};
    use safe_conduct::time::Timestamp;

    /// So many seconds after a start.
    fn after(seconds: u64) -> Moment {
        let wall = Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap();
        Moment { wall, monotonic: Duration::from_secs(seconds) }
    }

    /// A store with a credential that may be served for an hour from the start.
    fn store() -> Arc<CredentialStore> {
        let store = Arc::new(CredentialStore::new());
        let properties = [(PropertyName::new("p").unwrap(), Secret::from_text("s"))].into();
        let credential = ServiceCredential::new(properties, after(3615).wall, after(0)).unwrap();
        store.publish(Epoch([7; 16]), UserCredentials::new().with(Scheme::s3a(), Arc::new(credential)));
        store
    }

    #[test]
    fn a_driver_is_ready_while_credentials_last_and_nothing_is_stuck_and_else_names_the_cause() {
        let ready = |seconds, stuck: &[&'static str]| {
            let stuck = stuck.iter().map(|code| (None, *code)).collect();
            with_renewal(Snapshot::of(&store(), after(seconds)), RenewalReport { stuck, ..RenewalReport::default() })
                .ready
        };
        assert_eq!(ready(3599, &[]), Ok(()));
        assert_eq!(ready(3600, &[]), Err("CREDENTIALS_EXPIRED"));
        assert_eq!(ready(0, &["TOKEN_NOT_ROTATED"]), Err("TOKEN_NOT_ROTATED"), "an hour before it hurts");
        assert_eq!(ready(3600, &["TOKEN_NOT_ROTATED"]), Err("TOKEN_NOT_ROTATED"));
    }

    #[test]
    fn a_driver_shows_what_the_renewal_reports() {
        let mut report = RenewalReport {
            token: TokenHealth { times_not_rotated: 2, times_worse: 3, ..TokenHealth::default() },
            ..RenewalReport::default()
        };
        report.failures.insert((Some(Scheme::s3a().into()), "CODE"), 4);
        report.last_success.insert(Scheme::s3a().into(), after(5).wall);
        let shown = with_renewal(Snapshot::of(&store(), after(15)), report);
        assert_eq!((shown.token_not_rotated, shown.token_worse), (Some(2), Some(3)));
        assert_eq!(shown.failures, [((Some(Scheme::s3a().into()), "CODE"), 4)].into());
        assert_eq!(shown.last_success, [(Scheme::s3a().into(), after(5).wall)].into());
        assert_eq!(shown.remaining, [(Scheme::s3a().into(), Duration::from_secs(3600))].into());
    }

    fn executor(store: Arc<CredentialStore>) -> ExecutorStatus {
        ExecutorStatus::new(store, EndpointRequests::default(), Duration::from_secs(60))
    }

    fn lost() -> AskOutcome {
        AskOutcome::Failed(AskError::Thread { kind: std::io::ErrorKind::OutOfMemory })
    }

    #[test]
    fn an_executor_is_ready_for_three_poll_intervals_after_the_driver_gave_or_confirmed_a_bundle() {
        let status = executor(store());
        let ready = |seconds| status.snapshot(after(seconds)).ready;
        assert_eq!(ready(0), Err("ASK_NO_ANSWER"));
        let version = Version { epoch: Epoch([7; 16]), number: 1 };
        status.asked(&AskOutcome::Bundle { version, applied: Applied::Newer }, after(100));
        assert_eq!((ready(280), ready(281)), (Ok(()), Err("ASK_NO_ANSWER")));
        status.asked(&AskOutcome::Unchanged, after(300));
        status.asked(&lost(), after(360));
        assert_eq!((ready(480), ready(481)), (Ok(()), Err("ASK_THREAD")), "a lost ask does not count at once");
        status.asked(&AskOutcome::Refused(Refusal::NothingYet), after(490));
        assert_eq!(ready(490), Err("REFUSED_NOTHING_YET"), "an answer without a bundle is no confirmation");
        status.asked(&AskOutcome::Unchanged, after(3590));
        assert_eq!((ready(3599), ready(3600)), (Ok(()), Err("CREDENTIALS_EXPIRED")));
    }

    #[test]
    fn an_executor_is_not_ready_as_soon_as_an_ask_fails_that_waiting_does_not_mend() {
        let status = executor(store());
        status.asked(&AskOutcome::Unchanged, after(10));
        status.asked(&AskOutcome::Refused(Refusal::Protocol), after(20));
        assert_eq!(status.snapshot(after(20)).ready, Err("REFUSED_PROTOCOL"));
        status.asked(&AskOutcome::Unchanged, after(30));
        assert_eq!(status.snapshot(after(30)).ready, Ok(()));
        assert_eq!(executor(Arc::default()).snapshot(after(0)).ready, Err("NO_CREDENTIALS_YET"));
    }

    #[test]
    fn an_executor_counts_asks_and_failures_and_says_when_its_credentials_were_confirmed() {
        let status = executor(store());
        status.asked(&AskOutcome::Unchanged, after(10));
        status.asked(&lost(), after(20));
        status.asked(&lost(), after(30));
        status.asked(&AskOutcome::Refused(Refusal::NothingYet), after(40));
        let shown = status.snapshot(after(50));
        assert_eq!(shown.asks, [("bundle", 0), ("failed", 2), ("refused", 1), ("unchanged", 1)].into());
        assert_eq!(shown.failures, [((None, "ASK_THREAD"), 2), ((None, "REFUSED_NOTHING_YET"), 1)].into());
        assert_eq!(shown.last_success, [(Scheme::s3a().into(), after(10).wall)].into());
        assert_eq!((shown.token_not_rotated, shown.token_worse), (None, None), "an executor has no token");
    }
}
