//! What the driver asks of whoever judges executors' own tokens. Knows neither issuers nor keys.

use std::fmt;

use crate::audit::ExecutorIdentity;
use crate::secret::Secret;
use crate::time::Moment;

/// Judges the token that an executor sends once it knows that it speaks to the driver.
pub trait PeerVerifier: fmt::Debug + Send + Sync {
    /// Whose token it is. Many threads ask at once; one that waits for the issuer must hold up no other. The token is
    /// neither kept nor repeated in a refusal.
    ///
    /// # Errors
    /// [`PeerRefusal`] if it is nobody's whom the driver serves, or if that cannot be found out now.
    fn verify(&self, token: Secret, at: Moment) -> Result<ExecutorIdentity, PeerRefusal>;
}

/// Why an executor's token does not let it in. Nothing of the token is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRefusal {
    /// The token is refused.
    Refused {
        /// The rule's stable code.
        code: &'static str,
        /// The rule.
        what: String,
    },
    /// There are no keys to check it with now.
    Unchecked {
        /// The reason's stable code.
        code: &'static str,
        /// The reason.
        what: String,
    },
}

impl fmt::Display for PeerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, what } => write!(f, "its token is refused [{code}]: {what}"),
            Self::Unchecked { code, what } => write!(f, "its token cannot be checked now [{code}]: {what}"),
        }
    }
}
