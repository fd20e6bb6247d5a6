//! The binary's logger: one line a record on standard error, from this crate only.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

/// Records of other crates are left out: HTTP and TLS libraries describe what they send.
const OURS: &str = "safe_conduct";

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(OURS)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let now = SystemClock::new().moment().wall;
            let line = one_line(&format!("{now} {:<5} {}", record.level(), record.args()));
            // Nobody to tell if standard error is gone.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    fn flush(&self) {}
}

/// Starts logging at `level`, at most debug.
pub(crate) fn start(level: LevelFilter) {
    static LOGGER: StandardError = StandardError;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level.min(LevelFilter::Debug));
    }
}

/// A record stays one line, and no control character reaches a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_one_line_without_control_characters() {
        assert_eq!(one_line("a\nb\u{1b}[31m\rc"), "a\u{fffd}b\u{fffd}[31m\u{fffd}c");
    }

    #[test]
    fn records_of_other_crates_are_left_out() {
        let of = |target| StandardError.enabled(&Metadata::builder().target(target).build());
        assert!(of("safe_conduct::manager"));
        assert!(!of("ureq::run"));
        assert!(!of("rustls"));
    }
}
