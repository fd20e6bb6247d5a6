//! What can go wrong at an STS, and what to do about it: one class for each code of the service.

use std::fmt;
use std::time::Duration;

use super::{MAX_DURATION, MAX_LIFE, MIN_DURATION};
use crate::codec::form::FormError;
use crate::codec::sigv4::SigV4Error;
use crate::codec::sts_xml::{ServiceError, XmlError};
use crate::credential::CredentialError;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::{NameError, Scheme};
use crate::sys::http::HttpError;
use crate::time::Timestamp;

/// Why an exchange at an STS failed, or why the provider cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsStsError {
    /// The duration lies outside [`MIN_DURATION`] to [`MAX_DURATION`].
    Duration {
        /// What was asked for.
        seconds: u64,
    },
    /// The region is not of a region's form.
    Region,
    /// The provider has no credentials for this scheme.
    Scheme {
        /// Which.
        scheme: Scheme,
    },
    /// No session name could be made.
    Name(NameError),
    /// The request would be too long.
    Form(FormError),
    /// The request cannot be signed.
    Sign(SigV4Error),
    /// There is no answer.
    Http(HttpError),
    /// The endpoint points elsewhere; that is never followed.
    Redirected {
        /// The status.
        status: u16,
    },
    /// The service said no, or that it cannot.
    Refused {
        /// What that means.
        refusal: Refusal,
        /// The service's own code, a plain word.
        code: String,
        /// The status.
        status: u16,
        /// The service's id of the request.
        request_id: Option<String>,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The service, or a gateway before it, is busy or down and says so in another form than STS.
    Unavailable {
        /// The status.
        status: u16,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is there and cannot be used.
    Answer(AnswerError),
}

impl From<AnswerError> for AwsStsError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

/// Why an answer that should hold a credential is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// The answer is not one of an STS.
    Malformed {
        /// The status.
        status: u16,
        /// What is wrong with the document.
        reason: XmlError,
    },
    /// The answer's document and its status contradict each other.
    Status {
        /// The status.
        status: u16,
    },
    /// The credential has expired already, by our clock.
    Expired {
        /// When.
        expires_at: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// The credential would live longer than [`MAX_LIFE`].
    Life {
        /// Until when.
        expires_at: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// The credential is for another subject than the token's.
    Subject,
    /// The credential comes from a token of another issuer.
    Provider,
    /// The credential cannot be kept.
    Credential(CredentialError),
}

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
    /// The service does not know the issuer or the audience, or cannot use the token.
    InvalidToken,
    /// The issuer's claims were rejected.
    ClaimRejected,
    /// The role's trust policy does not let this user in.
    AccessDenied,
    /// A session policy is malformed, or policies and tags are too large.
    Policy,
    /// A parameter that comes from our settings is refused.
    Configuration,
    /// MinIO refuses the token or a parameter: it has one code for both.
    InvalidParameter,
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
const CODES: [(&str, Refusal); 28] = [
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
    ("Throttling", Refusal::Throttled),
    ("ThrottlingException", Refusal::Throttled),
    ("RequestLimitExceeded", Refusal::Throttled),
    ("TooManyRequestsException", Refusal::Throttled),
    ("SlowDown", Refusal::Throttled),
    ("InternalFailure", Refusal::Unavailable),
    ("InternalError", Refusal::Unavailable),
    ("ServiceUnavailable", Refusal::Unavailable),
    ("STSNotInitialized", Refusal::Unavailable),
    ("STSIAMNotInitialized", Refusal::Unavailable),
    ("XMinioServerNotInitialized", Refusal::Unavailable),
    ("InvalidArgument", Refusal::Configuration),
    ("NoSuchEntity", Refusal::Configuration),
    ("MethodNotAllowed", Refusal::Configuration),
];

impl Refusal {
    /// What `error`, which came with `status`, means.
    #[must_use]
    pub fn of(error: &ServiceError, status: u16) -> Self {
        let listed = CODES.iter().find(|(code, _)| *code == error.code).map(|(_, refusal)| *refusal);
        match listed {
            Some(Self::InvalidToken) if error.verification_key_missing => Self::KeyNotRetrieved,
            Some(Self::InvalidParameter) if error.expired => Self::ExpiredToken,
            Some(refusal) => refusal,
            None if status == 429 => Self::Throttled,
            None if status >= 500 => Self::Unavailable,
            None => Self::Unknown,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::ExpiredToken => "the identity token has expired by the service's clock",
            Self::IdpUnreachable => "the service could not reach the token's issuer",
            Self::KeyNotRetrieved => "the service could not fetch the issuer's keys",
            Self::InvalidToken => "the service does not accept the token's issuer, audience or form",
            Self::ClaimRejected => "the service rejects a claim of the token",
            Self::AccessDenied => "the role may not be assumed with this token",
            Self::Policy => "the session policy is malformed, or policies and tags are too large",
            Self::Configuration => "a parameter of the request is refused",
            Self::InvalidParameter => "the token or a parameter of the request is refused",
            Self::RegionDisabled => "STS is not activated in this region",
            Self::Throttled => "the service is throttling",
            Self::Unavailable => "the service has a fault or is not ready",
            Self::Unknown => "the service refuses",
        }
    }

    fn facts(self) -> Facts {
        match self {
            Self::ExpiredToken => Facts::new(
                "STS_EXPIRED_TOKEN",
                Fault::Identity,
                Retry::OnNewToken,
                "Mount a projected token, which kubelet rotates, and compare this machine's clock with the service's.",
            ),
            Self::IdpUnreachable => Facts::new(
                "STS_IDP_UNREACHABLE",
                Fault::Unreachable,
                Retry::Backoff,
                "If it lasts, make the issuer's discovery document and keys reachable from the service's network.",
            ),
            Self::KeyNotRetrieved => Facts::new(
                "STS_KEY_NOT_RETRIEVED",
                Fault::Unreachable,
                Retry::Backoff,
                "If it lasts, check that the issuer's jwks_uri is public and holds the key that signed the token.",
            ),
            Self::InvalidToken => Facts::new(
                "STS_INVALID_TOKEN",
                Fault::Service,
                Retry::Never,
                "Create an IAM OIDC provider with the token's issuer as its URL and the token's audience as client id.",
            ),
            Self::ClaimRejected => Facts::new(
                "STS_CLAIM_REJECTED",
                Fault::Identity,
                Retry::OnNewToken,
                "Get a new token from the issuer: a claim of this one is invalid, expired or revoked for the service.",
            ),
            Self::AccessDenied => Facts::new(
                "STS_ACCESS_DENIED",
                Fault::Service,
                Retry::Never,
                "Let the role's trust policy allow sts:AssumeRoleWithWebIdentity for the issuer, with the token's aud and sub.",
            ),
            Self::Policy => {
                Facts::new("STS_POLICY", Fault::Service, Retry::Never, "Correct or shorten session policy and tags.")
            }
            Self::Configuration => Facts::new(
                "STS_CONFIGURATION",
                Fault::Service,
                Retry::Never,
                "Check aws.roleArn, aws.sessionName and aws.durationSeconds (not above the role's maximum) against the service.",
            ),
            Self::InvalidParameter => Facts::new(
                "STS_INVALID_PARAMETER",
                Fault::Service,
                Retry::Never,
                "Compare aws.roleArn with the ARN that MinIO prints at start, its client id with the token's aud, its keys too.",
            ),
            Self::RegionDisabled => Facts::new(
                "STS_REGION_DISABLED",
                Fault::Service,
                Retry::Never,
                "Activate STS for this region in the account's IAM settings, or set aws.region to an active one.",
            ),
            Self::Throttled => Facts::new(
                "STS_THROTTLED",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait; if it lasts, find what else in this account calls STS.",
            ),
            Self::Unavailable => Facts::new(
                "STS_UNAVAILABLE",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait; if it lasts, look at the service's health page or log.",
            ),
            Self::Unknown => Facts::new(
                "STS_REFUSED",
                Fault::Service,
                Retry::Never,
                "Look up the service's code, and the request in its log (CloudTrail) by the request id.",
            ),
        }
    }
}

impl AwsStsError {
    /// How long the service asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Duration { .. }
            | Self::Region
            | Self::Scheme { .. }
            | Self::Name(_)
            | Self::Form(_)
            | Self::Sign(_)
            | Self::Http(_)
            | Self::Redirected { .. }
            | Self::Answer(_) => None,
        }
    }
}

impl fmt::Display for AwsStsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration { seconds } => {
                let (least, most) = (MIN_DURATION.as_secs(), MAX_DURATION.as_secs());
                write!(f, "the duration is {seconds} s, not {least} to {most}")
            }
            Self::Region => f.write_str("the region is not of the form eu-central-1"),
            Self::Scheme { scheme } => write!(f, "aws-sts has no credentials for scheme {scheme}"),
            Self::Name(error) => write!(f, "no session name can be made of the principal: {error}"),
            Self::Form(error) => error.fmt(f),
            Self::Sign(error) => write!(f, "the request cannot be signed: {error}"),
            Self::Http(error) => write!(f, "there is no answer from the STS: {error}"),
            Self::Redirected { status } => write!(f, "the STS endpoint redirects (status {status})"),
            Self::Refused { refusal, code, status, request_id, .. } => {
                write!(f, "{} ({code}, status {status}", refusal.text())?;
                match request_id {
                    Some(id) => write!(f, ", request {id})"),
                    None => f.write_str(")"),
                }
            }
            Self::Unavailable { status, .. } => write!(f, "the STS, or a gateway before it, answers status {status}"),
            Self::Answer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AwsStsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Form(error) => Some(error),
            Self::Sign(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Answer(error) => error.source(),
            Self::Duration { .. }
            | Self::Region
            | Self::Scheme { .. }
            | Self::Redirected { .. }
            | Self::Refused { .. }
            | Self::Unavailable { .. } => None,
        }
    }
}

impl Actionable for AwsStsError {
    fn facts(&self) -> Facts {
        match self {
            Self::Duration { .. } => Facts::new(
                "STS_DURATION",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.aws.durationSeconds to 900 to 43200, and not above the role's maximum.",
            ),
            Self::Region => Facts::new(
                "STS_REGION",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.aws.region to a region such as eu-central-1, or aws.stsEndpoint to a URL.",
            ),
            Self::Scheme { .. } => Facts::new(
                "STS_SCHEME",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.provider.s3a=aws-sts and take aws-sts from the other scheme.",
            ),
            Self::Name(_) => Facts::new(
                "STS_SESSION_NAME",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.aws.sessionName to 2 to 64 letters, digits or _+=,.@-",
            ),
            Self::Form(_) => Facts::new(
                "STS_REQUEST_TOO_LONG",
                Fault::Identity,
                Retry::OnNewToken,
                "Have the issuer put fewer claims (groups, roles) into the token: STS takes 20000 bytes.",
            ),
            Self::Sign(_) => Facts::new(
                "STS_SIGN",
                Fault::Configuration,
                Retry::Never,
                "Set this machine's clock; if it is right, check that aws.stsEndpoint gives credentials of AWS's form.",
            ),
            Self::Http(error) => error.facts(),
            Self::Redirected { .. } => Facts::new(
                "STS_REDIRECTED",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.aws.stsEndpoint to the URL of the STS itself; a redirect would carry the token away.",
            ),
            Self::Refused { refusal, .. } => refusal.facts(),
            Self::Unavailable { .. } => Facts::new(
                "STS_GATEWAY",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait; if it lasts, look at the gateway before the STS, or check aws.stsEndpoint.",
            ),
            Self::Answer(error) => error.facts(),
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { status, reason } => write!(f, "this is no answer of an STS (status {status}): {reason}"),
            Self::Status { status } => write!(f, "the STS's answer contradicts its status {status}"),
            Self::Expired { expires_at, now } => {
                write!(f, "the credential from the STS expired at {expires_at}; it is {now}")
            }
            Self::Life { expires_at, now } => {
                let days = MAX_LIFE.as_secs() / 86_400;
                write!(f, "the credential from the STS expires at {expires_at}; it is {now}: more than {days} days")
            }
            Self::Subject => f.write_str("the STS's credential is for another subject than the token's"),
            Self::Provider => f.write_str("the STS's credential is from another issuer than the token's"),
            Self::Credential(error) => write!(f, "the STS's credential cannot be used: {error}"),
        }
    }
}

impl std::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed { reason, .. } => Some(reason),
            Self::Credential(error) => Some(error),
            Self::Status { .. } | Self::Expired { .. } | Self::Life { .. } | Self::Subject | Self::Provider => None,
        }
    }
}

impl Actionable for AnswerError {
    fn facts(&self) -> Facts {
        match self {
            Self::Malformed { .. } => Facts::new(
                "STS_ANSWER_MALFORMED",
                Fault::Configuration,
                Retry::Never,
                "Check that spark.security.oidc.aws.stsEndpoint is the URL of an STS, with its path (Ozone: /sts).",
            ),
            Self::Status { .. } => Facts::new(
                "STS_ANSWER_STATUS",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that spark.security.oidc.aws.stsEndpoint is an STS and that no gateway rewrites its answers.",
            ),
            Self::Expired { .. } => Facts::new(
                "STS_ANSWER_EXPIRED",
                Fault::Configuration,
                Retry::Backoff,
                "Set the clocks of this machine and of the service (NTP): they are further apart than a credential lives.",
            ),
            Self::Life { .. } => Facts::new(
                "STS_ANSWER_LIFE",
                Fault::Configuration,
                Retry::Never,
                "Give credentials a shorter life at the service (MinIO: MINIO_STS_DURATION), and set this machine's clock.",
            ),
            Self::Subject => Facts::new(
                "STS_ANSWER_SUBJECT",
                Fault::Service,
                Retry::Never,
                "Check that spark.security.oidc.aws.stsEndpoint is the right STS: it answered for another user.",
            ),
            Self::Provider => Facts::new(
                "STS_ANSWER_PROVIDER",
                Fault::Service,
                Retry::Never,
                "Check that spark.security.oidc.aws.stsEndpoint is the right STS: it read a token of another issuer.",
            ),
            Self::Credential(_) => Facts::new(
                "STS_ANSWER_CREDENTIAL",
                Fault::Service,
                Retry::Never,
                "Check that spark.security.oidc.aws.stsEndpoint is an STS: a value of its credential is empty or too long.",
            ),
        }
    }
}
