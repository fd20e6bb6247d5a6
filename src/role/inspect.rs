//! `safe-conduct inspect FILE`: explains an identity token, rule by rule, and says whether it would be accepted.

use std::fmt::Write as _;
use std::io::Write as _;

use safe_conduct::codec::json::JsonLine;
use safe_conduct::config::{IdentityConfig, Settings};
use safe_conduct::error::Actionable;
use safe_conduct::identity::{Explanation, TokenVerifier};
use safe_conduct::ingest;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::{Clock, Moment};

use super::{Failure, OutputError, parts};
use crate::arguments::InspectOptions;

/// Claims that say nothing about a person: shown without being asked.
const IMPERSONAL: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "azp"];

/// Shows the token and gives the status that its refusal would have.
pub(crate) fn run(mut settings: Settings, options: &InspectOptions) -> Result<u8, Failure> {
    let identity = IdentityConfig::from_settings(&mut settings)?;
    let system = SystemClock::new().moment();
    let at = Moment { wall: options.now.unwrap_or(system.wall), monotonic: system.monotonic };
    let token = ingest::read_token(&options.file)?;
    let key_id = TokenVerifier::unverified_key_id(&token).ok().flatten();
    let mut source = parts::key_source(&identity, None)?;
    let keys = source.keys(key_id.as_deref(), at)?;
    let explanation = identity.verifier.explain(&token, keys, at.wall);
    let text = if options.json { as_json(&explanation, options) } else { as_text(&explanation, options) };
    print(&text)?;
    explanation.verdict()?;
    Ok(0)
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

fn as_text(explanation: &Explanation, options: &InspectOptions) -> String {
    let mut text = String::from("header\n");
    // Writing to a String cannot fail.
    for (name, value) in explanation.header() {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text.push_str("claims\n");
    for (name, value) in explanation.claims() {
        let _ = writeln!(text, "  {name}: {}", shown(name, value, options));
    }
    text.push_str("rules, in the order of checking\n");
    for rule in explanation.rules() {
        let _ = match &rule.outcome {
            Ok(()) => writeln!(text, "  pass  {}", rule.rule),
            Err(error) => writeln!(text, "  FAIL  {}: [{}] {error}", rule.rule, error.facts().code),
        };
    }
    text.push_str(if explanation.verdict().is_ok() { "accepted\n" } else { "refused\n" });
    text
}

/// One JSON object a line: header, claims, each rule, the verdict.
fn as_json(explanation: &Explanation, options: &InspectOptions) -> String {
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
    members("header", explanation.header(), false);
    members("claim", explanation.claims(), true);
    for rule in explanation.rules() {
        let mut line = JsonLine::new();
        line.text("part", "rule");
        line.text("name", rule.rule);
        line.flag("pass", rule.outcome.is_ok());
        if let Err(error) = &rule.outcome {
            line.text("code", error.facts().code);
            line.text("reason", &error.to_string());
        }
        lines.push(line.finish());
    }
    let mut verdict = JsonLine::new();
    verdict.text("part", "verdict");
    verdict.flag("accepted", explanation.verdict().is_ok());
    lines.push(verdict.finish());
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
