//! A job for tests: key files in a folder of its own, clocks that stand still, and a driver on loopback.

#[path = "folder.rs"]
pub mod folder;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use folder::Folder;
use safe_conduct::Secret;
use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::credential::{AcceptedProperties, ServiceCredential, UserCredentials};
use safe_conduct::distribute::{
    AskError, ClientLimits, ClientSettings, DriverAddress, DriverProof, DriverServer, ExecutorClient, ExecutorProof,
    ListenAddress, RunningServer, ServeError, ServerLimits, ServerSettings,
};
use safe_conduct::name::{ExecutorName, PropertyName, Scheme};
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::{Random, RandomError, SystemRandomness};
use safe_conduct::time::{Clock, Moment, Timestamp};

/// 2026-11-22T20:10:59Z, by `date -u -d @1795378259`.
pub const NOW: u64 = 1_795_378_259;

/// The driver's run in most tests.
pub const EPOCH: Epoch = Epoch([7; 16]);

/// A clock that moves only when it is told to.
pub struct ManualClock(Mutex<Moment>);

impl ManualClock {
    pub fn at(wall: u64) -> Arc<Self> {
        let wall = Timestamp::from_unix_seconds(wall).unwrap();
        Arc::new(Self(Mutex::new(Moment { wall, monotonic: Duration::from_secs(500) })))
    }

    pub fn advance(&self, by: Duration) {
        let mut held = self.0.lock().unwrap();
        *held = Moment { wall: held.wall.plus(by), monotonic: held.monotonic + by };
    }
}

impl Clock for ManualClock {
    fn moment(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

/// Always the same bytes.
pub struct Always(pub u8);

impl Random for Always {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill(self.0);
        Ok(())
    }
}

/// Keeps the audit lines.
#[derive(Default)]
pub struct Recorded(pub Mutex<Vec<String>>);

impl AuditLog for Recorded {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        self.0.lock().unwrap().push(event.to_json(now));
    }
}

/// A job's two key files and the driver's store and clock.
pub struct Job {
    pub folder: Folder,
    pub store: Arc<CredentialStore>,
    pub clock: Arc<ManualClock>,
    pub audit: Arc<Recorded>,
}

impl Job {
    pub fn new() -> Self {
        let folder = Folder::new();
        let (driver, executors) = new_job_keys(&SystemRandomness::new()).unwrap();
        folder.write("driver.pem", driver.as_slice());
        folder.write("executors.pem", executors.as_slice());
        let store = Arc::new(CredentialStore::new());
        Self { folder, store, clock: ManualClock::at(NOW), audit: Arc::new(Recorded::default()) }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    pub fn serve(&self) -> RunningServer {
        self.serve_with(&self.file("driver.pem"), ServerLimits::default())
    }

    pub fn serve_with(&self, key_file: &Path, limits: ServerLimits) -> RunningServer {
        self.serve_proving(DriverProof::KeyFile(key_file.to_owned()), limits).unwrap()
    }

    pub fn serve_proving(&self, proof: DriverProof, limits: ServerLimits) -> Result<RunningServer, ServeError> {
        let listen = ListenAddress::Exactly("127.0.0.1:0".parse().unwrap());
        let settings = ServerSettings { listen, proof, poll_interval: Duration::from_secs(60) };
        let (store, clock, audit) = (self.store.clone(), self.clock.clone(), self.audit.clone());
        DriverServer::start_with(settings, limits, store, clock, Arc::new(Always(0xff)), audit)
    }

    pub fn executor(&self, port: u16) -> ExecutorClient {
        self.executor_with(port, &self.file("executors.pem"), ClientLimits::default())
    }

    pub fn executor_with(&self, port: u16, key_file: &Path, limits: ClientLimits) -> ExecutorClient {
        self.executor_proving(port, ExecutorProof::KeyFile(key_file.to_owned()), limits).unwrap()
    }

    pub fn executor_proving(
        &self,
        port: u16,
        proof: ExecutorProof,
        limits: ClientLimits,
    ) -> Result<ExecutorClient, AskError> {
        let settings = ClientSettings {
            driver: DriverAddress::new("127.0.0.1", port).unwrap(),
            proof,
            name: ExecutorName::new("exec-1").unwrap(),
            accepted: accepted(),
            poll_interval: Duration::from_secs(60),
        };
        ExecutorClient::with_limits(settings, limits, self.clock.clone())
    }

    /// Publishes an `s3a` credential that lives for so many seconds from now.
    pub fn publish(&self, value: &str, seconds: u64) {
        let _ = self.store.publish(EPOCH, bundle("fs.s3a.secret.key", value, seconds, self.clock.moment()));
    }
}

pub fn s3a() -> Scheme {
    Scheme::new("s3a").unwrap()
}

pub fn accepted() -> AcceptedProperties {
    AcceptedProperties::none().with(s3a(), [PropertyName::new("fs.s3a.secret.key").unwrap()])
}

pub fn bundle(property: &str, value: &str, seconds: u64, learned: Moment) -> UserCredentials {
    let properties = [(PropertyName::new(property).unwrap(), Secret::from_text(value))].into();
    let expires_at = learned.wall.plus(Duration::from_secs(seconds));
    let credential = ServiceCredential::new(properties, expires_at, learned).unwrap();
    UserCredentials::new().with(s3a(), Arc::new(credential))
}

pub fn secret_in(credentials: &UserCredentials) -> String {
    credentials.get(&s3a().into()).unwrap().property("fs.s3a.secret.key").unwrap().expose().to_owned()
}
