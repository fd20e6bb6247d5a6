//! `safe-conduct driver`: verifies, exchanges, keeps fresh, answers executors, and serves its own pod.

use std::sync::{Arc, mpsc};

use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::config::DriverConfig;
use safe_conduct::distribute::{DriverServer, ServerSettings};
use safe_conduct::manager::{ManagerParts, RunningManager, StartError, UserCredentialManager};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::process::{self, Event, Events, Waker};
use safe_conduct::sys::random::{Random, SystemRandomness};
use safe_conduct::time::Clock;

use super::audit_file::AuditFile;
use super::serving::PreparedEndpoint;
use super::status::{self, DriverStatus};
use super::{Command, Failure, parts};

/// Runs the driver until it is told to end, or until its command has ended; gives the exit status.
pub(crate) fn run(config: DriverConfig, command: Option<Command>) -> Result<u8, Failure> {
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    process::harden(command.is_some())?;
    let (events, waker) = Events::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random: Arc<dyn Random> = Arc::new(SystemRandomness::new());
    let audit: Arc<dyn AuditLog> = Arc::new(AuditFile::open(config.audit_file.as_deref())?);
    let store = Arc::new(CredentialStore::new());
    if command.is_some() {
        log::warn!("the command runs in the container that holds the identity token and can read it");
        audit.record(&AuditEvent::SharedContainer, clock.moment().wall);
    }
    let endpoint = PreparedEndpoint::new(config.endpoint)?;
    // The listener opens before the first exchange: a port that is taken is known at once, and an executor that asks
    // early is told when to ask again.
    let proof = parts::driver_proof(config.way, config.exchange.aws_ca_file.as_deref(), clock.moment())?;
    let server = ServerSettings { listen: config.listen, proof, poll_interval: config.poll_interval };
    let (shared_store, shared_clock) = (Arc::clone(&store), Arc::clone(&clock));
    let server = DriverServer::start(server, shared_store, shared_clock, Arc::clone(&random), Arc::clone(&audit))?;
    log::info!("answering executors at {}", server.local_addr());

    let (ingestor, providers) = parts::exchange(config.exchange)?;
    let manager = UserCredentialManager::new(
        ManagerParts {
            ingestor: Box::new(ingestor),
            providers,
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            random,
            audit,
        },
        config.manager,
    );
    let source = DriverStatus {
        store: Arc::clone(&store),
        renewal: manager.watch(),
        asks: server.asks(),
        endpoint: endpoint.requests(),
    };
    // Before the first exchange, so that a start that takes long can be watched.
    let _status = status::serve(config.status, &clock, move |at| source.snapshot(at))?;
    let _manager = match start(manager, &events, waker)? {
        Started::Running(manager) => manager,
        Started::Signal(signal) => return Ok(process::status_of_signal(signal)),
    };
    endpoint.serve(store, clock)?.run(&events, command)
}

enum Started {
    Running(RunningManager),
    Signal(i32),
}

/// Waits for the first credentials, or for a signal.
fn start(manager: UserCredentialManager, events: &Events, waker: Waker) -> Result<Started, Failure> {
    let (tell, told) = mpsc::channel();
    let running = manager.start_then(move |outcome| {
        // Whoever waits below has either heard of it or is gone.
        let _ = tell.send(outcome);
        waker.wake();
    })?;
    while let Some(event) = events.next(None) {
        match event {
            Event::Signal(signal) if process::ends_us(signal) => return Ok(Started::Signal(signal)),
            Event::Signal(_) | Event::ChildChanged | Event::Woken => {}
        }
        if let Ok(outcome) = told.try_recv() {
            outcome?;
            return Ok(Started::Running(running));
        }
    }
    Err(StartError::Ended.into())
}
