//! Arguments to one role to an exit status. Prints `error[CODE]: ...` and `hint: ...`.

#![forbid(unsafe_code)]
#![deny(missing_docs, unused_must_use)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::allow_attributes,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::dbg_macro,
        clippy::exit,
        clippy::mem_forget
    )
)]

mod arguments;
mod role;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use arguments::Invocation;
use role::{Command, Failure, doctor, driver, executor, help, inspect, install, keys, logger, ready, resolve, spark};
use safe_conduct::config::{DriverConfig, ExecutorConfig, Settings, SparkSettings};
use safe_conduct::sys::process::CommandLine;

/// Wipes every allocation when it is freed: what libraries leave behind of a token or a key is gone with it.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let outcome = arguments::parse(std::env::args_os().skip(1)).map_err(Failure::from).and_then(run);
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            // Nobody may be reading standard error any more: then the status has to do.
            let _ = write!(std::io::stderr().lock(), "{failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(invocation: Invocation) -> Result<u8, Failure> {
    logger::start(invocation.log_level);
    let settings = || Settings::read(invocation.properties_file.as_deref(), &invocation.assignments);
    match &invocation.role {
        arguments::Role::Help(topic) => help::print(*topic)?,
        arguments::Role::Version => help::version()?,
        arguments::Role::Driver { command } => {
            let command = with_environment(command.as_deref())?;
            return driver::run(DriverConfig::from_settings(settings()?)?, command);
        }
        arguments::Role::Executor { command } => {
            let command = with_environment(command.as_deref())?;
            return executor::run(ExecutorConfig::from_settings(settings()?)?, command);
        }
        arguments::Role::Resolve => resolve::run(settings()?)?,
        arguments::Role::Ready => ready::run(&settings()?)?,
        arguments::Role::KeysNew { directory } => keys::run(directory)?,
        arguments::Role::Install { directory } => install::run(std::env::current_exe().ok(), directory)?,
        arguments::Role::Inspect(options) => return inspect::run(settings()?, options),
        arguments::Role::Doctor(options) => return doctor::run(settings(), options),
        arguments::Role::Spark(options) => {
            let own = SparkSettings::read(invocation.properties_file.as_deref(), &invocation.assignments)?;
            let programs = spark::Programs {
                own: std::env::current_exe().ok(),
                java_home: std::env::var_os("JAVA_HOME"),
                path: std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect(),
            };
            spark::run(options, settings()?, &own, &programs)?;
        }
    }
    Ok(0)
}

/// The command behind `--`, if there is one, with our own environment.
fn with_environment(words: Option<&[OsString]>) -> Result<Option<Command>, Failure> {
    let Some(words) = words else { return Ok(None) };
    let line = CommandLine::new(words).ok_or(arguments::UsageError::Missing { what: "COMMAND -- PROGRAM" })?;
    Ok(Some(Command { line, inherited: std::env::vars_os().collect() }))
}
