//! What can go wrong at an STS, and what to do about it.

use std::fmt;
use std::time::Duration;

use super::{AnswerError, MAX_DURATION, MIN_DURATION, Refusal};
use crate::codec::form::FormError;
use crate::codec::sigv4::SigV4Error;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::{NameError, Scheme};
use crate::sys::http::HttpError;

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
    /// The global endpoint has neither a FIPS nor a dual-stack variant.
    GlobalVariant,
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
    /// A role of the chain was not assumed.
    Step {
        /// Which, from 1.
        step: usize,
        /// Why.
        error: Box<AwsStsError>,
    },
}

impl From<AnswerError> for AwsStsError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl AwsStsError {
    /// How long the service asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Step { error, .. } => error.retry_after(),
            Self::Duration { .. }
            | Self::Region
            | Self::GlobalVariant
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
            Self::GlobalVariant => f.write_str("aws-global has neither a FIPS nor a dual-stack endpoint"),
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
            Self::Step { step, error } => write!(f, "step {step} of the chain: {error}"),
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
            Self::Step { error, .. } => error.source(),
            Self::Duration { .. }
            | Self::Region
            | Self::GlobalVariant
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
            Self::GlobalVariant => Facts::new(
                "STS_GLOBAL_VARIANT",
                Fault::Configuration,
                Retry::Never,
                "Set aws.region to a region such as us-east-1, or leave out aws.fips and aws.partitionDualStack.",
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
            Self::Step { error, .. } => error.facts(),
        }
    }
}
