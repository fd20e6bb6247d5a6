//! What doctor found: a line a check as soon as it is known, or one JSON document, and the exit status of it all.

use std::fmt::Display;
use std::io::Write;

use safe_conduct::codec::json::JsonLine;
use safe_conduct::error::{Actionable, Facts};

use crate::role::{OutputError, logger};

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
    Skip,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Fail, Self::Skip];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

struct Check {
    name: String,
    verdict: Verdict,
    found: String,
    /// For a warning or a failure.
    facts: Option<Facts>,
}

/// All checks so far.
pub(super) struct Report {
    json: bool,
    side: &'static str,
    checks: Vec<Check>,
    written: Result<(), OutputError>,
}

impl Report {
    /// An empty one, of the side that is called so.
    pub(super) fn new(side: &'static str, json: bool) -> Self {
        Self { json, side, checks: Vec::new(), written: Ok(()) }
    }

    /// It is as it must be.
    pub(super) fn ok(&mut self, name: &str, found: impl Display) {
        self.add(name, Verdict::Ok, found.to_string(), None);
    }

    /// It works, and may not for long, or not as is meant.
    pub(super) fn warn(&mut self, name: &str, finding: &dyn Actionable) {
        self.add(name, Verdict::Warn, finding.to_string(), Some(finding.facts()));
    }

    /// It does not work.
    pub(super) fn fail(&mut self, name: &str, error: &dyn Actionable) {
        self.add(name, Verdict::Fail, error.to_string(), Some(error.facts()));
    }

    /// The same, with a sentence of one's own.
    pub(super) fn fail_saying(&mut self, name: &str, found: String, facts: Facts) {
        self.add(name, Verdict::Fail, found, Some(facts));
    }

    /// It cannot be checked before the check `needed` is ok.
    pub(super) fn needs(&mut self, needed: &str, names: &[&str]) {
        for name in names {
            self.skip(name, format_args!("needs: {needed}"));
        }
    }

    /// It cannot be checked, for this reason.
    pub(super) fn skip(&mut self, name: &str, reason: impl Display) {
        self.add(name, Verdict::Skip, reason.to_string(), None);
    }

    /// Ends the report. The status is that of the worst failure: the greatest, as one's own settings come before a
    /// peer that may be back in a moment.
    pub(super) fn finish(mut self) -> Result<u8, OutputError> {
        let failed = self.checks.iter().filter(|check| check.verdict == Verdict::Fail);
        let status = failed.filter_map(|check| check.facts.map(|facts| facts.fault.exit_status())).max().unwrap_or(0);
        let closing = if self.json { self.document(status) } else { self.sum(status) };
        self.write(&closing);
        self.written.map(|()| status)
    }

    fn add(&mut self, name: &str, verdict: Verdict, found: String, facts: Option<Facts>) {
        let check = Check { name: name.to_owned(), verdict, found: logger::one_line(&found), facts };
        if !self.json {
            let lines = check.lines();
            self.write(&lines);
        }
        self.checks.push(check);
    }

    /// Each line leaves at once: the next check may take its ten seconds.
    fn write(&mut self, text: &str) {
        if self.written.is_ok() {
            let mut output = std::io::stdout().lock();
            self.written = output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(OutputError::from);
        }
    }

    /// How often each verdict was reached.
    fn sum(&self, status: u8) -> String {
        let count = |verdict: Verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let counts = Verdict::ALL.map(|verdict| format!("{} {}", count(verdict), verdict.word()));
        format!("{}; exit status {status}\n", counts.join(", "))
    }

    fn document(&self, status: u8) -> String {
        let mut head = JsonLine::new();
        head.text("side", self.side);
        head.number("exit_status", u64::from(status));
        let head = head.finish();
        let checks: Vec<String> = self.checks.iter().map(Check::json).collect();
        // The list goes before the brace that closes the head.
        let head = head.strip_suffix('}').unwrap_or(&head);
        format!("{head},\"checks\":[\n{}\n]}}\n", checks.join(",\n"))
    }
}

impl Check {
    fn lines(&self) -> String {
        let Self { name, verdict, found, facts } = self;
        let word = verdict.word();
        match facts {
            None => format!("{word:<4}  {name}: {found}\n"),
            Some(Facts { code, remedy, .. }) => format!("{word:<4}  {name}: [{code}] {found}\n      hint: {remedy}\n"),
        }
    }

    fn json(&self) -> String {
        let mut line = JsonLine::new();
        line.text("check", &self.name);
        line.text("verdict", self.verdict.word());
        line.text("found", &self.found);
        if let Some(Facts { code, remedy, .. }) = self.facts {
            line.text("code", code);
            line.text("hint", remedy);
        }
        line.finish()
    }
}
