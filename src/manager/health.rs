//! What the renewal says of its troubles: each once while it lasts. Keeps count for whoever watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StartError;
use crate::error::{Actionable, Facts, Retry};
use crate::ingest::IngestError;
use crate::name::CredentialName;
use crate::time::Timestamp;

/// What the token file holds now, compared with the last good token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenState {
    /// No good token yet.
    #[default]
    NoneYet,
    /// A good token.
    Good,
    /// The last good token, past its `exp`: nobody rotates the file (`TOKEN_NOT_ROTATED`).
    NotRotated,
    /// Something worse than the last good token: nothing, garbage, an older or a foreign token (`TOKEN_FILE_WORSE`).
    Worse,
}

/// The state of the token file, and how often it came to that since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenHealth {
    /// What it holds now.
    pub state: TokenState,
    /// How often it became [`TokenState::NotRotated`].
    pub times_not_rotated: u64,
    /// How often it became [`TokenState::Worse`].
    pub times_worse: u64,
}

/// How the renewal fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenewalReport {
    /// The identity token.
    pub token: TokenHealth,
    /// How often each code was met, by credential; without one where it is no exchange's. A state that lasts is met at
    /// each look.
    pub failures: BTreeMap<(Option<CredentialName>, &'static str), u64>,
    /// When each credential was last made anew.
    pub last_success: BTreeMap<CredentialName, Timestamp>,
    /// The codes of troubles that last and that waiting does not mend: somebody has to do something, or to put another
    /// token there. Without a credential's name it is the token's.
    pub stuck: BTreeMap<Option<CredentialName>, &'static str>,
}

/// A view of the renewal for other threads.
#[derive(Debug, Clone, Default)]
pub struct RenewalWatch(Arc<Mutex<RenewalReport>>);

impl RenewalWatch {
    /// How it fares now.
    #[must_use]
    pub fn report(&self) -> RenewalReport {
        self.lock().clone()
    }

    fn become_state(&self, state: TokenState) {
        let health = &mut self.lock().token;
        if health.state != state {
            health.state = state;
            match state {
                TokenState::NotRotated => health.times_not_rotated = health.times_not_rotated.saturating_add(1),
                TokenState::Worse => health.times_worse = health.times_worse.saturating_add(1),
                TokenState::NoneYet | TokenState::Good => {}
            }
        }
    }

    fn failed(&self, name: Option<&CredentialName>, facts: Facts) {
        let mut report = self.lock();
        let count = report.failures.entry((name.cloned(), facts.code)).or_default();
        *count = count.saturating_add(1);
        match facts.retry {
            Retry::Never | Retry::OnNewToken => report.stuck.insert(name.cloned(), facts.code),
            Retry::Backoff => report.stuck.remove(&name.cloned()),
        };
    }

    /// Each change leaves whole numbers and whole entries: a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, RenewalReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code that was said, and that of the cause in it.
type Said = (&'static str, Option<&'static str>);

/// The troubles that last: of the token (no name), and of each credential's exchanges.
#[derive(Debug)]
pub(super) struct Health {
    lasting: BTreeMap<Option<CredentialName>, Said>,
    watch: RenewalWatch,
}

impl Health {
    pub(super) fn new(watch: RenewalWatch) -> Self {
        Self { lasting: BTreeMap::new(), watch }
    }

    /// Says a failure, unless it was the last thing said of its kind.
    pub(super) fn failed(&mut self, error: &StartError) {
        match error {
            StartError::Token(IngestError::NotRotated { .. }) => self.watch.become_state(TokenState::NotRotated),
            StartError::Token(IngestError::Worse { .. }) => self.watch.become_state(TokenState::Worse),
            _ => {}
        }
        let name = match error {
            StartError::Exchange { name, .. } | StartError::Overdue { name } => Some(name.clone()),
            _ => None,
        };
        let cause = match error {
            StartError::Token(IngestError::Worse { source }) => Some(source.facts().code),
            _ => None,
        };
        let facts = error.facts();
        self.watch.failed(name.as_ref(), facts);
        let said = (facts.code, cause);
        if self.lasting.insert(name, said) != Some(said) {
            log::warn!("[{}] {error}. {}", facts.code, facts.remedy);
        }
    }

    pub(super) fn token_is_good(&mut self) {
        self.watch.become_state(TokenState::Good);
        self.over(None);
    }

    pub(super) fn has_credential(&mut self, name: &CredentialName, now: Timestamp) {
        self.watch.lock().last_success.insert(name.clone(), now);
        self.over(Some(name.clone()));
    }

    fn over(&mut self, trouble: Option<CredentialName>) {
        self.watch.lock().stuck.remove(&trouble);
        if let Some((code, _)) = self.lasting.remove(&trouble) {
            log::info!("recovered from {code}");
        }
    }
}
