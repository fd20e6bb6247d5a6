//! The settings of the exchange: whose token, checked with which keys, for which role. For driver and resolve.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::endpoint;
use super::error::ConfigError;
use super::raw::{Settings, full, invalid};
use super::targets::roles;
use crate::codec::url::ServiceUrl;
use crate::identity::{Algorithm, ClaimPath, TokenType, TokenVerifier};
use crate::name::{Audience, CredentialName, Issuer, Scheme};
use crate::provider::AwsStsSettings;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Spark 4.4's class for the exchange with AWS STS, accepted so that a properties file carries over.
const SPARK_AWS_CLASS: &str = "org.apache.spark.security.aws.AwsStsCredentialProvider";

/// Everything that an exchange needs.
#[derive(Debug)]
pub struct ExchangeConfig {
    /// Where the token is.
    pub token_file: PathBuf,
    /// How it is checked.
    pub identity: IdentityConfig,
    /// The exchanges with AWS STS, or what speaks like it, by credential: the unnamed one, those of targets, or both.
    pub aws: BTreeMap<CredentialName, AwsStsSettings>,
    /// Roots for the STS's certificate; `None`: the system's.
    pub aws_ca_file: Option<PathBuf>,
    /// How long a start tries again what may pass.
    pub start_timeout: Duration,
}

/// How a token is checked.
#[derive(Debug)]
pub struct IdentityConfig {
    /// The issuer, for discovery.
    pub issuer: Issuer,
    /// The rules.
    pub verifier: TokenVerifier,
    /// Where the keys are.
    pub keys: KeysFrom,
    /// Roots for the issuer's certificate; `None`: as for the STS.
    pub ca_file: Option<PathBuf>,
    /// A token that is sent for the keys.
    pub bearer_token_file: Option<PathBuf>,
    /// How long keys are used before they are fetched again.
    pub refresh: Duration,
    /// How long keys are used that cannot be fetched again.
    pub max_stale: Duration,
}

/// Where the issuer's keys are. Exhaustive, so that a role cannot forget one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// Nowhere: the signature is not checked.
    Nowhere,
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url(ServiceUrl),
    /// Where the issuer's discovery document says.
    Discovery,
}

impl ExchangeConfig {
    /// Reads the settings of an exchange.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is wrong.
    pub fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        switch(settings)?;
        provider(settings)?;
        let (token_file, identity) =
            (settings.required_path("identityToken.file")?, IdentityConfig::from_settings(settings)?);
        let (roles, endpoint) = (roles(settings)?, endpoint(settings)?);
        let aws = |(name, role)| (name, AwsStsSettings { role, endpoint: endpoint.clone() });
        Ok(Self {
            token_file,
            identity,
            aws: roles.into_iter().map(aws).collect(),
            aws_ca_file: settings.path("aws.caFile"),
            start_timeout: start_timeout(settings)?,
        })
    }
}

impl IdentityConfig {
    /// Reads the settings of the identity token.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is wrong.
    pub fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let issuer = settings.parsed("identityToken.issuer", Issuer::new)?;
        let issuer = issuer.ok_or_else(|| ConfigError::Missing { key: full("identityToken.issuer") })?;
        let verifier = verifier(settings, &issuer)?;
        if !verifier.signature_checked() {
            settings.warn(
                "spark.security.oidc.identityToken.dangerouslySkipSignature is true: whoever can write the token file \
                 chooses the identity"
                    .to_owned(),
            );
        }
        let keys = keys(settings, verifier.signature_checked())?;
        Self::with_keys(settings, issuer, verifier, keys)
    }

    /// The rest of what has to do with keys.
    pub(super) fn with_keys(
        settings: &Settings,
        issuer: Issuer,
        verifier: TokenVerifier,
        keys: KeysFrom,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            keys,
            ca_file: settings.path("jwks.caFile"),
            bearer_token_file: settings.path("jwks.bearerTokenFile"),
            refresh: settings.duration("jwks.refresh", HOUR, MINUTE, DAY)?,
            max_stale: settings.duration("jwks.maxStale", DAY, MINUTE, DAY.saturating_mul(7))?,
            issuer,
            verifier,
        })
    }
}

/// `startTimeout`.
pub(super) fn start_timeout(settings: &Settings) -> Result<Duration, ConfigError> {
    settings.duration("startTimeout", SECOND.saturating_mul(120), SECOND, HOUR)
}

/// Spark's own switches: what they mean for a job whose credentials we carry.
fn switch(settings: &mut Settings) -> Result<(), ConfigError> {
    match settings.flag("enabled")? {
        Some(false) => return Err(ConfigError::SwitchedOff),
        Some(true) => settings.warn(
            "spark.security.oidc.enabled is true: a Spark that has this feature would exchange the token a second \
             time by itself; leave the key out"
                .to_owned(),
        ),
        None => {}
    }
    match settings.flag("requireRpcEncryption")? {
        Some(false) => Err(invalid("requireRpcEncryption", None)),
        Some(true) | None => Ok(()),
    }
}

/// `provider.<scheme>`: there is one provider, and it serves one scheme.
fn provider(settings: &Settings) -> Result<(), ConfigError> {
    for (name, value) in settings.named("provider.") {
        let key = format!("provider.{name}");
        let scheme = Scheme::new(&name.to_ascii_lowercase()).map_err(|error| invalid(&key, Some(error.to_string())))?;
        if scheme.as_str() != "s3a" || !matches!(value, "aws-sts" | SPARK_AWS_CLASS) {
            return Err(invalid(&key, None));
        }
    }
    Ok(())
}

fn verifier(settings: &Settings, issuer: &Issuer) -> Result<TokenVerifier, ConfigError> {
    let mut audiences = Vec::new();
    for text in settings.required("identityToken.audience")?.split(',') {
        let audience = Audience::new(text.trim());
        audiences.push(audience.map_err(|error| invalid("identityToken.audience", Some(error.to_string())))?);
    }
    let mut audiences = audiences.into_iter();
    let first = audiences.next().ok_or_else(|| ConfigError::Missing { key: full("identityToken.audience") })?;
    let verifier = TokenVerifier::new(issuer.clone(), first);
    let mut verifier = audiences.fold(verifier, TokenVerifier::also_audience);
    if let Some(names) = settings.text("identityToken.algorithms") {
        let named: Option<Vec<Algorithm>> = names.split(',').map(|name| Algorithm::from_name(name.trim())).collect();
        verifier = verifier.algorithms(&named.ok_or_else(|| invalid("identityToken.algorithms", None))?);
    }
    if let Some(path) = settings.parsed("identityToken.principalClaim", ClaimPath::new)? {
        verifier = verifier.principal_claim(path);
    }
    for (name, value) in settings.named("identityToken.requiredClaim.") {
        let key = format!("identityToken.requiredClaim.{name}");
        let (path, value) = value.split_once('=').ok_or_else(|| invalid(&key, None))?;
        let path = ClaimPath::new(path.trim()).map_err(|error| invalid(&key, Some(error.to_string())))?;
        verifier = verifier.required_claim(path, value.trim().to_owned());
    }
    match settings.text("identityToken.type") {
        None | Some("JWT") => {}
        Some("at+jwt") => verifier = verifier.token_type(TokenType::AccessToken),
        Some(_) => return Err(invalid("identityToken.type", None)),
    }
    if let Some(party) = settings.text("identityToken.authorizedParty") {
        if party.len() > 1024 {
            return Err(invalid("identityToken.authorizedParty", None));
        }
        verifier = verifier.authorized_party(party.to_owned());
    }
    let skew = settings.duration("identityToken.clockSkew", SECOND.saturating_mul(30), Duration::ZERO, MINUTE)?;
    let longest = settings.duration("identityToken.maxLifetime", DAY, MINUTE, DAY.saturating_mul(31))?;
    verifier = verifier.clock_skew(skew).max_lifetime(longest);
    if settings.flag("identityToken.dangerouslySkipSignature")? == Some(true) {
        verifier = verifier.dangerously_skip_signature();
    }
    Ok(verifier)
}

pub(super) fn keys(settings: &Settings, signature_checked: bool) -> Result<KeysFrom, ConfigError> {
    let file = settings.path("jwks.file");
    let url = settings.parsed("jwks.url", ServiceUrl::new)?;
    match (signature_checked, file, url) {
        (_, Some(_), Some(_)) => Err(ConfigError::Conflict { key: full("jwks.file"), other: full("jwks.url") }),
        (false, _, _) => Ok(KeysFrom::Nowhere),
        (true, Some(file), None) => Ok(KeysFrom::File(file)),
        (true, None, Some(url)) => Ok(KeysFrom::Url(url)),
        (true, None, None) => Ok(KeysFrom::Discovery),
    }
}
