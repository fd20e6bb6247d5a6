//! The settings of one role: whom to become. Knows the keys' names, not in front of what they stand.

use std::time::Duration;

use super::error::ConfigError;
use super::raw::{Settings, full, invalid};
use crate::name::{RoleArn, SessionName};
use crate::provider::RoleSettings;

/// The settings whose keys start with `prefix`, such as `aws.`.
pub(super) fn role(settings: &Settings, prefix: &str) -> Result<RoleSettings, ConfigError> {
    let key = |name: &str| format!("{prefix}{name}");
    let role_arn = settings.parsed(&key("roleArn"), RoleArn::new)?;
    let seconds = settings.parsed(&key("durationSeconds"), str::parse::<u64>)?;
    if seconds.is_some_and(|seconds| !(900..=43_200).contains(&seconds)) {
        return Err(invalid(&key("durationSeconds"), None));
    }
    Ok(RoleSettings {
        role_arn: role_arn.ok_or_else(|| ConfigError::Missing { key: full(&key("roleArn")) })?,
        session_name: settings.parsed(&key("sessionName"), SessionName::new)?,
        duration: seconds.map(Duration::from_secs),
    })
}
