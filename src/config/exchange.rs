//! The settings of the exchange: whose token, checked with which keys, for which role. For driver and resolve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::raw::{Settings, full, invalid};
use crate::codec::url::ServiceUrl;
use crate::credential::MAX_TARGETS;
use crate::identity::{Algorithm, ClaimPath, TokenType, TokenVerifier};
use crate::name::{Audience, CredentialName, Issuer, NameError, Region, RoleArn, Scheme, SessionName, TargetName};
use crate::provider::{AwsStsEndpoint, AwsStsSettings};
use crate::sink::ProfileRegions;

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
        Ok(Self {
            token_file: settings.required_path("identityToken.file")?,
            identity: IdentityConfig::from_settings(settings)?,
            aws: aws(settings)?,
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

/// The regions that stand in profiles: on a driver and on an executor.
pub(super) fn profile_regions(settings: &Settings) -> Result<ProfileRegions, ConfigError> {
    let mut regions =
        ProfileRegions { default: settings.parsed("aws.region", Region::new)?, ..ProfileRegions::default() };
    for (rest, value) in settings.named("aws.target.") {
        let Some(name) = rest.strip_suffix(".region") else { continue };
        let invalid = |error: NameError| invalid(&format!("aws.target.{rest}"), Some(error.to_string()));
        regions.by_target.insert(TargetName::new(name).map_err(invalid)?, Region::new(value).map_err(invalid)?);
    }
    Ok(regions)
}

fn aws(settings: &Settings) -> Result<BTreeMap<CredentialName, AwsStsSettings>, ConfigError> {
    let region = settings.parsed("aws.region", Region::new)?;
    let url = settings.parsed("aws.stsEndpoint", ServiceUrl::new)?;
    let endpoint = match (url, region) {
        (Some(url), _) => AwsStsEndpoint::Url(url),
        (None, Some(region)) => AwsStsEndpoint::Region(region),
        (None, None) => return Err(ConfigError::Missing { key: full("aws.region") }),
    };
    let mut all = BTreeMap::new();
    for target in targets(settings)? {
        let settings = assumed(settings, &format!("aws.target.{target}."), &endpoint)?;
        all.insert(CredentialName::of_target(Scheme::s3a(), target), settings);
    }
    // Without a role the other two would be taken for settings of the targets.
    let unnamed = ["aws.roleArn", "aws.sessionName", "aws.durationSeconds"];
    if all.is_empty() || unnamed.iter().any(|key| settings.text(key).is_some()) {
        all.insert(Scheme::s3a().into(), assumed(settings, "aws.", &endpoint)?);
    }
    Ok(all)
}

/// The names of all targets that a setting names.
fn targets(settings: &Settings) -> Result<BTreeSet<TargetName>, ConfigError> {
    let mut names = BTreeSet::new();
    for (rest, _) in settings.named("aws.target.") {
        let name = rest.split_once('.').map_or(rest, |(name, _)| name);
        let name = TargetName::new(name);
        names.insert(name.map_err(|error| invalid(&format!("aws.target.{rest}"), Some(error.to_string())))?);
    }
    if names.len() > MAX_TARGETS {
        return Err(ConfigError::TooManyTargets { count: names.len() });
    }
    Ok(names)
}

/// The settings of one credential, whose keys start with `prefix`.
fn assumed(settings: &Settings, prefix: &str, endpoint: &AwsStsEndpoint) -> Result<AwsStsSettings, ConfigError> {
    let key = |name: &str| format!("{prefix}{name}");
    let role_arn = settings.parsed(&key("roleArn"), RoleArn::new)?;
    let seconds = settings.parsed(&key("durationSeconds"), str::parse::<u64>)?;
    if seconds.is_some_and(|seconds| !(900..=43_200).contains(&seconds)) {
        return Err(invalid(&key("durationSeconds"), None));
    }
    Ok(AwsStsSettings {
        role_arn: role_arn.ok_or_else(|| ConfigError::Missing { key: full(&key("roleArn")) })?,
        session_name: settings.parsed(&key("sessionName"), SessionName::new)?,
        duration: seconds.map(Duration::from_secs),
        endpoint: endpoint.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(of: &[&str]) -> Result<BTreeMap<CredentialName, AwsStsSettings>, ConfigError> {
        let all = ["stsEndpoint=https://sts.test"].iter().chain(of);
        let all: Vec<String> = all.map(|text| format!("spark.security.oidc.aws.{text}")).collect();
        aws(&Settings::read(None, &all)?)
    }

    fn missing(of: &[&str]) -> String {
        match read(of) {
            Err(ConfigError::Missing { key }) => key.strip_prefix("spark.security.oidc.aws.").unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn names(of: &[&str]) -> Vec<String> {
        read(of).unwrap().keys().map(CredentialName::to_string).collect()
    }

    const ROLE: &str = "roleArn=arn:aws:iam::123456789012:role/spark";
    const LOGS: &str = "target.logs.roleArn=arn:aws:iam::123456789012:role/logs";
    const RAW: &str = "target.raw-2.roleArn=arn:aws:iam::123456789012:role/logs";

    #[test]
    fn there_is_an_unnamed_role_or_targets_or_both_and_two_may_have_one_role() {
        assert_eq!(names(&[ROLE]), ["s3a"]);
        assert_eq!(names(&[LOGS]), ["s3a/logs"]);
        assert_eq!(names(&[ROLE, RAW, LOGS]), ["s3a", "s3a/logs", "s3a/raw-2"]);
        assert_eq!(missing(&[]), "roleArn");
    }

    #[test]
    fn each_target_has_its_own_settings_and_inherits_none_of_the_unnamed_ones() {
        let all = read(&[
            ROLE,
            "sessionName=unnamed",
            "durationSeconds=900",
            LOGS,
            "target.logs.sessionName=logs",
            "target.logs.durationSeconds=43200",
            RAW,
        ]);
        let all = all.unwrap();
        let seen = |name: &str| {
            let held = &all[&CredentialName::parse(name).unwrap()];
            let session = held.session_name.as_ref().map(SessionName::as_str);
            (held.role_arn.as_str().rsplit('/').next().unwrap(), session, held.duration.map(|life| life.as_secs()))
        };
        assert_eq!(seen("s3a"), ("spark", Some("unnamed"), Some(900)));
        assert_eq!(seen("s3a/logs"), ("logs", Some("logs"), Some(43_200)));
        assert_eq!(seen("s3a/raw-2"), ("logs", None, None));
    }

    #[test]
    fn what_belongs_to_a_role_that_is_not_set_is_refused_with_the_missing_key() {
        assert_eq!(missing(&[LOGS, "sessionName=unnamed"]), "roleArn");
        assert_eq!(missing(&[LOGS, "durationSeconds=900"]), "roleArn");
        for setting in ["sessionName=raw", "durationSeconds=900", "region=eu-central-1"] {
            assert_eq!(missing(&[LOGS, &format!("target.raw.{setting}")]), "target.raw.roleArn");
        }
    }

    #[test]
    fn a_name_or_a_value_of_a_target_that_cannot_be_is_refused_with_its_key_and_never_echoed() {
        for setting in [
            "target.LOGS.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "target.default.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "target.a_b.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "target.logs.roleArn=PLANTED",
            "target.logs.sessionName=PLANTED:",
            "target.logs.durationSeconds=899",
            "target.logs.durationSeconds=43201",
        ] {
            let error = read(&[LOGS, setting]).unwrap_err();
            let (key, _) = setting.split_once('=').unwrap();
            assert!(
                matches!(&error, ConfigError::Invalid { key: named, .. } if named.ends_with(key)),
                "{setting}: {error}"
            );
            assert!(!format!("{error}{error:?}").contains("PLANTED"));
        }
    }

    #[test]
    fn there_are_at_most_12_targets() {
        let targets = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| LOGS.replace("logs.", &format!("logs{n}."))).collect();
            read(&all.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(targets(MAX_TARGETS).unwrap().len(), 12);
        assert!(matches!(targets(MAX_TARGETS + 1), Err(ConfigError::TooManyTargets { count: 13 })));
    }

    #[test]
    fn profiles_have_the_region_of_their_target_else_that_of_all() {
        let settings = |of: &[&str]| {
            let all: Vec<String> = of.iter().map(|text| format!("spark.security.oidc.aws.{text}")).collect();
            profile_regions(&Settings::read(None, &all).unwrap())
        };
        let regions = settings(&["region=eu-central-1", "target.logs.region=us-east-1", RAW]).unwrap();
        assert_eq!(regions.default.map(|region| region.to_string()).as_deref(), Some("eu-central-1"));
        let named: Vec<_> = regions.by_target.iter().map(|(name, region)| (name.as_str(), region.as_str())).collect();
        assert_eq!(named, [("logs", "us-east-1")]);
        assert!(settings(&[]).unwrap().default.is_none(), "an executor need not know one");
        for wrong in ["target.logs.region=eu_1", "target.A.region=us-east-1"] {
            let Err(ConfigError::Invalid { key, .. }) = settings(&[wrong]) else { panic!("{wrong}") };
            assert!(key.ends_with(".region"));
        }
    }
}
