//! AWS shared credentials and config files, written whole into wiped memory. Knows no key's meaning.

use std::fmt;
use std::path::Path;

use crate::name::TargetName;
use crate::secret::{Secret, WipedBuffer};

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFile {
    /// The credentials file: a profile is `[NAME]`.
    Credentials,
    /// The config file: a profile is `[profile NAME]`.
    Config,
}

/// Collects profiles; the file is written once all are known, so that its memory never grows.
pub struct ProfilesBuilder<'a> {
    file: ProfileFile,
    profiles: Vec<Profile<'a>>,
}

/// A profile's name and its lines: a key, what stands in front of the value, and the value.
type Profile<'a> = (&'a TargetName, Vec<(&'static str, &'static str, &'a str)>);

/// A value of a line.
#[derive(Debug, Clone, Copy)]
pub enum ProfileValue<'a> {
    /// One that may be seen.
    Text(&'a str),
    /// A secret: it is borrowed until the file is written.
    Secret(&'a Secret),
    /// The command that prints this file.
    Cat(&'a PlainPath),
}

/// An absolute path of letters, digits and `/._-` only: one word to each shell, and to those who split a command
/// without a shell. Such readers differ in what they make of quotation marks, so there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPath(String);

impl PlainPath {
    /// Checks it.
    ///
    /// # Errors
    /// [`ProfileRule`] says where it is another.
    pub fn new(path: &str) -> Result<Self, ProfileRule> {
        if !path.starts_with('/') {
            return Err(ProfileRule::Character { position: 0 });
        }
        match path.chars().position(|c| !c.is_ascii_alphanumeric() && !matches!(c, '/' | '.' | '_' | '-')) {
            Some(position) => Err(ProfileRule::Character { position }),
            None => Ok(Self(path.to_owned())),
        }
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl<'a> ProfilesBuilder<'a> {
    /// A file without profiles.
    #[must_use]
    pub fn new(file: ProfileFile) -> Self {
        Self { file, profiles: Vec::new() }
    }

    /// Also this profile, whole or not at all.
    ///
    /// # Errors
    /// [`ProfileError`] for a value that a reader of such files could take for something else.
    pub fn add(
        &mut self,
        name: &'a TargetName,
        lines: &[(&'static str, ProfileValue<'a>)],
    ) -> Result<(), ProfileError> {
        let mut checked = Vec::with_capacity(lines.len());
        for (key, value) in lines {
            let (before, value) = match value {
                ProfileValue::Text(text) => ("", *text),
                ProfileValue::Secret(secret) => ("", secret.expose()),
                ProfileValue::Cat(path) => ("cat ", path.0.as_str()),
            };
            check(value).map_err(|rule| ProfileError { key, rule })?;
            checked.push((*key, before, value));
        }
        self.profiles.push((name, checked));
        Ok(())
    }

    /// The file: each profile's name in brackets, then a line `key = value` each.
    #[must_use]
    pub fn finish(&self) -> WipedBuffer {
        let prefix = match self.file {
            ProfileFile::Credentials => "",
            ProfileFile::Config => "profile ",
        };
        let mut pieces = Vec::new();
        for (name, lines) in &self.profiles {
            pieces.extend(["[", prefix, name.as_str(), "]\n"]);
            for (key, before, value) in lines {
                pieces.extend([*key, " = ", *before, *value, "\n"]);
            }
        }
        let length = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
        let mut file = WipedBuffer::with_capacity(length);
        for piece in pieces {
            // It has room for exactly these.
            let _ = file.push(piece.as_bytes());
        }
        file
    }
}

/// Shows the profiles' names: values may be secrets.
impl fmt::Debug for ProfilesBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.profiles.iter().map(|(name, _)| name.as_str())).finish()
    }
}

/// Rule: a value is printable ASCII without a space and does not begin with a character that makes a comment or a
/// quotation. Readers of these files differ in what they trim, unquote, continue and leave out as a comment; such a
/// value reads back unchanged in all of them, and can never be a line of its own. Keys, tokens, regions and times are
/// of that form.
fn check(value: &str) -> Result<(), ProfileRule> {
    match value.chars().next() {
        None => return Err(ProfileRule::Empty),
        Some('#' | ';' | '"' | '\'') => return Err(ProfileRule::Character { position: 0 }),
        Some(_) => {}
    }
    match value.chars().position(|c| !c.is_ascii_graphic()) {
        Some(position) => Err(ProfileRule::Character { position }),
        None => Ok(()),
    }
}

/// A value cannot stand in such a file. It never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileError {
    /// Of which key.
    pub key: &'static str,
    /// What is wrong with it.
    pub rule: ProfileRule,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileRule {
    /// There is none.
    Empty,
    /// A space, a line end or another character that must not stand there.
    Character {
        /// Where, counted in characters from 0.
        position: usize,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            ProfileRule::Empty => write!(f, "the value of {} is empty", self.key),
            ProfileRule::Character { position } => {
                write!(f, "the value of {} has a character that is not allowed at position {position}", self.key)
            }
        }
    }
}

impl std::error::Error for ProfileError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(file: ProfileFile) -> String {
        let (logs, raw) = (TargetName::new("logs").unwrap(), TargetName::new("raw-2").unwrap());
        let secret = Secret::from_text("a/b+c=");
        let mut builder = ProfilesBuilder::new(file);
        builder.add(&logs, &[("id", ProfileValue::Text("AKIA")), ("key", ProfileValue::Secret(&secret))]).unwrap();
        builder.add(&raw, &[]).unwrap();
        assert_eq!(format!("{builder:?}"), r#"{"logs", "raw-2"}"#);
        String::from_utf8(builder.finish().as_slice().to_vec()).unwrap()
    }

    // Golden values: the two forms of the AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
    #[test]
    fn a_profile_is_named_in_the_form_of_its_file() {
        assert_eq!(written(ProfileFile::Credentials), "[logs]\nid = AKIA\nkey = a/b+c=\n[raw-2]\n");
        assert_eq!(written(ProfileFile::Config), "[profile logs]\nid = AKIA\nkey = a/b+c=\n[profile raw-2]\n");
        assert!(ProfilesBuilder::new(ProfileFile::Config).finish().as_slice().is_empty());
    }

    #[test]
    fn a_command_names_a_file_that_no_shell_and_no_reader_could_take_for_more_than_one_word() {
        let (name, path) = (TargetName::new("logs").unwrap(), PlainPath::new("/run/sc-1/a_b.json").unwrap());
        assert_eq!(path.as_path(), Path::new("/run/sc-1/a_b.json"));
        let mut builder = ProfilesBuilder::new(ProfileFile::Credentials);
        builder.add(&name, &[("credential_process", ProfileValue::Cat(&path))]).unwrap();
        assert_eq!(builder.finish().as_slice(), b"[logs]\ncredential_process = cat /run/sc-1/a_b.json\n");
        for (path, position) in [("", 0), ("run/a", 0), ("~/a", 0), ("-n", 0)] {
            assert_eq!(PlainPath::new(path), Err(ProfileRule::Character { position }), "{path}");
        }
        for character in " \t\n\r\0'\"\\$`;&|<>()[]{}*?!#%~=:,@+^é".chars() {
            let path = format!("/run{character}a");
            assert_eq!(PlainPath::new(&path), Err(ProfileRule::Character { position: 4 }), "{path:?}");
        }
    }

    #[test]
    fn a_value_that_could_be_read_as_something_else_is_refused_and_its_profile_is_left_out() {
        let name = TargetName::new("logs").unwrap();
        let mut builder = ProfilesBuilder::new(ProfileFile::Credentials);
        let refused = |value: &str| {
            let secret = Secret::from_text(value);
            let error = ProfilesBuilder::new(ProfileFile::Credentials)
                .add(&name, &[("id", ProfileValue::Text("AKIA")), ("key", ProfileValue::Secret(&secret))])
                .unwrap_err();
            assert_eq!(error.key, "key");
            assert!(value.len() < 3 || !error.to_string().contains(value));
            error.rule
        };
        assert_eq!(refused(""), ProfileRule::Empty);
        for (value, position) in [
            (" a", 0),
            ("a ", 1),
            ("a\n[default]", 1),
            ("a\r", 1),
            ("a\t", 1),
            ("a\0", 1),
            ("a #b", 1),
            ("aé", 1),
            ("#a", 0),
            (";a", 0),
            ("\"a\"", 0),
            ("'a'", 0),
        ] {
            assert_eq!(refused(value), ProfileRule::Character { position }, "{value:?}");
        }
        let bad = [("id", ProfileValue::Text("AKIA")), ("key", ProfileValue::Text("a\nb"))];
        assert!(builder.add(&name, &bad).is_err());
        assert!(builder.finish().as_slice().is_empty());
    }
}
