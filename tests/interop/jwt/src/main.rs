//! Makes tokens of many kinds, sound and unsound, and judges each by our verifier and by jsonwebtoken: a JSON line a token.

mod draft;
mod judges;
mod kinds;
#[path = "../../../support/tokens.rs"]
mod tokens;

use std::io::{BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use draft::{Dice, Draft};
use judges::Judges;
use kinds::{KINDS, Kind, Place};
use serde_json::json;

/// One token in so many has two faults at once.
const PAIRS: u64 = 8;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("usage: tokens SEED COUNT [ID]"));
    let seed: u64 = arguments.next().expect("usage: tokens SEED COUNT [ID]");
    let count: u64 = arguments.next().expect("usage: tokens SEED COUNT [ID]");
    let only: Option<u64> = arguments.next();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut judges = Judges::new(now);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for id in 0..count {
        if only.is_some_and(|only| only != id) {
            continue;
        }
        let (parts, token, jwks) = case(seed, id, now);
        let sound = parts.iter().all(|kind| kind.sound);
        let line = json!({
            "id": id,
            "kinds": parts.iter().map(|kind| kind.name).collect::<Vec<_>>(),
            "sound": sound,
            "token": token,
            "jwks": jwks,
            "safe-conduct": judges.ours(&token, &jwks),
            "jsonwebtoken": judges.jsonwebtoken(&token, &jwks),
        });
        writeln!(out, "{line}").unwrap();
    }
    out.flush().unwrap();
}

/// The token of this number: every kind in turn, and between them pairs of faults in different places.
fn case(seed: u64, id: u64, now: u64) -> (Vec<&'static Kind>, String, String) {
    let mut dice = Dice::new(seed, id);
    let mut draft = Draft::sound(&mut dice, now);
    let parts = if id % PAIRS == PAIRS - 1 {
        let one = pick(&mut dice, |kind| !kind.sound && kind.place != Place::Whole);
        let other = pick(&mut dice, |kind| !kind.sound && kind.place != Place::Whole && kind.place != one.place);
        vec![one, other]
    } else {
        let turn = id - id / PAIRS;
        vec![&KINDS[usize::try_from(turn).unwrap() % KINDS.len()]]
    };
    for kind in &parts {
        (kind.change)(&mut draft, &mut dice);
    }
    let (token, jwks) = draft.finished();
    (parts, token, jwks)
}

fn pick(dice: &mut Dice, wanted: impl Fn(&Kind) -> bool) -> &'static Kind {
    loop {
        let kind = &KINDS[dice.below(KINDS.len())];
        if wanted(kind) {
            return kind;
        }
    }
}
