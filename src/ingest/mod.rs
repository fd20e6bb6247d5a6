//! Where the identity token comes from, and how its rotation is noticed.

mod file;
mod keys;

use std::fmt;
use std::path::PathBuf;

use crate::codec::hash::Sha256;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::{UserContext, VerifyError};
use crate::sys::file::FileError;
use crate::time::{Moment, Timestamp};

pub use file::{FileTokenIngestor, read_token};
pub use keys::{KeySource, KeySourceError, REFETCH_PAUSE};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestError {
    /// The token file cannot be read.
    File(FileError),
    /// The token file is there, but nothing is in it.
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// There are no keys to check the token with.
    Keys(KeySourceError),
    /// The token is refused.
    Verify(VerifyError),
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
            Self::File(source) => write!(f, "the identity token cannot be read: {source}"),
            Self::Empty { path } => write!(f, "the identity token file {} is empty", path.display()),
            Self::Keys(source) => source.fmt(f),
            Self::Verify(source) => source.fmt(f),
            Self::NearlyExpired { expires_at, now } => {
                write!(f, "the identity token expires at {expires_at}, too soon for an exchange at {now}")
            }
            Self::Own { facts } => write!(f, "the token's ingestor reports {}", facts.code),
        }
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            Self::Empty { .. } | Self::NearlyExpired { .. } | Self::Own { .. } => None,
            Self::Keys(source) => Some(source),
            Self::Verify(source) => Some(source),
        }
    }
}

impl Actionable for IngestError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(source) => source.facts(),
            Self::Empty { .. } => Facts::new(
                "TOKEN_FILE_EMPTY",
                Fault::Identity,
                Retry::Backoff,
                "Find out what writes spark.security.oidc.identityToken.file, and have it replace the file as a whole.",
            ),
            Self::Keys(source) => source.facts(),
            Self::Verify(source) => source.facts(),
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
