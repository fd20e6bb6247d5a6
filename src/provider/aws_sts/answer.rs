//! Why an answer of an STS that should hold a credential is not used, and what to do about it.

use std::fmt;

use super::MAX_LIFE;
use crate::codec::sts_xml::XmlError;
use crate::credential::CredentialError;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::time::Timestamp;

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
    /// The service does not say that it applied the managed policies, and is not known to have them.
    PolicyPassedOver,
    /// The credential cannot be kept.
    Credential(CredentialError),
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
            Self::PolicyPassedOver => f.write_str("the STS does not say that managed policies narrow the credential"),
            Self::Credential(error) => write!(f, "the STS's credential cannot be used: {error}"),
        }
    }
}

impl std::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed { reason, .. } => Some(reason),
            Self::Credential(error) => Some(error),
            Self::Status { .. }
            | Self::Expired { .. }
            | Self::Life { .. }
            | Self::Subject
            | Self::Provider
            | Self::PolicyPassedOver => None,
        }
    }
}

impl Actionable for AnswerError {
    fn facts(&self) -> Facts {
        match self {
            // A document of another kind fails at its root: this one began as an answer does, and ended early.
            Self::Malformed { status: 200, reason: XmlError::Unclosed | XmlError::Syntax } => Facts::new(
                "STS_ANSWER_CUT",
                Fault::Unreachable,
                Retry::Backoff,
                "If it lasts, look at the gateways on the way to the STS: its answers arrive damaged or cut off.",
            ),
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
            Self::PolicyPassedOver => Facts::new(
                "STS_ANSWER_POLICY",
                Fault::Service,
                Retry::Never,
                "Narrow by aws.policyFile in place of aws.policyArns: MinIO and others pass over managed policies.",
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
