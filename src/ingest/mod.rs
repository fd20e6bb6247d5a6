//! Where the identity token comes from, and how its rotation is noticed.

mod file;
mod keys;

use std::fmt;

use crate::codec::hash::Sha256;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::UserContext;
use crate::time::{Moment, Timestamp};

/// Reads the identity token and notices that it changed.
pub trait TokenIngestor: Send {
    /// Reads the token and verifies it. Given by value: it is dropped, and wiped, after the exchange.
    ///
    /// # Errors
    /// [`IngestError`] says what is wrong with the file, the token or the keys.
    fn load(&mut self, at: Moment) -> Result<UserContext, IngestError>;

    /// A digest of what [`TokenIngestor::load`] would read now: cheap, and no secret.
    ///
    /// # Errors
    /// [`IngestError`] if there is nothing to read.
    fn fingerprint(&mut self) -> Result<Sha256, IngestError>;
}

/// Why there is no verified user.
#[derive(Debug)]
#[non_exhaustive]
pub enum IngestError {
    /// The token is good, but expires so soon that an exchange could come too late.
    NearlyExpired {
        /// When it expires.
        expires_at: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// An ingestor of one's own failed; it says itself what that means.
    Own {
        /// Code, fault, retry class and remedy.
        facts: Facts,
    },
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NearlyExpired { expires_at, now } => {
                write!(f, "the identity token expires at {expires_at}, too soon for an exchange at {now}")
            }
            Self::Own { facts } => write!(f, "the token's ingestor reports {}", facts.code),
        }
    }
}

impl std::error::Error for IngestError {}

impl Actionable for IngestError {
    fn facts(&self) -> Facts {
        match self {
            Self::NearlyExpired { .. } => Facts::new(
                "TOKEN_NEARLY_EXPIRED",
                Fault::Identity,
                Retry::OnNewToken,
                "Wait for the next token; if none comes, check kubelet or whoever writes the token file.",
            ),
            Self::Own { facts } => *facts,
        }
    }
}
