//! Exchanges: a verified user becomes a credential. The trait, the error, and who serves which scheme.

mod aws_sts;

pub use aws_sts::{
    AnswerError, AwsSts, AwsStsEndpoint, AwsStsError, AwsStsSettings, Chain, ChainError, ChainStep, MAX_DURATION,
    MAX_LIFE, MAX_MANAGED_POLICIES, MAX_POLICY, MAX_STEP_DURATION, MAX_STEPS, MAX_TAGS, MIN_DURATION, PolicyArn,
    PolicyDocument, PolicyError, Refusal, RoleSettings, SessionPolicy, Variant, session_name_for,
};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::ServiceCredential;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::UserContext;
use crate::name::{CredentialName, Scheme};
use crate::time::Moment;

/// Exchanges a verified user for a credential.
pub trait CredentialProvider: Send + Sync {
    /// One exchange. It does not retry, cache or schedule: the manager does all three. It must end by itself; after
    /// [`RESOLVE_LIMIT`](crate::manager::RESOLVE_LIMIT) the manager counts it as failed.
    ///
    /// # Errors
    /// [`ResolveError`]: its retry class decides when the manager tries again.
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError>;
}

/// Which provider makes which credential.
#[derive(Clone, Default)]
pub struct Providers {
    by_name: BTreeMap<CredentialName, Arc<dyn CredentialProvider>>,
}

impl Providers {
    /// No provider.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also `provider`, for the credential of that name; a scheme alone is the unnamed one's. A second one for the same
    /// name replaces the first.
    #[must_use]
    pub fn with(mut self, name: impl Into<CredentialName>, provider: Arc<dyn CredentialProvider>) -> Self {
        self.by_name.insert(name.into(), provider);
        self
    }

    /// The provider of the credential of that name.
    #[must_use]
    pub fn get(&self, name: &CredentialName) -> Option<&Arc<dyn CredentialProvider>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&CredentialName, &Arc<dyn CredentialProvider>)> {
        self.by_name.iter()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// Why an exchange failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResolveError {
    /// The exchange at an STS failed.
    AwsSts(AwsStsError),
    /// A provider panicked.
    Panicked,
    /// A provider of one's own failed; it says itself what that means.
    Own {
        /// Code, fault, retry class and remedy.
        facts: Facts,
    },
}

impl ResolveError {
    /// How long the service asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::AwsSts(error) => error.retry_after(),
            Self::Panicked | Self::Own { .. } => None,
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsSts(error) => error.fmt(f),
            Self::Panicked => f.write_str("the provider panicked"),
            Self::Own { facts } => write!(f, "the provider reports {}", facts.code),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AwsSts(error) => error.source(),
            Self::Panicked | Self::Own { .. } => None,
        }
    }
}

impl Actionable for ResolveError {
    fn facts(&self) -> Facts {
        match self {
            Self::AwsSts(error) => error.facts(),
            Self::Panicked => Facts::new(
                "PROVIDER_PANICKED",
                Fault::Service,
                Retry::Backoff,
                "Report it to whoever maintains the provider of this scheme.",
            ),
            Self::Own { facts } => *facts,
        }
    }
}
