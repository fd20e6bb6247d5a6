//! The settings of one role: whom to become, how narrowed, through which chain. Knows the keys' names, not in front of
//! what they stand.

use std::time::Duration;

use super::error::ConfigError;
use super::raw::{Settings, full, invalid};
use crate::name::{ExternalId, RoleArn, SessionName, TagKey, TagValue};
use crate::provider::{Chain, ChainStep, MAX_STEPS, PolicyArn, PolicyDocument, RoleSettings, SessionPolicy};
use crate::sys::file;

/// Most bytes that are read of a policy: more than any that is taken, with room for line ends.
const MAX_POLICY_FILE: usize = 16 * 1024;

/// The settings whose keys start with `prefix`, such as `aws.`.
pub(super) fn role(settings: &Settings, prefix: &str) -> Result<RoleSettings, ConfigError> {
    let keys = Keys { settings, prefix };
    Ok(RoleSettings {
        role_arn: keys.required_arn("")?,
        session_name: settings.parsed(&keys.key("sessionName"), SessionName::new)?,
        duration: keys.duration("durationSeconds", 43_200)?,
        policy: keys.policy()?,
        chain: keys.chain()?,
    })
}

struct Keys<'a> {
    settings: &'a Settings,
    prefix: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn required_arn(&self, step: &str) -> Result<RoleArn, ConfigError> {
        let key = self.key(&format!("{step}roleArn"));
        self.settings.parsed(&key, RoleArn::new)?.ok_or_else(|| ConfigError::Missing { key: full(&key) })
    }

    fn duration(&self, name: &str, most: u64) -> Result<Option<Duration>, ConfigError> {
        let key = self.key(name);
        let seconds = self.settings.parsed(&key, str::parse::<u64>)?;
        if seconds.is_some_and(|seconds| !(900..=most).contains(&seconds)) {
            return Err(invalid(&key, None));
        }
        Ok(seconds.map(Duration::from_secs))
    }

    /// A policy's file is read once, at start: what it allows does not change behind a job's back.
    fn policy(&self) -> Result<SessionPolicy, ConfigError> {
        let (file_key, arns_key) = (self.key("policyFile"), self.key("policyArns"));
        let inline = match self.settings.path(&file_key) {
            Some(path) => {
                let file = file::read(&path, MAX_POLICY_FILE).map_err(ConfigError::File)?;
                let document = PolicyDocument::new(file.content.as_slice());
                Some(document.map_err(|error| invalid(&file_key, Some(error.to_string())))?)
            }
            None => None,
        };
        let listed = |text: &str| text.split(',').map(|arn| PolicyArn::new(arn.trim())).collect::<Result<Vec<_>, _>>();
        let managed = self.settings.parsed(&arns_key, listed)?.unwrap_or_default();
        SessionPolicy::new(inline, managed).map_err(|error| invalid(&arns_key, Some(error.to_string())))
    }

    /// The steps 1, 2 and so on without a gap: each has a role.
    fn chain(&self) -> Result<Chain, ConfigError> {
        let stem = self.key("chain.");
        let mut last = 0;
        for (rest, _) in self.settings.named(&stem) {
            let number = rest.split('.').next().unwrap_or_default();
            let number = (1..=MAX_STEPS).find(|known| known.to_string() == number);
            let wrong = || invalid(&format!("{stem}{rest}"), Some(format!("steps have the numbers 1 to {MAX_STEPS}")));
            last = last.max(number.ok_or_else(wrong)?);
        }
        let steps = (1..=last).map(|number| self.step(&format!("chain.{number}."))).collect::<Result<Vec<_>, _>>()?;
        Chain::new(steps).map_err(|error| invalid(&format!("{stem}1.roleArn"), Some(error.to_string())))
    }

    fn step(&self, step: &str) -> Result<ChainStep, ConfigError> {
        let key = |name: &str| self.key(&format!("{step}{name}"));
        let read = ChainStep {
            role_arn: self.required_arn(step)?,
            external_id: self.settings.parsed(&key("externalId"), ExternalId::new)?,
            duration: self.duration(&format!("{step}durationSeconds"), 3600)?,
            source_identity: self.settings.flag(&key("sourceIdentity"))?.unwrap_or(false),
            tags: self.settings.parsed(&key("tags"), tags)?.unwrap_or_default(),
        };
        // What it still refuses are tags: the duration has its own range above.
        read.check().map_err(|error| invalid(&key("tags"), Some(error.to_string())))?;
        Ok(read)
    }
}

/// `KEY=VALUE,KEY=VALUE`.
fn tags(text: &str) -> Result<Vec<(TagKey, TagValue)>, String> {
    let one = |text: &str| {
        let (key, value) = text.trim().split_once('=').ok_or("a tag is not of the form KEY=VALUE")?;
        let key = TagKey::new(key.trim()).map_err(|error| error.to_string())?;
        Ok((key, TagValue::new(value.trim()).map_err(|error| error.to_string())?))
    };
    text.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "roleArn=arn:aws:iam::123456789012:role/spark";
    const STEP_1: &str = "chain.1.roleArn=arn:aws:iam::123456789012:role/one";
    const STEP_2: &str = "chain.2.roleArn=arn:aws:iam::123456789012:role/two";

    fn read(of: &[&str]) -> Result<RoleSettings, ConfigError> {
        let all: Vec<String> = of.iter().map(|text| format!("spark.security.oidc.aws.{text}")).collect();
        role(&Settings::read(None, &all)?, "aws.")
    }

    fn missing(of: &[&str]) -> String {
        match read(of) {
            Err(ConfigError::Missing { key }) => key.strip_prefix("spark.security.oidc.aws.").unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn steps(of: &[&str]) -> usize {
        let shown = format!("{:?}", read(of).unwrap().chain);
        shown.matches("ChainStep ").count()
    }

    #[test]
    fn a_chain_is_numbered_from_1_without_a_gap_and_each_step_has_a_role() {
        assert_eq!((steps(&[ROLE]), steps(&[ROLE, STEP_1]), steps(&[ROLE, STEP_2, STEP_1])), (0, 1, 2));
        assert_eq!(missing(&[ROLE, STEP_2]), "chain.1.roleArn");
        assert_eq!(missing(&[ROLE, STEP_1, "chain.3.externalId=abc"]), "chain.2.roleArn");
        assert_eq!(missing(&[ROLE, "chain.1.durationSeconds=900"]), "chain.1.roleArn");
        assert_eq!(missing(&[STEP_1]), "roleArn");
        let all: Vec<String> = (1..=6).map(|n| STEP_1.replace(".1.", &format!(".{n}."))).collect();
        let all: Vec<&str> = [ROLE].into_iter().chain(all.iter().map(String::as_str)).collect();
        assert_eq!(steps(&all[..6]), 5);
        assert!(matches!(read(&all), Err(ConfigError::Invalid { key, .. }) if key.ends_with("aws.chain.6.roleArn")));
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_its_key_and_never_echoed() {
        for setting in [
            "durationSeconds=43201",
            "policyArns=arn:aws:iam::aws:policy/A,PLANTED",
            "chain.0.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "chain.01.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "chain.one.roleArn=arn:aws:iam::123456789012:role/PLANTED",
            "chain.1.roleArn=PLANTED",
            "chain.1.externalId=PLANTED id",
            "chain.1.externalId=P",
            "chain.1.durationSeconds=899",
            "chain.1.durationSeconds=3601",
            "chain.1.sourceIdentity=PLANTED",
            "chain.1.tags=PLANTED",
            "chain.1.tags=a=1,A=PLANTED",
            "chain.1.tags=a=PLANTED*",
        ] {
            let error = read(&[ROLE, STEP_1, setting]).unwrap_err();
            let (key, _) = setting.split_once('=').unwrap();
            let named =
                matches!(&error, ConfigError::Invalid { key: named, .. } if named.ends_with(&format!("aws.{key}")));
            assert!(named, "{setting}: {error}");
            assert!(!format!("{error}{error:?}").contains("PLANTED"), "{error}");
        }
        let eleven = format!("policyArns={}", ["arn:aws:iam::aws:policy/A"; 11].join(","));
        assert!(matches!(read(&[ROLE, &eleven]), Err(ConfigError::Invalid { key, .. }) if key.ends_with("policyArns")));
        assert!(read(&[ROLE, &eleven.replacen("arn:aws:iam::aws:policy/A,", "", 1)]).is_ok());
        assert!(
            read(&[ROLE, STEP_1, "chain.1.tags=team=data lake, job=, x=a=b", "chain.1.durationSeconds=3600"]).is_ok()
        );
    }
}
