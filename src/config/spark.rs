//! What Spark itself must be told, by its version, and which of a user's own Spark settings would lead around us.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::raw::{Settings, full, read_all};
use super::table::PREFIX;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sink::{OURS, REMOVED};

/// The S3A credentials provider that finds our endpoint with the AWS SDK of a Spark version.
#[derive(Debug)]
pub struct S3aProvider {
    /// Which versions, in words.
    pub spark: &'static str,
    /// The first of them: major and minor number.
    first: (u16, u16),
    /// The class.
    pub class: &'static str,
}

/// Oldest first; a row holds until the next one begins. README's table is held equal to this one by a test.
pub const S3A_PROVIDERS: &[S3aProvider] = &[
    // AWS SDK v1: reads the endpoint's token from the environment only.
    S3aProvider { spark: "3.5", first: (3, 5), class: "com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper" },
    // This SDK's container provider has no `create()`, without which S3A cannot make it.
    S3aProvider {
        spark: "4.0",
        first: (4, 0),
        class: "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
    },
    S3aProvider {
        spark: "4.1 and later",
        first: (4, 1),
        class: "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider",
    },
];

/// The provider for `version`, such as `3.5` or `4.0.1-SNAPSHOT`.
///
/// # Errors
/// [`UnknownSpark`] if there is no row for it.
pub fn s3a_provider(version: &str) -> Result<&'static S3aProvider, UnknownSpark> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    let mut parts = version.split(['.', '-']);
    let version = parts.next().and_then(number).zip(parts.next().and_then(number)).ok_or(UnknownSpark)?;
    S3A_PROVIDERS.iter().rev().find(|row| row.first <= version).ok_or(UnknownSpark)
}

const PROVIDER: &str = "spark.hadoop.fs.s3a.aws.credentials.provider";
const JAVA_HOME: &str = "spark.executorEnv.JAVA_HOME";

/// A user's own Spark settings: those that are not ours.
#[derive(Default)]
pub struct SparkSettings {
    values: BTreeMap<String, String>,
}

impl SparkSettings {
    /// Reads `properties_file`, then each `KEY=VALUE` of `assignments`; the last one wins.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read.
    pub fn read(properties_file: Option<&Path>, assignments: &[String]) -> Result<Self, ConfigError> {
        let all = read_all(properties_file, assignments)?;
        Ok(Self { values: all.into_iter().filter(|(key, _)| !key.starts_with(PREFIX)).collect() })
    }

    /// What is still to be set for `provider`, and for executors to start through the folder `java_home`. A key that the
    /// user has set is never among it.
    #[must_use]
    pub fn missing(&self, provider: &S3aProvider, java_home: Option<&str>) -> Vec<(&'static str, String)> {
        let needed = [(PROVIDER, Some(provider.class)), (JAVA_HOME, java_home)];
        let missing = needed.into_iter().filter(|(key, _)| !self.values.contains_key(*key));
        missing.filter_map(|(key, value)| Some((key, value?.to_owned()))).collect()
    }

    /// The user's settings that would lead around us, in the order of their keys.
    #[must_use]
    pub fn bypasses(&self, provider: &'static S3aProvider, java_home: Option<&str>) -> Vec<Bypass> {
        let found = self.values.iter().filter_map(|(key, value)| {
            let why = why_around(key, value.trim(), provider, java_home)?;
            Some(Bypass { key: key.clone(), why })
        });
        found.collect()
    }
}

/// Users put keys into these settings.
impl fmt::Debug for SparkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SparkSettings({} hidden)", self.values.len())
    }
}

/// A setting of the user's own that would lead around us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypass {
    /// The setting.
    pub key: String,
    /// What it would do.
    pub why: Around,
}

/// How a setting leads around us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Around {
    /// S3A is told to use another provider than this one.
    OtherProvider(&'static str),
    /// S3A is told to use one that turns to the instance metadata service for good after one failed call.
    Latches(&'static str),
    /// A static key, or a file with some.
    StaticKey,
    /// S3A takes its credentials from delegation tokens.
    DelegationTokens,
    /// A variable that we set ourselves or that wins over ours.
    Environment,
    /// A Java option that the AWS SDK reads before its environment.
    JavaOption,
    /// Executors start with another Java than the one that goes through us.
    OtherJava,
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match self.why {
            Around::OtherProvider(class) => {
                write!(f, "{key} leads S3A to other credentials than ours: remove it, or set it to {class}")
            }
            Around::Latches(class) => write!(
                f,
                "{key} names a provider that turns to the node's role for good after one failed call: remove it, or set it to {class}"
            ),
            Around::StaticKey => write!(f, "{key} leads to static keys, which some providers prefer: remove it"),
            Around::DelegationTokens => write!(f, "{key} makes S3A use delegation tokens instead of ours: remove it"),
            Around::Environment => {
                write!(f, "{key} changes the environment in which SDKs find our credentials: remove it")
            }
            Around::JavaOption => write!(f, "{key} has an option -Daws., which the SDK reads before ours: remove it"),
            Around::OtherJava => write!(f, "{key} starts executors without safe-conduct: remove it"),
        }
    }
}

fn why_around(key: &str, value: &str, provider: &'static S3aProvider, java_home: Option<&str>) -> Option<Around> {
    if let Some(option) = key.strip_prefix("spark.hadoop.fs.s3a.") {
        return why_around_in_s3a(option, value, provider);
    }
    if key == JAVA_HOME {
        return java_home.filter(|home| *home != value).map(|_| Around::OtherJava);
    }
    if let Some(name) = key.strip_prefix("spark.executorEnv.") {
        // The wrapper tells an executor where our endpoint is; Python workers would get the value of this key again.
        return (REMOVED.contains(&name) || OURS.contains(&name)).then_some(Around::Environment);
    }
    if let Some(name) = key.strip_prefix("spark.kubernetes.driverEnv.") {
        return REMOVED.contains(&name).then_some(Around::Environment);
    }
    let java_options = key.ends_with(".extraJavaOptions") || key.ends_with(".defaultJavaOptions");
    if java_options && value.contains("-Daws.") {
        return Some(Around::JavaOption);
    }
    (key == "spark.hadoop.hadoop.security.credential.provider.path").then_some(Around::StaticKey)
}

/// `option` is a key behind `fs.s3a.`, or behind `fs.s3a.bucket.NAME.`, where a name may have dots.
fn why_around_in_s3a(option: &str, value: &str, provider: &'static S3aProvider) -> Option<Around> {
    let is = |wanted: &str| {
        option == wanted
            || option
                .strip_prefix("bucket.")
                .and_then(|rest| rest.strip_suffix(wanted))
                .is_some_and(|bucket| bucket.len() > 1 && bucket.ends_with('.'))
    };
    if is("aws.credentials.provider") {
        // An empty list is Hadoop's default chain. With AWS SDK v1 nothing latches.
        let latching = ["IAMInstanceCredentialsProvider", "EC2ContainerCredentialsProviderWrapper"];
        let latches = value.is_empty() || latching.iter().any(|class| value.contains(class));
        return match value {
            _ if value == provider.class => None,
            _ if latches && provider.first >= (4, 0) => Some(Around::Latches(provider.class)),
            _ => Some(Around::OtherProvider(provider.class)),
        };
    }
    if value.is_empty() {
        return None;
    }
    if is("delegation.token.binding") {
        return Some(Around::DelegationTokens);
    }
    let keys = ["access.key", "secret.key", "session.token", "security.credential.provider.path"];
    keys.into_iter().any(is).then_some(Around::StaticKey)
}

/// There is no row for this version of Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSpark;

impl fmt::Display for UnknownSpark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the version of Spark is not one from 3.5 on")
    }
}

impl std::error::Error for UnknownSpark {}

impl Actionable for UnknownSpark {
    fn facts(&self) -> Facts {
        Facts::new(
            "SPARK_VERSION",
            Fault::Configuration,
            Retry::Never,
            "Give --spark-version as spark-submit --version says it: 3.5.9, or 3.5.",
        )
    }
}

/// The settings that an executor behind a wrapper is started with, as `KEY=VALUE`, with whole paths.
///
/// # Errors
/// [`ConfigError`] names what is missing: there is no `SPARK_DRIVER_URL` but on Kubernetes.
pub fn executor_assignments(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    settings.required("distribution.driver")?;
    let plain = ["distribution.driver", "distribution.tls.peerName", "distribution.pollInterval", "startTimeout"];
    let paths = [
        "distribution.keyFile",
        "distribution.tls.caFile",
        "distribution.tls.certFile",
        "distribution.tls.keyFile",
        "distribution.executorToken.file",
    ];
    let plain = plain.into_iter().filter_map(|key| Some((key, settings.text(key)?.to_owned())));
    // The wrapper runs in a folder of Spark's choice. This asks for no file.
    let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned();
    let paths = paths.into_iter().filter_map(|key| Some((key, whole(settings.path(key)?))));
    Ok(plain.chain(paths).map(|(key, value)| format!("{}={value}", full(key))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDK: &str = "software.amazon.awssdk.auth.credentials";

    fn bypasses(version: &str, assignments: &[&str]) -> Vec<(String, Around)> {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        let settings = SparkSettings::read(None, &assignments).unwrap();
        let found = settings.bypasses(s3a_provider(version).unwrap(), Some("/opt/wrapped"));
        found.into_iter().map(|bypass| (bypass.key, bypass.why)).collect()
    }

    #[test]
    fn a_version_is_two_numbers_and_whatever_follows() {
        for (version, row) in [
            ("3.5", 0),
            ("3.5.9", 0),
            ("4.0.0-preview2", 1),
            ("4.0", 1),
            ("4.1-SNAPSHOT", 2),
            ("4.10.0", 2),
            ("5.0", 2),
        ] {
            assert_eq!(s3a_provider(version).unwrap().spark, S3A_PROVIDERS[row].spark, "{version}");
        }
        for version in ["", "3", "3.", "3.4.4", "2.4", "v4.0", "+4.0", "4.x", "4 .0", "99999999999.0"] {
            assert!(matches!(s3a_provider(version), Err(UnknownSpark)), "{version}");
        }
    }

    #[test]
    fn what_the_user_has_set_is_never_set_again_even_if_it_is_blank() {
        let row = s3a_provider("4.3.0").unwrap();
        let missing = |assignments: &[&str], home: Option<&str>| -> Vec<&str> {
            let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
            let settings = SparkSettings::read(None, &assignments).unwrap();
            settings.missing(row, home).into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(missing(&[], None), [PROVIDER]);
        assert_eq!(missing(&[], Some("/w")), [PROVIDER, JAVA_HOME]);
        assert_eq!(missing(&["spark.executorEnv.JAVA_HOME=/usr"], Some("/w")), [PROVIDER]);
        let provider = "spark.hadoop.fs.s3a.aws.credentials.provider=";
        assert_eq!(missing(&[provider, "spark.executorEnv.JAVA_HOME=/usr"], Some("/w")), Vec::<&str>::new());
    }

    #[test]
    fn settings_that_lead_around_us_are_named_and_others_are_not() {
        let container = format!("{SDK}.ContainerCredentialsProvider");
        let wanted = s3a_provider("4.1").unwrap().class;
        let cases: &[(&str, Option<Around>)] = &[
            ("spark.hadoop.fs.s3a.access.key=A", Some(Around::StaticKey)),
            ("spark.hadoop.fs.s3a.bucket.my.bucket.secret.key=A", Some(Around::StaticKey)),
            ("spark.hadoop.fs.s3a.session.token=A", Some(Around::StaticKey)),
            ("spark.hadoop.fs.s3a.security.credential.provider.path=jceks://x", Some(Around::StaticKey)),
            ("spark.hadoop.hadoop.security.credential.provider.path=jceks://x", Some(Around::StaticKey)),
            ("spark.hadoop.fs.s3a.access.key=", None),
            ("spark.hadoop.fs.s3a.delegation.token.binding=x", Some(Around::DelegationTokens)),
            ("spark.hadoop.fs.s3a.delegation.token.binding=", None),
            ("spark.executorEnv.AWS_PROFILE=x", Some(Around::Environment)),
            ("spark.executorEnv.AWS_CONTAINER_CREDENTIALS_FULL_URI=x", Some(Around::Environment)),
            ("spark.kubernetes.driverEnv.AWS_ROLE_ARN=x", Some(Around::Environment)),
            ("spark.kubernetes.driverEnv.AWS_CONTAINER_CREDENTIALS_FULL_URI=x", None),
            ("spark.executorEnv.AWS_REGION=x", None),
            ("spark.executorEnv.JAVA_HOME=/usr", Some(Around::OtherJava)),
            ("spark.executorEnv.JAVA_HOME=/opt/wrapped", None),
            ("spark.executor.extraJavaOptions=-Xss1m -Daws.accessKeyId=A", Some(Around::JavaOption)),
            ("spark.driver.defaultJavaOptions=-Daws.secretAccessKey=A", Some(Around::JavaOption)),
            ("spark.executor.extraJavaOptions=-Xss1m", None),
            ("spark.hadoop.fs.s3a.endpoint=http://127.0.0.1:9000", None),
            ("spark.hadoop.fs.s3a.bucket.access.key=A", None),
        ];
        for (assignment, expected) in cases {
            let found = bypasses("4.1", &[assignment]);
            assert_eq!(found.first().map(|(_, why)| *why), *expected, "{assignment}");
        }
        for (value, expected) in [
            (container.as_str(), None),
            ("", Some(Around::Latches(wanted))),
            ("org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider", Some(Around::Latches(wanted))),
            ("com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper", Some(Around::Latches(wanted))),
            ("org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", Some(Around::OtherProvider(wanted))),
            (&format!("{container},org.example.Other"), Some(Around::OtherProvider(wanted))),
        ] {
            for key in ["", "bucket.b."] {
                let found = bypasses("4.1", &[&format!("spark.hadoop.fs.s3a.{key}aws.credentials.provider={value}")]);
                assert_eq!(found.first().map(|(_, why)| *why), expected, "{key}: {value}");
            }
        }
    }

    // facts: with AWS SDK v1 neither the default chain nor IAMInstanceCredentialsProvider latches.
    #[test]
    fn with_spark_3_5_another_provider_is_named_and_not_said_to_latch() {
        let class = s3a_provider("3.5").unwrap().class;
        let set = |value: &str| bypasses("3.5", &[&format!("{PROVIDER}={value}")]).first().map(|(_, why)| *why);
        assert_eq!(
            set("org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider"),
            Some(Around::OtherProvider(class))
        );
        assert_eq!(set(class), None);
    }

    #[test]
    fn no_value_is_shown() {
        let assignments = ["spark.hadoop.fs.s3a.secret.key=PLANTED".to_owned()];
        let settings = SparkSettings::read(None, &assignments).unwrap();
        let said = format!("{settings:?}{:?}", settings.bypasses(s3a_provider("4.0").unwrap(), None));
        assert!(!said.contains("PLANTED"), "{said}");
    }
}
