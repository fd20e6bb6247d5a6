//! What an answer says, bound by the path of each element. Knows nothing of XML's syntax.

use std::borrow::Cow;

use super::XmlError;
use crate::secret::{Secret, WipedBuffer};
use crate::time::Timestamp;

/// The actions whose answers have this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// `AssumeRoleWithWebIdentity`: an identity token becomes a credential.
    AssumeRoleWithWebIdentity,
    /// `AssumeRole`: a credential becomes another one.
    AssumeRole,
    /// `GetCallerIdentity`: whose credential signed the request.
    GetCallerIdentity,
}

impl Action {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    /// An element's name with the action's written as `*`, where nothing but the action makes up the rest of it:
    /// `AssumeRole` begins other names too.
    pub(super) fn normalised(self, element: &str) -> Cow<'_, str> {
        match element.strip_prefix(self.name()) {
            Some(rest @ ("Response" | "Result")) => Cow::Owned(format!("*{rest}")),
            _ => Cow::Borrowed(element),
        }
    }
}

/// What an STS answered.
#[derive(Debug)]
pub enum StsAnswer {
    /// A credential.
    Credentials(Box<AssumedRole>),
    /// A refusal or a failure.
    Error(ServiceError),
}

/// What an STS answered to the question whose credential signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerAnswer {
    /// Whose it is.
    Identity(CallerIdentity),
    /// A refusal or a failure.
    Error(ServiceError),
}

/// Whose credential signed a request, as the service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// `Account`: 12 digits.
    pub account: String,
    /// `Arn`: 20 to 2048 printable ASCII characters that start with `arn:`.
    pub arn: String,
    /// `UserId`: 2 to 256 printable ASCII characters.
    pub user_id: String,
}

/// A credential, and whom and what the service says that it is for. The texts are as the service wrote them.
#[derive(Debug)]
pub struct AssumedRole {
    /// `AccessKeyId`: 16 to 128 letters, digits and `_`.
    pub access_key_id: String,
    /// `SecretAccessKey`: printable ASCII.
    pub secret_access_key: Secret,
    /// `SessionToken`: printable ASCII.
    pub session_token: Secret,
    /// `Expiration`, its fraction of a second cut off.
    pub expiration: Timestamp,
    /// `SubjectFromWebIdentityToken`.
    pub subject: Option<String>,
    /// `Provider`.
    pub provider: Option<String>,
    /// `AssumedRoleUser/Arn`.
    pub assumed_role_arn: Option<String>,
    /// `RequestId`, if it is a plain word.
    pub request_id: Option<String>,
    /// `PackedPolicySize`: per cent of what session policies and tags may take.
    pub packed_policy_size: Option<u32>,
}

/// An error as the service reports it, without its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// `Code`: 1 to 64 letters, digits, `.`, `_` and `-`.
    pub code: String,
    /// What the message says, where servers have one code for several things.
    pub says: Option<Says>,
    /// `RequestId`, if it is a plain word.
    pub request_id: Option<String>,
}

/// What a message says: all that is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Says {
    /// The service could not fetch the issuer's keys: often for a moment only.
    VerificationKey,
    /// The token has expired.
    TokenExpired,
    /// The token's audience is not one of the service's.
    Audience,
    /// The token's signature does not fit, or there is no key for it.
    TokenSignature,
    /// The token does not name a policy, or none that exists.
    PolicyClaim,
    /// The role is unknown, or its ARN has another form.
    Role,
    /// The session policy is not one.
    Policy,
    /// The duration is too long or too short.
    Duration,
    /// A signature does not fit, or the credential that made it is unknown.
    Signature,
    /// The signature's time is too far from the service's.
    Clock,
    /// Something of the request is wrong, with the status of a fault.
    Arguments,
}

/// Parts of messages of AWS and MinIO, and what they say. A message may quote the token: nothing else is kept of it.
const MESSAGES: [(&str, Says); 19] = [
    ("retrieve verification key", Says::VerificationKey),
    ("Token is expired", Says::TokenExpired),
    ("Incorrect token audience", Says::Audience),
    ("claim invalid, ", Says::Audience),
    ("verification error", Says::TokenSignature),
    ("No public key found", Says::TokenSignature),
    ("policy claim missing", Says::PolicyClaim),
    ("None of the given policies", Says::PolicyClaim),
    ("RoleARN ", Says::Role),
    ("Role arn:", Says::Role),
    ("Version cannot be empty", Says::Policy),
    ("request signature we calculated", Says::Signature),
    ("Access Key Id you provided", Says::Signature),
    ("security token included in the request is invalid", Says::Signature),
    ("DurationSeconds exceeds", Says::Duration),
    ("invalid token expiry", Says::Duration),
    ("Invalid arguments specified", Says::Arguments),
    ("Signature expired", Says::Clock),
    ("Signature not yet current", Says::Clock),
];

/// Elements that we look at: path and name. Each stands there at most once.
const KNOWN: [(&str, &str); 22] = [
    ("/*Response", "the root element"),
    ("/*Response/*Result", "Result"),
    ("/*Response/*Result/Credentials", "Credentials"),
    ("/*Response/*Result/Credentials/AccessKeyId", "AccessKeyId"),
    ("/*Response/*Result/Credentials/SecretAccessKey", "SecretAccessKey"),
    ("/*Response/*Result/Credentials/SessionToken", "SessionToken"),
    ("/*Response/*Result/Credentials/Expiration", "Expiration"),
    ("/*Response/*Result/SubjectFromWebIdentityToken", "SubjectFromWebIdentityToken"),
    ("/*Response/*Result/Provider", "Provider"),
    ("/*Response/*Result/AssumedRoleUser", "AssumedRoleUser"),
    ("/*Response/*Result/AssumedRoleUser/Arn", "Arn"),
    ("/*Response/*Result/PackedPolicySize", "PackedPolicySize"),
    // GetCallerIdentity's.
    ("/*Response/*Result/Account", "Account"),
    ("/*Response/*Result/Arn", "the caller's Arn"),
    ("/*Response/*Result/UserId", "UserId"),
    ("/*Response/ResponseMetadata", "ResponseMetadata"),
    ("/*Response/ResponseMetadata/RequestId", "RequestId"),
    ("/ErrorResponse", "the root element"),
    ("/ErrorResponse/Error", "Error"),
    ("/ErrorResponse/RequestId", "RequestId"),
    // Ceph: the error is the root element. Its children, and those of ErrorResponse/Error, are told apart below.
    ("/Error", "the root element"),
    ("/Error/RequestId", "RequestId"),
];

/// The children of an error that we look at.
const OF_ERROR: [&str; 2] = ["Code", "Message"];

/// Collects what has been read so far.
#[derive(Default)]
pub(super) struct AnswerBuilder {
    root: Option<Root>,
    seen: Vec<&'static str>,
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
    expiration: Option<Timestamp>,
    subject: Option<String>,
    provider: Option<String>,
    assumed_role_arn: Option<String>,
    packed_policy_size: Option<u32>,
    account: Option<String>,
    caller_arn: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    code: Option<String>,
    says: Option<Says>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Response,
    Error,
}

/// The name of an element that we look at.
fn known(path: &str) -> Option<&'static str> {
    let of_error = path.strip_prefix("/ErrorResponse/Error/").or_else(|| path.strip_prefix("/Error/"));
    let listed = KNOWN.iter().find(|(known, _)| *known == path).map(|(_, name)| *name);
    listed.or_else(|| OF_ERROR.into_iter().find(|name| of_error == Some(*name)))
}

impl AnswerBuilder {
    /// An element begins. Rule: the root is the action's or an error, and what we look at stands there once.
    pub(super) fn opened(&mut self, path: &str) -> Result<(), XmlError> {
        if self.root.is_none() {
            self.root = Some(match path {
                "/*Response" => Root::Response,
                "/ErrorResponse" | "/Error" => Root::Error,
                _ => return Err(XmlError::Root),
            });
        }
        let Some(element) = known(path) else { return Ok(()) };
        if self.seen.contains(&element) {
            return Err(XmlError::Duplicate { element });
        }
        self.seen.push(element);
        Ok(())
    }

    /// Whether a text that is too long is an error. A message is then left out, like the text of unknown elements.
    pub(super) fn keeps(&self, path: &str) -> bool {
        known(path).is_some_and(|element| element != "Message")
    }

    /// An element without children ends.
    pub(super) fn closed(&mut self, path: &str, text: &WipedBuffer) -> Result<(), XmlError> {
        let Some(element) = known(path) else { return Ok(()) };
        // It is UTF-8: whole pieces of a text that is, cut at no other place than between them.
        let content = std::str::from_utf8(text.as_slice()).map_err(|_| XmlError::NotUtf8)?;
        let wrong = XmlError::Value { element };
        match element {
            "AccessKeyId" => {
                let form = (16..=128).contains(&content.len()) && content.bytes().all(is_word_byte);
                self.access_key_id = Some(if form { content.to_owned() } else { return Err(wrong) });
            }
            "SecretAccessKey" => self.secret_access_key = secret(content, wrong)?,
            "SessionToken" => self.session_token = secret(content, wrong)?,
            "Expiration" => self.expiration = Some(Timestamp::parse_rfc3339(content).map_err(|_| wrong)?),
            "SubjectFromWebIdentityToken" => self.subject = present(content),
            "Provider" => self.provider = present(content),
            "Arn" => self.assumed_role_arn = present(content),
            "PackedPolicySize" => self.packed_policy_size = Some(content.parse().map_err(|_| wrong)?),
            "Account" => {
                let form = content.len() == 12 && content.bytes().all(|byte| byte.is_ascii_digit());
                self.account = Some(if form { content.to_owned() } else { return Err(wrong) });
            }
            "the caller's Arn" => {
                let arn = printable(content, 20, 2048).filter(|arn| arn.starts_with("arn:"));
                self.caller_arn = Some(arn.ok_or(wrong)?);
            }
            "UserId" => self.user_id = Some(printable(content, 2, 256).ok_or(wrong)?),
            "RequestId" => self.request_id = plain_word(content, 128),
            "Code" => self.code = Some(plain_word(content, 64).ok_or(wrong)?),
            "Message" => {
                self.says = MESSAGES.iter().find(|(part, _)| content.contains(part)).map(|(_, says)| *says);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<StsAnswer, XmlError> {
        let missing = |element| XmlError::Missing { element };
        match self.root.ok_or(XmlError::Root)? {
            Root::Error => Ok(StsAnswer::Error(self.error()?)),
            Root::Response => Ok(StsAnswer::Credentials(Box::new(AssumedRole {
                access_key_id: self.access_key_id.ok_or(missing("AccessKeyId"))?,
                secret_access_key: self.secret_access_key.ok_or(missing("SecretAccessKey"))?,
                session_token: self.session_token.ok_or(missing("SessionToken"))?,
                expiration: self.expiration.ok_or(missing("Expiration"))?,
                subject: self.subject,
                provider: self.provider,
                assumed_role_arn: self.assumed_role_arn,
                request_id: self.request_id,
                packed_policy_size: self.packed_policy_size,
            }))),
        }
    }

    pub(super) fn finish_caller(self) -> Result<CallerAnswer, XmlError> {
        let missing = |element| XmlError::Missing { element };
        match self.root.ok_or(XmlError::Root)? {
            Root::Error => Ok(CallerAnswer::Error(self.error()?)),
            Root::Response => Ok(CallerAnswer::Identity(CallerIdentity {
                account: self.account.ok_or(missing("Account"))?,
                arn: self.caller_arn.ok_or(missing("the caller's Arn"))?,
                user_id: self.user_id.ok_or(missing("UserId"))?,
            })),
        }
    }

    fn error(self) -> Result<ServiceError, XmlError> {
        Ok(ServiceError {
            code: self.code.ok_or(XmlError::Missing { element: "Code" })?,
            says: self.says,
            request_id: self.request_id,
        })
    }
}

/// Rule: it is shown to people, so it is printable ASCII of `least` to `most` bytes.
fn printable(content: &str, least: usize, most: usize) -> Option<String> {
    let form = (least..=most).contains(&content.len()) && content.bytes().all(|byte| byte.is_ascii_graphic());
    form.then(|| content.to_owned())
}

/// Rule: a secret goes into headers and files, so it has no space, line end or control character. Empty is missing.
fn secret(content: &str, wrong: XmlError) -> Result<Option<Secret>, XmlError> {
    if !content.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong);
    }
    Ok((!content.is_empty()).then(|| Secret::from_text(content)))
}

/// MinIO writes elements that it has nothing to say in as empty ones.
fn present(content: &str) -> Option<String> {
    (!content.is_empty()).then(|| content.to_owned())
}

/// What may be shown in a log: a plain word of at most `most` bytes.
fn plain_word(content: &str, most: usize) -> Option<String> {
    let form = content.bytes().all(|byte| is_word_byte(byte) || matches!(byte, b'.' | b'-'));
    (form && (1..=most).contains(&content.len())).then(|| content.to_owned())
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
