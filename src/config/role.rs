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
