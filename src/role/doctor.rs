//! `safe-conduct doctor`: checks a configuration end to end, a line a check, each failure with its remedy.

mod clocks;
mod driver;
mod executor;
mod finding;
mod identity;
mod report;
mod sts;
mod watched;

use safe_conduct::config::{ConfigError, Settings};
use safe_conduct::error::Actionable;
use safe_conduct::sys::process;

use super::Failure;
use crate::arguments::{DoctorOptions, Side};
use report::Report;
use watched::{Heard, Watched};

/// The first check of both sides; all others need it.
const SETTINGS: &str = "settings";

/// Checks one side and gives the status of its worst failure.
pub(crate) fn run(settings: Result<Settings, ConfigError>, options: &DoctorOptions) -> Result<u8, Failure> {
    process::harden(false)?;
    // Settings that cannot be read say nothing of a side: then it is the one where most of them are.
    let meant = settings.as_ref().is_ok_and(Settings::are_an_executors);
    let side = options.side.unwrap_or(if meant { Side::Executor } else { Side::Driver });
    let mut report = Report::new(side.name(), options.json);
    match side {
        Side::Driver => driver::examine(&mut report, settings, options.show_claims),
        Side::Executor => executor::examine(&mut report, settings),
    }
    Ok(report.finish()?)
}

/// The check of the settings: `read` makes of them what the side needs and what it warns of.
fn checked<T>(
    report: &mut Report,
    settings: Result<Settings, ConfigError>,
    read: impl FnOnce(Settings) -> Result<(T, Vec<String>), ConfigError>,
    found: &str,
) -> Option<T> {
    match settings.and_then(read) {
        Ok((config, warnings)) if warnings.is_empty() => {
            report.ok(SETTINGS, found);
            Some(config)
        }
        Ok((config, warnings)) => {
            report.warn(SETTINGS, &finding::Finding::Settings { warnings });
            Some(config)
        }
        Err(error) => {
            report.fail(SETTINGS, &error);
            None
        }
    }
}

/// The check `name`, whether a service answers at all: its name, the way to it, its certificate.
fn reached(report: &mut Report, name: &'static str, url: &str, by: &Watched, heard: Option<&Heard>) -> bool {
    let Some(heard) = heard else {
        report.skip(name, "it was not asked: what would be sent along cannot be read");
        return true;
    };
    match &heard.outcome {
        Ok(status) => {
            let trust = match url.starts_with("https:") {
                true => format!("its certificate is vouched for by {}", by.roots()),
                false => "without TLS, on loopback".to_owned(),
            };
            report.ok(name, format_args!("{url} answers (status {status}); {trust}"));
            true
        }
        Err(error) => {
            report.fail_saying(name, format!("{url}: {error}"), error.facts());
            false
        }
    }
}
