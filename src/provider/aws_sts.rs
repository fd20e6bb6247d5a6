//! The provider `aws-sts`: AssumeRoleWithWebIdentity at AWS, MinIO or Ceph. Verifies what comes back; keeps nothing.

mod answer;
mod caller_identity;
mod chain;
mod endpoint;
mod error;
mod policy;
mod refusal;
mod session_name;
mod signed;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use answer::AnswerError;
pub use chain::{Chain, ChainError, ChainStep, MAX_STEP_DURATION, MAX_STEPS, MAX_TAGS};
pub use endpoint::{AwsStsEndpoint, Variant};
pub use error::AwsStsError;
pub use policy::{MAX_MANAGED_POLICIES, MAX_POLICY, PolicyArn, PolicyDocument, PolicyError, SessionPolicy};
pub use refusal::Refusal;
pub use session_name::session_name_for;

use super::{CredentialProvider, ResolveError};
use crate::codec::form::FormBuilder;
use crate::codec::sts_xml::{Action, AssumedRole, MAX_ANSWER, ServiceError, StsAnswer, parse_assume_role_answer};
use crate::codec::url::ServiceUrl;
use crate::credential::{CredentialError, Provenance, ProvenanceStep, ServiceCredential, s3a};
use crate::identity::UserContext;
use crate::name::{Issuer, PropertyName, RoleArn, Scheme, SessionName};
use crate::secret::{Secret, WipedBuffer};
use crate::sys::http::{HttpClient, HttpRequest, HttpResponse};
use crate::time::{Moment, Timestamp};

/// Shortest credential that STS gives.
pub const MIN_DURATION: Duration = Duration::from_secs(900);

/// Longest credential that STS gives, if the role's maximum session duration allows it.
pub const MAX_DURATION: Duration = Duration::from_secs(43_200);

/// Longest life that an answer may give a credential: a year, which is what MinIO's administrator may set, and a day
/// for clocks. Beyond that an expiry is a mistake, and renewal would never come.
pub const MAX_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// From how many per cent of the space for session policies and tags on we warn: at 100 the exchange fails.
const PACKED_POLICY_WARNING: u32 = 80;

/// The version of the STS API, as sent.
const API_VERSION: &str = "2011-06-15";

/// What the provider must know.
#[derive(Debug, Clone)]
pub struct AwsStsSettings {
    /// Whom to become.
    pub role: RoleSettings,
    /// Where the STS is.
    pub endpoint: AwsStsEndpoint,
}

/// Whom to become: all that one credential has of its own, beside another one from the same STS.
#[derive(Debug, Clone)]
pub struct RoleSettings {
    /// The role to assume.
    pub role_arn: RoleArn,
    /// The session's name; by default it is derived from the principal.
    pub session_name: Option<SessionName>,
    /// How long the credential should live, [`MIN_DURATION`] to [`MAX_DURATION`]; by default the service decides.
    pub duration: Option<Duration>,
    /// What narrows the credential that is handed out: that of the chain's last role, if there is a chain.
    pub policy: SessionPolicy,
    /// The roles that are assumed after it.
    pub chain: Chain,
}

impl RoleSettings {
    /// This role, and nothing else is asked for.
    #[must_use]
    pub fn new(role_arn: RoleArn) -> Self {
        let (policy, chain) = (SessionPolicy::default(), Chain::default());
        Self { role_arn, session_name: None, duration: None, policy, chain }
    }
}

/// The provider itself: settings that were checked, and a way to the service.
pub struct AwsSts {
    settings: AwsStsSettings,
    url: ServiceUrl,
    http: Arc<dyn HttpClient>,
}

impl AwsSts {
    /// Checks the settings. Nothing is sent.
    ///
    /// # Errors
    /// [`AwsStsError`] names the setting that is wrong.
    pub fn new(settings: AwsStsSettings, http: Arc<dyn HttpClient>) -> Result<Self, AwsStsError> {
        if let Some(duration) = settings.role.duration
            && !(MIN_DURATION..=MAX_DURATION).contains(&duration)
        {
            return Err(AwsStsError::Duration { seconds: duration.as_secs() });
        }
        let url = settings.endpoint.url()?;
        Ok(Self { settings, url, http })
    }

    /// Where requests go.
    #[must_use]
    pub fn url(&self) -> &ServiceUrl {
        &self.url
    }

    fn exchange(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, AwsStsError> {
        if *scheme != Scheme::s3a() {
            return Err(AwsStsError::Scheme { scheme: scheme.clone() });
        }
        let session_name = match &self.settings.role.session_name {
            Some(name) => name.clone(),
            None => session_name_for(user.principal(), user.subject(), user.issuer()).map_err(AwsStsError::Name)?,
        };
        let role = &self.settings.role;
        let (last, policy) = (role.chain.steps().len(), Some(&role.policy));
        let mut assumed = self.with_web_identity(user, &session_name, policy.filter(|_| last == 0), at)?;
        let mut made = Made { role: role.role_arn.as_str(), expires_at: assumed.expiration, via: Vec::new() };
        for (position, step) in (1usize..).zip(role.chain.steps()) {
            made.went_on(&assumed, step.role_arn.as_str());
            let policy = policy.filter(|_| position == last);
            // The credential of the step before is wiped here: it is replaced.
            assumed = self
                .assume(step, &assumed, &session_name, policy, at)
                .map_err(|error| AwsStsError::Step { step: position, error: Box::new(error) })?;
            made.expires_at = made.expires_at.min(assumed.expiration);
        }
        check_policy(&self.settings, assumed.packed_policy_size)?;
        made.credential(assumed, session_name, at).map_err(|error| AnswerError::Credential(error).into())
    }

    /// The first step: an identity token becomes a credential.
    fn with_web_identity(
        &self,
        user: &UserContext,
        session_name: &SessionName,
        policy: Option<&SessionPolicy>,
        at: Moment,
    ) -> Result<AssumedRole, AwsStsError> {
        let form = self.form(user.token(), session_name, policy)?;
        let (url, most) = (&self.url, MAX_ANSWER);
        let request = HttpRequest { url, form: Some(&form), bearer: None, signature: None, most };
        let response = self.http.send(&request).map_err(AwsStsError::Http)?;
        let assumed = understood(&response, Action::AssumeRoleWithWebIdentity)?;
        check_expiration(assumed.expiration, at.wall)?;
        check_identity(&assumed, user)?;
        Ok(assumed)
    }

    /// The request's body. The token goes here and nowhere else: never into a URL or a header.
    fn form(
        &self,
        token: &Secret,
        session_name: &SessionName,
        policy: Option<&SessionPolicy>,
    ) -> Result<WipedBuffer, AwsStsError> {
        let RoleSettings { role_arn, duration, .. } = &self.settings.role;
        let seconds = duration.map(|duration| duration.as_secs().to_string());
        let policy = policy.map(SessionPolicy::parameters).unwrap_or_default();
        let mut form = FormBuilder::new()
            .text("Action", Action::AssumeRoleWithWebIdentity.name())
            .text("Version", API_VERSION)
            .text("RoleArn", role_arn.as_str())
            .text("RoleSessionName", session_name.as_str());
        if let Some(seconds) = &seconds {
            form = form.text("DurationSeconds", seconds);
        }
        let form = policy.iter().fold(form, |form, (name, value)| form.text(name, value));
        form.secret("WebIdentityToken", token).finish().map_err(AwsStsError::Form)
    }
}

/// What is known of a credential while its chain is made.
struct Made<'a> {
    /// The role of the last step so far.
    role: &'a str,
    /// The earliest expiry so far: what comes later is renewed with what came before.
    expires_at: Timestamp,
    via: Vec<ProvenanceStep>,
}

impl<'a> Made<'a> {
    /// The chain goes on from `assumed` to `role`.
    fn went_on(&mut self, assumed: &AssumedRole, role: &'a str) {
        let role_before = std::mem::replace(&mut self.role, role);
        self.via.push(ProvenanceStep {
            role: role_before.to_owned(),
            credential_id: assumed.access_key_id.clone(),
            request_id: assumed.request_id.clone(),
        });
    }

    fn credential(
        self,
        assumed: AssumedRole,
        session_name: SessionName,
        at: Moment,
    ) -> Result<ServiceCredential, CredentialError> {
        let mut properties = BTreeMap::new();
        let mut put = |name, value| {
            properties.insert(PropertyName::new(name).map_err(CredentialError::Name)?, value);
            Ok::<(), CredentialError>(())
        };
        put(s3a::ACCESS_KEY, Secret::from_text(&assumed.access_key_id))?;
        put(s3a::SECRET_KEY, assumed.secret_access_key)?;
        put(s3a::SESSION_TOKEN, assumed.session_token)?;
        if let Some(account) = assumed.assumed_role_arn.as_deref().and_then(account_of) {
            put(s3a::ACCOUNT_ID, Secret::from_text(account))?;
        }
        let provenance = Provenance {
            role: Some(self.role.to_owned()),
            session_name: Some(session_name.as_str().to_owned()),
            credential_id: Some(assumed.access_key_id),
            request_id: assumed.request_id,
            via: self.via,
        };
        Ok(ServiceCredential::new(properties, self.expires_at, at)?.with_provenance(provenance))
    }
}

/// Says what a session policy costs.
///
/// Rule: never a wider credential than was asked for. MinIO passes over managed policies and answers 200; what says the
/// space that they take has seen them, and AWS is known to.
fn check_policy(settings: &AwsStsSettings, packed_size: Option<u32>) -> Result<(), AnswerError> {
    match packed_size {
        None if settings.role.policy.has_managed() && !settings.endpoint.is_of_aws() => {
            return Err(AnswerError::PolicyPassedOver);
        }
        Some(size) if size >= PACKED_POLICY_WARNING => {
            log::warn!("session policies and tags take {size} % of the space that STS allows them");
        }
        _ => {}
    }
    Ok(())
}

impl fmt::Debug for AwsSts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSts").field("settings", &self.settings).field("url", &self.url).finish_non_exhaustive()
    }
}

impl CredentialProvider for AwsSts {
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError> {
        self.exchange(user, scheme, at).map_err(ResolveError::AwsSts)
    }
}

/// The credential in an answer. Status and document must agree: a credential with a status other than 200, or an error
/// with 200, is not what an STS sends.
fn understood(response: &HttpResponse, action: Action) -> Result<AssumedRole, AwsStsError> {
    let HttpResponse { status, retry_after, .. } = *response;
    // Rule: no redirect is followed. Whoever it leads to would get the token.
    if (300..400).contains(&status) {
        return Err(AwsStsError::Redirected { status });
    }
    match parse_assume_role_answer(response.body.as_slice(), action) {
        Ok(StsAnswer::Credentials(assumed)) if status == 200 => Ok(*assumed),
        Ok(StsAnswer::Error(error)) if status >= 400 => Err(refused(error, response, action)),
        Ok(_) => Err(AnswerError::Status { status }.into()),
        // A gateway before the service answers with a page of its own when the service is busy or down.
        Err(_) if status == 429 || status >= 500 => Err(AwsStsError::Unavailable { status, retry_after }),
        Err(reason) => Err(AnswerError::Malformed { status, reason }.into()),
    }
}

fn refused(error: ServiceError, response: &HttpResponse, action: Action) -> AwsStsError {
    let HttpResponse { status, retry_after, .. } = *response;
    let refusal = Refusal::of(&error, status, action);
    AwsStsError::Refused { refusal, code: error.code, status, request_id: error.request_id, retry_after }
}

fn check_expiration(expires_at: Timestamp, now: Timestamp) -> Result<(), AnswerError> {
    if expires_at <= now {
        return Err(AnswerError::Expired { expires_at, now });
    }
    if now.until(expires_at) > MAX_LIFE {
        return Err(AnswerError::Life { expires_at, now });
    }
    Ok(())
}

/// Rule: where the answer says whose credential it is, that is the token's subject and issuer. Anything else is
/// another user's credential, or no STS that read our token.
fn check_identity(assumed: &AssumedRole, user: &UserContext) -> Result<(), AnswerError> {
    if assumed.subject.as_deref().is_some_and(|subject| subject != user.subject().as_str()) {
        return Err(AnswerError::Subject);
    }
    if assumed.provider.as_deref().is_some_and(|provider| !is_provider_of(provider, user.issuer())) {
        return Err(AnswerError::Provider);
    }
    Ok(())
}

/// Whether `provider` is the issuer, or its IAM provider's ARN:
/// `arn:PARTITION:iam::ACCOUNT:oidc-provider/` and the issuer without `https://`.
fn is_provider_of(provider: &str, issuer: &Issuer) -> bool {
    if provider == issuer.as_str() {
        return true;
    }
    let mut parts = provider.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
    let host_and_path = issuer.as_str().strip_prefix("https://");
    arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && (service, region) == ("iam", "")
        && is_account(account)
        && resource.strip_prefix("oidc-provider/").is_some_and(|named| Some(named) == host_and_path)
}

/// The account in an assumed role's ARN, `arn:PARTITION:sts::ACCOUNT:assumed-role/..`. MinIO and Ceph have none.
fn account_of(arn: &str) -> Option<&str> {
    let account = arn.strip_prefix("arn:")?.split(':').nth(3)?;
    is_account(account).then_some(account)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[path = "../../tests/unit/exchange.rs"]
mod exchange;
