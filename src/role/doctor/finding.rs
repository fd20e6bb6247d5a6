//! What only doctor finds: things that work, but not for long or not as is meant, and clocks that are apart.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use safe_conduct::error::{Actionable, Facts, Fault, Retry};

/// Something that no other role reports as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// What a role would say once at its start.
    Settings {
        /// In its words.
        warnings: Vec<String>,
    },
    /// Everybody on the machine can read the token.
    TokenReadable {
        /// Where it is.
        path: PathBuf,
    },
    /// The token is older than those that are rotated become.
    TokenAging {
        /// How old it is.
        age: Duration,
        /// How long it lives in all.
        life: Duration,
    },
    /// This machine's clock and another's are apart.
    Clocks {
        /// Whose the other one is.
        whose: &'static str,
        /// How far.
        apart: Duration,
        /// Whether ours is the later one.
        ahead: bool,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings { warnings } => f.write_str(&warnings.join("; ")),
            Self::TokenReadable { path } => write!(f, "{} can be read by everybody on this machine", path.display()),
            Self::TokenAging { age, life } => {
                let (age, life) = (age.as_secs(), life.as_secs());
                write!(f, "the token is {age} s old and lives {life} s; one that is rotated is replaced at 80 %")
            }
            Self::Clocks { whose, apart, ahead } => {
                let (apart, side) = (apart.as_secs(), if *ahead { "ahead of" } else { "behind" });
                write!(f, "this machine's clock is {apart} s {side} {whose}")
            }
        }
    }
}

impl std::error::Error for Finding {}

impl Actionable for Finding {
    fn facts(&self) -> Facts {
        match self {
            Self::Settings { .. } => Facts::new(
                "DOCTOR_SETTINGS",
                Fault::Configuration,
                Retry::Never,
                "Change the setting that is named, unless that is what you want.",
            ),
            Self::TokenReadable { .. } => Facts::new(
                "DOCTOR_TOKEN_READABLE",
                Fault::Configuration,
                Retry::Never,
                "Mount the token with defaultMode 0440 and set the pod's fsGroup, or chmod o-r its file.",
            ),
            Self::TokenAging { .. } => Facts::new(
                "DOCTOR_TOKEN_AGING",
                Fault::Identity,
                Retry::OnNewToken,
                "Look again in 2 minutes; if it is the same token, check kubelet, or whoever writes the file.",
            ),
            Self::Clocks { .. } => Facts::new(
                "DOCTOR_CLOCKS",
                Fault::Configuration,
                Retry::Backoff,
                "Set this machine's clock by NTP (chronyc tracking shows it), or the other one if this one is right.",
            ),
        }
    }
}
