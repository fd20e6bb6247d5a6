//! Where the identity token comes from, and how its rotation is noticed.

mod file;
mod keys;

use std::fmt;
use std::path::PathBuf;

use crate::codec::hash::Sha256;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::{ClaimError, UserContext, VerifyError};
use crate::sys::file::FileError;
use crate::time::{Moment, Timestamp};

pub use file::{FileTokenIngestor, TokenFile, read_token};
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
    /// The token is good, but was issued before the one that was in the file and is still good.
    Older {
        /// When it was issued.
        issued_at: Timestamp,
        /// When the other one was.
        than: Timestamp,
    },
    /// The last good token is still in the file, and has expired.
    NotRotated {
        /// When it expired.
        expired_at: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// There was a good token in the file, and now there is this.
    Worse {
        /// What is wrong with it.
        source: Box<IngestError>,
    },
    /// An ingestor of one's own failed; it says itself what that means.
    Own {
        /// Code, fault, retry class and remedy.
        facts: Facts,
    },
}

impl IngestError {
    /// What this means where the file had a good token before; `unchanged` if that is what it still has.
    #[must_use]
    pub fn after_a_good_token(self, unchanged: bool) -> Self {
        match self {
            Self::Verify(VerifyError::Claim(ClaimError::Expired { expired_at, now })) if unchanged => {
                Self::NotRotated { expired_at, now }
            }
            Self::File(_) | Self::Empty { .. } | Self::Verify(_) | Self::Older { .. } if !unchanged => {
                Self::Worse { source: Box::new(self) }
            }
            // Said by itself, or not the file's fault: keys that cannot be had, a token that is about to expire.
            other => other,
        }
    }
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
            Self::Older { issued_at, than } => {
                write!(f, "the identity token was issued at {issued_at}, and the one before it at {than}")
            }
            Self::NotRotated { expired_at, now } => {
                write!(f, "the identity token has expired at {expired_at} and is still in its file at {now}")
            }
            Self::Worse { source } => {
                let code = source.facts().code;
                write!(f, "the identity token file had a good token before; now: [{code}] {source}")
            }
            Self::Own { facts } => write!(f, "the token's ingestor reports {}", facts.code),
        }
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            Self::Empty { .. }
            | Self::NearlyExpired { .. }
            | Self::Older { .. }
            | Self::NotRotated { .. }
            | Self::Own { .. } => None,
            Self::Keys(source) => Some(source),
            Self::Verify(source) => Some(source),
            Self::Worse { source } => Some(source.as_ref()),
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
            Self::Older { .. } => Facts::new(
                "TOKEN_OLDER",
                Fault::Identity,
                Retry::Backoff,
                "Find out who put an older token back into spark.security.oidc.identityToken.file; it is taken once the newer one has expired.",
            ),
            Self::NotRotated { .. } => Facts::new(
                "TOKEN_NOT_ROTATED",
                Fault::Identity,
                Retry::OnNewToken,
                "Check kubelet, or whoever writes spark.security.oidc.identityToken.file: the same token is in it since before it expired.",
            ),
            Self::Worse { .. } => Facts::new(
                "TOKEN_FILE_WORSE",
                Fault::Identity,
                Retry::OnNewToken,
                "Look up the code in brackets, and put a good token back; until then the last good credential serves until it expires.",
            ),
            Self::Own { facts } => *facts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_good_token_each_fault_of_the_file_is_worse_and_an_unchanged_expired_one_is_not_rotated() {
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let code = |error: IngestError, unchanged| error.after_a_good_token(unchanged).facts().code;
        let expired =
            || IngestError::Verify(VerifyError::Claim(ClaimError::Expired { expired_at: time(1), now: time(2) }));
        assert_eq!(code(expired(), true), "TOKEN_NOT_ROTATED");
        assert_eq!(code(expired(), false), "TOKEN_FILE_WORSE");
        assert_eq!(code(IngestError::Empty { path: PathBuf::from("t") }, false), "TOKEN_FILE_WORSE");
        assert_eq!(code(IngestError::Older { issued_at: time(1), than: time(2) }, false), "TOKEN_FILE_WORSE");
        assert_eq!(code(IngestError::Verify(VerifyError::KeyUnknown), true), "KEY_UNKNOWN", "the keys became worse");
        assert_eq!(code(IngestError::Keys(KeySourceError::OtherIssuer), false), "KEYS_DISCOVERY");
        let soon = IngestError::NearlyExpired { expires_at: time(2), now: time(1) };
        assert_eq!(code(soon, false), "TOKEN_NEARLY_EXPIRED");
    }
}
