//! The settings of all roles: the unnamed one, those of the named targets, or both. Knows how they are told apart.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ConfigError;
use super::raw::{Settings, invalid};
use super::role::role;
use crate::credential::MAX_TARGETS;
use crate::name::{CredentialName, NameError, Region, Scheme, TargetName};
use crate::provider::RoleSettings;
use crate::sink::{ProfileForm, ProfileRegions, ProfileSettings};

/// In front of the settings of each target.
const TARGETS: &str = "aws.target.";

/// Whether and in which form targets become profiles.
const SINK: &str = "sink.credentialsFile";

/// What says that the unnamed role is wanted: without its ARN, the others would be taken for settings of the targets.
const UNNAMED: [&str; 5] =
    ["aws.roleArn", "aws.sessionName", "aws.durationSeconds", "aws.policyFile", "aws.policyArns"];

/// The roles, by the name of the credential that each gives.
pub(super) fn roles(settings: &Settings) -> Result<BTreeMap<CredentialName, RoleSettings>, ConfigError> {
    let mut all = BTreeMap::new();
    for target in names(settings)? {
        let role = role(settings, &format!("{TARGETS}{target}."))?;
        all.insert(CredentialName::of_target(Scheme::s3a(), target), role);
    }
    let chained = settings.named("aws.chain.").next().is_some();
    if all.is_empty() || chained || UNNAMED.iter().any(|key| settings.text(key).is_some()) {
        all.insert(Scheme::s3a().into(), role(settings, "aws.")?);
    }
    Ok(all)
}

/// The names of all targets that a setting names.
fn names(settings: &Settings) -> Result<BTreeSet<TargetName>, ConfigError> {
    let mut names = BTreeSet::new();
    for (rest, _) in settings.named(TARGETS) {
        let name = TargetName::new(rest.split_once('.').map_or(rest, |(name, _)| name));
        names.insert(name.map_err(|error| invalid(&format!("{TARGETS}{rest}"), Some(error.to_string())))?);
    }
    if names.len() > MAX_TARGETS {
        return Err(ConfigError::TooManyTargets { count: names.len() });
    }
    Ok(names)
}

/// The profiles to write, if any: on a driver and on an executor.
pub(super) fn profiles(settings: &Settings) -> Result<Option<ProfileSettings>, ConfigError> {
    let form = match settings.text(SINK).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => return Ok(None),
        Some("true") => ProfileForm::Keys,
        Some("process") => ProfileForm::Process,
        Some(_) => return Err(invalid(SINK, None)),
    };
    Ok(Some(ProfileSettings { form, regions: profile_regions(settings)? }))
}

/// The regions that stand in profiles.
fn profile_regions(settings: &Settings) -> Result<ProfileRegions, ConfigError> {
    let mut regions =
        ProfileRegions { default: settings.parsed("aws.region", Region::new)?, ..ProfileRegions::default() };
    for (rest, value) in settings.named(TARGETS) {
        let Some(name) = rest.strip_suffix(".region") else { continue };
        let invalid = |error: NameError| invalid(&format!("{TARGETS}{rest}"), Some(error.to_string()));
        regions.by_target.insert(TargetName::new(name).map_err(invalid)?, Region::new(value).map_err(invalid)?);
    }
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::SessionName;

    fn read(of: &[&str]) -> Result<BTreeMap<CredentialName, RoleSettings>, ConfigError> {
        let all: Vec<String> = of.iter().map(|text| format!("spark.security.oidc.aws.{text}")).collect();
        roles(&Settings::read(None, &all)?)
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
    fn each_target_has_a_policy_and_a_chain_of_its_own() {
        let policy = "policyArns=arn:aws:iam::aws:policy/ReadOnlyAccess";
        let step = "chain.1.roleArn=arn:aws:iam::210987654321:role/one";
        let all = read(&[ROLE, policy, LOGS, &format!("target.logs.{step}"), RAW]).unwrap();
        let seen = |name: &str| {
            let held = &all[&CredentialName::parse(name).unwrap()];
            let shown = format!("{held:?}");
            (shown.contains("policy/ReadOnlyAccess"), shown.contains("role/one"))
        };
        assert_eq!((seen("s3a"), seen("s3a/logs"), seen("s3a/raw-2")), ((true, false), (false, true), (false, false)));
    }

    #[test]
    fn what_belongs_to_a_role_that_is_not_set_is_refused_with_the_missing_key() {
        assert_eq!(missing(&[LOGS, "sessionName=unnamed"]), "roleArn");
        for setting in ["durationSeconds=900", "policyArns=arn:aws:iam::aws:policy/A", "chain.1.externalId=abc"] {
            assert_eq!(missing(&[LOGS, setting]), "roleArn");
        }
        for setting in ["sessionName=raw", "durationSeconds=900", "region=eu-central-1", "chain.1.externalId=abc"] {
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
            "target.logs.policyArns=PLANTED",
            "target.logs.chain.1.roleArn=PLANTED",
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
    fn profiles_are_off_or_have_keys_or_name_a_command() {
        let form = |value: &str| {
            let setting = format!("spark.security.oidc.sink.credentialsFile={value}");
            profiles(&Settings::read(None, &[setting]).unwrap()).map(|profiles| profiles.map(|profiles| profiles.form))
        };
        assert!(profiles(&Settings::read(None, &[]).unwrap()).unwrap().is_none());
        assert_eq!(form("false").unwrap(), None);
        assert_eq!(form("True").unwrap(), Some(ProfileForm::Keys));
        assert_eq!(form("process").unwrap(), Some(ProfileForm::Process));
        assert!(matches!(form("PLANTED"), Err(ConfigError::Invalid { key, .. }) if key.ends_with(SINK)));
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
