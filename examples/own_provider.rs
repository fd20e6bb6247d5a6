//! A provider of one's own, for a scheme that safe-conduct has never heard of: nothing in `src/` knows of it.
//!
//! Run it with `cargo run --release --example own_provider`. The provider turns a verified user into a credential for
//! the scheme `fake`; two executors get it over real sockets; another user's token brings a new one.

#[path = "../tests/support/tokens.rs"]
mod tokens;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::audit::NoAudit;
use safe_conduct::credential::{AcceptedProperties, ServiceCredential};
use safe_conduct::distribute::{
    ClientSettings, DriverAddress, DriverProof, DriverServer, ExecutorClient, ExecutorProof, ListenAddress,
    RunningClient, ServerSettings,
};
use safe_conduct::error::{Facts, Fault, Retry};
use safe_conduct::identity::{Algorithm, TokenVerifier, UserContext};
use safe_conduct::ingest::{FileTokenIngestor, KeySource};
use safe_conduct::manager::{ManagerParts, ManagerSettings, UserCredentialManager};
use safe_conduct::name::{Audience, ExecutorName, Issuer, PropertyName, Scheme};
use safe_conduct::provider::{CredentialProvider, Providers, ResolveError};
use safe_conduct::store::{CredentialStore, VersionedCredentials};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::file;
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::{Random, SystemRandomness};
use safe_conduct::time::{Clock, Moment};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The one property of a credential for `fake`.
const PROPERTY: &str = "fake.token";

/// How long the example waits for anything before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a credential out of the user's name. A real one would call its service here, with `user.token()`.
struct FakeProvider;

impl CredentialProvider for FakeProvider {
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError> {
        let refused = ResolveError::Own {
            facts: Facts::new("FAKE_REFUSED", Fault::Service, Retry::Backoff, "Look at the fake service."),
        };
        let Ok(property) = PropertyName::new(PROPERTY) else { return Err(refused) };
        let value = Secret::from_text(&format!("a {scheme} credential for {}", user.principal()));
        let expires_at = at.wall.plus(Duration::from_secs(3600));
        ServiceCredential::new([(property, value)].into(), expires_at, at).map_err(|_| refused)
    }
}

fn main() -> Outcome<()> {
    let random: Arc<dyn Random> = Arc::new(SystemRandomness::new());
    let folder = file::temporary_directory(&std::env::temp_dir(), random.as_ref())?;
    let outcome = run(&folder, &random);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn run(folder: &Path, random: &Arc<dyn Random>) -> Outcome<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (driver_keys, executor_keys) = new_job_keys(random.as_ref())?;
    file::create_new(&folder.join("driver.pem"), driver_keys.as_slice())?;
    file::create_new(&folder.join("executors.pem"), executor_keys.as_slice())?;
    file::create_new(&folder.join("jwks.json"), tokens::jwks().as_bytes())?;
    let write_token = |user: &str| {
        let now = clock.moment().wall.unix_seconds();
        let claims = format!(
            r#"{{"iss":"https://issuer.example","sub":"{user}","aud":"fake","iat":{now},"exp":{}}}"#,
            now + 3600
        );
        let token = tokens::signed(Algorithm::Es256, &claims);
        file::replace(&folder.join("token"), token.as_bytes(), random.as_ref())
    };
    write_token("alice")?;

    let scheme = Scheme::new("fake")?;
    let store = Arc::new(CredentialStore::new());
    let verifier = TokenVerifier::new(Issuer::new("https://issuer.example")?, Audience::new("fake")?);
    let keys = KeySource::file(folder.join("jwks.json"));
    let parts = ManagerParts {
        ingestor: Box::new(FileTokenIngestor::new(folder.join("token"), verifier, keys)),
        providers: Providers::new().with(scheme.clone(), Arc::new(FakeProvider)),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(random),
        audit: Arc::new(NoAudit),
    };
    let manager = UserCredentialManager::new(parts, ManagerSettings::default()).start()?;
    let server = ServerSettings {
        listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
        proof: DriverProof::KeyFile(folder.join("driver.pem")),
        poll_interval: Duration::from_secs(60),
    };
    let server = DriverServer::start(server, store, Arc::clone(&clock), Arc::clone(random), Arc::new(NoAudit))?;

    let driver = DriverAddress::new("127.0.0.1", server.local_addr().port())?;
    let mut executors = Vec::new();
    for number in 1..=2 {
        executors.push(executor(number, folder, &driver, &scheme, &clock, random)?);
    }
    for (store, _) in &executors {
        let first = store.wait_newer(None, PATIENCE).ok_or("no first bundle")?;
        show(&first, &scheme, "alice")?;
    }

    write_token("bob")?;
    manager.check_now();
    for (store, client) in &executors {
        let mut newest = store.newest().ok_or("no bundle")?;
        // The exchange takes a moment: the executor asks again until the driver has something newer.
        for _ in 0..100 {
            client.ask_now();
            let newer = store.wait_newer(Some(newest.version), Duration::from_millis(50));
            let Some(newer) = newer else { continue };
            newest = newer;
            break;
        }
        show(&newest, &scheme, "bob")?;
    }
    Ok(())
}

fn executor(
    number: u32,
    folder: &Path,
    driver: &DriverAddress,
    scheme: &Scheme,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Outcome<(Arc<CredentialStore>, RunningClient)> {
    let settings = ClientSettings {
        driver: driver.clone(),
        proof: ExecutorProof::KeyFile(folder.join("executors.pem")),
        name: ExecutorName::new(&format!("executor-{number}"))?,
        accepted: AcceptedProperties::none().with(scheme.clone(), [PropertyName::new(PROPERTY)?]),
        poll_interval: Duration::from_secs(60),
    };
    let store = Arc::new(CredentialStore::new());
    let client = ExecutorClient::new(settings, Arc::clone(clock))?;
    let client = client.start(Arc::clone(&store), Arc::clone(random), Box::new(|_| {}))?;
    Ok((store, client))
}

fn show(bundle: &VersionedCredentials, scheme: &Scheme, user: &str) -> Outcome<()> {
    let credential = bundle.credentials.get(&scheme.clone().into()).ok_or("no credential for the scheme")?;
    let value = credential.property(PROPERTY).ok_or("no property")?.expose();
    println!("version {}: {value}", bundle.version.number);
    if value == format!("a fake credential for {user}") { Ok(()) } else { Err("another user's credential".into()) }
}
