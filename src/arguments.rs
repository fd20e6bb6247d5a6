//! The command line, read into what was asked for. Knows no role's work.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};
use safe_conduct::config::PREFIX;
use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::time::Timestamp;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) role: Role,
    pub(crate) properties_file: Option<PathBuf>,
    /// `KEY=VALUE`, in order.
    pub(crate) assignments: Vec<String>,
    pub(crate) log_level: log::LevelFilter,
}

/// One command, with what is its own.
#[derive(Debug)]
pub(crate) enum Role {
    Help(Topic),
    Version,
    Driver { command: Option<Vec<OsString>> },
    Executor { command: Option<Vec<OsString>> },
    Resolve,
    Ready,
    KeysNew { directory: PathBuf },
    Install { directory: PathBuf },
    Inspect(InspectOptions),
    Doctor(DoctorOptions),
    Spark(SparkOptions),
}

/// What `doctor` is told.
#[derive(Debug)]
pub(crate) struct DoctorOptions {
    /// Which side is checked; without it, the settings say.
    pub(crate) side: Option<Side>,
    pub(crate) json: bool,
    pub(crate) show_claims: bool,
}

/// Whose settings `doctor` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Driver,
    Executor,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Executor => "executor",
        }
    }
}

/// What `inspect` is told.
#[derive(Debug)]
pub(crate) struct InspectOptions {
    pub(crate) file: PathBuf,
    pub(crate) now: Option<Timestamp>,
    pub(crate) json: bool,
    pub(crate) show_claims: bool,
}

/// What `spark` is told.
#[derive(Debug)]
pub(crate) struct SparkOptions {
    pub(crate) version: String,
    /// The folder to be made, which Spark is to take for the executors' Java.
    pub(crate) java_home: Option<PathBuf>,
    /// The program that the folder's `bin/java` is to start.
    pub(crate) java: Option<PathBuf>,
}

/// What help is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    All,
    Driver,
    Executor,
    Resolve,
    Ready,
    Keys,
    Install,
    Inspect,
    Doctor,
    Spark,
}

impl Topic {
    fn of(command: &str) -> Option<Self> {
        Some(match command {
            "driver" => Self::Driver,
            "executor" => Self::Executor,
            "resolve" => Self::Resolve,
            "ready" => Self::Ready,
            "keys" => Self::Keys,
            "install" => Self::Install,
            "inspect" => Self::Inspect,
            "doctor" => Self::Doctor,
            "spark" => Self::Spark,
            _ => return None,
        })
    }
}

/// Everything that may stand on the command line, as it comes.
#[derive(Default)]
struct Collected {
    topic: Option<Topic>,
    help: bool,
    version: bool,
    positional: Vec<OsString>,
    command: Option<Vec<OsString>>,
    properties_file: Option<PathBuf>,
    assignments: Vec<String>,
    log_level: Option<log::LevelFilter>,
    now: Option<Timestamp>,
    json: bool,
    show_claims: bool,
    spark_version: Option<String>,
    java_home: Option<PathBuf>,
    java: Option<PathBuf>,
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let (own, command) = split(arguments);
    let mut collected = Collected { command, ..Collected::default() };
    let mut parser = lexopt::Parser::from_args(own);
    while let Some(argument) = parser.next().map_err(UsageError::from)? {
        match argument {
            Short('h') | Long("help") => collected.help = true,
            Short('V') | Long("version") => collected.version = true,
            Long("properties-file") => collected.properties_file = Some(value(&mut parser)?.into()),
            Long("conf") => collected.assignments.push(text(&mut parser, "--conf")?),
            Long("log-level") => collected.log_level = Some(level(&text(&mut parser, "--log-level")?)?),
            Long("directory") => assign(&mut collected, &mut parser, "endpoint.directory", "--directory")?,
            Long("issuer") => assign(&mut collected, &mut parser, "identityToken.issuer", "--issuer")?,
            Long("audience") => assign(&mut collected, &mut parser, "identityToken.audience", "--audience")?,
            Long("jwks") => assign(&mut collected, &mut parser, "jwks.file", "--jwks")?,
            Long("now") => collected.now = Some(seconds(&text(&mut parser, "--now")?)?),
            Long("json") => collected.json = true,
            Long("show-claims") => collected.show_claims = true,
            Long("spark-version") => collected.spark_version = Some(text(&mut parser, "--spark-version")?),
            Long("java-home") => collected.java_home = Some(value(&mut parser)?.into()),
            Long("java") => collected.java = Some(value(&mut parser)?.into()),
            Value(value) if collected.topic.is_none() => {
                let name = value.to_str().unwrap_or_default();
                collected.topic = Some(Topic::of(name).ok_or(UsageError::NoSuchCommand)?);
            }
            Value(value) => collected.positional.push(value),
            other => return Err(UsageError::from(other.unexpected())),
        }
    }
    collected.finish()
}

impl Collected {
    fn finish(mut self) -> Result<Invocation, UsageError> {
        let role = self.role()?;
        Ok(Invocation {
            role,
            properties_file: self.properties_file,
            assignments: self.assignments,
            log_level: self.log_level.unwrap_or(log::LevelFilter::Info),
        })
    }

    fn role(&mut self) -> Result<Role, UsageError> {
        if self.help {
            return Ok(Role::Help(self.topic.unwrap_or(Topic::All)));
        }
        if self.version {
            return Ok(Role::Version);
        }
        let topic = self.topic.ok_or(UsageError::NoCommand)?;
        let command = self.command.take();
        if command.is_some() && !matches!(topic, Topic::Driver | Topic::Executor) {
            return Err(UsageError::NoCommandHere);
        }
        let mut positional = std::mem::take(&mut self.positional).into_iter();
        let role = match topic {
            Topic::All => Role::Help(topic),
            Topic::Driver => Role::Driver { command },
            Topic::Executor => Role::Executor { command },
            Topic::Resolve => Role::Resolve,
            Topic::Ready => Role::Ready,
            Topic::Keys => {
                if positional.next().as_deref() != Some("new".as_ref()) {
                    return Err(UsageError::Missing { what: "keys new DIR" });
                }
                Role::KeysNew { directory: required(&mut positional, "keys new DIR")? }
            }
            Topic::Install => Role::Install { directory: required(&mut positional, "install DIR")? },
            Topic::Inspect => Role::Inspect(InspectOptions {
                file: required(&mut positional, "inspect FILE")?,
                now: self.now.take(),
                json: std::mem::take(&mut self.json),
                show_claims: std::mem::take(&mut self.show_claims),
            }),
            Topic::Doctor => Role::Doctor(DoctorOptions {
                side: side(positional.next())?,
                json: std::mem::take(&mut self.json),
                show_claims: std::mem::take(&mut self.show_claims),
            }),
            Topic::Spark => Role::Spark(SparkOptions {
                version: self
                    .spark_version
                    .take()
                    .ok_or(UsageError::Missing { what: "spark --spark-version VERSION" })?,
                // Without a folder there is nothing that would start it.
                java: if self.java_home.is_some() { self.java.take() } else { None },
                java_home: self.java_home.take(),
            }),
        };
        // Whatever is left over belongs to another command: said, rather than ignored.
        let of_inspect = self.now.is_some() || self.json || self.show_claims;
        let of_spark = self.spark_version.is_some() || self.java_home.is_some() || self.java.is_some();
        if positional.next().is_some() || of_inspect || of_spark { Err(UsageError::TooMany) } else { Ok(role) }
    }
}

fn side(named: Option<OsString>) -> Result<Option<Side>, UsageError> {
    let Some(named) = named else { return Ok(None) };
    let side = [Side::Driver, Side::Executor].into_iter().find(|side| named == side.name());
    side.map(Some).ok_or(UsageError::Missing { what: "doctor [driver|executor]" })
}

/// Splits at the first `--`: what follows is the command, word by word, and never ours.
fn split(arguments: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, Option<Vec<OsString>>) {
    let mut own: Vec<OsString> = Vec::new();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        if argument == "--" {
            return (own, Some(arguments.collect()));
        }
        own.push(argument);
    }
    (own, None)
}

fn required(positional: &mut impl Iterator<Item = OsString>, what: &'static str) -> Result<PathBuf, UsageError> {
    positional.next().map(PathBuf::from).ok_or(UsageError::Missing { what })
}

fn value(parser: &mut lexopt::Parser) -> Result<OsString, UsageError> {
    parser.value().map_err(UsageError::from)
}

fn text(parser: &mut lexopt::Parser, option: &'static str) -> Result<String, UsageError> {
    value(parser)?.into_string().map_err(|_| UsageError::NotText { option })
}

/// An option that is short for a setting.
fn assign(
    collected: &mut Collected,
    parser: &mut lexopt::Parser,
    key: &str,
    option: &'static str,
) -> Result<(), UsageError> {
    let value = text(parser, option)?;
    collected.assignments.push(format!("{PREFIX}{key}={value}"));
    Ok(())
}

fn level(text: &str) -> Result<log::LevelFilter, UsageError> {
    match text {
        "error" => Ok(log::LevelFilter::Error),
        "warn" => Ok(log::LevelFilter::Warn),
        "info" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        _ => Err(UsageError::LogLevel),
    }
}

fn seconds(text: &str) -> Result<Timestamp, UsageError> {
    text.parse().ok().and_then(Timestamp::from_unix_seconds).ok_or(UsageError::Now)
}

/// What is wrong with the command line. Values are left out: somebody may have put a secret there.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum UsageError {
    NoCommand,
    NoSuchCommand,
    NoCommandHere,
    Missing { what: &'static str },
    TooMany,
    UnknownOption { option: String },
    NoValue { option: String },
    NotText { option: &'static str },
    LogLevel,
    Now,
    Malformed,
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::UnexpectedOption(option) => Self::UnknownOption { option },
            lexopt::Error::MissingValue { option } => Self::NoValue { option: option.unwrap_or_default() },
            lexopt::Error::UnexpectedValue { option, .. } => Self::UnknownOption { option },
            _ => Self::Malformed,
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("no command is given"),
            Self::NoSuchCommand => f.write_str("there is no such command"),
            Self::NoCommandHere => f.write_str("only driver and executor run a command behind --"),
            Self::Missing { what } => write!(f, "an argument is missing: safe-conduct {what}"),
            Self::TooMany => f.write_str("there is an argument or an option that this command does not have"),
            Self::UnknownOption { option } => write!(f, "the option {option} is not one of this command"),
            Self::NoValue { option } => write!(f, "the option {option} needs a value"),
            Self::NotText { option } => write!(f, "the value of {option} is not UTF-8"),
            Self::LogLevel => f.write_str("--log-level is one of error, warn, info, debug"),
            Self::Now => f.write_str("--now is a number of seconds since 1970"),
            Self::Malformed => f.write_str("the command line cannot be read"),
        }
    }
}

impl std::error::Error for UsageError {}

impl Actionable for UsageError {
    fn facts(&self) -> Facts {
        match self {
            Self::NoCommand
            | Self::NoSuchCommand
            | Self::NoCommandHere
            | Self::Missing { .. }
            | Self::TooMany
            | Self::UnknownOption { .. }
            | Self::NoValue { .. }
            | Self::NotText { .. }
            | Self::LogLevel
            | Self::Now
            | Self::Malformed => Facts::new(
                "USAGE",
                Fault::Configuration,
                Retry::Never,
                "Run safe-conduct --help, or safe-conduct COMMAND --help.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_behind_two_dashes_belongs_to_the_command() {
        let invocation = parsed("executor --conf a=b -- spark --help -- --version").unwrap();
        assert_eq!(invocation.assignments, ["a=b"]);
        let Role::Executor { command: Some(command) } = invocation.role else { panic!("{:?}", invocation.role) };
        assert_eq!(command, ["spark", "--help", "--", "--version"]);
    }

    #[test]
    fn options_that_are_short_for_settings_become_assignments() {
        let invocation =
            parsed("inspect token --jwks keys.json --issuer https://i --audience a --now 17 --json").unwrap();
        assert_eq!(
            invocation.assignments,
            [
                "spark.security.oidc.jwks.file=keys.json",
                "spark.security.oidc.identityToken.issuer=https://i",
                "spark.security.oidc.identityToken.audience=a"
            ]
        );
        assert!(matches!(invocation.role, Role::Inspect(InspectOptions { json: true, now: Some(_), .. })));
    }

    #[test]
    fn a_command_line_that_says_too_little_or_too_much_is_refused() {
        for (line, expected) in [
            ("", UsageError::NoCommand),
            ("drive", UsageError::NoSuchCommand),
            ("resolve -- true", UsageError::NoCommandHere),
            ("keys", UsageError::Missing { what: "keys new DIR" }),
            ("keys new", UsageError::Missing { what: "keys new DIR" }),
            ("install", UsageError::Missing { what: "install DIR" }),
            ("inspect", UsageError::Missing { what: "inspect FILE" }),
            ("doctor resolve", UsageError::Missing { what: "doctor [driver|executor]" }),
            ("doctor driver executor", UsageError::TooMany),
            ("doctor --now 1", UsageError::TooMany),
            ("driver extra", UsageError::TooMany),
            ("driver --json", UsageError::TooMany),
            ("driver --spark-version 4.0", UsageError::TooMany),
            ("driver --java-home d", UsageError::TooMany),
            ("spark", UsageError::Missing { what: "spark --spark-version VERSION" }),
            ("spark --spark-version 4.0 extra", UsageError::TooMany),
            ("spark --spark-version 4.0 --json", UsageError::TooMany),
            ("spark --spark-version 4.0 --java j", UsageError::TooMany),
            ("inspect f --java j", UsageError::TooMany),
            ("driver --nope", UsageError::UnknownOption { option: "--nope".to_owned() }),
            ("driver --conf", UsageError::NoValue { option: "--conf".to_owned() }),
            ("driver --log-level trace", UsageError::LogLevel),
            ("inspect f --now x", UsageError::Now),
            ("inspect f --now 253402300800", UsageError::Now),
        ] {
            assert_eq!(parsed(line).unwrap_err(), expected, "{line}");
        }
    }

    #[test]
    fn help_is_given_for_every_command_and_before_anything_else() {
        for (line, topic) in [("--help", Topic::All), ("driver --help", Topic::Driver), ("keys -h", Topic::Keys)] {
            assert!(matches!(parsed(line).unwrap().role, Role::Help(given) if given == topic), "{line}");
        }
    }
}
