//! The whole way in one process: an identity token becomes credentials that an SDK would use on two executors.
//!
//! Run it with `cargo run --release --example quickstart`. It speaks to loopback only, moves its own clock, prints a
//! line a step, and exits with 1 at the first step that does not happen.

mod issuer;
mod sts;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::distribute::{DriverProof, DriverServer, ListenAddress, ServerSettings};
use safe_conduct::identity::TokenVerifier;
use safe_conduct::ingest::{FileTokenIngestor, KeySource};
use safe_conduct::manager::{ManagerParts, ManagerSettings, UserCredentialManager};
use safe_conduct::name::{Audience, Issuer, RoleArn, Scheme};
use safe_conduct::provider::{AwsSts, AwsStsEndpoint, AwsStsSettings, Providers, RoleSettings};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::http::{HttpClient, UreqClient};
use safe_conduct::sys::random::{Random, SystemRandomness};
use safe_conduct::sys::{file, job_keys};
use safe_conduct::time::Clock;

use world::{AuditTrail, Executor, Leaks, MovedClock, Stepped, TokenVolume, within};

const AUDIENCE: &str = "sts.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/spark";
const HOUR: u64 = 3600;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(step) => {
            eprintln!("this step did not happen: {step}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Stepped<()> {
    let clock = Arc::new(MovedClock::new());
    let random: Arc<dyn Random> = Arc::new(SystemRandomness::new());
    let audit = Arc::new(AuditTrail::default());
    let folder = world::Folder::new()?;

    let issuer = issuer::Issuer::start()?;
    let mut sts = sts::Sts::start(&issuer, Arc::clone(&clock))?;
    say(&format!("an issuer listens at {}, an STS at {}", issuer.url(), sts.url()));

    let (driver_keys, executor_keys) = job_keys::new_job_keys(random.as_ref()).map_err(|error| error.to_string())?;
    for (name, keys) in [("driver.pem", driver_keys), ("executors.pem", executor_keys)] {
        file::create_new(&folder.path(name), keys.as_slice()).map_err(|error| error.to_string())?;
    }
    say("the job's two key files are made (as `safe-conduct keys new` makes them)");

    let mut volume = TokenVolume::new(folder.path("token-volume"))?;
    let alice = issuer.token("alice", AUDIENCE, clock.now(), 24 * HOUR)?;
    volume.rotate(&alice)?;
    say("the driver's volume holds alice's identity token, laid out as kubelet does");

    // The driver: verify, exchange, keep fresh, answer.
    let store = Arc::new(CredentialStore::new());
    let server = ServerSettings {
        listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
        proof: DriverProof::KeyFile(folder.path("driver.pem")),
        poll_interval: Duration::from_secs(60),
    };
    let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
    let server = DriverServer::start(server, Arc::clone(&store), as_clock(), Arc::clone(&random), audit.clone())
        .map_err(|error| error.to_string())?;
    let manager = manager(&issuer, &sts, &volume, &store, &clock, &audit)?;
    let manager = manager.start().map_err(|error| error.to_string())?;
    say(&format!("the driver verified the token and exchanged it once ({} call at the STS)", sts.calls()));

    // Two executors, each with an endpoint of its own.
    let mut leaks = Leaks::default();
    let mut executors = Vec::new();
    for number in 1..=2 {
        let executor = Executor::start(number, &folder, server.local_addr(), as_clock(), &random)?;
        leaks.add_executor(&executor)?;
        executors.push(executor);
    }
    for executor in &executors {
        let answer = executor.read_as_an_sdk()?;
        expect(answer.status == 200 && answer.names("alice"), "an executor serves alice's credential")?;
        leaks.add("endpoint's answer", &answer.bytes);
        say(&format!("executor {}: {} -> 200, version {}", executor.number, executor.url(), executor.version()));
    }
    expect(sts.calls() == 1, "one STS call for one renewal, however many executors")?;

    // Another user's token, the way kubelet puts it there.
    let bob = issuer.token("bob", AUDIENCE, clock.now(), 24 * HOUR)?;
    volume.rotate(&bob)?;
    manager.check_now();
    within("version 2 at the driver", || store.newest().is_some_and(|newest| newest.version.number == 2))?;
    for executor in &executors {
        executor.ask_now();
        within("version 2 at an executor", || executor.version() == 2)?;
        let answer = executor.read_as_an_sdk()?;
        expect(answer.status == 200 && answer.names("bob"), "an executor serves bob's credential")?;
        leaks.add_executor(executor)?;
        leaks.add("endpoint's answer", &answer.bytes);
        say(&format!(
            "executor {}: the token is bob's now, so is the credential, version {}",
            executor.number,
            executor.version()
        ));
    }

    // The service goes away; what is held serves on, and is never served past its end.
    sts.stop();
    clock.advance(Duration::from_secs(HOUR / 2));
    manager.check_now();
    within("a failed renewal", || audit.count("\"outcome\":\"failed\"") > 0)?;
    for executor in &executors {
        expect(executor.read_as_an_sdk()?.status == 200, "the last good credential is served while the STS is down")?;
    }
    say("the STS is stopped, a renewal has failed, and the last good credential is served on");
    for (left, seconds) in [("14 s before its expiry", HOUR / 2 - 14), ("a minute after it", 74)] {
        clock.advance(Duration::from_secs(seconds));
        for executor in &executors {
            let answer = executor.read_as_an_sdk()?;
            expect(answer.status == 503, "nothing is served at the end of a credential's life")?;
            leaks.add("endpoint's answer", &answer.bytes);
        }
        say(&format!("{left} the credential is not served any more: 503"));
    }

    drop(manager);
    drop(server);
    for executor in executors {
        leaks.add_files(&executor)?;
    }
    leaks.add("audit trail", audit.text().as_bytes());
    for (user, token) in [("alice", &alice), ("bob", &bob)] {
        let found = leaks.search(token);
        expect(found.is_empty(), &format!("no trace of {user}'s identity token; found in {found:?}"))?;
        let mut planted = leaks.copy();
        planted.add("planted", format!("xx{token}yy").as_bytes());
        expect(planted.search(token) == ["planted"], "the search finds a token that was planted")?;
    }
    say(&format!(
        "searched for both identity tokens, raw and in base64, whole and by segment, in {}: none; a planted one is found",
        leaks.summary()
    ));
    Ok(())
}

/// The driver's manager with the library's own parts: file, verifier, discovery, AWS STS.
fn manager(
    issuer: &issuer::Issuer,
    sts: &sts::Sts,
    volume: &TokenVolume,
    store: &Arc<CredentialStore>,
    clock: &Arc<MovedClock>,
    audit: &Arc<AuditTrail>,
) -> Stepped<UserCredentialManager> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let http: Arc<dyn HttpClient> = Arc::new(UreqClient::with_default_roots().map_err(|error| text(&error))?);
    let name = Issuer::new(issuer.url()).map_err(|error| text(&error))?;
    let (refresh, stale) = (Duration::from_secs(HOUR), Duration::from_secs(24 * HOUR));
    let keys = KeySource::discovery(&name, Arc::clone(&http), None, refresh, stale).map_err(|error| text(&error))?;
    let verifier = TokenVerifier::new(name, Audience::new(AUDIENCE).map_err(|error| text(&error))?);
    let settings = AwsStsSettings {
        role: RoleSettings {
            duration: Some(Duration::from_secs(HOUR)),
            ..RoleSettings::new(RoleArn::new(ROLE).map_err(|error| text(&error))?)
        },
        endpoint: AwsStsEndpoint::Url {
            url: ServiceUrl::new(sts.url()).map_err(|error| text(&error))?,
            signing_region: None,
        },
    };
    let provider = AwsSts::new(settings, http).map_err(|error| text(&error))?;
    let parts = ManagerParts {
        ingestor: Box::new(FileTokenIngestor::new(volume.token_file(), verifier, keys)),
        providers: Providers::new().with(Scheme::s3a(), Arc::new(provider)),
        store: Arc::clone(store),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandomness::new()),
        audit: audit.clone(),
    };
    Ok(UserCredentialManager::new(parts, ManagerSettings::default()))
}

fn expect(happened: bool, step: &str) -> Stepped<()> {
    if happened { Ok(()) } else { Err(step.to_owned()) }
}

fn say(line: &str) {
    println!("- {line}");
}
