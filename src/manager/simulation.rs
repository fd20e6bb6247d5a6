//! The real manager under a simulated clock: days pass in a test without anybody waiting.

mod exchanges;
mod token;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::health::RenewalWatch;
use super::work::{Inbox, News, Renewal, Runner};
use super::{ManagerParts, ManagerSettings, RenewalSettings, StartError};
use crate::audit::{AuditEvent, AuditLog};
use crate::codec::hash::Sha256;
use crate::credential::ServiceCredential;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::{ClaimError, UserContext, VerifyError};
use crate::ingest::{IngestError, KeySourceError, TokenIngestor};
use crate::name::{CredentialName, PropertyName, Scheme};
use crate::provider::{CredentialProvider, Providers, ResolveError};
use crate::secret::Secret;
use crate::store::{CredentialStore, Epoch};
use crate::sys::file::FileError;
use crate::sys::random::{Random, RandomError};
use crate::time::{Clock, Moment, Timestamp};

const START: u64 = 1_800_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The world outside: a token file, a service, clocks. Tests change it while time passes.
struct World {
    moment: Moment,
    /// (principal, issued at, expires at), or the error that reading it gives.
    token: Result<(String, u64, u64), Bad>,
    /// How long credentials live, or the error that the service gives.
    service: Result<u64, Facts>,
    /// An error that the service gives for the credential `s3a` only.
    service_of_s3a: Option<Facts>,
    /// Seconds after START at which the service was called, with whom for.
    calls: Vec<(u64, String)>,
    audit: Vec<String>,
    hang: bool,
    panics: bool,
}

#[derive(Clone)]
struct Outside(Arc<Mutex<World>>);

impl Outside {
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl Clock for Outside {
    fn moment(&self) -> Moment {
        self.with(|world| world.moment)
    }
}

/// Tasks that a hanging service holds up.
type Hanging = Arc<Mutex<Vec<Box<dyn FnOnce() + Send>>>>;

/// Always the middle: tests of jitter itself are in `schedule`.
impl Random for Outside {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill(0x7f);
        Ok(())
    }
}

impl AuditLog for Outside {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        self.with(|world| world.audit.push(event.to_json(now)));
    }
}

impl TokenIngestor for Outside {
    fn load(&mut self, at: Moment) -> Result<UserContext, IngestError> {
        let (principal, issued_at, expires_at) = self.with(|world| world.token.clone()).map_err(|bad| bad.error())?;
        if at.wall.unix_seconds() >= expires_at {
            let expired_at = Timestamp::from_unix_seconds(expires_at).unwrap();
            return Err(IngestError::Verify(VerifyError::Claim(ClaimError::Expired { expired_at, now: at.wall })));
        }
        Ok(UserContext::for_tests(&principal, "https://issuer", "token", issued_at, expires_at))
    }

    fn fingerprint(&mut self) -> Result<Sha256, IngestError> {
        match self.with(|world| world.token.clone()) {
            Ok(token) => Ok(Sha256::of(format!("{token:?}").as_bytes())),
            Err(bad @ (Bad::Audience | Bad::Keys)) => Ok(Sha256::of(format!("{bad:?}").as_bytes())),
            Err(bad) => Err(bad.error()),
        }
    }
}

/// The provider of one credential.
struct Service(Outside, CredentialName);

impl CredentialProvider for Service {
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError> {
        let Self(outside, name) = self;
        assert_eq!(name.scheme(), scheme);
        let answer = outside.with(|world| {
            world.calls.push((at.wall.unix_seconds().saturating_sub(START), user.principal().to_string()));
            world.service_of_s3a.filter(|_| *name == Scheme::s3a().into()).map_or(world.service, Err)
        });
        assert!(!outside.with(|world| world.panics), "as the test wants");
        let life = answer.map_err(|facts| ResolveError::Own { facts })?;
        let owner = Secret::from_text(user.principal().as_str());
        let properties = [(PropertyName::new("owner").unwrap(), owner)].into();
        Ok(ServiceCredential::new(properties, at.wall.plus(Duration::from_secs(life)), at).unwrap())
    }
}

/// What can be wrong with a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Missing,
    Empty,
    Audience,
    Keys,
}

impl Bad {
    fn error(self) -> IngestError {
        match self {
            Self::Missing => IngestError::File(FileError::NotFound { path: PathBuf::from("token") }),
            Self::Empty => IngestError::Empty { path: PathBuf::from("token") },
            Self::Audience => IngestError::Verify(VerifyError::Claim(ClaimError::Audience)),
            Self::Keys => IngestError::Keys(KeySourceError::Status { status: 503 }),
        }
    }
}

const EXPIRED: Facts = Facts::new("TEST_EXPIRED", Fault::Identity, Retry::OnNewToken, "-");
const DOWN: Facts = Facts::new("TEST_DOWN", Fault::Unreachable, Retry::Backoff, "-");
const REFUSED: Facts = Facts::new("TEST_REFUSED", Fault::Service, Retry::Never, "-");

/// The real manager without its thread: whoever holds it takes its steps, and `runner` gets its exchanges.
pub(crate) struct SteppedManager {
    inbox: Arc<Inbox>,
    renewal: Renewal,
    watch: RenewalWatch,
}

impl SteppedManager {
    pub(crate) fn new(
        parts: ManagerParts,
        settings: ManagerSettings,
        epoch: Epoch,
        runner: Runner,
        started: impl FnOnce(Result<(), StartError>) + Send + 'static,
    ) -> Self {
        let (inbox, watch) = (Arc::new(Inbox::new()), RenewalWatch::default());
        let news = Arc::clone(&inbox);
        let renewal = Renewal::new(parts, settings, epoch, news, runner, watch.clone(), Box::new(started));
        Self { inbox, renewal, watch }
    }

    /// Takes up what has arrived and does what is to be done now; `None` if the start has failed.
    pub(crate) fn step(&mut self, at: Moment) -> Option<Duration> {
        // Only what is there is taken: waiting for nothing would ask the operating system.
        let news = if self.inbox.has_news() { self.inbox.take(Duration::ZERO) } else { News::default() };
        self.renewal.step(news, at)
    }

    /// Whether an exchange has ended since the last step, or somebody wants it to look.
    pub(crate) fn has_news(&self) -> bool {
        self.inbox.has_news()
    }
}

struct Simulation {
    outside: Outside,
    store: Arc<CredentialStore>,
    manager: SteppedManager,
    watch: RenewalWatch,
    started: Arc<Mutex<Option<Result<(), StartError>>>>,
    ended: bool,
    steps: u64,
    /// Exchanges that hang until `finish_hanging`.
    hanging: Hanging,
}

impl Simulation {
    fn new() -> Self {
        Self::with(ManagerSettings::default(), &["s3a"])
    }

    fn with(settings: ManagerSettings, names: &[&str]) -> Self {
        let wall = Timestamp::from_unix_seconds(START).unwrap();
        let outside = Outside(Arc::new(Mutex::new(World {
            moment: Moment { wall, monotonic: Duration::from_secs(5) },
            token: Ok(("alice".to_owned(), START, START + 30 * DAY)),
            service: Ok(HOUR),
            service_of_s3a: None,
            calls: Vec::new(),
            audit: Vec::new(),
            hang: false,
            panics: false,
        })));
        let providers = names.iter().fold(Providers::new(), |providers, name| {
            let name = CredentialName::parse(name).unwrap();
            providers.with(name.clone(), Arc::new(Service(outside.clone(), name)))
        });
        let store = Arc::new(CredentialStore::new());
        let parts = ManagerParts {
            ingestor: Box::new(outside.clone()),
            providers,
            store: Arc::clone(&store),
            clock: Arc::new(outside.clone()),
            random: Arc::new(outside.clone()),
            audit: Arc::new(outside.clone()),
        };
        let started = Arc::new(Mutex::new(None));
        let (tell, hanging) = (Arc::clone(&started), Hanging::default());
        let (world, hung) = (outside.clone(), Arc::clone(&hanging));
        let runner = Box::new(move |_: String, task: Box<dyn FnOnce() + Send>| {
            if world.with(|world| world.hang) {
                hung.lock().unwrap().push(task)
            } else {
                task()
            }
            true
        });
        let tell = move |outcome| *tell.lock().unwrap() = Some(outcome);
        let manager = SteppedManager::new(parts, settings, Epoch([7; 16]), runner, tell);
        let watch = manager.watch.clone();
        Self { outside, store, manager, watch, started, ended: false, steps: 0, hanging }
    }

    /// Lets so many seconds pass, in the steps that the manager asks for. It must not ask for more than one or two a
    /// second: a thread that spins would.
    fn pass(&mut self, seconds: u64) -> &mut Self {
        let end = self.outside.moment().monotonic + Duration::from_secs(seconds);
        let most = self.steps + 20 + 2 * seconds;
        while !self.ended && self.outside.moment().monotonic < end {
            let at = self.outside.moment();
            self.steps += 1;
            assert!(self.steps <= most, "{} steps", self.steps);
            let Some(wait) = self.manager.step(at) else {
                self.ended = true;
                break;
            };
            if self.manager.has_news() {
                continue;
            }
            let wait =
                wait.clamp(Duration::from_millis(1), end.saturating_sub(at.monotonic).max(Duration::from_millis(1)));
            self.advance(wait);
        }
        self
    }

    fn advance(&self, by: Duration) {
        self.outside.with(|world| {
            let before = world.moment.monotonic;
            world.moment.monotonic += by;
            let seconds = world.moment.monotonic.as_secs() - before.as_secs();
            world.moment.wall = world.moment.wall.plus(Duration::from_secs(seconds));
        });
    }

    fn poke(&self) {
        self.manager.inbox.poke();
    }

    fn set(&self, change: impl FnOnce(&mut World)) {
        self.outside.with(change);
    }

    fn calls(&self) -> Vec<u64> {
        self.outside.with(|world| world.calls.iter().map(|(at, _)| *at).collect())
    }

    fn version(&self) -> u64 {
        self.store.newest().map_or(0, |held| held.version.number)
    }

    /// Whose credential is served, if one is.
    fn owner(&self) -> Option<String> {
        self.owner_of("s3a")
    }

    fn owner_of(&self, name: &str) -> Option<String> {
        let servable = self.store.newest()?.credentials.servable(self.outside.moment());
        Some(servable.get(&CredentialName::parse(name).unwrap())?.property("owner")?.expose().to_owned())
    }

    fn start_code(&self) -> Option<Result<(), &'static str>> {
        let started = self.started.lock().unwrap();
        started.as_ref().map(|outcome| outcome.as_ref().copied().map_err(|error| error.facts().code))
    }
}
