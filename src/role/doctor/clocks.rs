//! Compares this machine's clock with that of a service that answered.

use std::time::Duration;

use super::finding::Finding;
use super::report::Report;
use super::watched::{Dates, Heard};

/// From here on it is worth a word: it is what tokens may be off by, by default (`identityToken.clockSkew`). Under it
/// there are answers that took long and were written by a cache.
const WORTH_A_WORD: Duration = Duration::from_secs(30);

/// From here on nothing works for long: by its user guide AWS denies a request that reaches it 5 minutes after the time
/// of its signature (some services give 15), and a fresh token seems to be from the future to us, or an old one to others
/// (`identityToken.clockSkew` has at most 60 s).
const TOO_FAR: Duration = Duration::from_secs(300);

/// The check `name`: whether our clock is right by the clock of `whose`, which the check `needed` has asked.
pub(super) fn compare(
    report: &mut Report,
    name: &'static str,
    whose: &'static str,
    needed: &'static str,
    heard: Option<&Heard>,
) {
    let Some(heard) = heard.filter(|heard| heard.outcome.is_ok()) else { return report.needs(needed, &[name]) };
    let Some(dates) = heard.dates else {
        return report.skip(name, format_args!("the answer of {whose} has no Date that can be read"));
    };
    match judged(whose, dates) {
        Judgement::Together { apart } => report.ok(name, format_args!("{} s from that of {whose}", apart.as_secs())),
        Judgement::Apart(finding) => report.warn(name, &finding),
        Judgement::TooFar(finding) => report.fail(name, &finding),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Together { apart: Duration },
    Apart(Finding),
    TooFar(Finding),
}

fn judged(whose: &'static str, Dates { theirs, ours }: Dates) -> Judgement {
    let ahead = ours > theirs;
    let apart = if ahead { theirs.until(ours) } else { ours.until(theirs) };
    let finding = Finding::Clocks { whose, apart, ahead };
    if apart >= TOO_FAR {
        Judgement::TooFar(finding)
    } else if apart >= WORTH_A_WORD {
        Judgement::Apart(finding)
    } else {
        Judgement::Together { apart }
    }
}

#[cfg(test)]
mod tests {
    use safe_conduct::time::Timestamp;

    use super::*;

    #[test]
    fn clocks_are_apart_from_30_s_on_and_too_far_from_300_s_on_in_either_direction() {
        let at = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        for (seconds, verdict) in
            [(0, "together"), (29, "together"), (30, "apart"), (299, "apart"), (300, "too far"), (9_000, "too far")]
        {
            for (ahead, theirs, ours) in [(true, 10_000, 10_000 + seconds), (false, 10_000 + seconds, 10_000)] {
                let judgement = judged("x", Dates { theirs: at(theirs), ours: at(ours) });
                let apart = Duration::from_secs(seconds);
                let finding = Finding::Clocks { whose: "x", apart, ahead };
                let expected = match verdict {
                    "together" => Judgement::Together { apart },
                    "apart" => Judgement::Apart(finding),
                    _ => Judgement::TooFar(finding),
                };
                assert_eq!(judgement, expected, "{seconds} {ahead}");
            }
        }
    }
}
