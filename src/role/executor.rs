//! `safe-conduct executor`: asks the driver, serves its own pod, and runs the command once credentials are in hand.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use safe_conduct::config::ExecutorConfig;
use safe_conduct::credential::{AcceptedProperties, s3a};
use safe_conduct::distribute::{AskOutcome, ClientSettings, ExecutorClient};
use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::process::{self, Event, Events};
use safe_conduct::sys::random::SystemRandomness;
use safe_conduct::time::Clock;

use super::serving::PreparedEndpoint;
use super::status::{self, ExecutorStatus};
use super::{Command, Failure};

/// Runs the executor until it is told to end, or until its command has ended; gives the exit status.
pub(crate) fn run(config: ExecutorConfig, command: Option<Command>) -> Result<u8, Failure> {
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    process::harden(command.is_some())?;
    let (events, waker) = Events::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(CredentialStore::new());
    let endpoint = PreparedEndpoint::new(config.endpoint.clone())?;
    let client = ExecutorClient::new(client_settings(&config), Arc::clone(&clock))?;
    let watched = Arc::new(ExecutorStatus::new(Arc::clone(&store), endpoint.requests(), config.poll_interval));
    let source = Arc::clone(&watched);
    let _status = status::serve(config.status, &clock, move |at| source.snapshot(at))?;
    let trouble = Arc::new(Mutex::new(None));
    let (last, asked) = (Arc::clone(&trouble), Arc::clone(&clock));
    let (held, lapsed) = (Arc::clone(&store), AtomicBool::new(false));
    let notify = Box::new(move |outcome: &AskOutcome| {
        let newest = held.newest();
        let left = newest.and_then(|newest| newest.credentials.servable_for(asked.moment()));
        say_lapse(lapsed.swap(is_over(left), Ordering::Relaxed), is_over(left));
        watched.asked(outcome, asked.moment());
        let said = outcome.trouble().map(|(text, facts)| Trouble { text: text.to_string(), facts });
        *last.lock().unwrap_or_else(PoisonError::into_inner) = said;
        waker.wake();
    });
    let _client = client.start(Arc::clone(&store), Arc::new(SystemRandomness::new()), notify)?;

    let deadline = clock.moment().monotonic.saturating_add(config.start_timeout);
    loop {
        let at = clock.moment();
        let servable = store.newest().and_then(|newest| newest.credentials.servable_for(at));
        if servable.is_some_and(|left| !left.is_zero()) {
            break;
        }
        let last = trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hopeless = last.as_ref().is_some_and(|last: &Trouble| last.facts.retry == Retry::Never);
        let left = deadline.saturating_sub(at.monotonic);
        if hopeless || left.is_zero() {
            return Err(NoCredentials { after: config.start_timeout, last, hopeless }.into());
        }
        if let Some(Event::Signal(signal)) = events.next(Some(left))
            && process::ends_us(signal)
        {
            return Ok(process::status_of_signal(signal));
        }
    }
    endpoint.serve(store, clock)?.run(&events, command)
}

/// What the client that asks needs to know.
pub(crate) fn client_settings(config: &ExecutorConfig) -> ClientSettings {
    let names = s3a::PROPERTIES.iter().filter_map(|name| PropertyName::new(name).ok());
    ClientSettings {
        driver: config.driver.clone(),
        proof: config.proof.clone(),
        name: config.name.clone(),
        accepted: AcceptedProperties::none().with(Scheme::s3a(), names),
        poll_interval: config.poll_interval,
    }
}

/// There were credentials, and they may not be served any more.
fn is_over(left: Option<Duration>) -> bool {
    left.is_some_and(|left| left.is_zero())
}

/// Says once that clients are refused from now on, and once that they are served again.
fn say_lapse(before: bool, now: bool) {
    match (before, now) {
        (false, true) => log::warn!("[CREDENTIALS_EXPIRED] nothing is served until the driver has newer credentials"),
        (true, false) => log::info!("recovered from CREDENTIALS_EXPIRED"),
        (false, false) | (true, true) => {}
    }
}

/// What the last ask ran into.
#[derive(Debug, Clone)]
struct Trouble {
    text: String,
    facts: Facts,
}

/// An executor that never got anything.
#[derive(Debug)]
struct NoCredentials {
    after: Duration,
    last: Option<Trouble>,
    /// Waiting would not have helped.
    hopeless: bool,
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last {
            Some(last) if self.hopeless => f.write_str(&last.text),
            Some(last) => write!(f, "gave up after {} s: {}", self.after.as_secs(), last.text),
            None => write!(f, "there was no answer within {} s", self.after.as_secs()),
        }
    }
}

impl std::error::Error for NoCredentials {}

impl Actionable for NoCredentials {
    fn facts(&self) -> Facts {
        match &self.last {
            Some(last) => last.facts,
            None => Facts::new(
                "ASK_NO_ANSWER",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the driver's pod runs, and raise spark.security.oidc.startTimeout if it starts slowly.",
            ),
        }
    }
}
