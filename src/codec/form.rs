//! `application/x-www-form-urlencoded` bodies, written into wiped memory of a fixed size. Knows no parameter's meaning.

use std::fmt;

use crate::secret::{Secret, WipedBuffer};

/// Longest body, as if each byte had to be escaped: three times a token of 20,000 bytes, the longest that STS takes,
/// and three times a session policy and its ARNs, with room left.
pub const MAX_FORM: usize = 128 * 1024;

/// Collects the fields of a form; the body is written once all are known, so that its memory never grows.
pub struct FormBuilder<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> FormBuilder<'a> {
    /// A form without fields.
    #[must_use]
    pub fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// Also this field.
    #[must_use]
    pub fn text(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// Also this field, whose value is a secret: it is borrowed until the body is written.
    #[must_use]
    pub fn secret(self, name: &'a str, value: &'a Secret) -> Self {
        self.text(name, value.expose())
    }

    /// The body: the fields in their order, `name=value` with `&` between them.
    ///
    /// # Errors
    /// [`FormError`] if it could be longer than [`MAX_FORM`].
    pub fn finish(&self) -> Result<WipedBuffer, FormError> {
        let most = self.fields.iter().fold(0usize, |sum, (name, value)| {
            let escaped = name.len().saturating_add(value.len()).saturating_mul(3);
            // The two are `=` and `&`.
            sum.saturating_add(escaped).saturating_add(2)
        });
        if most > MAX_FORM {
            return Err(FormError { most });
        }
        let mut body = WipedBuffer::with_capacity(most);
        let mut push = |bytes: &[u8]| body.push(bytes).map_err(|_| FormError { most });
        for (position, (name, value)) in self.fields.iter().enumerate() {
            if position > 0 {
                push(b"&")?;
            }
            escaped(name).try_for_each(|byte| push(&[byte]))?;
            push(b"=")?;
            escaped(value).try_for_each(|byte| push(&[byte]))?;
        }
        Ok(body)
    }
}

impl Default for FormBuilder<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the fields' names: values may be secrets.
impl fmt::Debug for FormBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}

/// The bytes of `text` with everything but the unreserved characters (RFC 3986, section 2.3) as `%XX`, a space too:
/// every server reads `%20`, and not every one reads `+`.
pub(super) fn escaped(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().flat_map(|byte| {
        let (bytes, count) = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => ([byte, 0, 0], 1),
            _ => ([b'%', hexadecimal(byte >> 4), hexadecimal(byte & 0x0f)], 3),
        };
        bytes.into_iter().take(count)
    })
}

/// The digit of a number under 16.
fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { digit.saturating_add(b'0') } else { digit.saturating_sub(10).saturating_add(b'A') }
}

/// A form could become longer than [`MAX_FORM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormError {
    /// How many bytes it could have.
    pub most: usize,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request's body could have {} bytes, more than {MAX_FORM}", self.most)
    }
}

impl std::error::Error for FormError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[(&str, &str)]) -> String {
        let form = fields.iter().fold(FormBuilder::new(), |form, (name, value)| form.text(name, value));
        String::from_utf8(form.finish().unwrap().as_slice().to_vec()).unwrap()
    }

    // Golden values by hand, from RFC 3986, sections 2.1 to 2.3.
    #[test]
    fn everything_but_unreserved_characters_is_escaped() {
        assert_eq!(body(&[]), "");
        assert_eq!(body(&[("A", "")]), "A=");
        assert_eq!(body(&[("A", "x-._~9"), ("B", "a b")]), "A=x-._~9&B=a%20b");
        assert_eq!(body(&[("a&b", "c=d+e%/:\r\n")]), "a%26b=c%3Dd%2Be%25%2F%3A%0D%0A");
        assert_eq!(body(&[("u", "\u{f6}\u{7f}")]), "u=%C3%B6%7F");
    }

    #[test]
    fn a_form_is_taken_up_to_its_limit_and_not_a_byte_more() {
        // At worst (1 + 43,689) * 3 + 2 = 131,072 bytes; one byte of value more counts three times.
        let fits = "a".repeat(43_689);
        assert!(FormBuilder::new().text("n", &fits).finish().is_ok());
        let longer = format!("{fits}a");
        assert_eq!(FormBuilder::new().text("n", &longer).finish().unwrap_err(), FormError { most: 131_075 });
    }

    #[test]
    fn debug_shows_names_and_never_values() {
        let secret = Secret::from_text("PLANTED");
        assert_eq!(format!("{:?}", FormBuilder::new().secret("Token", &secret)), "{\"Token\"}");
    }
}
