//! The renewal thread on the driver: it looks, exchanges and publishes as `cycle` decides.

mod cycle;
mod health;
mod schedule;
#[cfg(test)]
pub(crate) mod simulation;
mod work;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::audit::AuditLog;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::ingest::{IngestError, TokenIngestor};
use crate::name::CredentialName;
use crate::provider::{Providers, ResolveError};
use crate::store::{CredentialStore, Epoch};
use crate::sys::random::{Random, RandomError};
use crate::time::Clock;

pub use health::{RenewalReport, RenewalWatch, TokenHealth, TokenState};
pub use schedule::RenewalSettings;

use work::{Inbox, Renewal};

/// How long one exchange may take before the manager counts it as failed: three HTTP time limits of 10 s.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(30);

/// Stack of the renewal thread and of each exchange: TLS and parsing need some 100 KiB.
const STACK: usize = 512 * 1024;

/// What the manager decides by.
#[derive(Debug, Clone, Copy)]
pub struct ManagerSettings {
    /// When to renew.
    pub renewal: RenewalSettings,
    /// How long to go on trying at start what may pass (`startTimeout`).
    pub start_timeout: Duration,
    /// Whether a token of another principal than the first is refused (`identityToken.pinPrincipal`).
    pub pin_principal: bool,
}

impl Default for ManagerSettings {
    fn default() -> Self {
        Self { renewal: RenewalSettings::default(), start_timeout: Duration::from_secs(120), pin_principal: false }
    }
}

/// What the manager works with.
pub struct ManagerParts {
    /// Where the identity token comes from.
    pub ingestor: Box<dyn TokenIngestor>,
    /// Who exchanges it, credential by credential.
    pub providers: Providers,
    /// Where the credentials go.
    pub store: Arc<CredentialStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and for the epoch.
    pub random: Arc<dyn Random>,
    /// Where exchanges are recorded.
    pub audit: Arc<dyn AuditLog>,
}

/// Turns the identity token into credentials and keeps them fresh.
///
/// It cannot be used before it has credentials, and dropping what [`UserCredentialManager::start`] gives stops it.
pub struct UserCredentialManager {
    parts: ManagerParts,
    settings: ManagerSettings,
    watch: RenewalWatch,
}

impl UserCredentialManager {
    /// A manager that has not started.
    #[must_use]
    pub fn new(parts: ManagerParts, settings: ManagerSettings) -> Self {
        Self { parts, settings, watch: RenewalWatch::default() }
    }

    /// A view of the renewal, from before it starts.
    #[must_use]
    pub fn watch(&self) -> RenewalWatch {
        self.watch.clone()
    }

    /// Makes the first exchange of every credential and returns once all are there.
    ///
    /// What may pass (a token file that is not there yet, a service that does not answer) is tried again until
    /// `start_timeout`.
    ///
    /// # Errors
    /// [`StartError`]: at once if waiting does not help.
    pub fn start(self) -> Result<RunningManager, StartError> {
        let (tell, told) = mpsc::channel();
        let running = self.start_then(move |outcome| {
            // The receiver waits below until it is told.
            let _ = tell.send(outcome);
        })?;
        told.recv().unwrap_or(Err(StartError::Ended))?;
        Ok(running)
    }

    /// Starts the renewal thread; `started` is called from it, once: when all credentials are there, or when the
    /// start has failed and the thread is about to end.
    ///
    /// # Errors
    /// [`StartError`] if there is no provider, no randomness or no thread.
    pub fn start_then(
        self,
        started: impl FnOnce(Result<(), StartError>) + Send + 'static,
    ) -> Result<RunningManager, StartError> {
        if self.parts.providers.iter().next().is_none() {
            return Err(StartError::NoScheme);
        }
        let mut epoch = [0; 16];
        self.parts.random.fill(&mut epoch).map_err(|RandomError| StartError::NoRandomness)?;
        let inbox = Arc::new(Inbox::new());
        let mut renewal = Renewal::new(
            self.parts,
            self.settings,
            Epoch(epoch),
            Arc::clone(&inbox),
            work::in_threads(),
            self.watch,
            Box::new(started),
        );
        let builder = std::thread::Builder::new().name("renewal".to_owned()).stack_size(STACK);
        let thread = builder.spawn(move || renewal.run()).map_err(|_| StartError::NoThread)?;
        Ok(RunningManager { inbox, thread: Some(thread) })
    }
}

impl fmt::Debug for UserCredentialManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserCredentialManager({:?})", self.parts.providers)
    }
}

/// A manager at work. Dropping it stops the renewal at once and waits for its thread; an exchange that is under way
/// ends by itself and its result is not used.
#[derive(Debug)]
pub struct RunningManager {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl RunningManager {
    /// Looks at the token and at the clock now, instead of at the next due time.
    pub fn check_now(&self) {
        self.inbox.poke();
    }
}

impl Drop for RunningManager {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the renewal thread ended in a panic");
        }
    }
}

/// Why there are no first credentials.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No provider is configured.
    NoScheme,
    /// No randomness for the epoch.
    NoRandomness,
    /// The operating system gave no thread.
    NoThread,
    /// The renewal was stopped, or its thread ended, before the start was complete.
    Ended,
    /// No good token.
    Token(IngestError),
    /// The token names another principal than before.
    Pinned,
    /// An exchange failed.
    Exchange {
        /// For which credential.
        name: CredentialName,
        /// Why.
        error: ResolveError,
    },
    /// An exchange did not end within [`RESOLVE_LIMIT`].
    Overdue {
        /// For which credential.
        name: CredentialName,
    },
    /// `start_timeout` is over, and this was the last failure.
    TimedOut {
        /// How long it was tried.
        after: Duration,
        /// What failed last.
        last: Box<StartError>,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("no credential provider is configured"),
            Self::NoRandomness => f.write_str("the operating system gave no random bytes"),
            Self::NoThread => f.write_str("the operating system gave no thread"),
            Self::Ended => f.write_str("stopped before the first credentials were there"),
            Self::Token(error) => error.fmt(f),
            Self::Pinned => f.write_str("the identity token names another principal than the first one"),
            Self::Exchange { name, error } => write!(f, "credential {name}: {error}"),
            Self::Overdue { name } => {
                write!(f, "credential {name}: the exchange did not end within {} s", RESOLVE_LIMIT.as_secs())
            }
            Self::TimedOut { after, last } => write!(f, "gave up after {} s: {last}", after.as_secs()),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => Some(error),
            Self::Exchange { error, .. } => Some(error),
            Self::TimedOut { last, .. } => Some(last),
            Self::NoScheme
            | Self::NoRandomness
            | Self::NoThread
            | Self::Ended
            | Self::Pinned
            | Self::Overdue { .. } => None,
        }
    }
}

impl Actionable for StartError {
    fn facts(&self) -> Facts {
        match self {
            Self::NoScheme => Facts::new(
                "START_NO_SCHEME",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.aws.roleArn, or spark.security.oidc.aws.target.<name>.roleArn.",
            ),
            Self::NoRandomness => Facts::new(
                "START_NO_RANDOMNESS",
                Fault::Configuration,
                Retry::Backoff,
                "Give the container access to the kernel's random source.",
            ),
            Self::NoThread => Facts::new(
                "START_NO_THREAD",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes or memory.",
            ),
            Self::Ended => Facts::new(
                "START_ENDED",
                Fault::Configuration,
                Retry::Backoff,
                "Start again, unless it was stopped on purpose.",
            ),
            Self::Token(error) => error.facts(),
            Self::Pinned => Facts::new(
                "IDENTITY_PINNED",
                Fault::Identity,
                Retry::OnNewToken,
                "Put the first user's token back, or leave out spark.security.oidc.identityToken.pinPrincipal and start again.",
            ),
            Self::Exchange { error, .. } => error.facts(),
            Self::Overdue { .. } => Facts::new(
                "RESOLVE_OVERDUE",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the provider of this credential ends its calls in time; another call waits until this one has ended.",
            ),
            Self::TimedOut { last, .. } => last.facts(),
        }
    }
}
