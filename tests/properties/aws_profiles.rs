//! Property of `codec::aws_profiles`: what is written reads back as what went in, under any reader's trimming, and a
//! command is two words to whoever splits it.

use safe_conduct::codec::aws_profiles::{PlainPath, ProfileFile, ProfileValue, ProfilesBuilder};
use safe_conduct::name::TargetName;

/// A profile's name and its values in their order.
type Read = (String, Vec<(String, String)>);

/// Each line of `data` is a profile: its name, then its values, separated by `|`. A backslash stands for a line end.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    const KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "region"];
    let mut profiles: Vec<(TargetName, Vec<String>)> = Vec::new();
    for line in text.split('\n') {
        let mut pieces = line.split('|');
        let Ok(name) = TargetName::new(pieces.next().unwrap_or_default()) else { continue };
        profiles.push((name, pieces.take(KEYS.len()).map(|piece| piece.replace('\\', "\n")).collect()));
    }
    for path in profiles.iter().flat_map(|(_, values)| values) {
        let read = PlainPath::new(path);
        assert_eq!(read.is_ok(), is_one_word(path), "{path:?}");
        let name = TargetName::new("logs").expect("a name");
        if let Ok(path) = read {
            let mut builder = ProfilesBuilder::new(ProfileFile::Credentials);
            builder.add(&name, &[("credential_process", ProfileValue::Cat(&path))]).expect("one word");
            let line = format!("[logs]\ncredential_process = cat {}\n", path.as_path().display());
            assert_eq!(builder.finish().as_slice(), line.as_bytes());
        }
    }
    for file in [ProfileFile::Credentials, ProfileFile::Config] {
        let mut builder = ProfilesBuilder::new(file);
        let mut expected = Vec::new();
        for (name, values) in &profiles {
            let lines: Vec<_> = KEYS.into_iter().zip(values.iter().map(|value| ProfileValue::Text(value))).collect();
            let plain = values.iter().all(|value| is_plain(value));
            assert_eq!(builder.add(name, &lines).is_ok(), plain);
            if plain {
                let lines = KEYS.into_iter().zip(values).map(|(key, value)| (key.to_owned(), value.clone()));
                expected.push((name.as_str().to_owned(), lines.collect()));
            }
        }
        let written = builder.finish();
        let written = std::str::from_utf8(written.as_slice()).expect("ASCII");
        assert_eq!(read(written, file), expected);
    }
}

/// An absolute path without a character that a shell, or a splitter of commands, gives a meaning.
fn is_one_word(path: &str) -> bool {
    let plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    path.starts_with('/') && path.chars().all(|c| plain.contains(c))
}

fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.starts_with(['#', ';', '"', '\''])
        && value.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

/// Reads as the laxest readers do: comments, inline comments, quotes and white space go; a line that begins with white
/// space continues the one before.
fn read(text: &str, file: ProfileFile) -> Vec<Read> {
    let mut profiles: Vec<Read> = Vec::new();
    for line in text.lines() {
        assert!(!line.starts_with(char::is_whitespace), "a continuation: {line:?}");
        let before_comment = line.split(" #").next().and_then(|line| line.split(" ;").next()).expect("a first piece");
        let line = before_comment.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let name = match file {
                ProfileFile::Credentials => name,
                ProfileFile::Config => name.strip_prefix("profile ").expect("the config file's form"),
            };
            profiles.push((name.to_owned(), Vec::new()));
            continue;
        }
        let (key, value) = line.split_once('=').expect("a line of key and value");
        let value = unquoted(value.trim());
        let profile = profiles.last_mut().expect("a profile before its lines");
        profile.1.push((key.trim().to_owned(), value.to_owned()));
    }
    profiles
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
