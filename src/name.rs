//! Names that are checked once and are types from then on. Knows their forms, not what they open.

use std::fmt;

/// Defines a name: a checked text that compares byte for byte and is never normalised.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $lengths:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it as it is.
            ///
            /// # Errors
            /// [`NameError`] says which rule is broken and never repeats the text.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check($what, text, $lengths, $allowed)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An issuer identifier, compared byte for byte (OIDC Discovery 1.0, section 4.3): 1 to 2,048 printable ASCII characters.
    Issuer, "issuer", 1..=2048, |c| c.is_ascii_graphic()
);
name!(
    /// An audience, compared byte for byte (RFC 7519, section 4.1.3): 1 to 1,024 characters, no control character.
    Audience, "audience", 1..=1024, |c| !c.is_control()
);
name!(
    /// Whom a verified token speaks for: 1 to 255 characters (OIDC Core 1.0, section 2: `sub` must not exceed 255), no
    /// control character.
    Principal, "principal", 1..=255, |c| !c.is_control()
);
name!(
    /// A token's `sub` claim, as the issuer wrote it (OIDC Core 1.0, section 2: at most 255 characters); no control
    /// character. The principal, unless another claim is configured.
    Subject, "subject", 1..=255, |c| !c.is_control()
);
name!(
    /// What a credential opens, as Hadoop names file systems: `s3a`, `gs`, `kafka`. 1 to 32 of `a-z 0-9 + . -`.
    Scheme, "scheme", 1..=32, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '.' | '-')
);
impl Scheme {
    /// Hadoop's S3 file system.
    #[must_use]
    pub fn s3a() -> Self {
        Self("s3a".to_owned())
    }
}

/// A named target: a credential of its own beside the unnamed one. 1 to 32 of `a-z 0-9 -`, and not `default`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// Checks `text` and keeps it as it is.
    ///
    /// # Errors
    /// [`NameError`] says which rule is broken and never repeats the text.
    pub fn new(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "target name";
        check(WHAT, text, 1..=32, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')?;
        // It becomes a profile's name, and SDKs take the profile of that name without being asked.
        if text == "default" {
            return Err(NameError::Reserved { what: WHAT });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which credential of a job: what it opens, and for which target where it has a name. As text `s3a` or `s3a/TARGET`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName {
    scheme: Scheme,
    target: Option<TargetName>,
}

impl CredentialName {
    /// The credential of a named target.
    #[must_use]
    pub fn of_target(scheme: Scheme, target: TargetName) -> Self {
        Self { scheme, target: Some(target) }
    }

    /// Reads the text form. No scheme has a slash in it, so there is one way to read it.
    ///
    /// # Errors
    /// [`NameError`] for the scheme or the target.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((scheme, target)) => Ok(Self::of_target(Scheme::new(scheme)?, TargetName::new(target)?)),
            None => Scheme::new(text).map(Self::from),
        }
    }

    /// What it opens.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The target, where it has a name.
    #[must_use]
    pub fn target(&self) -> Option<&TargetName> {
        self.target.as_ref()
    }
}

/// The unnamed credential of a scheme.
impl From<Scheme> for CredentialName {
    fn from(scheme: Scheme) -> Self {
        Self { scheme, target: None }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{}/{target}", self.scheme),
            None => self.scheme.fmt(f),
        }
    }
}

name!(
    /// A name of a credential's property, such as `fs.s3a.access.key`: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    PropertyName, "property name", 1..=128, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
);
name!(
    /// A role's ARN (STS model: 20 to 2,048 characters), such as `arn:aws:iam::123456789012:role/spark`.
    RoleArn, "role ARN", 20..=2048, |c| c.is_ascii_graphic()
);
name!(
    /// A role session's name (STS model: 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`).
    SessionName, "session name", 2..=64, is_session_character
);
name!(
    /// What the owner of a role in another account gave us to say (STS model: 2 to 1,224 of `A-Z a-z 0-9 _ + = , . @ : / -`).
    ExternalId, "external id", 2..=1224, |c| is_session_character(c) || matches!(c, ':' | '/')
);
name!(
    /// The key of a session's tag (STS model: 1 to 128 characters). Stricter: ASCII only.
    TagKey, "tag key", 1..=128, is_tag_character
);
name!(
    /// The value of a session's tag (STS model: up to 256 characters). Stricter: ASCII only.
    TagValue, "tag value", 0..=256, is_tag_character
);
name!(
    /// An AWS region, such as `eu-central-1`: checked before it becomes part of a host name.
    Region, "region", 5..=32, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
);
name!(
    /// What an executor calls itself in the driver's audit lines: 1 to 128 of `A-Z a-z 0-9 . _ -`. It proves nothing.
    ExecutorName, "executor name", 1..=128, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
);

name!(
    /// A pod's name as Kubernetes gives it (a DNS subdomain of RFC 1123): 1 to 253 of `a-z 0-9 . -`.
    PodName, "pod name", 1..=253, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-')
);

/// Whether STS allows `c` in a role session's name (STS model: `[\w+=,.@-]*`, with ASCII `\w`).
#[must_use]
pub fn is_session_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

/// Whether STS allows `c` in a tag (STS model: `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`); of letters, spaces and digits only ASCII's.
fn is_tag_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

fn check(
    what: &'static str,
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if !lengths.contains(&text.len()) {
        return Err(NameError::Length { what, length: text.len(), least: *lengths.start(), most: *lengths.end() });
    }
    match text.chars().position(|c| !allowed(c)) {
        Some(position) => Err(NameError::Character { what, position }),
        None => Ok(()),
    }
}

/// Why a text is not a name of its kind. It never holds the text: a token may have been put there by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Too short or too long.
    Length {
        /// Which kind of name.
        what: &'static str,
        /// Bytes found.
        length: usize,
        /// Fewest bytes allowed.
        least: usize,
        /// Most bytes allowed.
        most: usize,
    },
    /// A character that must not stand there.
    Character {
        /// Which kind of name.
        what: &'static str,
        /// Where, counted in characters from 0.
        position: usize,
    },
    /// It means something to others.
    Reserved {
        /// Which kind of name.
        what: &'static str,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, length, least, most } => {
                write!(f, "the {what} has {length} bytes, not {least} to {most}")
            }
            Self::Character { what, position } => {
                write!(f, "the {what} has a character that is not allowed at position {position}")
            }
            Self::Reserved { what } => write!(f, "the {what} is one that others give a meaning to"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_kept_at_both_ends() {
        assert_eq!(
            SessionName::new("a"),
            Err(NameError::Length { what: "session name", length: 1, least: 2, most: 64 })
        );
        assert!(SessionName::new("ab").is_ok());
        assert!(SessionName::new(&"a".repeat(64)).is_ok());
        assert!(SessionName::new(&"a".repeat(65)).is_err());
        assert!(RoleArn::new(&"a".repeat(19)).is_err());
        assert!(RoleArn::new(&"a".repeat(20)).is_ok());
        assert!(RoleArn::new(&"a".repeat(2049)).is_err());
        assert!(Principal::new(&"a".repeat(255)).is_ok());
        assert!(Principal::new(&"a".repeat(256)).is_err());
        assert!(Audience::new("").is_err());
    }

    #[test]
    fn characters_outside_the_alphabet_are_refused_at_their_place() {
        assert_eq!(SessionName::new("sy:a"), Err(NameError::Character { what: "session name", position: 2 }));
        assert_eq!(Scheme::new("S3a"), Err(NameError::Character { what: "scheme", position: 0 }));
        assert_eq!(Region::new("eu-central-1.evil"), Err(NameError::Character { what: "region", position: 12 }));
        assert_eq!(Principal::new("a\u{1b}[31m"), Err(NameError::Character { what: "principal", position: 1 }));
        assert_eq!(Issuer::new("https://a b"), Err(NameError::Character { what: "issuer", position: 9 }));
    }

    #[test]
    fn a_credentials_name_is_its_scheme_and_its_target_and_reads_back() {
        let length = |text: &str| NameError::Length { what: "target name", length: text.len(), least: 1, most: 32 };
        let longest = "a".repeat(32);
        for (text, target) in
            [("s3a", None), ("s3a/logs-2", Some("logs-2")), (&format!("s3a/{longest}"), Some(&*longest))]
        {
            let name = CredentialName::parse(text).unwrap();
            assert_eq!((name.scheme().as_str(), name.target().map(TargetName::as_str)), ("s3a", target));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(CredentialName::parse("s3a/"), Err(length("")));
        assert_eq!(CredentialName::parse(&format!("s3a/{longest}a")), Err(length(&format!("{longest}a"))));
        let reserved = NameError::Reserved { what: "target name" };
        assert_eq!(CredentialName::parse("s3a/default"), Err(reserved));
        for (text, position) in [("s3a/a/b", 1), ("s3a/A", 0), ("s3a/a]\n[b", 1), ("s3a/a.b", 1), ("s3a/a_b", 1)] {
            assert_eq!(CredentialName::parse(text), Err(NameError::Character { what: "target name", position }));
        }
        assert_eq!(CredentialName::parse("S/a"), Err(NameError::Character { what: "scheme", position: 0 }));
    }
}
