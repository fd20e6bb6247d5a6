//! One file a command. What they share: how a role fails.

pub(crate) mod audit_file;
pub(crate) mod command;
pub(crate) mod doctor;
pub(crate) mod driver;
pub(crate) mod executor;
pub(crate) mod help;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod keys;
pub(crate) mod logger;
pub(crate) mod parts;
pub(crate) mod pods;
pub(crate) mod ready;
pub(crate) mod resolve;
pub(crate) mod serving;
pub(crate) mod spark;
pub(crate) mod status;

use std::fmt;

use std::ffi::OsString;

use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::sys::process::CommandLine;

/// The command to run, and the environment that it would have inherited.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) line: CommandLine,
    pub(crate) inherited: Vec<(OsString, OsString)>,
}

/// A role's failure, ready to be shown: `error[CODE]: what happened` and `hint: what to do`.
pub(crate) struct Failure {
    error: Box<dyn Actionable>,
    status: Option<u8>,
}

impl Failure {
    /// A failure with an exit status of its own, as shells have for commands that cannot be started.
    pub(crate) fn with_status(error: impl Actionable + 'static, status: u8) -> Self {
        Self { error: Box::new(error), status: Some(status) }
    }

    /// What failed.
    pub(crate) fn error(&self) -> &dyn Actionable {
        self.error.as_ref()
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        self.status.unwrap_or(self.error.facts().fault.exit_status())
    }
}

impl<E: Actionable + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: Box::new(error), status: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { code, remedy, .. } = self.error.facts();
        writeln!(f, "error[{code}]: {}", self.error)?;
        writeln!(f, "hint: {remedy}")
    }
}

/// Standard output could not be written to.
#[derive(Debug)]
pub(crate) struct OutputError(std::io::Error);

impl From<std::io::Error> for OutputError {
    fn from(error: std::io::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output: {}", self.0.kind())
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Actionable for OutputError {
    fn facts(&self) -> Facts {
        Facts::new("OUTPUT", Fault::Unreachable, Retry::Never, "Check that whoever reads the output is still there.")
    }
}
