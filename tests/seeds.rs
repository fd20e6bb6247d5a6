//! Every committed fuzz seed through its property on the stable compiler, and mutations of each.

#[path = "properties/aws_profiles.rs"]
mod aws_profiles;
#[path = "properties/base64url.rs"]
mod base64url;
#[path = "properties/discovery.rs"]
mod discovery;
#[path = "properties/form.rs"]
mod form;
#[path = "properties/frame.rs"]
mod frame;
#[path = "properties/hash.rs"]
mod hash;
#[path = "properties/http1.rs"]
mod http1;
#[path = "properties/http_date.rs"]
mod http_date;
#[path = "properties/json.rs"]
mod json;
#[path = "properties/jwks.rs"]
mod jwks;
#[path = "properties/jwt.rs"]
mod jwt;
#[path = "properties/message.rs"]
mod message;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "properties/pem.rs"]
mod pem;
#[path = "properties/properties.rs"]
mod properties;
#[path = "properties/rfc3339.rs"]
mod rfc3339;
#[path = "properties/signed_token.rs"]
mod signed_token;
#[path = "properties/sigv4.rs"]
mod sigv4;
#[path = "properties/sts_xml.rs"]
mod sts_xml;
#[path = "properties/token_claims.rs"]
mod token_claims;
#[path = "properties/token_header.rs"]
mod token_header;
#[path = "properties/url.rs"]
mod url;

use std::fs;
use std::path::Path;

/// A property of the bytes that a fuzz target is given.
type Property = fn(&[u8]);

const PROPERTIES: &[(&str, Property)] = &[
    ("aws_profiles", aws_profiles::check),
    ("base64url", base64url::check),
    ("discovery", discovery::check),
    ("form", form::check),
    ("frame", frame::check),
    ("hash", hash::check),
    ("http1", http1::check),
    ("http_date", http_date::check),
    ("json", json::check),
    ("jwks", jwks::check),
    ("jwt", jwt::check),
    ("message", message::check),
    ("pem", pem::check),
    ("properties", properties::check),
    ("rfc3339", rfc3339::check),
    ("signed_token", signed_token::check),
    ("sigv4", sigv4::check),
    ("sts_xml", sts_xml::check),
    ("token_claims", token_claims::check),
    ("token_header", token_header::check),
    ("url", url::check),
];

/// Mutations of each seed: enough to leave its well-formed path, few enough for some seconds in all.
const MUTATIONS: u64 = 300;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no seeds in {}", folder.display()));
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// The next number of a xorshift generator: the same in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// `seed` with one byte changed, removed, doubled, or everything behind it cut off.
fn mutated(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let place = (next(state) % bytes.len() as u64) as usize;
    match next(state) % 4 {
        0 => bytes[place] = next(state) as u8,
        1 => drop(bytes.remove(place)),
        2 => bytes.insert(place, bytes[place]),
        _ => bytes.truncate(place),
    }
    bytes
}

#[test]
fn every_seed_and_mutations_of_it_hold_their_property() {
    let mut state = 0x5afe_c0de;
    for (name, check) in PROPERTIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in seeds {
            check(&seed);
            for _ in 0..MUTATIONS {
                let mut bytes = seed.clone();
                while !bytes.is_empty() && next(&mut state) % 4 < 3 {
                    bytes = mutated(&bytes, &mut state);
                }
                check(&bytes);
            }
        }
    }
}

#[test]
fn every_fuzz_target_is_replayed_here() {
    let targets = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    let mut names: Vec<String> =
        targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    let replayed: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, replayed);
}
