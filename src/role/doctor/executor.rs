//! The executor's side of doctor: one real ask, and how far it came.

use safe_conduct::config::{ConfigError, ExecutorConfig, Settings};
use safe_conduct::distribute::{Answer, AskError, ExecutorClient, Refusal};
use safe_conduct::error::Actionable;
use safe_conduct::store::VersionedCredentials;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

use super::report::Report;
use super::{SETTINGS, checked};
use crate::role::executor::client_settings;

const FILES: &str = "executor's files";
const NAME: &str = "driver's name";
const PORT: &str = "driver's port";
const PROOF: &str = "driver and executor";
const BUNDLE: &str = "credentials";

/// Everything that can be checked on an executor.
pub(super) fn examine(report: &mut Report, settings: Result<Settings, ConfigError>) {
    let read = |settings| {
        let mut config = ExecutorConfig::from_settings(settings)?;
        let warnings = std::mem::take(&mut config.warnings);
        Ok((config, warnings))
    };
    let Some(config) = checked(report, settings, read, "what an executor needs is there and in range") else {
        return report.needs(SETTINGS, &[FILES, NAME, PORT, PROOF, BUNDLE]);
    };
    let driver = config.driver.to_string();
    let clock = std::sync::Arc::new(SystemClock::new());
    let asked = ExecutorClient::new(client_settings(&config), clock).and_then(|client| client.ask(None));
    // One ask says it all: where it stopped, everything before was ok.
    let stopped = asked.as_ref().err().map(stage);
    let (error, steps) = (asked.as_ref().err(), [FILES, NAME, PORT, PROOF]);
    let found = [
        "can be read and fit together".to_owned(),
        format!("{driver} has an address"),
        format!("{driver} takes connections"),
        "each has proved itself to the other".to_owned(),
    ];
    for ((name, found), position) in steps.into_iter().zip(found).zip(0usize..) {
        match error.filter(|_| stopped == Some(name)) {
            Some(error) => {
                report.fail(name, error);
                let behind = steps.into_iter().skip(position.saturating_add(1)).chain([BUNDLE]);
                return report.needs(name, &behind.collect::<Vec<_>>());
            }
            None => report.ok(name, found),
        }
    }
    match &asked {
        Ok(answer) => credentials(report, answer),
        Err(error) => report.fail(BUNDLE, error),
    }
}

/// The check that an ask failed in.
fn stage(error: &AskError) -> &'static str {
    match error {
        AskError::Proof(_) | AskError::Token(_) | AskError::NoToken { .. } | AskError::Ask(_) => FILES,
        AskError::DriverName { .. } => NAME,
        AskError::Unreachable { .. } => PORT,
        AskError::Answer(_) => BUNDLE,
        // A peer that is not the driver, or does not take us for its executor, or hangs up before it says so.
        _ => PROOF,
    }
}

fn credentials(report: &mut Report, answer: &Answer) {
    match answer {
        Answer::Bundle { bundle, .. } => report.ok(BUNDLE, described(bundle)),
        Answer::Refused { refusal, .. } => refused(report, *refusal),
        // We said that we have nothing: an answer of another kind is one of a later version.
        _ => report.skip(BUNDLE, "the driver says that there is nothing new"),
    }
}

fn refused(report: &mut Report, refusal: Refusal) {
    report.fail_saying(BUNDLE, refusal.to_string(), refusal.facts());
}

/// Which bundle, and until when each credential of it lasts. Nothing else of it.
fn described(bundle: &VersionedCredentials) -> String {
    let at = SystemClock::new().moment();
    let each = bundle.credentials.iter().map(|(scheme, credential)| {
        format!("{scheme} until {} (for {} s)", credential.expires_at(), credential.remaining(at).as_secs())
    });
    let all: Vec<String> = each.collect();
    format!("version {} of the driver's run {}: {}", bundle.version.number, bundle.version.epoch, all.join(", "))
}
