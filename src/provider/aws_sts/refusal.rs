//! What a code of the service means for us: one class each, with our own code, remedy and retry class.

mod facts;

use crate::codec::sts_xml::{Action, Says, ServiceError};
use crate::error::Facts;

/// What a service's code means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The token has expired by the service's clock.
    ExpiredToken,
    /// The service could not reach the issuer.
    IdpUnreachable,
    /// The service could not fetch the issuer's keys: often for a moment only.
    KeyNotRetrieved,
    /// The service does not know the issuer, or cannot use the token.
    InvalidToken,
    /// The service does not know the token's audience.
    Audience,
    /// The service has another key for the token's signature, or none.
    TokenSignature,
    /// The issuer's claims were rejected.
    ClaimRejected,
    /// The token does not name a policy that the service knows, where it has to (MinIO).
    PolicyClaim,
    /// The role's trust policy does not let this user in.
    AccessDenied,
    /// The role of a chain's step does not let the role before it in.
    ChainDenied,
    /// The service does not know the role, or not in this form.
    UnknownRole,
    /// A session policy is malformed, or policies and tags are too large.
    Policy,
    /// The duration is longer or shorter than the role or the service allows.
    Duration,
    /// A parameter that comes from our settings is refused.
    Configuration,
    /// MinIO refuses the token or a parameter: it has one code for both.
    InvalidParameter,
    /// The service does not accept a signature, or the credential that made it.
    Signature,
    /// A signature's time is too far from the service's.
    Clock,
    /// STS is not activated in the region.
    RegionDisabled,
    /// There were too many calls.
    Throttled,
    /// The service has a fault or is starting.
    Unavailable,
    /// A code that we do not know, with a status below 500.
    Unknown,
}

/// The codes on the wire: AWS's first, then those that only MinIO or Ceph send.
const CODES: [(&str, Refusal); 40] = [
    ("ExpiredTokenException", Refusal::ExpiredToken),
    ("ExpiredToken", Refusal::ExpiredToken),
    ("IDPCommunicationError", Refusal::IdpUnreachable),
    ("InvalidIdentityToken", Refusal::InvalidToken),
    ("IDPRejectedClaim", Refusal::ClaimRejected),
    ("AccessDenied", Refusal::AccessDenied),
    ("AccessDeniedException", Refusal::AccessDenied),
    ("MalformedPolicyDocument", Refusal::Policy),
    ("PackedPolicyTooLarge", Refusal::Policy),
    ("ValidationError", Refusal::Configuration),
    ("MissingParameter", Refusal::Configuration),
    ("InvalidAction", Refusal::Configuration),
    ("InvalidParameterValue", Refusal::InvalidParameter),
    ("RegionDisabledException", Refusal::RegionDisabled),
    ("SignatureDoesNotMatch", Refusal::Signature),
    ("IncompleteSignature", Refusal::Signature),
    ("InvalidClientTokenId", Refusal::Signature),
    ("UnrecognizedClientException", Refusal::Signature),
    ("MissingAuthenticationToken", Refusal::Signature),
    ("RequestExpired", Refusal::Clock),
    ("Throttling", Refusal::Throttled),
    ("ThrottlingException", Refusal::Throttled),
    ("RequestLimitExceeded", Refusal::Throttled),
    ("TooManyRequestsException", Refusal::Throttled),
    ("ThrottledException", Refusal::Throttled),
    ("RequestThrottledException", Refusal::Throttled),
    ("SlowDown", Refusal::Throttled),
    ("InternalFailure", Refusal::Unavailable),
    ("InternalError", Refusal::Unavailable),
    ("ServiceUnavailable", Refusal::Unavailable),
    ("STSNotInitialized", Refusal::Unavailable),
    ("STSIAMNotInitialized", Refusal::Unavailable),
    ("XMinioServerNotInitialized", Refusal::Unavailable),
    ("InvalidArgument", Refusal::Configuration),
    ("NoSuchEntity", Refusal::UnknownRole),
    ("MethodNotAllowed", Refusal::Configuration),
    ("InvalidAccessKeyId", Refusal::Signature),
    ("InvalidTokenId", Refusal::Signature),
    ("AuthorizationHeaderMalformed", Refusal::Signature),
    ("RequestTimeTooSkewed", Refusal::Clock),
];

impl Refusal {
    /// What `error`, which came with `status` in an answer to `action`, means.
    #[must_use]
    pub fn of(error: &ServiceError, status: u16, action: Action) -> Self {
        let listed = CODES.iter().find(|(code, _)| *code == error.code).map(|(_, refusal)| *refusal);
        match listed {
            Some(refusal) => refusal.narrowed(error.says).signed_by_us(action),
            None if status == 429 => Self::Throttled,
            None if status >= 500 => Self::Unavailable,
            None => Self::Unknown,
        }
    }

    /// What its message says, where servers have one code for several things.
    fn narrowed(self, says: Option<Says>) -> Self {
        match (self, says) {
            (Self::InvalidToken, Some(Says::VerificationKey)) => Self::KeyNotRetrieved,
            (Self::InvalidToken | Self::InvalidParameter, Some(Says::Audience)) => Self::Audience,
            (Self::InvalidParameter, Some(Says::TokenExpired)) => Self::ExpiredToken,
            (Self::InvalidParameter, Some(Says::TokenSignature)) => Self::TokenSignature,
            (Self::InvalidParameter, Some(Says::PolicyClaim)) => Self::PolicyClaim,
            (Self::InvalidParameter, Some(Says::Role)) => Self::UnknownRole,
            (Self::InvalidParameter, Some(Says::Policy)) => Self::Policy,
            (Self::AccessDenied, Some(Says::Signature)) => Self::Signature,
            (Self::InvalidParameter | Self::Configuration, Some(Says::Duration)) => Self::Duration,
            (Self::Signature, Some(Says::Clock)) => Self::Clock,
            // MinIO, for a token without `exp`: status 500, and it never passes.
            (Self::Unavailable, Some(Says::Arguments)) => Self::InvalidParameter,
            _ => self,
        }
    }

    /// Where a credential has signed, and no token was sent, some codes are about that credential.
    fn signed_by_us(self, action: Action) -> Self {
        match (action, self) {
            (Action::AssumeRole, Self::AccessDenied) => Self::ChainDenied,
            (Action::AssumeRole | Action::GetCallerIdentity, Self::ExpiredToken) => Self::Signature,
            _ => self,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::ExpiredToken => "the identity token has expired by the service's clock",
            Self::IdpUnreachable => "the service could not reach the token's issuer",
            Self::KeyNotRetrieved => "the service could not fetch the issuer's keys",
            Self::InvalidToken => "the service does not accept the token's issuer or form",
            Self::Audience => "the service does not accept the token's audience",
            Self::TokenSignature => "the service cannot verify the token's signature",
            Self::ClaimRejected => "the service rejects a claim of the token",
            Self::PolicyClaim => "the token names no policy that the service knows",
            Self::AccessDenied => "the role may not be assumed with this token",
            Self::ChainDenied => "the role may not be assumed by the role before it",
            Self::UnknownRole => "the service does not know the role",
            Self::Policy => "the session policy is malformed, or policies and tags are too large",
            Self::Duration => "the duration is not one that the role or the service allows",
            Self::Configuration => "a parameter of the request is refused",
            Self::InvalidParameter => "the token or a parameter of the request is refused",
            Self::Signature => "the request's signature, or the credential that made it, is refused",
            Self::Clock => "the service's clock is too far from ours for a signature",
            Self::RegionDisabled => "STS is not activated in this region",
            Self::Throttled => "the service is throttling",
            Self::Unavailable => "the service has a fault or is not ready",
            Self::Unknown => "the service refuses",
        }
    }

    pub(super) fn facts(self) -> Facts {
        match self {
            Self::ExpiredToken => facts::EXPIRED_TOKEN,
            Self::IdpUnreachable => facts::IDP_UNREACHABLE,
            Self::KeyNotRetrieved => facts::KEY_NOT_RETRIEVED,
            Self::InvalidToken => facts::INVALID_TOKEN,
            Self::Audience => facts::AUDIENCE,
            Self::TokenSignature => facts::TOKEN_SIGNATURE,
            Self::ClaimRejected => facts::CLAIM_REJECTED,
            Self::PolicyClaim => facts::POLICY_CLAIM,
            Self::AccessDenied => facts::ACCESS_DENIED,
            Self::ChainDenied => facts::CHAIN_DENIED,
            Self::UnknownRole => facts::UNKNOWN_ROLE,
            Self::Policy => facts::POLICY,
            Self::Duration => facts::DURATION,
            Self::Configuration => facts::CONFIGURATION,
            Self::InvalidParameter => facts::INVALID_PARAMETER,
            Self::Signature => facts::SIGNATURE,
            Self::Clock => facts::CLOCK,
            Self::RegionDisabled => facts::REGION_DISABLED,
            Self::Throttled => facts::THROTTLED,
            Self::Unavailable => facts::UNAVAILABLE,
            Self::Unknown => facts::UNKNOWN,
        }
    }
}
