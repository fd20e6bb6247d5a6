//! Spark's properties files: the format of java.util.Properties, as Spark itself reads and writes it.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Most bytes of a properties file: Kubernetes caps the ConfigMap that Spark mounts at 1 MiB.
pub const MAX_PROPERTIES_FILE: usize = 1024 * 1024;

/// One setting, as written: the key, and the value without the white space around it, as Spark trims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The key.
    pub key: String,
    /// The trimmed value.
    pub value: String,
}

/// Reads a properties file, in order. A key may stand there twice: whoever asks takes the last.
///
/// # Errors
/// [`PropertiesError`] with the line's number, never with its text.
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, PropertiesError> {
    if bytes.len() > MAX_PROPERTIES_FILE {
        return Err(PropertiesError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| PropertiesError::NotText)?;
    let mut properties = Vec::new();
    let mut lines = text.split_inclusive('\n').map(|line| line.trim_end_matches(['\n', '\r'])).zip(1usize..);
    while let Some((first, number)) = lines.next() {
        let first = first.trim_start_matches(WHITE);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        // An odd number of backslashes at the end joins the next line, less its leading white space.
        let mut logical = first.to_owned();
        while ends_in_continuation(&logical) {
            logical.pop();
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(WHITE));
        }
        properties.push(property(&logical).ok_or(PropertiesError::Escape { line: number })?);
    }
    Ok(properties)
}

/// One line of a properties file, which [`parse`] and Java read as `key` and `value`.
#[must_use]
pub fn line(key: &str, value: &str) -> String {
    let mut line = String::new();
    for (text, between) in [(key, "="), (value, "\n")] {
        for c in text.chars() {
            match c {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '\u{c}' => line.push_str("\\f"),
                // In a value these need no escape; they may have one everywhere.
                '\\' | '=' | ':' | ' ' | '#' | '!' => line.extend(['\\', c]),
                other => line.push(other),
            }
        }
        line.push_str(between);
    }
    line
}

/// What java.util.Properties calls white space.
const WHITE: [char; 3] = [' ', '\t', '\u{c}'];

fn ends_in_continuation(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Splits a logical line at the first unescaped `=`, `:` or white space; `None` for a malformed `\u` escape.
fn property(line: &str) -> Option<Property> {
    let mut rest = line.chars().peekable();
    let key = unescaped(&mut rest, |c| matches!(c, '=' | ':') || WHITE.contains(&c))?;
    skip_white(&mut rest);
    if rest.next_if(|c| matches!(c, '=' | ':')).is_some() {
        skip_white(&mut rest);
    }
    let value = unescaped(&mut rest, |_| false)?;
    Some(Property { key, value: value.trim().to_owned() })
}

fn skip_white(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| WHITE.contains(c)).is_some() {}
}

/// Reads up to an unescaped character for which `ends` holds, and resolves escapes.
fn unescaped(rest: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> Option<String> {
    let mut out = String::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            None => {}
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(unicode_escape(rest)?),
            Some(other) => out.push(other),
        }
    }
    Some(out)
}

/// The four hexadecimal digits of a `\uXXXX`, and of the second half of a surrogate pair where one follows.
fn unicode_escape(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let high = four_digits(rest)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    let marked = rest.next() == Some('\\') && rest.next() == Some('u');
    let low = four_digits(rest).filter(|low| marked && (0xdc00..0xe000).contains(low))?;
    let pair = high.checked_sub(0xd800)?.checked_mul(0x400)?.checked_add(low.checked_sub(0xdc00)?)?;
    char::from_u32(pair.checked_add(0x1_0000)?)
}

fn four_digits(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    (0..4).try_fold(0u32, |value, _| value.checked_mul(16)?.checked_add(rest.next()?.to_digit(16)?))
}

/// Why a properties file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertiesError {
    /// Longer than [`MAX_PROPERTIES_FILE`].
    TooLong,
    /// Not UTF-8.
    NotText,
    /// A malformed `\uXXXX`.
    Escape {
        /// In which line, from 1.
        line: usize,
    },
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the properties file has more than {MAX_PROPERTIES_FILE} bytes"),
            Self::NotText => f.write_str("the properties file is not UTF-8"),
            Self::Escape { line } => write!(f, "line {line} of the properties file has a malformed \\u escape"),
        }
    }
}

impl std::error::Error for PropertiesError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        parsed(text).pop().unwrap()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    // Expected values: what java.util.Properties.load (OpenJDK 17) gives for the same text, then trimmed.
    #[test]
    fn every_separator_of_java_properties_is_understood() {
        for text in ["a=b", "a:b", "a b", "a\tb", "  a = b", "a  :  b  ", "a=b\r\n", "a\u{c}b"] {
            assert_eq!(one(text), pair("a", "b"), "{text:?}");
        }
        assert_eq!(one("a==b"), pair("a", "=b"));
        assert_eq!(one("a"), pair("a", ""));
        assert_eq!(one("a="), pair("a", ""));
        assert_eq!(one("=b"), pair("", "b"));
    }

    #[test]
    fn comments_blank_lines_and_continuations_are_those_of_java() {
        assert_eq!(parsed("# c\n! c\n\n   \n a=b"), [pair("a", "b")]);
        assert_eq!(one("a=b\\\n   c"), pair("a", "bc"));
        assert_eq!(one("a=b\\\\\nc=d"), pair("c", "d"));
        assert_eq!(parsed("a=b\\\n#c"), [pair("a", "b#c")]);
        assert_eq!(one("a=b\\"), pair("a", "b"));
    }

    #[test]
    fn what_spark_escapes_when_it_writes_is_unescaped() {
        assert_eq!(
            one("spark.security.oidc.identityToken.issuer=https\\://issuer.example\\:8443/a\\=b"),
            pair("spark.security.oidc.identityToken.issuer", "https://issuer.example:8443/a=b")
        );
        assert_eq!(one("a\\ b\\=c=d"), pair("a b=c", "d"));
        assert_eq!(one("a=\\u0041\\ud83d\\ude00\\q"), pair("a", "A\u{1f600}q"));
    }

    // The oracle is the reader above, whose expected values come from Java.
    #[test]
    fn a_line_that_is_written_reads_as_what_it_says() {
        assert_eq!(line("a.b", "/opt/java"), "a.b=/opt/java\n");
        for (key, value) in [("a", "b c"), ("#a", "!b"), ("a=b:c d", "=\\ \n\r\t\u{c}x"), ("a", "ä\u{1f600}")] {
            assert_eq!(one(&line(key, value)), pair(key, value));
        }
    }

    #[test]
    fn malformed_escapes_other_encodings_and_huge_files_are_refused() {
        for text in ["x=1\na=\\u12", "x=1\na=\\uzzzz", "x=1\na=\\ud83d", "x=1\na=\\ud83d\\u0041", "x=1\na=\\ude00"] {
            assert_eq!(parse(text.as_bytes()), Err(PropertiesError::Escape { line: 2 }), "{text}");
        }
        assert_eq!(parse(&[b'a', b'=', 0xff]), Err(PropertiesError::NotText));
        assert!(parse(&vec![b'#'; MAX_PROPERTIES_FILE]).is_ok());
        assert_eq!(parse(&vec![b'#'; MAX_PROPERTIES_FILE + 1]), Err(PropertiesError::TooLong));
    }
}
