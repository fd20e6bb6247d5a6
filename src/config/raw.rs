//! Settings as texts: read from a properties file and --conf, checked for known keys, and turned into plain values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::table::{self, OTHER_PROPOSALS, PREFIX};
use crate::codec::properties::{self, MAX_PROPERTIES_FILE};
use crate::sys::file;

/// All settings under our prefix; the one that was given last wins.
#[derive(Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl Settings {
    /// Reads `properties_file`, then each `KEY=VALUE` of `assignments`.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read or a key under our prefix does not exist. Keys of other software
    /// are ignored.
    pub fn read(properties_file: Option<&Path>, assignments: &[String]) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        for (key, value) in read_all(properties_file, assignments)? {
            settings.add(&key, &value)?;
        }
        Ok(settings)
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        for (proposal, instead) in OTHER_PROPOSALS {
            if key.starts_with(proposal) {
                self.warn(format!("{key} is not a setting of safe-conduct; use {instead}"));
            }
        }
        let Some(name) = key.strip_prefix(PREFIX) else { return Ok(()) };
        if table::find(name).is_none() {
            let nearest = format!("{PREFIX}{}", table::nearest(name));
            return Err(ConfigError::Unknown { key: key.to_owned(), nearest });
        }
        self.values.insert(name.to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// Something that the user should know and that does not stop us.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// What was noticed so far, to be said once at start.
    #[must_use]
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether they are an executor's, by what is set: where a driver is, and nothing of the identity token.
    #[must_use]
    pub fn are_an_executors(&self) -> bool {
        let any = |stem: &str| self.values.iter().any(|(key, value)| key.starts_with(stem) && !value.is_empty());
        !any("identityToken.") && !any("aws.") && any("distribution.")
    }

    /// Whether anything of the connection between driver and executors is set: not where only `resolve` is used.
    #[must_use]
    pub fn have_distribution(&self) -> bool {
        self.values.iter().any(|(key, value)| key.starts_with("distribution.") && !value.is_empty())
    }

    /// `audit.file`.
    #[must_use]
    pub fn audit_file(&self) -> Option<PathBuf> {
        self.path("audit.file")
    }

    /// A setting's value; blank means unset.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, ConfigError> {
        self.text(key).ok_or_else(|| ConfigError::Missing { key: full(key) })
    }

    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(super) fn required_path(&self, key: &str) -> Result<PathBuf, ConfigError> {
        self.required(key).map(PathBuf::from)
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(key, None)),
        }
    }

    /// A value that is made by `parse`, whose error says which rule is broken.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let parsed = self.text(key).map(parse).transpose();
        parsed.map_err(|error| invalid(key, Some(error.to_string())))
    }

    /// A duration as Spark writes it, between `least` and `most`.
    pub(super) fn duration(
        &self,
        key: &str,
        default: Duration,
        least: Duration,
        most: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let duration = parse_duration(text).filter(|duration| (least..=most).contains(duration));
        duration.ok_or_else(|| invalid(key, None))
    }

    /// Settings whose key starts with `stem`, with the rest of the key.
    pub(super) fn named<'a>(&'a self, stem: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.values.iter().filter(|(_, value)| !value.is_empty());
        all.filter_map(move |(key, value)| Some((key.strip_prefix(stem)?, value.as_str())))
    }
}

/// Every setting of `properties_file`, then of `assignments`, whoever's it is.
pub(super) fn read_all(
    properties_file: Option<&Path>,
    assignments: &[String],
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut all = Vec::new();
    if let Some(path) = properties_file {
        let file = file::read(path, MAX_PROPERTIES_FILE).map_err(ConfigError::File)?;
        let properties = properties::parse(file.content.as_slice()).map_err(ConfigError::Properties)?;
        all.extend(properties.into_iter().map(|property| (property.key, property.value)));
    }
    for assignment in assignments {
        let (key, value) = assignment.split_once('=').ok_or(ConfigError::NotAnAssignment)?;
        all.push((key.trim().to_owned(), value.to_owned()));
    }
    Ok(all)
}

/// The refusal of the value of `key`.
pub(super) fn invalid(key: &str, detail: Option<String>) -> ConfigError {
    let range = table::find(key).map_or("", |setting| setting.range);
    ConfigError::Invalid { key: full(key), range, detail }
}

pub(super) fn full(key: &str) -> String {
    format!("{PREFIX}{key}")
}

/// `30s`, `10min`, `1h`; a bare number is milliseconds, as it is for Spark's own keys of this kind.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len().checked_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(assignments: &[&str]) -> Result<Settings, ConfigError> {
        Settings::read(None, &assignments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn durations_are_written_as_spark_writes_them() {
        for (text, seconds) in
            [("30s", 30), ("10min", 600), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("5000", 5), ("1 h", 3600)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5h", "1w", "1s1", "99999999999999999999s", "18446744073709551615d", "１s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_value_wins_blank_means_unset_and_other_softwares_keys_are_ignored() {
        let settings = read(&[
            "spark.security.oidc.aws.region=eu-west-1",
            "spark.executor.instances=2",
            "spark.security.oidc.aws.region= eu-central-1 ",
            "spark.security.oidc.aws.roleArn=  ",
        ])
        .unwrap();
        assert_eq!(settings.text("aws.region"), Some("eu-central-1"));
        assert_eq!(settings.text("aws.roleArn"), None);
    }

    #[test]
    fn an_unknown_key_under_our_prefix_is_refused_with_the_nearest_known_one() {
        let error = read(&["spark.security.oidc.aws.rolearn=SECRET"]).unwrap_err();
        assert!(matches!(&error, ConfigError::Unknown { nearest, .. } if nearest == "spark.security.oidc.aws.roleArn"));
        assert!(!format!("{error}{error:?}").contains("SECRET"));
    }

    #[test]
    fn keys_of_other_proposals_get_one_warning_that_names_ours() {
        let mut settings = read(&["spark.kubernetes.oidc.x=1", "spark.kubernetes.oidc.x=2"]).unwrap();
        let warnings = settings.take_warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("spark.security.oidc.identityToken.file"));
    }

    #[test]
    fn a_duration_outside_its_range_is_refused_with_the_range_and_without_the_value() {
        let settings = read(&["spark.security.oidc.identityToken.clockSkew=61s"]).unwrap();
        let second = Duration::from_secs(1);
        let error = settings.duration("identityToken.clockSkew", second, Duration::ZERO, second * 60).unwrap_err();
        assert_eq!(error.to_string(), "spark.security.oidc.identityToken.clockSkew must be 0s to 60s");
        let settings = read(&["spark.security.oidc.identityToken.clockSkew=60s"]).unwrap();
        let kept = settings.duration("identityToken.clockSkew", second, Duration::ZERO, second * 60).unwrap();
        assert_eq!(kept, second * 60);
    }

    #[test]
    fn an_assignment_needs_an_equals_sign() {
        assert!(matches!(read(&["SECRET"]), Err(ConfigError::NotAnAssignment)));
    }
}
