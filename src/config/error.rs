//! What can be wrong with the settings. Names keys and ranges, never values.

use std::fmt;

use crate::codec::properties::PropertiesError;
use crate::credential::MAX_TARGETS;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sys::file::FileError;

/// Why the settings cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key under our prefix that does not exist.
    Unknown {
        /// The key.
        key: String,
        /// The known key that is most like it.
        nearest: String,
    },
    /// A required key is not set.
    Missing {
        /// The key.
        key: String,
    },
    /// A value outside its range.
    Invalid {
        /// The key.
        key: String,
        /// What may be set.
        range: &'static str,
        /// Which rule is broken, where that is known; never the value.
        detail: Option<String>,
    },
    /// Two keys that exclude each other.
    Conflict {
        /// One.
        key: String,
        /// The other.
        other: String,
    },
    /// More named targets than fit into a bundle.
    TooManyTargets {
        /// How many.
        count: usize,
    },
    /// `enabled` is false.
    SwitchedOff,
    /// A `--conf` that is no `KEY=VALUE`.
    NotAnAssignment,
    /// The properties file cannot be opened.
    File(FileError),
    /// The properties file cannot be read.
    Properties(PropertiesError),
    /// There is no temporary directory, as in a from-scratch image.
    NoDirectory,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key, nearest } => write!(f, "there is no setting {key}; the nearest one is {nearest}"),
            Self::Missing { key } => write!(f, "{key} is not set"),
            Self::Invalid { key, range, detail: None } => write!(f, "{key} must be {range}"),
            Self::Invalid { key, range, detail: Some(detail) } => write!(f, "{key} must be {range}: {detail}"),
            Self::Conflict { key, other } => write!(f, "{key} and {other} exclude each other"),
            Self::TooManyTargets { count } => {
                write!(f, "spark.security.oidc.aws.target names {count} targets, more than {MAX_TARGETS}")
            }
            Self::SwitchedOff => f.write_str("spark.security.oidc.enabled is false: propagation is switched off"),
            Self::NotAnAssignment => f.write_str("a --conf is not of the form KEY=VALUE"),
            Self::File(error) => error.fmt(f),
            Self::Properties(error) => error.fmt(f),
            Self::NoDirectory => f.write_str("there is no directory for the endpoint's files"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Properties(error) => Some(error),
            Self::Unknown { .. }
            | Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::Conflict { .. }
            | Self::TooManyTargets { .. }
            | Self::SwitchedOff
            | Self::NotAnAssignment
            | Self::NoDirectory => None,
        }
    }
}

impl Actionable for ConfigError {
    fn facts(&self) -> Facts {
        match self {
            Self::Unknown { .. } => Facts::new(
                "CONFIG_UNKNOWN_KEY",
                Fault::Configuration,
                Retry::Never,
                "Correct the key, or remove it; README lists them all.",
            ),
            Self::Missing { .. } => Facts::new(
                "CONFIG_MISSING_KEY",
                Fault::Configuration,
                Retry::Never,
                "Set the key in the properties file or with --conf KEY=VALUE.",
            ),
            Self::Invalid { .. } => Facts::new(
                "CONFIG_INVALID_VALUE",
                Fault::Configuration,
                Retry::Never,
                "Set a value of the range that is named.",
            ),
            Self::Conflict { .. } => {
                Facts::new("CONFIG_CONFLICT", Fault::Configuration, Retry::Never, "Remove one of the two keys.")
            }
            Self::TooManyTargets { .. } => Facts::new(
                "CONFIG_TOO_MANY_TARGETS",
                Fault::Configuration,
                Retry::Never,
                "Let jobs that need different data have different targets: at most 12 each.",
            ),
            Self::SwitchedOff => Facts::new(
                "CONFIG_SWITCHED_OFF",
                Fault::Configuration,
                Retry::Never,
                "Remove spark.security.oidc.enabled, or do not start safe-conduct for this job.",
            ),
            Self::NotAnAssignment => Facts::new(
                "CONFIG_NOT_AN_ASSIGNMENT",
                Fault::Configuration,
                Retry::Never,
                "Write --conf KEY=VALUE, with quotes if it has spaces.",
            ),
            Self::File(error) => error.facts(),
            Self::Properties(_) => Facts::new(
                "CONFIG_PROPERTIES",
                Fault::Configuration,
                Retry::Never,
                "Correct the properties file; it has Java's format in UTF-8.",
            ),
            Self::NoDirectory => Facts::new(
                "CONFIG_NO_DIRECTORY",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.endpoint.directory to a directory that only this user can write to.",
            ),
        }
    }
}
