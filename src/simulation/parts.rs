//! One driver and one executor of the simulated cluster, put together from the real parts.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::outside::{Outside, Time, moment};
use crate::audit::NoAudit;
use crate::codec::http1::{Status, parse_head};
use crate::counter::Counts;
use crate::credential::{ServiceCredential, s3a};
use crate::distribute::DriverAddress;
use crate::distribute::answering::Answering;
use crate::distribute::asking::Asking;
use crate::manager::simulation::SteppedManager;
use crate::manager::{ManagerParts, ManagerSettings};
use crate::name::{CredentialName, ExecutorName, Scheme};
use crate::provider::{CredentialProvider, Providers};
use crate::secret::Secret;
use crate::sink::answer::Responder;
use crate::store::{CredentialStore, Epoch, Version};
use crate::sys::http_server::HttpService;
use crate::sys::random::Random;
use crate::time::Moment;

const ENDPOINT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// What an SDK sends.
const REQUEST: &[u8] = b"GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nAuthorization: token\r\n\r\n";

/// The number of a credential that is served, and how long it would still be.
pub(super) type Served = (usize, Duration);

/// The endpoint of one scheme, on a driver or on an executor.
pub(super) struct Endpoint {
    name: CredentialName,
    responder: Responder,
    /// What was served last, and its number: reading it anew at each step is what would cost most.
    last: RefCell<Option<(Arc<ServiceCredential>, usize)>>,
}

impl Endpoint {
    fn of(scheme: &Scheme, store: &Arc<CredentialStore>) -> Self {
        let token = Arc::new(Secret::from_text("token"));
        let responder = Responder::new(ENDPOINT, token, scheme.clone(), Arc::clone(store), Counts::of([]));
        Self { name: scheme.clone().into(), responder, last: RefCell::new(None) }
    }

    pub(super) fn serves(&self, at: Moment) -> Option<Served> {
        let credential = self.responder.credential(&self.name, at).ok()?;
        let left = credential.servable_for(at);
        let mut last = self.last.borrow_mut();
        let known = last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, &credential)).map(|(_, number)| *number);
        let number = known.unwrap_or_else(|| number_of(&credential));
        if known.is_none() {
            *last = Some((credential, number));
        }
        Some((number, left))
    }

    /// Whether a whole HTTP answer says the same.
    pub(super) fn says_what_it_serves(&self, at: Moment) -> bool {
        let head = parse_head(REQUEST).unwrap().unwrap();
        let answer = self.responder.answer(Ok(&head), at);
        match self.serves(at) {
            None => answer.status == Status::ServiceUnavailable,
            Some((number, _)) => {
                let body = std::str::from_utf8(answer.body.as_slice()).unwrap();
                answer.status == Status::Ok && body.contains(&format!("\"AccessKeyId\":\"{number}\""))
            }
        }
    }
}

fn number_of(credential: &ServiceCredential) -> usize {
    credential.property(s3a::ACCESS_KEY).unwrap().expose().parse().unwrap()
}

pub(super) struct Driver {
    pub(super) run: u64,
    pub(super) manager: SteppedManager,
    pub(super) store: Arc<CredentialStore>,
    pub(super) answering: Answering,
    pub(super) endpoints: Vec<Endpoint>,
    /// The step that is due next; others are out of date.
    pub(super) due: u64,
    /// The newest version, and since when.
    pub(super) published: (Option<Version>, Time),
}

impl Driver {
    pub(super) fn start(outside: &Outside, schemes: &[Scheme], poll_interval: Duration, run: u64) -> Self {
        let provider: Arc<dyn CredentialProvider> = Arc::new(outside.clone());
        let providers =
            schemes.iter().fold(Providers::new(), |all, scheme| all.with(scheme.clone(), Arc::clone(&provider)));
        let store = Arc::new(CredentialStore::new());
        let random: Arc<dyn Random> = Arc::new(outside.clone());
        let mut epoch = [0; 16];
        random.fill(&mut epoch).unwrap();
        let parts = ManagerParts {
            ingestor: Box::new(outside.clone()),
            providers,
            store: Arc::clone(&store),
            clock: Arc::new(outside.clone()),
            random: Arc::clone(&random),
            audit: Arc::new(NoAudit),
        };
        let runs = outside.clone();
        let runner = Box::new(move |name: String, task| {
            runs.begin(&name, task);
            true
        });
        outside.world().calls.driver_restarts();
        let manager = SteppedManager::new(parts, ManagerSettings::default(), Epoch(epoch), runner, drop);
        let answering = Answering::new(poll_interval, Arc::clone(&store), random, Arc::new(NoAudit));
        let endpoints = schemes.iter().map(|scheme| Endpoint::of(scheme, &store)).collect();
        Self { run, manager, store, answering, endpoints, due: 0, published: (None, 0) }
    }
}

/// What lies between an executor and the driver.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) cut: bool,
    /// Of a hundred messages so many are lost.
    pub(super) loses: u64,
    /// The longest that a message takes, beyond the usual.
    pub(super) slow: Time,
    /// Asks overlap, and old answers come after newer ones.
    pub(super) reorders: bool,
}

impl Link {
    pub(super) fn is_well(&self) -> bool {
        !self.cut && self.loses == 0 && self.slow == 0
    }
}

pub(super) struct Executor {
    pub(super) run: u64,
    pub(super) up: bool,
    /// How wrong its wall clock is, in seconds.
    pub(super) clock: i64,
    uptime: Time,
    pub(super) link: Link,
    pub(super) store: Arc<CredentialStore>,
    pub(super) asking: Asking,
    pub(super) endpoints: Vec<Endpoint>,
    /// The ask that is waited for; an answer to another one comes too late.
    pub(super) ask: u64,
    pub(super) asked_last: Option<Time>,
    /// How wrong the driver's clock was when it answered with what is held.
    pub(super) driver_clock: i64,
    /// The run of the driver that made what is held, and which bundle that is.
    pub(super) holds: Option<(u64, Version)>,
    /// Whether it has said that it is degraded, and that clocks differ.
    pub(super) said: (bool, bool),
    /// Since when nothing has stood between it and what the driver holds, scheme by scheme.
    pub(super) well_since: Vec<Option<Time>>,
    /// Whether each scheme was served at the last step.
    pub(super) served: Vec<bool>,
}

impl Executor {
    pub(super) fn start(number: u64, schemes: &[Scheme], poll_interval: Duration) -> Self {
        let store = Arc::new(CredentialStore::new());
        let driver = DriverAddress::parse("driver:7443").unwrap();
        let name = ExecutorName::new(&format!("executor-{number}")).unwrap();
        Self {
            run: 0,
            up: true,
            clock: 0,
            uptime: 1_000_003 * (number + 1),
            link: Link::default(),
            asking: Asking::new(driver, name, poll_interval, Arc::clone(&store)),
            endpoints: schemes.iter().map(|scheme| Endpoint::of(scheme, &store)).collect(),
            store,
            ask: 0,
            asked_last: None,
            driver_clock: 0,
            holds: None,
            said: (false, false),
            well_since: vec![None; schemes.len()],
            served: vec![false; schemes.len()],
        }
    }

    /// Another process in its place: an empty store, on the same machine.
    pub(super) fn restart(&mut self, number: u64, schemes: &[Scheme], poll_interval: Duration) {
        let before = std::mem::replace(self, Self::start(number, schemes, poll_interval));
        (self.run, self.clock, self.link) = (before.run + 1, before.clock, before.link);
    }

    pub(super) fn moment(&self, now: Time) -> Moment {
        moment(now, self.clock, self.uptime)
    }

    /// Whether anything is served, of whichever scheme.
    pub(super) fn serves_anything(&self, now: Time) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.serves(self.moment(now)).is_some())
    }
}
