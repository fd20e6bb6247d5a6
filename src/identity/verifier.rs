//! TokenVerifier: the only maker of a UserContext.

use crate::name::{Issuer, Principal, Subject};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A verified identity. It lives on the driver only, for one exchange: there is no encoder, no `Clone` and no way to
/// make one but [`TokenVerifier::verify`].
#[derive(Debug)]
pub struct UserContext {
    principal: Principal,
    subject: Subject,
    issuer: Issuer,
    token: Secret,
    issued_at: Timestamp,
    expires_at: Timestamp,
    signature_checked: bool,
}

impl UserContext {
    /// Whom the token speaks for: the configured claim, `sub` by default.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The `sub` claim, which is what an STS reports back.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Who says so.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The identity token itself, for the exchange.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The `iat` claim.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The `exp` claim.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether the token's signature was checked: not where it was skipped by configuration.
    #[must_use]
    pub fn signature_checked(&self) -> bool {
        self.signature_checked
    }

    /// A user that no token was verified for.
    #[cfg(test)]
    pub(crate) fn for_tests(subject: &str, issuer: &str, token: &str, issued_at: u64, expires_at: u64) -> Self {
        Self {
            principal: Principal::new(subject).unwrap(),
            subject: Subject::new(subject).unwrap(),
            issuer: Issuer::new(issuer).unwrap(),
            token: Secret::from_text(token),
            issued_at: Timestamp::from_unix_seconds(issued_at).unwrap(),
            expires_at: Timestamp::from_unix_seconds(expires_at).unwrap(),
            signature_checked: true,
        }
    }
}
