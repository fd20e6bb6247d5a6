//! The hands of the renewal thread: reads the token, runs exchanges, publishes, records. Decides nothing.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cycle::{Cycle, Identity, LEAST_TOKEN_LIFE, Seen};
use super::health::{Health, RenewalWatch};
use super::{ManagerParts, ManagerSettings, STACK, StartError};
use crate::audit::{AuditEvent, Exchanged};
use crate::codec::hash::Sha256;
use crate::credential::ServiceCredential;
use crate::error::{Actionable, Retry};
use crate::identity::UserContext;
use crate::ingest::IngestError;
use crate::name::{CredentialName, Principal, Scheme};
use crate::provider::{CredentialProvider, ResolveError};
use crate::store::{Epoch, Version};
use crate::time::{Moment, Timestamp};

type Started = Box<dyn FnOnce(Result<(), StartError>) + Send>;

/// Runs a task of this name beside the renewal thread; says whether it could.
pub(crate) type Runner = Box<dyn Fn(String, Box<dyn FnOnce() + Send>) -> bool + Send>;

/// The runner outside tests: a thread a task.
pub(super) fn in_threads() -> Runner {
    Box::new(|name, task| std::thread::Builder::new().name(name).stack_size(STACK).spawn(task).is_ok())
}

/// Where everybody who has news for the renewal thread puts it.
pub(super) struct Inbox {
    news: Mutex<News>,
    arrived: Condvar,
}

#[derive(Default)]
pub(super) struct News {
    stop: bool,
    poked: bool,
    outcomes: Vec<Outcome>,
}

/// How an exchange ended.
struct Outcome {
    name: CredentialName,
    generation: u64,
    user: Arc<UserContext>,
    result: Result<ServiceCredential, ResolveError>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { news: Mutex::new(News::default()), arrived: Condvar::new() }
    }

    pub(super) fn poke(&self) {
        self.lock().poked = true;
        self.arrived.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.arrived.notify_all();
    }

    fn put(&self, outcome: Outcome) {
        self.lock().outcomes.push(outcome);
        self.arrived.notify_all();
    }

    /// Waits for news, at most for `timeout`, and takes them.
    pub(super) fn take(&self, timeout: Duration) -> News {
        let quiet = |news: &mut News| !news.stop && !news.poked && news.outcomes.is_empty();
        let waited = self.arrived.wait_timeout_while(self.lock(), timeout, quiet);
        let (mut news, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stop = news.stop;
        let taken = std::mem::take(&mut *news);
        news.stop = stop;
        taken
    }

    #[cfg(test)]
    pub(super) fn has_news(&self) -> bool {
        let news = self.lock();
        news.poked || !news.outcomes.is_empty()
    }

    /// Each change is one assignment or one push: a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} outcomes)", self.lock().outcomes.len())
    }
}

/// One renewal thread's belongings.
pub(super) struct Renewal {
    parts: ManagerParts,
    cycle: Cycle,
    epoch: Epoch,
    inbox: Arc<Inbox>,
    runner: Runner,
    start: Option<Start>,
    health: Health,
}

/// What is only needed until the first bundle is there.
struct Start {
    tell: Started,
    since: Duration,
    timeout: Duration,
    last: Option<StartError>,
}

impl Start {
    fn is_hopeless(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.facts().retry != Retry::Backoff)
    }
}

impl Renewal {
    pub(super) fn new(
        parts: ManagerParts,
        settings: ManagerSettings,
        epoch: Epoch,
        inbox: Arc<Inbox>,
        runner: Runner,
        watch: RenewalWatch,
        tell: Started,
    ) -> Self {
        let at = parts.clock.moment();
        let names = parts.providers.iter().map(|(name, _)| name.clone());
        let cycle = Cycle::new(names, settings.renewal, settings.pin_principal, at);
        let start = Start { tell, since: at.monotonic, timeout: settings.start_timeout, last: None };
        Self { parts, cycle, epoch, inbox, runner, start: Some(start), health: Health::new(watch) }
    }

    /// Steps and waits until it is stopped or the start has failed.
    pub(super) fn run(&mut self) {
        let mut news = News::default();
        while !news.stop {
            let Some(wait) = self.step(news, self.parts.clock.moment()) else { return };
            news = self.inbox.take(wait);
        }
        if let Some(start) = self.start.take() {
            (start.tell)(Err(StartError::Ended));
        }
    }

    /// Does what is to be done now and says how long nothing has to be; `None` if the start has failed.
    pub(super) fn step(&mut self, news: News, at: Moment) -> Option<Duration> {
        if news.poked {
            self.cycle.look_now();
        }
        for outcome in news.outcomes {
            self.take_outcome(outcome, at);
        }
        if self.cycle.clock_was_set(at, self.parts.random.fraction()) {
            log::info!("this machine's clock was set; lives are reckoned anew");
            // A new version, so that executors reckon anew too: a life is sent as what the driver's clock left of it.
            if let Some(bundle) = self.cycle.bundle() {
                let _ = self.parts.store.publish(self.epoch, bundle);
            }
        }
        for name in self.cycle.newly_overdue(at) {
            self.failed(StartError::Overdue { name });
        }
        if self.cycle.looks(at) {
            self.look(at);
        }
        self.finish_start(at)?;
        let until_timeout =
            self.start.as_ref().map(|start| start.since.saturating_add(start.timeout).saturating_sub(at.monotonic));
        Some(self.cycle.wait(at).min(until_timeout.unwrap_or(Duration::MAX)))
    }

    /// Looks at the token file, reads it if it has to be read, and begins what is due.
    fn look(&mut self, at: Moment) {
        let fingerprint = match self.parts.ingestor.fingerprint() {
            Ok(fingerprint) => fingerprint,
            Err(error) => return self.no_token(None, error, at),
        };
        if !self.cycle.must_load(fingerprint, at) {
            return self.notice_lapse(fingerprint, at);
        }
        let user = match self.parts.ingestor.load(at) {
            Ok(user) => user,
            Err(error) => return self.no_token(Some(fingerprint), error, at),
        };
        let identity = Identity {
            fingerprint,
            principal: user.principal().clone(),
            issuer: user.issuer().clone(),
            issued_at: user.issued_at(),
            expires_at: user.expires_at(),
        };
        match self.cycle.token_seen(identity, at) {
            Seen::Same => {}
            Seen::Another { from } => self.identity_changed(&from, &user, at.wall),
            Seen::Pinned => {
                let facts = StartError::Pinned.facts();
                self.cycle.token_failed(Some(fingerprint), facts, at, self.parts.random.fraction());
                return self.failed(StartError::Pinned);
            }
            Seen::Older { than } => {
                let error = IngestError::Older { issued_at: user.issued_at(), than };
                return self.no_token(Some(fingerprint), error, at);
            }
        }
        if at.wall.until(user.expires_at()) < LEAST_TOKEN_LIFE {
            let error = IngestError::NearlyExpired { expires_at: user.expires_at(), now: at.wall };
            return self.no_token(Some(fingerprint), error, at);
        }
        self.health.token_is_good();
        let user = Arc::new(user);
        for name in self.cycle.due(at) {
            self.begin(name, &user, at);
        }
    }

    /// Says that the token is past its `exp` and still the one in the file, although nothing has to be exchanged yet.
    fn notice_lapse(&mut self, fingerprint: Sha256, at: Moment) {
        let good = self.cycle.last_good().filter(|good| good.fingerprint == fingerprint);
        if let Some(expired_at) = good.map(|good| good.expires_at).filter(|expired_at| at.wall >= *expired_at) {
            self.failed(StartError::Token(IngestError::NotRotated { expired_at, now: at.wall }));
        }
    }

    fn no_token(&mut self, fingerprint: Option<Sha256>, error: IngestError, at: Moment) {
        self.cycle.token_failed(fingerprint, error.facts(), at, self.parts.random.fraction());
        let error = match self.cycle.last_good() {
            Some(good) => error.after_a_good_token(fingerprint == Some(good.fingerprint)),
            None => error,
        };
        self.failed(StartError::Token(error));
    }

    /// Runs one exchange in a thread of its own, so that one that hangs holds up nobody.
    fn begin(&mut self, name: CredentialName, user: &Arc<UserContext>, at: Moment) {
        let provider = self.parts.providers.get(&name);
        let Some(provider) = provider.map(Arc::clone) else { return };
        let generation = self.cycle.begun(&name, at);
        let (inbox, user, of) = (Arc::clone(&self.inbox), Arc::clone(user), name.clone());
        let exchange = move || {
            let result = resolve(provider.as_ref(), &user, of.scheme(), at);
            inbox.put(Outcome { name: of, generation, user, result });
        };
        if !(self.runner)(format!("resolve-{name}"), Box::new(exchange)) {
            let facts = StartError::NoThread.facts();
            self.cycle.exchange_failed(&name, generation, facts, None, at, self.parts.random.fraction());
            self.failed(StartError::NoThread);
        }
    }

    fn take_outcome(&mut self, outcome: Outcome, at: Moment) {
        let Outcome { name, generation, user, result } = outcome;
        let jitter = self.parts.random.fraction();
        match result {
            Ok(credential) => {
                let credential = Arc::new(credential);
                let used = self.cycle.succeeded(&name, generation, Arc::clone(&credential), at, jitter);
                let bundle = self.cycle.bundle().filter(|_| used);
                let version = bundle.map(|bundle| self.parts.store.publish(self.epoch, bundle));
                if used {
                    self.health.has_credential(&name, at.wall);
                }
                self.record_credential(&user, &name, &credential, version, at.wall);
            }
            Err(error) => {
                let facts = error.facts();
                self.cycle.exchange_failed(&name, generation, facts, error.retry_after(), at, jitter);
                self.record(&user, &name, Exchanged::Failed { code: facts.code }, at.wall);
                self.failed(StartError::Exchange { name, error });
            }
        }
    }

    fn record_credential(
        &mut self,
        user: &UserContext,
        name: &CredentialName,
        credential: &ServiceCredential,
        version: Option<Version>,
        now: Timestamp,
    ) {
        let expires_at = credential.expires_at();
        self.record(
            user,
            name,
            Exchanged::Credential { provenance: credential.provenance(), expires_at, version },
            now,
        );
        let Some(version) = version else { return };
        log::info!("{name}: credential until {expires_at}, version {}", version.number);
    }

    fn record(&self, user: &UserContext, name: &CredentialName, outcome: Exchanged<'_>, now: Timestamp) {
        let event = AuditEvent::Exchange {
            principal: user.principal(),
            issuer: user.issuer(),
            name,
            signature_checked: user.signature_checked(),
            outcome,
        };
        self.parts.audit.record(&event, now);
    }

    fn identity_changed(&self, from: &Principal, user: &UserContext, now: Timestamp) {
        let event = AuditEvent::IdentityChanged { from, to: user.principal(), issuer: user.issuer() };
        self.parts.audit.record(&event, now);
        log::warn!("the identity token names another principal; its credentials are fetched now");
    }

    /// Says a failure, and remembers it for the end of a failed start.
    fn failed(&mut self, error: StartError) {
        self.health.failed(&error);
        // What waiting does not mend ends the start, whatever else fails beside it.
        if let Some(start) = self.start.as_mut().filter(|start| !start.is_hopeless()) {
            start.last = Some(error);
        }
    }

    /// Ends the start once it is complete, hopeless or too late; `None` if it has failed.
    fn finish_start(&mut self, at: Moment) -> Option<()> {
        let Some(start) = &mut self.start else { return Some(()) };
        let complete = self.cycle.bundle().is_some();
        let hopeless = start.is_hopeless();
        let after = at.monotonic.saturating_sub(start.since);
        if !complete && !hopeless && after < start.timeout {
            return Some(());
        }
        let Start { tell, last, .. } = self.start.take()?;
        if complete {
            tell(Ok(()));
            return Some(());
        }
        let last = last.unwrap_or(StartError::Ended);
        tell(Err(if hopeless { last } else { StartError::TimedOut { after, last: Box::new(last) } }));
        None
    }
}

/// Runs a provider; one that panics has failed, and the others never notice.
fn resolve(
    provider: &dyn CredentialProvider,
    user: &UserContext,
    scheme: &Scheme,
    at: Moment,
) -> Result<ServiceCredential, ResolveError> {
    let call = std::panic::AssertUnwindSafe(|| provider.resolve(user, scheme, at));
    std::panic::catch_unwind(call).unwrap_or(Err(ResolveError::Panicked))
}
