//! Holds README and SECURITY.md equal to the code: settings, error codes, and the tests that stop each threat.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safe_conduct::config::{PREFIX, SETTINGS};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.sort();
    found
}

/// The rows of the Markdown table under `heading`, cell by cell.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let inner = row.trim_matches('|').replace("\\|", "\u{0}");
        inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect::<Vec<String>>()
    };
    rows.skip(2).map(cells).collect()
}

/// Code, exit status, whether waiting helps, and remedy of every `Facts::new(..)` in `code`.
fn facts_in(code: &str) -> Vec<(String, u8, String, String)> {
    let mut found = Vec::new();
    for call in code.split("Facts::new(").skip(1) {
        let mut quoted = Vec::new();
        let mut rest = call;
        let mut between = String::new();
        while quoted.len() < 2 {
            let Some((before, after)) = rest.split_once('"') else { break };
            between.push_str(before);
            let (text, after) = after.split_once('"').unwrap();
            // A backslash at a line's end joins the next line.
            let joined: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            quoted.push(joined.concat());
            rest = after;
        }
        let [code, remedy] = quoted.try_into().unwrap();
        let word = |of: &str| between.split(of).nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
        let status = match word("Fault::").as_str() {
            "Configuration" => 78,
            "Identity" => 77,
            "Service" => 76,
            "Unreachable" => 69,
            other => panic!("{code}: {other}"),
        };
        let waiting = match word("Retry::").as_str() {
            "Never" => "no",
            "OnNewToken" => "for a new token",
            "Backoff" => "yes",
            other => panic!("{code}: {other}"),
        };
        found.push((code, status, waiting.to_owned(), remedy));
    }
    found
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn readmes_settings_are_the_codes_settings() {
    let expected: Vec<Vec<String>> = SETTINGS
        .iter()
        .map(|setting| {
            let key = format!("`{}`", setting.key);
            vec![key, setting.default.to_owned(), setting.range.to_owned(), setting.meaning.to_owned()]
        })
        .collect();
    assert!(document("README.md").contains(PREFIX));
    assert_eq!(table(&document("README.md"), "## Settings"), expected);
}

#[test]
fn readmes_error_codes_are_the_codes_error_codes() {
    let mut expected = BTreeMap::new();
    for path in rust_files("src") {
        if path.ends_with("src/error.rs") || path.to_string_lossy().contains("/simulation") {
            continue;
        }
        for (code, status, waiting, remedy) in facts_in(without_tests(&fs::read_to_string(&path).unwrap())) {
            let before = expected.insert(code.clone(), vec![format!("`{code}`"), status.to_string(), waiting, remedy]);
            assert!(before.is_none(), "{code} is not unique");
        }
    }
    assert!(expected.len() > 40, "only {} codes were found", expected.len());
    let expected: Vec<Vec<String>> = expected.into_values().collect();
    let written = table(&document("README.md"), "## Error codes");
    for (row, wanted) in written.iter().zip(&expected) {
        assert_eq!(row, wanted);
    }
    assert_eq!(written.len(), expected.len());
}

/// All test functions of the crate, as `file::name` without the folder.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in rust_files("tests").into_iter().chain(rust_files("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("#[test]\n").skip(1) {
            let name = part.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn every_threat_in_security_md_names_tests_that_exist() {
    let text = document("SECURITY.md");
    let known = tests();
    let mut rows = 0;
    for heading in text.lines().filter(|line| line.starts_with("## Boundary")) {
        for row in table(&text, heading) {
            rows += 1;
            let named: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
            assert!(!named.is_empty(), "no test for: {}", row[0]);
            for test in named {
                assert!(known.contains(test), "{test} is no test; it stands beside: {}", row[0]);
            }
        }
    }
    assert!(rows >= 25, "only {rows} threats");
}

#[test]
fn every_attack_class_names_a_test_that_exists_or_says_why_it_cannot_apply() {
    let known = tests();
    let rows = table(&document("SECURITY.md"), "## Attacks on tokens, class by class");
    let classes: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let expected: Vec<String> = (1..=45).map(|number| format!("J{number}")).collect();
    assert_eq!(classes, expected);
    for row in &rows {
        let [class, _, what, test] = row.as_slice() else { panic!("{row:?} has not four cells") };
        assert!(!what.is_empty(), "{class} does not say what stops it");
        let named: Vec<&str> = test.split('`').skip(1).step_by(2).collect();
        assert_eq!(named.is_empty(), test == "not applicable", "{class} names no test");
        for name in named {
            assert!(known.contains(name), "{name} is no test; it stands beside {class}");
        }
    }
    let own = known.iter().filter_map(|name| name.strip_prefix('j')?.get(..2)?.parse::<usize>().ok());
    for number in own {
        let test = &rows[number - 1][3];
        assert!(test.contains(&format!("`j{number:02}_")), "J{number} has a test of its own");
    }
}

/// Every test function's name and what it says, up to the next one.
fn tests_with_text() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in rust_files("tests").into_iter().chain(rust_files("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("#[test]\n").skip(1) {
            let name = part.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            found.insert(name.to_owned(), part.to_owned());
        }
    }
    found
}

/// A name has a number if it stands there, or lies between two with `to` between them.
fn has_number(name: &str, number: usize) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let at = |word: &str| word.parse::<usize>().ok();
    let between = |three: &[&str]| match (at(three[0]), three[1], at(three[2])) {
        (Some(from), "to", Some(to)) => (from..=to).contains(&number),
        _ => false,
    };
    words.iter().any(|word| at(word) == Some(number)) || words.windows(3).any(between)
}

#[test]
fn every_number_of_a_hostile_service_or_peer_names_a_test_that_knows_it_or_says_why_it_cannot_apply() {
    let known = tests_with_text();
    let tables = [
        ("## Hostile services, number by number", 207..=283),
        ("## Hostile peers and surroundings, number by number", 284..=340),
    ];
    for (heading, expected) in tables {
        let rows = table(&document("SECURITY.md"), heading);
        let numbers: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(numbers, Vec::from_iter(expected));
        for (number, row) in numbers.into_iter().zip(&rows) {
            let [_, input, what, test] = row.as_slice() else { panic!("{row:?} has not four cells") };
            assert!(!input.is_empty() && !what.is_empty(), "{number} does not say what stops it");
            let named: Vec<&str> = test.split('`').skip(1).step_by(2).collect();
            assert_eq!(named.is_empty(), test == "not applicable", "{number} names no test");
            for name in named {
                let text = known.get(name).unwrap_or_else(|| panic!("{name} is no test; it stands beside {number}"));
                let numbered = has_number(name, number) || text.contains(&number.to_string());
                assert!(numbered, "{name} does not know that it shows {number}");
            }
        }
    }
    assert!(
        has_number("a_1_to_3_b", 2) && has_number("a_7", 7) && !has_number("a_1_to_3", 4) && !has_number("a_17", 7)
    );
}

#[test]
fn cargo_audit_reads_the_audit_file_at_the_top() {
    assert_eq!(document(".cargo/audit.toml"), document("audit.toml"));
}

#[test]
fn no_document_and_no_source_names_a_machines_paths() {
    for path in rust_files("src").into_iter().chain(rust_files("examples")) {
        let text = fs::read_to_string(&path).unwrap();
        for planted in ["/root/", "/home/"] {
            assert!(!text.contains(planted), "{} names {planted}", path.display());
        }
    }
}
