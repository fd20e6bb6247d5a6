//! What the renewal says of its troubles: each once while it lasts. Counts what befalls the identity token.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::StartError;
use crate::error::Actionable;
use crate::ingest::IngestError;
use crate::name::Scheme;

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

/// Where the renewal thread leaves the token's state for others to read.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTokenHealth(Arc<Mutex<TokenHealth>>);

impl SharedTokenHealth {
    pub(super) fn get(&self) -> TokenHealth {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_state(&self, state: TokenState) {
        // Plain numbers: a panic elsewhere leaves nothing half done.
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if health.state != state {
            health.state = state;
            match state {
                TokenState::NotRotated => health.times_not_rotated = health.times_not_rotated.saturating_add(1),
                TokenState::Worse => health.times_worse = health.times_worse.saturating_add(1),
                TokenState::NoneYet | TokenState::Good => {}
            }
        }
    }
}

/// The code that was said, and that of the cause in it.
type Said = (&'static str, Option<&'static str>);

/// The troubles that last: of the token (no scheme), and of each scheme's exchanges.
#[derive(Debug)]
pub(super) struct Health {
    lasting: BTreeMap<Option<Scheme>, Said>,
    token: SharedTokenHealth,
}

impl Health {
    pub(super) fn new(token: SharedTokenHealth) -> Self {
        Self { lasting: BTreeMap::new(), token }
    }

    /// Says a failure, unless it was the last thing said of its kind.
    pub(super) fn failed(&mut self, error: &StartError) {
        match error {
            StartError::Token(IngestError::NotRotated { .. }) => self.token.become_state(TokenState::NotRotated),
            StartError::Token(IngestError::Worse { .. }) => self.token.become_state(TokenState::Worse),
            _ => {}
        }
        let scheme = match error {
            StartError::Exchange { scheme, .. } | StartError::Overdue { scheme } => Some(scheme.clone()),
            _ => None,
        };
        let cause = match error {
            StartError::Token(IngestError::Worse { source }) => Some(source.facts().code),
            _ => None,
        };
        let facts = error.facts();
        let said = (facts.code, cause);
        if self.lasting.insert(scheme, said) != Some(said) {
            log::warn!("[{}] {error}. {}", facts.code, facts.remedy);
        }
    }

    pub(super) fn token_is_good(&mut self) {
        self.token.become_state(TokenState::Good);
        self.over(None);
    }

    pub(super) fn has_credential(&mut self, scheme: &Scheme) {
        self.over(Some(scheme.clone()));
    }

    fn over(&mut self, trouble: Option<Scheme>) {
        if let Some((code, _)) = self.lasting.remove(&trouble) {
            log::info!("recovered from {code}");
        }
    }
}
