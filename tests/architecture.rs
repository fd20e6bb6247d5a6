//! Keeps the plan of the house: arrows point down, each dependency and each danger has one home, files and functions
//! are short. Each rule is also shown a planted violation, so that it cannot have gone blind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// From the top down; a place may name places below it, and itself. What shares a line are neighbours, which do not
/// know each other.
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["role"],
    &["arguments"],
    &["config"],
    &["manager", "distribute", "sink", "status"],
    &["ingest", "provider"],
    &["audit"],
    &["store"],
    &["identity", "credential"],
    &["sys"],
    &["codec"],
    &["secret", "time", "name", "error", "counter"],
];

/// Arrows that go down and are forbidden all the same: the raw token cannot reach an executor.
const NEVER_IDENTITY: &[&str] = &["distribute", "sink", "status", "store", "credential", "audit"];

/// What may be named only in these places.
const HOMES: &[(&str, &[&str])] = &[
    ("ureq::", &["sys/http.rs"]),
    ("rustls::", &["sys/tls.rs", "sys/http.rs"]),
    ("ring::signature", &["identity/signature.rs"]),
    ("ring::digest", &["codec/hash.rs"]),
    ("ring::rand", &["sys/random.rs"]),
    ("ring::hmac", &["codec/sigv4.rs"]),
    ("quick_xml::", &["codec/sts_xml.rs"]),
    ("serde_json::", &["codec/json.rs"]),
    ("serde::", &["codec/json.rs"]),
    ("base64::", &["codec/base64url.rs"]),
    ("zeroize::", &["secret.rs"]),
    ("secrecy::", &["secret.rs"]),
    ("subtle::", &["secret.rs"]),
    ("zeroizing_alloc::", &["main.rs"]),
    ("lexopt::", &["arguments.rs"]),
    ("std::fs", &["sys/file.rs"]),
    ("rustix::fs", &["sys/file.rs"]),
    ("std::process", &["sys/process.rs", "main.rs"]),
    ("rustix::process", &["sys/process.rs"]),
    ("signal_hook::", &["sys/process.rs"]),
    ("SystemTime::now", &["sys/clock.rs"]),
    ("Instant::now", &["sys/clock.rs"]),
    ("std::env", &["config/driver.rs", "config/endpoint.rs", "config/executor.rs", "main.rs"]),
    (
        "thread::Builder",
        &[
            "manager/mod.rs",
            "manager/work.rs",
            "distribute/server.rs",
            "distribute/client.rs",
            "sink/credentials_file.rs",
            "sys/http_server.rs",
            "sys/process.rs",
        ],
    ),
    ("thread::spawn", &[]),
    ("thread::sleep", &[]),
    ("unsafe ", &[]),
    ("#[allow(", &[]),
    ("#![allow(", &[]),
    ("danger_accept", &[]),
    ("disable_verification", &[]),
    ("KeyLogFile", &[]),
];

/// Longest file in lines, its tests included.
const LONGEST_FILE: usize = 500;

/// Longest function in lines.
const LONGEST_FUNCTION: usize = 80;

/// Nine of ten functions have at most so many lines.
const USUAL_FUNCTION: usize = 40;

/// A source file, as far as it is not test code or a comment.
struct Source {
    /// Below src/, such as `codec/jwt.rs`.
    path: String,
    whole: String,
    code: String,
}

impl Source {
    fn new(path: &str, whole: &str) -> Self {
        let mut code = String::new();
        for line in whole.lines() {
            if line.trim_start().starts_with("#[cfg(test)]") && !line.contains("pub(") {
                // Test modules stand at the end; single test-only items in between are left to the rules.
                if whole.split(line).nth(1).is_some_and(|rest| rest.trim_start().starts_with("mod tests {")) {
                    break;
                }
            }
            if !line.trim_start().starts_with("//") {
                code.push_str(line.split(" // ").next().unwrap());
            }
            code.push('\n');
        }
        Self { path: path.to_owned(), whole: whole.to_owned(), code }
    }

    /// The place in the house: the first folder, or the file's name.
    fn place(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    fn is_test_only(&self) -> bool {
        self.path.starts_with("manager/simulation") || self.path.starts_with("simulation")
    }
}

fn sources() -> Vec<Source> {
    fn collect(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn level(place: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&place))
}

/// The places that `source` names, through `crate::`, `safe_conduct::` or a braced list behind one of them.
fn named_places(source: &Source) -> Vec<String> {
    let mut named = Vec::new();
    for start in ["crate::", "safe_conduct::"] {
        for (at, _) in source.code.match_indices(start) {
            let rest = &source.code[at + start.len()..];
            let list = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap(),
                None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap(),
            };
            for name in list.split(',') {
                named.push(name.trim().split("::").next().unwrap().to_owned());
            }
        }
    }
    named.retain(|name| level(name).is_some());
    named
}

fn arrows_that_point_up(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test_only() && source.path != "lib.rs") {
        let Some(own) = level(source.place()) else {
            wrong.push(format!("{} has no place in the plan", source.path));
            continue;
        };
        for named in named_places(source) {
            let lowest = own == LEVELS.len() - 1;
            let below = named == source.place() || level(&named).unwrap() > own || lowest && level(&named) == Some(own);
            let forbidden = named == "identity" && NEVER_IDENTITY.contains(&source.place());
            if !below || forbidden {
                wrong.push(format!("{} names {named}", source.path));
            }
        }
    }
    wrong
}

fn away_from_home(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test_only()) {
        for (thing, homes) in HOMES {
            let in_folder = |home: &&str| source.path.starts_with(&format!("{}/", home.trim_end_matches(".rs")));
            let at_home = homes.contains(&source.path.as_str()) || homes.iter().any(in_folder);
            let names = source.code.match_indices(thing).any(|(at, _)| {
                let before = source.code[..at].chars().next_back().unwrap_or(' ');
                !(before.is_alphanumeric() || before == '_')
            });
            if names && !at_home {
                wrong.push(format!("{} names {thing}", source.path));
            }
        }
    }
    wrong
}

fn too_long_files(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.whole.lines().count() > LONGEST_FILE);
    long.map(|source| format!("{} has {} lines", source.path, source.whole.lines().count())).collect()
}

/// (file, name, lines) of each function: from its `fn` to the line that closes it at the same depth.
fn functions(sources: &[Source]) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    for source in sources {
        let lines: Vec<&str> = source.code.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let Some(at) = trimmed.find("fn ").filter(|at| {
                trimmed[..*at]
                    .split_whitespace()
                    .all(|word| word.starts_with("pub") || matches!(word, "const" | "async" | "unsafe"))
            }) else {
                continue;
            };
            let name = trimmed[at + 3..].split(['(', '<']).next().unwrap().to_owned();
            let indent = line.len() - trimmed.len();
            let closing = format!("{}}}", " ".repeat(indent));
            let end =
                lines[start..].iter().position(|line| *line == closing || line.starts_with(&closing) && start > 0);
            let one_line = line.trim_end().ends_with('}') || line.trim_end().ends_with(';');
            let length = if one_line { 1 } else { end.map_or(1, |end| end + 1) };
            found.push((source.path.clone(), name, length));
        }
    }
    found
}

fn files_without_a_duty(sources: &[Source]) -> Vec<String> {
    let without = sources.iter().filter(|source| {
        let first = source.whole.lines().next().unwrap_or_default();
        !first.starts_with("//! ") || first.len() < 20
    });
    without.map(|source| source.path.clone()).collect()
}

/// In `fn facts`, and in `fn fmt` of errors, every variant is named: a new one does not compile until it has a code.
fn catch_all_arms_in_facts(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        for (at, _) in source.code.match_indices("fn facts(&self)") {
            let body = source.code[at..].split("\n    }\n").next().unwrap();
            if body.contains("_ =>") {
                wrong.push(source.path.clone());
            }
        }
    }
    wrong
}

#[test]
fn arrows_point_down() {
    assert_eq!(arrows_that_point_up(&sources()), Vec::<String>::new());
}

#[test]
fn each_dependency_and_each_danger_has_one_home() {
    assert_eq!(away_from_home(&sources()), Vec::<String>::new());
}

#[test]
fn files_and_functions_are_short() {
    let sources = sources();
    assert_eq!(too_long_files(&sources), Vec::<String>::new());
    let mut functions = functions(&sources);
    functions.sort_by_key(|(_, _, lines)| *lines);
    assert!(functions.len() > 200, "only {} functions were found", functions.len());
    let (file, name, longest) = functions.last().unwrap();
    assert!(*longest <= LONGEST_FUNCTION, "{file}: {name} has {longest} lines");
    let (_, _, usual) = &functions[functions.len() * 9 / 10];
    assert!(*usual <= USUAL_FUNCTION, "one of ten functions has over {usual} lines");
}

#[test]
fn every_file_says_its_duty_in_its_first_line() {
    assert_eq!(files_without_a_duty(&sources()), Vec::<String>::new());
}

#[test]
fn every_error_is_matched_without_a_catch_all() {
    assert_eq!(catch_all_arms_in_facts(&sources()), Vec::<String>::new());
}

#[test]
fn planted_violations_turn_each_rule_red() {
    let planted = |path: &str, text: &str| vec![Source::new(path, &format!("//! A planted file with a duty.\n{text}"))];
    for (path, text) in [
        ("codec/jwt.rs", "use crate::store::CredentialStore;"),
        ("sink/endpoint.rs", "use crate::identity::UserContext;"),
        ("distribute/server.rs", "fn f(u: &crate::identity::UserContext) {}"),
        ("manager/mod.rs", "use crate::sink::Sink;"),
        ("provider/aws_sts.rs", "use crate::{error, manager};"),
        ("time.rs", "use crate::codec::json;"),
        ("unplanned.rs", ""),
    ] {
        assert_eq!(arrows_that_point_up(&planted(path, text)).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("codec/jwt.rs", "let key = ring::signature::RSA_PKCS1_2048_8192_SHA256;"),
        ("manager/cycle.rs", "let now = std::time::Instant::now();"),
        ("role/driver.rs", "let all = std::env::vars();"),
        ("provider/aws_sts.rs", "let agent = ureq::agent();"),
        ("store.rs", "#[allow(dead_code)]"),
        ("sys/http.rs", "builder.disable_verification(true)"),
        ("sink/endpoint.rs", "std::thread::sleep(second);"),
        ("sys/file.rs", "unsafe { close(3) }"),
    ] {
        assert_eq!(away_from_home(&planted(path, text)).len(), 1, "{path}: {text}");
    }
    assert!(away_from_home(&planted("codec/jwt.rs", "// ring::signature is elsewhere")).is_empty());
    assert_eq!(too_long_files(&planted("name.rs", &"\n".repeat(LONGEST_FILE))).len(), 1);
    let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(LONGEST_FUNCTION));
    assert!(functions(&planted("name.rs", &long))[0].2 > LONGEST_FUNCTION);
    assert_eq!(files_without_a_duty(&[Source::new("name.rs", "use std::fmt;\n")]).len(), 1);
    let catch_all = "impl A for B {\n    fn facts(&self) -> Facts {\n        match self {\n            _ => X,\n        }\n    }\n}\n";
    assert_eq!(catch_all_arms_in_facts(&planted("error.rs", catch_all)).len(), 1);
}

/// Fuzz targets that are of no codec file: the text form of a time, and the rules and messages on top of the codecs.
const OTHER_TARGETS: &[&str] = &["discovery", "message", "rfc3339", "signed_token", "token_claims", "token_header"];

/// What the targets of these names lack in a checkout: the target itself, its property, seeds, or an entry.
fn lacking(root: &Path, names: &BTreeSet<String>) -> Vec<String> {
    let listed = |file: &str, entry: String| fs::read_to_string(root.join(file)).unwrap().contains(&entry);
    let mut lacking = Vec::new();
    for name in names {
        for needed in [format!("fuzz/fuzz_targets/{name}.rs"), format!("tests/properties/{name}.rs")] {
            if !root.join(&needed).is_file() {
                lacking.push(needed);
            }
        }
        if fs::read_dir(root.join(format!("fuzz/corpus/{name}"))).map_or(0, Iterator::count) == 0 {
            lacking.push(format!("fuzz/corpus/{name}/*"));
        }
        if !listed("fuzz/Cargo.toml", format!("path = \"fuzz_targets/{name}.rs\"")) {
            lacking.push(format!("{name} in fuzz/Cargo.toml"));
        }
        if !listed("tests/seeds.rs", format!("(\"{name}\", {name}::check)")) {
            lacking.push(format!("{name} in tests/seeds.rs"));
        }
    }
    lacking
}

#[test]
fn every_fuzz_target_has_a_property_seeds_and_a_replay_and_every_codec_file_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources();
    let files = sources.iter().filter_map(|source| source.path.strip_prefix("codec/")?.strip_suffix(".rs"));
    let codecs: BTreeSet<String> =
        files.filter(|name| *name != "mod" && !name.contains('/')).map(str::to_owned).collect();
    assert!(codecs.len() >= 10, "{codecs:?}");
    let others = OTHER_TARGETS.iter().map(|name| (*name).to_owned());
    let needed: BTreeSet<String> = codecs.into_iter().chain(others).collect();
    assert_eq!(lacking(root, &needed), Vec::<String>::new());
    let there = fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(there, needed, "a target that is not planned");
    assert_eq!(lacking(root, &["unwritten".to_owned()].into()).len(), 5);
}
