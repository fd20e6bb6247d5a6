//! `safe-conduct inspect FILE`: explains an identity token, rule by rule, and says whether it would be accepted.

use std::fmt::Write as _;
use std::io::Write as _;

use safe_conduct::codec::json::JsonLine;
use safe_conduct::config::{IdentityConfig, Settings};
use safe_conduct::error::Actionable;
use safe_conduct::identity::{Explanation, KeySet, RuleOutcome, TokenVerifier};
use safe_conduct::ingest::{self, KeySourceError};
use safe_conduct::secret::Secret;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::{Clock, Moment, Timestamp};

use super::{Failure, OutputError, parts};
use crate::arguments::InspectOptions;

/// Claims that say nothing about a person: shown without being asked.
const IMPERSONAL: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "azp"];

/// The last rule that is checked before a key is needed.
const LAST_BEFORE_KEYS: &str = "kid";

/// What there is to show.
struct Report {
    explanation: Explanation,
    /// The ids of the issuer's usable keys, and what is wrong with the others.
    keys: Vec<(String, String)>,
    /// Why there are no keys.
    failure: Option<KeySourceError>,
}

/// Shows the token and gives the status that its refusal would have.
pub(crate) fn run(mut settings: Settings, options: &InspectOptions) -> Result<u8, Failure> {
    let identity = IdentityConfig::from_settings(&mut settings)?;
    let system = SystemClock::new().moment();
    let at = Moment { wall: options.now.unwrap_or(system.wall), monotonic: system.monotonic };
    let token = ingest::read_token(&options.file)?.token;
    let report = examined(&identity, &token, at)?;
    print(&if options.json { as_json(&report, options) } else { as_text(&report, options) })?;
    match report.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(report.explanation.verdict().map(|()| 0)?),
    }
}

/// As the driver would: a token without a shape is refused before any key is fetched, and without keys everything else
/// is still explained.
fn examined(identity: &IdentityConfig, token: &Secret, at: Moment) -> Result<Report, Failure> {
    let verifier = &identity.verifier;
    let Ok(key_id) = TokenVerifier::unverified_key_id(token) else {
        let explanation = verifier.explain(token, &KeySet::empty(), at.wall);
        return Ok(Report { explanation, keys: Vec::new(), failure: None });
    };
    let mut source = parts::key_source(identity, None)?;
    Ok(match source.keys(key_id.as_deref(), at) {
        Ok(keys) => {
            Report { explanation: verifier.explain(token, keys, at.wall), keys: described(keys), failure: None }
        }
        Err(failure) => {
            let rest = verifier.clone().dangerously_skip_signature();
            let explanation = rest.explain(token, &KeySet::empty(), at.wall);
            Report { explanation, keys: Vec::new(), failure: Some(failure) }
        }
    })
}

fn described(keys: &KeySet) -> Vec<(String, String)> {
    let usable = keys.ids().map(|id| (id.unwrap_or("(without an id)").to_owned(), "usable".to_owned()));
    let unusable = keys.unusable().iter().map(|key| (format!("number {}", key.index), key.reason.to_string()));
    usable.chain(unusable).collect()
}

fn print(text: &str) -> Result<(), OutputError> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}

/// A claim's value, unless it may be personal.
fn shown<'a>(name: &str, value: &'a str, options: &InspectOptions) -> &'a str {
    if options.show_claims || IMPERSONAL.contains(&name) { value } else { "(hidden; --show-claims)" }
}

/// A number of seconds since 1970 with the date that it means.
fn with_date(name: &str, value: &str) -> String {
    let seconds = if matches!(name, "exp" | "nbf" | "iat") { value.parse().ok() } else { None };
    match seconds.and_then(Timestamp::from_unix_seconds) {
        Some(time) => format!("{value} ({time})"),
        None => value.to_owned(),
    }
}

fn as_text(report: &Report, options: &InspectOptions) -> String {
    let mut text = String::from("header\n");
    // Writing to a String cannot fail.
    for (name, value) in report.explanation.header() {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text.push_str("claims\n");
    for (name, value) in report.explanation.claims() {
        let _ = writeln!(text, "  {name}: {}", with_date(name, shown(name, value, options)));
    }
    text.push_str("keys of the issuer\n");
    for (name, state) in &report.keys {
        let _ = writeln!(text, "  {name}: {state}");
    }
    text.push_str("rules, in the order of checking\n");
    for (rule, refusal) in report.rules() {
        let _ = match refusal {
            None => writeln!(text, "  pass  {rule}"),
            Some((code, reason)) => writeln!(text, "  FAIL  {rule}: [{code}] {reason}"),
        };
    }
    text.push_str(if report.is_accepted() { "accepted\n" } else { "refused\n" });
    text
}

/// One JSON object a line: header, claims, keys, each rule, the verdict.
fn as_json(report: &Report, options: &InspectOptions) -> String {
    let mut lines = Vec::new();
    let mut members = |part: &str, of: &[(String, String)], hide: bool| {
        for (name, value) in of {
            let mut line = JsonLine::new();
            line.text("part", part);
            line.text("name", name);
            line.text("value", if hide { shown(name, value, options) } else { value });
            lines.push(line.finish());
        }
    };
    members("header", report.explanation.header(), false);
    members("claim", report.explanation.claims(), true);
    members("key", &report.keys, false);
    for (rule, refusal) in report.rules() {
        let mut line = JsonLine::new();
        line.text("part", "rule");
        line.text("name", rule);
        line.flag("pass", refusal.is_none());
        if let Some((code, reason)) = refusal {
            line.text("code", code);
            line.text("reason", &reason);
        }
        lines.push(line.finish());
    }
    let mut verdict = JsonLine::new();
    verdict.text("part", "verdict");
    verdict.flag("accepted", report.is_accepted());
    lines.push(verdict.finish());
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

impl Report {
    fn is_accepted(&self) -> bool {
        self.failure.is_none() && self.explanation.verdict().is_ok()
    }

    /// Each rule, with code and reason where it is broken; that there are no keys stands where one is needed.
    fn rules(&self) -> Vec<(&'static str, Option<(&'static str, String)>)> {
        let mut lines = Vec::new();
        for RuleOutcome { rule, outcome } in self.explanation.rules() {
            let refusal = outcome.as_ref().err().map(|error| (error.facts().code, error.to_string()));
            lines.push((*rule, refusal));
            if let Some(failure) = self.failure.as_ref().filter(|_| *rule == LAST_BEFORE_KEYS) {
                lines.push(("the issuer's keys", Some((failure.facts().code, failure.to_string()))));
            }
        }
        lines
    }
}
