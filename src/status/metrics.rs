//! A snapshot as Prometheus' text format 0.0.4: a pure function.

use std::fmt::{self, Write};

use super::snapshot::Snapshot;
use crate::name::CredentialName;

/// The labels of a sample and its value.
type Sample = (Vec<(&'static str, String)>, u64);

/// One metric of several samples.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const BUILD: Family = gauge("safe_conduct_build_info", "The version of safe-conduct.");
const READY: Family = gauge("safe_conduct_ready", "1 while credentials are valid and can be renewed, as /readyz says.");
const VERSION: Family = gauge("safe_conduct_credential_version", "Number of the newest bundle of this driver's run.");
const EXPIRY: Family =
    gauge("safe_conduct_credential_expiry_seconds", "Seconds until the credential expires, 0 once it has.");
const SUCCESS: Family = gauge(
    "safe_conduct_last_success_timestamp_seconds",
    "When the credential was last exchanged (driver) or confirmed by the driver (executor).",
);
const FAILURES: Family = counter(
    "safe_conduct_failures_total",
    "Failures by code; the scheme is empty where it is no exchange's. What lasts is counted at each look.",
);
const NOT_ROTATED: Family =
    counter("safe_conduct_token_not_rotated_total", "How often an expired identity token was still in its file.");
const WORSE: Family = counter(
    "safe_conduct_token_worse_total",
    "How often the identity token's file became worse than the last good token.",
);
const ASKS: Family =
    counter("safe_conduct_asks_total", "Asks between executors and driver, as this side saw them end.");
const REQUESTS: Family =
    counter("safe_conduct_endpoint_requests_total", "Requests to the credentials endpoint by HTTP status.");

/// The text. A metric without a sample is left out.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let plain = |value: Option<u64>| value.map(|value| (Vec::new(), value)).into_iter();
    let mut text = Text(String::new());
    text.family(&BUILD, [(vec![("version", snapshot.build.to_owned())], 1)]);
    text.family(&READY, plain(Some(u64::from(snapshot.ready.is_ok()))));
    text.family(&VERSION, plain(snapshot.version));
    text.family(&EXPIRY, snapshot.remaining.iter().map(|(name, left)| (labels(name), left.as_secs())));
    text.family(&SUCCESS, snapshot.last_success.iter().map(|(name, when)| (labels(name), when.unix_seconds())));
    text.family(
        &FAILURES,
        snapshot.failures.iter().map(|((name, code), count)| {
            let mut labels = name.as_ref().map_or_else(|| vec![("scheme", String::new())], labels);
            labels.push(("code", (*code).to_owned()));
            (labels, *count)
        }),
    );
    text.family(&NOT_ROTATED, plain(snapshot.token_not_rotated));
    text.family(&WORSE, plain(snapshot.token_worse));
    text.family(&ASKS, snapshot.asks.iter().map(|(kind, count)| (vec![("outcome", (*kind).to_owned())], *count)));
    text.family(
        &REQUESTS,
        snapshot.endpoint_requests.iter().map(|(status, count)| (vec![("status", status.to_string())], *count)),
    );
    text.0
}

/// Which credential: its scheme, and its target where it has a name.
fn labels(name: &CredentialName) -> Vec<(&'static str, String)> {
    let target = name.target().map(|target| ("target", target.as_str().to_owned()));
    [("scheme", name.scheme().as_str().to_owned())].into_iter().chain(target).collect()
}

/// The text so far.
struct Text(String);

impl Text {
    fn family(&mut self, family: &Family, samples: impl IntoIterator<Item = Sample>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let Family { name, kind, help } = family;
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.into_iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(&text))).collect();
            match labels.as_slice() {
                [] => self.line(format_args!("{name} {value}")),
                labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
            }
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A label's value: backslash, quote and line feed are escaped, as the format says. Whatever else stands there is
/// UTF-8 already.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
