//! Why a token is refused: each rule's own refusal, with what to do. No value of a token is ever in it.

use std::fmt;
use std::time::Duration;

use crate::codec::jwt::JwtError;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::Algorithm;
use crate::name::NameError;
use crate::time::Timestamp;

/// Why a token is refused. Names of header members in it are those of our rules.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is no compact signed JWT.
    Malformed(JwtError),
    /// A header member is missing, or not what the rule says.
    HeaderMember {
        /// Which.
        member: &'static str,
    },
    /// The header has a member that is never taken: a key, a link to a key, an extension.
    HeaderForbidden {
        /// Which.
        member: &'static str,
    },
    /// The algorithm is unknown, or not in `identityToken.algorithms`.
    Algorithm,
    /// The header says that it is another type of token.
    Type,
    /// No key of the issuer has the token's key id.
    KeyUnknown,
    /// The token names no key, and the issuer has several.
    KeyAmbiguous {
        /// How many.
        keys: usize,
    },
    /// The key is for another algorithm than the token's.
    KeyAlgorithm {
        /// The token's.
        algorithm: Algorithm,
    },
    /// The signature is not valid. There is no more to know.
    Signature,
    /// The signature is valid, but a claim is not what it must be.
    Claim(ClaimError),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(source) => source.fmt(f),
            Self::HeaderMember { member } => write!(f, "the token's header member {member} is missing or malformed"),
            Self::HeaderForbidden { member } => write!(f, "the token's header has {member}, which is never taken"),
            Self::Algorithm => f.write_str("the token's algorithm is not one that is allowed"),
            Self::Type => f.write_str("the token says that it is of another type"),
            Self::KeyUnknown => f.write_str("none of the issuer's usable keys has the token's key id"),
            Self::KeyAmbiguous { keys } => write!(f, "the token names no key, and the issuer has {keys}"),
            Self::KeyAlgorithm { algorithm } => write!(f, "the token's key is not for its algorithm, {algorithm}"),
            Self::Signature => f.write_str("the token's signature is not valid"),
            Self::Claim(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for VerifyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(source) => Some(source),
            Self::Claim(source) => Some(source),
            Self::HeaderMember { .. }
            | Self::HeaderForbidden { .. }
            | Self::Algorithm
            | Self::Type
            | Self::KeyUnknown
            | Self::KeyAmbiguous { .. }
            | Self::KeyAlgorithm { .. }
            | Self::Signature => None,
        }
    }
}

impl From<JwtError> for VerifyError {
    fn from(source: JwtError) -> Self {
        Self::Malformed(source)
    }
}

impl From<ClaimError> for VerifyError {
    fn from(source: ClaimError) -> Self {
        Self::Claim(source)
    }
}

impl Actionable for VerifyError {
    fn facts(&self) -> Facts {
        match self {
            Self::Malformed(_) => Facts::new(
                "TOKEN_MALFORMED",
                Fault::Identity,
                Retry::OnNewToken,
                "Put the JWT alone into spark.security.oidc.identityToken.file: no quotes, no Bearer, at most one line end.",
            ),
            Self::HeaderMember { .. } | Self::HeaderForbidden { .. } => Facts::new(
                "TOKEN_HEADER",
                Fault::Identity,
                Retry::OnNewToken,
                "Have the issuer sign with a plain JWS header: alg, kid and typ.",
            ),
            Self::Algorithm => Facts::new(
                "TOKEN_ALGORITHM",
                Fault::Identity,
                Retry::OnNewToken,
                "Have the issuer sign with one of spark.security.oidc.identityToken.algorithms.",
            ),
            Self::Type => Facts::new(
                "TOKEN_TYPE",
                Fault::Identity,
                Retry::OnNewToken,
                "Mount the right token, or set spark.security.oidc.identityToken.type to at+jwt for an access token.",
            ),
            Self::KeyUnknown => Facts::new(
                "KEY_UNKNOWN",
                Fault::Identity,
                Retry::Backoff,
                "Check that spark.security.oidc.jwks.* and identityToken.issuer name the issuer that signed the token.",
            ),
            Self::KeyAmbiguous { .. } => Facts::new(
                "KEY_AMBIGUOUS",
                Fault::Identity,
                Retry::Backoff,
                "Have the issuer name the key (kid) in its tokens, or set spark.security.oidc.jwks.file to its one key.",
            ),
            Self::KeyAlgorithm { .. } => Facts::new(
                "KEY_ALGORITHM",
                Fault::Identity,
                Retry::Backoff,
                "Have the issuer sign with the algorithm that it publishes with its key.",
            ),
            Self::Signature => Facts::new(
                "TOKEN_SIGNATURE",
                Fault::Identity,
                Retry::OnNewToken,
                "Treat the token as forged or damaged: find out who wrote spark.security.oidc.identityToken.file.",
            ),
            Self::Claim(source) => source.facts(),
        }
    }
}

/// Why a claim is not what it must be. Names of claims in it are those of our rules and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimError {
    /// It is missing.
    Missing {
        /// Which.
        claim: String,
    },
    /// It is there, but of another type or outside its range.
    Type {
        /// Which.
        claim: String,
        /// What it must be.
        expected: &'static str,
    },
    /// It is a text that cannot be a name of its kind.
    Form {
        /// Which.
        claim: String,
        /// The rule that is broken.
        source: NameError,
    },
    /// `aud` has more entries than can be meant.
    TooManyAudiences {
        /// How many.
        count: usize,
        /// Most allowed.
        most: usize,
    },
    /// `exp` is before `iat`.
    EndsBeforeStart {
        /// `iat`.
        issued_at: Timestamp,
        /// `exp`.
        expires_at: Timestamp,
    },
    /// `iss` is not the configured issuer.
    Issuer,
    /// `aud` names none of the configured audiences.
    Audience,
    /// `exp` has passed.
    Expired {
        /// `exp`.
        expired_at: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// `nbf` has not come yet.
    NotYetValid {
        /// `nbf`.
        valid_from: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// `iat` has not come yet.
    IssuedInFuture {
        /// `iat`.
        issued_at: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// The life from `iat` to `exp` is longer than `identityToken.maxLifetime`.
    TooLongLived {
        /// The life.
        lifetime: Duration,
        /// Most allowed.
        most: Duration,
    },
    /// `azp` is not the configured party.
    AuthorizedParty,
    /// It has not the value that a setting requires.
    Value {
        /// Which.
        claim: String,
    },
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { claim } => write!(f, "the token has no claim {claim}"),
            Self::Type { claim, expected } => write!(f, "the token's claim {claim} is not {expected}"),
            Self::Form { claim, source } => write!(f, "the token's claim {claim} cannot be taken: {source}"),
            Self::TooManyAudiences { count, most } => write!(f, "the token has {count} audiences, more than {most}"),
            Self::EndsBeforeStart { issued_at, expires_at } => {
                write!(f, "the token expires at {expires_at}, before it was issued at {issued_at}")
            }
            Self::Issuer => f.write_str("the token is from another issuer"),
            Self::Audience => f.write_str("the token is for another audience"),
            Self::Expired { expired_at, now } => write!(f, "the token expired at {expired_at}; it is {now}"),
            Self::NotYetValid { valid_from, now } => write!(f, "the token is valid from {valid_from}; it is {now}"),
            Self::IssuedInFuture { issued_at, now } => write!(f, "the token was issued at {issued_at}; it is {now}"),
            Self::TooLongLived { lifetime, most } => {
                write!(f, "the token lives {} s, longer than {} s", lifetime.as_secs(), most.as_secs())
            }
            Self::AuthorizedParty => f.write_str("the token was issued to another party"),
            Self::Value { claim } => write!(f, "the token's claim {claim} has not the required value"),
        }
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Form { source, .. } => Some(source),
            Self::Missing { .. }
            | Self::Type { .. }
            | Self::TooManyAudiences { .. }
            | Self::EndsBeforeStart { .. }
            | Self::Issuer
            | Self::Audience
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::IssuedInFuture { .. }
            | Self::TooLongLived { .. }
            | Self::AuthorizedParty
            | Self::Value { .. } => None,
        }
    }
}

impl Actionable for ClaimError {
    fn facts(&self) -> Facts {
        match self {
            Self::Missing { .. }
            | Self::Type { .. }
            | Self::Form { .. }
            | Self::TooManyAudiences { .. }
            | Self::EndsBeforeStart { .. } => Facts::new(
                "TOKEN_CLAIM",
                Fault::Identity,
                Retry::OnNewToken,
                "Have the issuer put iss, sub, aud, exp and iat into the token as RFC 7519 says, and the claims that are set.",
            ),
            Self::Issuer => Facts::new(
                "TOKEN_ISSUER",
                Fault::Identity,
                Retry::OnNewToken,
                "Set spark.security.oidc.identityToken.issuer to the token's iss, byte for byte, or mount the right token.",
            ),
            Self::Audience => Facts::new(
                "TOKEN_AUDIENCE",
                Fault::Identity,
                Retry::OnNewToken,
                "Ask for the token with the audience in spark.security.oidc.identityToken.audience, or correct that setting.",
            ),
            Self::Expired { .. } => Facts::new(
                "TOKEN_EXPIRED",
                Fault::Identity,
                Retry::OnNewToken,
                "Find out why spark.security.oidc.identityToken.file is no longer rotated, and check the clock.",
            ),
            Self::NotYetValid { .. } | Self::IssuedInFuture { .. } => Facts::new(
                "TOKEN_NOT_YET_VALID",
                Fault::Identity,
                Retry::Backoff,
                "Wait until the token is valid; if that is long, set this machine's or the issuer's clock right.",
            ),
            Self::TooLongLived { .. } => Facts::new(
                "TOKEN_TOO_LONG_LIVED",
                Fault::Identity,
                Retry::OnNewToken,
                "Mount a projected token with an audience of its own and a short life, or raise identityToken.maxLifetime.",
            ),
            Self::AuthorizedParty => Facts::new(
                "TOKEN_AUTHORIZED_PARTY",
                Fault::Identity,
                Retry::OnNewToken,
                "Mount the token of the client in spark.security.oidc.identityToken.authorizedParty, or correct that setting.",
            ),
            Self::Value { .. } => Facts::new(
                "TOKEN_CLAIM_VALUE",
                Fault::Identity,
                Retry::OnNewToken,
                "Mount a token that meets spark.security.oidc.identityToken.requiredClaim.*, or correct that setting.",
            ),
        }
    }
}
