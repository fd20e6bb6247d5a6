//! Role chaining: AssumeRole, signed with the credential of the step before. Keeps none of them.

use std::fmt;
use std::time::Duration;

use super::{API_VERSION, AwsSts, AwsStsError, MIN_DURATION, SessionPolicy, check_expiration, understood};
use crate::codec::form::FormBuilder;
use crate::codec::sigv4::Credentials;
use crate::codec::sts_xml::{Action, AssumedRole};
use crate::name::{ExternalId, RoleArn, SessionName, TagKey, TagValue};
use crate::time::Moment;

/// Most steps: all of them are made within the time of one exchange, and nobody is known to need more than two.
pub const MAX_STEPS: usize = 5;

/// Longest credential of a step, whatever its role allows (IAM User Guide, "Role chaining").
pub const MAX_STEP_DURATION: Duration = Duration::from_secs(3600);

/// Most tags of a session (STS model).
pub const MAX_TAGS: usize = 50;

/// The roles that are assumed one after the other, beginning with the credential of the web identity; by default none.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    steps: Vec<ChainStep>,
}

/// One of these roles.
#[derive(Debug, Clone)]
pub struct ChainStep {
    /// The role.
    pub role_arn: RoleArn,
    /// What the role's owner in another account gave us to say. It is no secret.
    pub external_id: Option<ExternalId>,
    /// How long its credential should live, 900 s to [`MAX_STEP_DURATION`]; by default the service decides.
    pub duration: Option<Duration>,
    /// Whether the session's name is also set as the source identity, which no later role can change.
    pub source_identity: bool,
    /// Tags of the session, for policies that ask for them.
    pub tags: Vec<(TagKey, TagValue)>,
}

impl Chain {
    /// These steps, in their order.
    ///
    /// # Errors
    /// [`ChainError`] names the rule.
    pub fn new(steps: Vec<ChainStep>) -> Result<Self, ChainError> {
        if steps.len() > MAX_STEPS {
            return Err(ChainError::TooManySteps { count: steps.len() });
        }
        for step in &steps {
            step.check()?;
        }
        Ok(Self { steps })
    }

    pub(super) fn steps(&self) -> &[ChainStep] {
        &self.steps
    }
}

impl ChainStep {
    /// Checks duration and tags.
    ///
    /// # Errors
    /// [`ChainError`] names the rule.
    pub fn check(&self) -> Result<(), ChainError> {
        let allowed = MIN_DURATION..=MAX_STEP_DURATION;
        if let Some(duration) = self.duration.filter(|duration| !allowed.contains(duration)) {
            return Err(ChainError::Duration { seconds: duration.as_secs() });
        }
        if self.tags.len() > MAX_TAGS {
            return Err(ChainError::TooManyTags { count: self.tags.len() });
        }
        // Rule: tags' keys are compared without regard to case (IAM User Guide, "Pass session tags").
        let mut keys: Vec<String> = self.tags.iter().map(|(key, _)| key.as_str().to_ascii_lowercase()).collect();
        keys.sort();
        if keys.iter().zip(keys.iter().skip(1)).any(|(one, next)| one == next) {
            return Err(ChainError::DuplicateTag);
        }
        Ok(())
    }

    /// What is said of it in a request, beside action and version.
    fn parameters(&self, session_name: &SessionName, policy: Option<&SessionPolicy>) -> Vec<(String, String)> {
        let mut parameters = vec![
            ("RoleArn".to_owned(), self.role_arn.as_str().to_owned()),
            ("RoleSessionName".to_owned(), session_name.as_str().to_owned()),
        ];
        let mut put = |name: &str, value: String| parameters.push((name.to_owned(), value));
        if let Some(duration) = self.duration {
            put("DurationSeconds", duration.as_secs().to_string());
        }
        if let Some(id) = &self.external_id {
            put("ExternalId", id.as_str().to_owned());
        }
        if self.source_identity {
            put("SourceIdentity", session_name.as_str().to_owned());
        }
        for (n, (key, value)) in (1usize..).zip(&self.tags) {
            put(&format!("Tags.member.{n}.Key"), key.as_str().to_owned());
            put(&format!("Tags.member.{n}.Value"), value.as_str().to_owned());
        }
        parameters.extend(policy.map(SessionPolicy::parameters).unwrap_or_default());
        parameters
    }
}

impl AwsSts {
    /// Assumes the role of `step` with the credential of the step before, which the caller drops.
    pub(super) fn assume(
        &self,
        step: &ChainStep,
        before: &AssumedRole,
        session_name: &SessionName,
        policy: Option<&SessionPolicy>,
        at: Moment,
    ) -> Result<AssumedRole, AwsStsError> {
        let parameters = step.parameters(session_name, policy);
        let form = FormBuilder::new().text("Action", Action::AssumeRole.name()).text("Version", API_VERSION);
        let form = parameters.iter().fold(form, |form, (name, value)| form.text(name, value));
        let form = form.finish().map_err(AwsStsError::Form)?;
        let credentials = Credentials {
            access_key_id: &before.access_key_id,
            secret_access_key: &before.secret_access_key,
            session_token: Some(&before.session_token),
        };
        let response = self.send_signed(&form, &credentials, at.wall)?;
        let assumed = understood(&response, Action::AssumeRole)?;
        check_expiration(assumed.expiration, at.wall)?;
        Ok(assumed)
    }
}

/// Why a chain cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// More than [`MAX_STEPS`].
    TooManySteps {
        /// How many.
        count: usize,
    },
    /// A step's duration lies outside 900 s to [`MAX_STEP_DURATION`].
    Duration {
        /// What was asked for.
        seconds: u64,
    },
    /// A step has more than [`MAX_TAGS`].
    TooManyTags {
        /// How many.
        count: usize,
    },
    /// A step has two tags of one key.
    DuplicateTag,
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManySteps { count } => write!(f, "the chain has {count} steps, more than {MAX_STEPS}"),
            Self::Duration { seconds } => {
                let (least, most) = (MIN_DURATION.as_secs(), MAX_STEP_DURATION.as_secs());
                write!(f, "the duration is {seconds} s, not {least} to {most}")
            }
            Self::TooManyTags { count } => write!(f, "there are {count} tags, more than {MAX_TAGS}"),
            Self::DuplicateTag => f.write_str("two tags have one key, capital letters aside"),
        }
    }
}

impl std::error::Error for ChainError {}
