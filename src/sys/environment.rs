//! The environment that a command is given. Holds it; decides nothing about it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// The whole environment of a command: nothing else is inherited.
pub struct ChildEnvironment {
    variables: Vec<(OsString, OsString)>,
    secrets: Vec<(&'static str, Arc<Secret>)>,
    removed: Vec<&'static str>,
}

impl ChildEnvironment {
    /// These variables, also those that hold secrets; `removed` names what the command might have expected.
    #[must_use]
    pub fn new(
        variables: Vec<(OsString, OsString)>,
        secrets: Vec<(&'static str, Arc<Secret>)>,
        removed: Vec<&'static str>,
    ) -> Self {
        Self { variables, secrets, removed }
    }

    /// A variable's value, unless it is a secret.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// A variable's value, if it is a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }

    /// All variables that hold no secret.
    #[must_use]
    pub fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// All variables that hold a secret.
    #[must_use]
    pub fn secrets(&self) -> &[(&'static str, Arc<Secret>)] {
        &self.secrets
    }

    /// The variables that were there and that the command does not get.
    #[must_use]
    pub fn removed(&self) -> &[&'static str] {
        &self.removed
    }
}

/// What was inherited may hold anybody's secrets.
impl fmt::Debug for ChildEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildEnvironment({} variables, hidden)", self.variables.len().saturating_add(self.secrets.len()))
    }
}
