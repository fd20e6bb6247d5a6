//! Session policies: what a credential may do at most, whatever its role allows. Checked before they are sent.

use std::fmt;

use crate::codec::json::{Json, JsonError, JsonLimits, JsonObject};

/// Longest inline policy in characters (STS model).
pub const MAX_POLICY: usize = 2048;

/// Most managed policies (STS model).
pub const MAX_MANAGED_POLICIES: usize = 10;

/// How much a policy's JSON may hold. 2,048 characters have at most 4,096 bytes; every value has at least two characters.
const LIMITS: JsonLimits = JsonLimits { bytes: 2 * MAX_POLICY, depth: 32, values: MAX_POLICY / 2 };

/// The versions of the policy language. MinIO refuses a policy without one, and AWS takes it for the older one.
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// What narrows the credential that is handed out; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct SessionPolicy {
    inline: Option<PolicyDocument>,
    managed: Vec<PolicyArn>,
}

impl SessionPolicy {
    /// An inline policy, managed ones, or both: then what both allow.
    ///
    /// # Errors
    /// [`PolicyError::TooManyArns`].
    pub fn new(inline: Option<PolicyDocument>, managed: Vec<PolicyArn>) -> Result<Self, PolicyError> {
        match managed.len() {
            0..=MAX_MANAGED_POLICIES => Ok(Self { inline, managed }),
            count => Err(PolicyError::TooManyArns { count }),
        }
    }

    /// The parameters of a request.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let numbered = (1..).zip(&self.managed);
        let managed = numbered.map(|(n, arn): (usize, _)| (format!("PolicyArns.member.{n}.arn"), arn.0.clone()));
        let inline = self.inline.iter().map(|document| ("Policy".to_owned(), document.0.clone()));
        managed.chain(inline).collect()
    }

    /// Whether managed policies are asked for.
    pub(super) fn has_managed(&self) -> bool {
        !self.managed.is_empty()
    }
}

/// A policy in the language of IAM: JSON, sent as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument(String);

impl PolicyDocument {
    /// Checks the size, the characters, the JSON, and that it says its version and has a statement. What the statement
    /// means is the service's to judge.
    ///
    /// # Errors
    /// [`PolicyError`] names the rule and repeats nothing of the policy.
    pub fn new(bytes: &[u8]) -> Result<Self, PolicyError> {
        let text = bytes.trim_ascii();
        let document = JsonObject::parse(text, &LIMITS).map_err(PolicyError::Json)?;
        let text = std::str::from_utf8(text).map_err(|_| PolicyError::Character { position: 0 })?;
        let count = text.chars().count();
        if count > MAX_POLICY {
            return Err(PolicyError::TooLong { count });
        }
        // Rule: `[\t\n\r\x20-\xFF]+` (STS model).
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        if let Some(position) = text.chars().position(|c| !allowed(c)) {
            return Err(PolicyError::Character { position });
        }
        if !document.text("Version").is_ok_and(|version| version.is_some_and(|version| VERSIONS.contains(&version))) {
            return Err(PolicyError::Version);
        }
        match document.get("Statement") {
            Some(Json::List(_) | Json::Object(_)) => Ok(Self(text.to_owned())),
            _ => Err(PolicyError::Statement),
        }
    }
}

/// A managed policy's ARN: `arn:PARTITION:iam::ACCOUNT:policy/NAME`, with `aws` as the account of AWS's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArn(String);

impl PolicyArn {
    /// Checks it.
    ///
    /// # Errors
    /// [`PolicyError::Arn`].
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
        let name = resource.strip_prefix("policy/").unwrap_or_default();
        // Rule: 20 to 2048 characters (STS model). A name has letters, digits and a few signs, folders included.
        let form = (20..=2048).contains(&text.len())
            && arn == "arn"
            && (partition == "aws" || partition.starts_with("aws-"))
            && (service, region) == ("iam", "")
            && (account == "aws" || super::is_account(account))
            && !name.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_+=,.@-".contains(&byte));
        if form { Ok(Self(text.to_owned())) } else { Err(PolicyError::Arn) }
    }
}

/// Why a session policy is refused. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not JSON of the kind that we read.
    Json(JsonError),
    /// It is longer than [`MAX_POLICY`].
    TooLong {
        /// How many characters it has.
        count: usize,
    },
    /// A character that STS does not take.
    Character {
        /// Where, counted in characters from 0.
        position: usize,
    },
    /// There is no `Version`, or one that does not exist.
    Version,
    /// There is no `Statement`.
    Statement,
    /// It is no ARN of a managed policy.
    Arn,
    /// There are more ARNs than [`MAX_MANAGED_POLICIES`].
    TooManyArns {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::TooLong { count } => write!(f, "the policy has {count} characters, more than {MAX_POLICY}"),
            Self::Character { position } => {
                write!(f, "the policy has a character that is not allowed at position {position}")
            }
            Self::Version => f.write_str("the policy's Version is not 2012-10-17 or 2008-10-17"),
            Self::Statement => f.write_str("the policy has no Statement"),
            Self::Arn => f.write_str("an ARN is not of the form arn:aws:iam::123456789012:policy/NAME"),
            Self::TooManyArns { count } => write!(f, "there are {count} ARNs, more than {MAX_MANAGED_POLICIES}"),
        }
    }
}

impl std::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::TooLong { .. }
            | Self::Character { .. }
            | Self::Version
            | Self::Statement
            | Self::Arn
            | Self::TooManyArns { .. } => None,
        }
    }
}
