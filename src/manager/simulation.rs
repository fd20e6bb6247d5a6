//! The real manager under a simulated clock: days pass in a test without anybody waiting.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::work::{Inbox, Renewal};
use super::{ManagerParts, ManagerSettings, RESOLVE_LIMIT, RenewalSettings, StartError};
use crate::audit::{AuditEvent, AuditLog};
use crate::codec::hash::Sha256;
use crate::credential::ServiceCredential;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::UserContext;
use crate::ingest::{IngestError, TokenIngestor};
use crate::name::{PropertyName, Scheme};
use crate::provider::{CredentialProvider, Providers, ResolveError};
use crate::secret::Secret;
use crate::store::{CredentialStore, Epoch};
use crate::sys::random::{Random, RandomError};
use crate::time::{Clock, Moment, Timestamp};

const START: u64 = 1_800_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The world outside: a token file, a service, clocks. Tests change it while time passes.
struct World {
    moment: Moment,
    /// (principal, issued at, expires at), or the error that reading it gives.
    token: Result<(String, u64, u64), Facts>,
    /// How long credentials live, or the error that the service gives.
    service: Result<u64, Facts>,
    /// An error that the service gives for `s3a` only.
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
        let (principal, issued_at, expires_at) =
            self.with(|world| world.token.clone()).map_err(|facts| IngestError::Own { facts })?;
        if at.wall.unix_seconds() >= expires_at {
            return Err(IngestError::Own { facts: EXPIRED });
        }
        Ok(UserContext::for_tests(&principal, "https://issuer", "token", issued_at, expires_at))
    }

    fn fingerprint(&mut self) -> Result<Sha256, IngestError> {
        match self.with(|world| world.token.clone()) {
            Ok(token) => Ok(Sha256::of(format!("{token:?}").as_bytes())),
            Err(facts) if facts.retry == Retry::OnNewToken => Ok(Sha256::of(facts.code.as_bytes())),
            Err(facts) => Err(IngestError::Own { facts }),
        }
    }
}

impl CredentialProvider for Outside {
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError> {
        let answer = self.with(|world| {
            world.calls.push((at.wall.unix_seconds().saturating_sub(START), user.principal().to_string()));
            world.service_of_s3a.filter(|_| scheme.as_str() == "s3a").map_or(world.service, Err)
        });
        assert!(!self.with(|world| world.panics), "as the test wants");
        let life = answer.map_err(|facts| ResolveError::Own { facts })?;
        let owner = Secret::from_text(user.principal().as_str());
        let properties = [(PropertyName::new("owner").unwrap(), owner)].into();
        Ok(ServiceCredential::new(properties, at.wall.plus(Duration::from_secs(life)), at).unwrap())
    }
}

const EXPIRED: Facts = Facts::new("TEST_EXPIRED", Fault::Identity, Retry::OnNewToken, "-");
const GARBAGE: Facts = Facts::new("TEST_GARBAGE", Fault::Identity, Retry::OnNewToken, "-");
const MISSING: Facts = Facts::new("TEST_MISSING", Fault::Identity, Retry::Backoff, "-");
const DOWN: Facts = Facts::new("TEST_DOWN", Fault::Unreachable, Retry::Backoff, "-");
const REFUSED: Facts = Facts::new("TEST_REFUSED", Fault::Service, Retry::Never, "-");

struct Simulation {
    outside: Outside,
    store: Arc<CredentialStore>,
    inbox: Arc<Inbox>,
    renewal: Renewal,
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

    fn with(settings: ManagerSettings, schemes: &[&str]) -> Self {
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
        let provider: Arc<dyn CredentialProvider> = Arc::new(outside.clone());
        let providers = schemes.iter().fold(Providers::new(), |providers, scheme| {
            providers.with(Scheme::new(scheme).unwrap(), Arc::clone(&provider))
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
        let (inbox, started) = (Arc::new(Inbox::new()), Arc::new(Mutex::new(None)));
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
        let tell = Box::new(move |outcome| *tell.lock().unwrap() = Some(outcome));
        let renewal = Renewal::new(parts, settings, Epoch([7; 16]), Arc::clone(&inbox), runner, tell);
        Self { outside, store, inbox, renewal, started, ended: false, steps: 0, hanging }
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
            let Some(wait) = self.renewal.step(self.inbox.take(Duration::ZERO), at) else {
                self.ended = true;
                break;
            };
            if self.inbox.has_news() {
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
        self.inbox.poke();
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
        let servable = self.store.newest()?.credentials.servable(self.outside.moment());
        let credential = servable.for_scheme(&Scheme::new("s3a").unwrap())?.property("owner")?.expose().to_owned();
        Some(credential)
    }

    fn start_code(&self) -> Option<Result<(), &'static str>> {
        let started = self.started.lock().unwrap();
        started.as_ref().map(|outcome| outcome.as_ref().copied().map_err(|error| error.facts().code))
    }
}

#[test]
fn one_exchange_a_renewal_over_thirty_days_and_never_a_gap() {
    let mut simulation = Simulation::new();
    for _ in 0..30 * 24 {
        simulation.pass(HOUR);
        assert!(simulation.owner().is_some());
    }
    // An hour's credential is renewed after 30 minutes less half of six: 27 minutes.
    let expected = 30 * DAY / (27 * 60);
    let calls = simulation.calls().len() as u64;
    assert!(calls.abs_diff(expected) <= expected / 50, "{calls} calls, not about {expected}");
    assert_eq!(simulation.version(), calls);
}

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
fn a_service_that_is_down_is_asked_with_growing_pauses_and_the_last_good_credential_serves_until_its_margin() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.service = Err(DOWN));
    simulation.pass(HOUR - 60 - 16);
    assert_eq!(simulation.owner().as_deref(), Some("alice"), "15 s and more are left");
    simulation.pass(2);
    assert_eq!(simulation.owner(), None, "less than 15 s are left");
    let failed = simulation.calls().len() - 1;
    assert!((33..=60).contains(&failed), "{failed} calls in 33 minutes");
    simulation.set(|world| world.service = Ok(HOUR));
    simulation.pass(61);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
}

#[test]
fn at_most_six_calls_in_the_first_thirty_seconds_of_an_outage() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.service = Err(DOWN));
    simulation.pass(30);
    assert!(simulation.calls().len() <= 6, "{:?}", simulation.calls());
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
    for bad in [GARBAGE, MISSING] {
        simulation.set(|world| world.token = Err(bad));
        simulation.pass(300);
        assert_eq!((simulation.owner().as_deref(), simulation.calls().len()), (Some("alice"), 1), "{}", bad.code);
    }
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + 30 * DAY)));
    simulation.pass(HOUR);
    assert!(simulation.calls().len() >= 2);
}

#[test]
fn a_refusal_is_asked_again_after_one_to_two_minutes_and_at_once_with_a_new_token() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.service = Err(REFUSED));
    simulation.pass(HOUR - 120);
    let calls = simulation.calls();
    let pauses: Vec<u64> = calls.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(!pauses.is_empty() && pauses.iter().all(|pause| (60..=120).contains(pause)), "{pauses:?}");
    let last = *calls.last().unwrap();
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START + 5, START + DAY)));
    simulation.pass(31);
    assert!(simulation.calls().last().unwrap() - last <= 61, "{:?}", simulation.calls());
}

#[test]
fn a_start_waits_for_what_may_pass_and_gives_up_at_its_timeout_with_the_last_code() {
    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(MISSING));
    simulation.pass(100);
    assert_eq!(simulation.start_code(), None);
    simulation.pass(21);
    assert_eq!(simulation.start_code(), Some(Err("TEST_MISSING")));
    assert!(simulation.ended);

    let mut simulation = Simulation::new();
    simulation.set(|world| world.token = Err(MISSING));
    simulation.pass(100);
    simulation.set(|world| world.token = Ok(("alice".to_owned(), START, START + DAY)));
    simulation.pass(61);
    assert_eq!(simulation.start_code(), Some(Ok(())));
}

#[test]
fn a_start_ends_at_once_where_waiting_does_not_help() {
    for (facts, is_token) in [(REFUSED, false), (GARBAGE, true), (EXPIRED, true)] {
        let mut simulation = Simulation::new();
        simulation.set(|world| match is_token {
            true => world.token = Err(facts),
            false => world.service = Err(facts),
        });
        simulation.pass(3);
        assert_eq!(simulation.start_code(), Some(Err(facts.code)));
        assert!(simulation.ended);
    }
}

#[test]
fn a_hanging_exchange_is_reported_once_is_not_joined_by_a_second_and_delays_no_other_scheme() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.pass(60);
    assert_eq!(simulation.version(), 1, "published once all schemes have one");
    simulation.set(|world| world.hang = true);
    simulation.pass(30 * 60);
    assert_eq!(simulation.hanging.lock().unwrap().len(), 2, "one each, however long it hangs");
    simulation.set(|world| world.hang = false);
    let released = simulation.hanging.lock().unwrap().pop().unwrap();
    released();
    simulation.pass(2 * HOUR);
    assert!(simulation.version() >= 4, "the other scheme goes on: {}", simulation.version());
    assert_eq!(simulation.hanging.lock().unwrap().len(), 1);
    assert_eq!(RESOLVE_LIMIT, Duration::from_secs(30));
}

#[test]
fn a_panicking_provider_is_a_failure_like_any_other() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| world.panics = true);
    simulation.pass(30 * 60);
    assert_eq!(simulation.owner().as_deref(), Some("alice"));
}

#[test]
fn a_wall_clock_that_is_set_back_does_not_stretch_a_life() {
    let mut simulation = Simulation::new();
    simulation.pass(60);
    simulation.set(|world| {
        world.service = Err(DOWN);
        world.moment.wall = world.moment.wall.minus(Duration::from_secs(5 * HOUR));
    });
    simulation.pass(HOUR - 60 - 14);
    assert_eq!(simulation.owner(), None);
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
fn a_token_with_less_than_10_seconds_left_is_not_exchanged() {
    for (left, outcome, calls) in [(9, Err("TOKEN_NEARLY_EXPIRED"), 0), (10, Ok(()), 1)] {
        let mut simulation = Simulation::new();
        simulation.set(|world| world.token = Ok(("alice".to_owned(), START - 600, START + left)));
        simulation.pass(1);
        assert_eq!((simulation.start_code(), simulation.calls().len()), (Some(outcome), calls), "{left}");
    }
}

#[test]
fn a_start_ends_at_a_refusal_also_where_another_scheme_may_still_pass() {
    let mut simulation = Simulation::with(ManagerSettings::default(), &["gs", "s3a"]);
    simulation.set(|world| world.service_of_s3a = Some(DOWN));
    simulation.set(|world| world.service = Err(REFUSED));
    simulation.pass(3);
    assert_eq!(simulation.start_code(), Some(Err("TEST_REFUSED")));
}
