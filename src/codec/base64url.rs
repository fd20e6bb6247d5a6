//! base64url without padding (RFC 4648, section 5), read strictly. The only file that knows base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::{Secret, WipedBuffer};

/// Decodes `text` into at most `most` bytes of wiped memory.
///
/// Every value has exactly one text: no padding, no white space, and the unused bits of the last character are zero
/// (RFC 7515, section 2; RFC 4648, section 3.5).
///
/// # Errors
/// [`Base64Error`] names the rule and never repeats the text.
pub fn decode(text: &str, most: usize) -> Result<WipedBuffer, Base64Error> {
    // Four characters hold three bytes: checked before any memory is taken.
    if text.len().saturating_mul(3) / 4 > most {
        return Err(Base64Error::TooLong { most });
    }
    let mut out = WipedBuffer::zeroed(base64::decoded_len_estimate(text.len()));
    let length = URL_SAFE_NO_PAD.decode_slice(text, out.as_mut_slice()).map_err(|_| reason(text))?;
    out.truncate(length);
    Ok(out)
}

/// Why `text` cannot be decoded: a character before a length, a length before the last bits.
fn reason(text: &str) -> Base64Error {
    let is_of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match text.bytes().position(|byte| !is_of_alphabet(byte)) {
        Some(position) => Base64Error::Character { position },
        None if text.len() % 4 == 1 => Base64Error::Length { length: text.len() },
        None => Base64Error::TrailingBits,
    }
}

/// The text of `bytes`. Never for secrets: its memory is not wiped.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The text of `bytes` as a secret, written into memory that is sized first.
#[must_use]
pub fn encode_secret(bytes: &[u8]) -> Secret {
    let mut out = WipedBuffer::zeroed(bytes.len().saturating_mul(4).div_ceil(3));
    // The buffer has the text's exact length, so neither step can fail.
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, out.as_mut_slice()).unwrap_or(0);
    out.truncate(length);
    out.to_secret().unwrap_or_else(|_| Secret::from_text(""))
}

/// Why a text is not base64url. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64Error {
    /// It holds more than it may.
    TooLong {
        /// Most bytes allowed.
        most: usize,
    },
    /// A character outside `A-Z a-z 0-9 - _`: also padding, white space and standard base64's `+` and `/`.
    Character {
        /// Where, counted in bytes from 0.
        position: usize,
    },
    /// No number of bytes has a text of this length.
    Length {
        /// How many characters it has.
        length: usize,
    },
    /// The unused bits of the last character are not zero.
    TrailingBits,
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { most } => write!(f, "the base64url text holds more than {most} bytes"),
            Self::Character { position } => {
                write!(f, "a character is not of the base64url alphabet at byte {position}")
            }
            Self::Length { length } => write!(f, "no base64url text has {length} characters"),
            Self::TrailingBits => f.write_str("the base64url text ends in bits that are not zero"),
        }
    }
}

impl std::error::Error for Base64Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, Base64Error> {
        decode(text, 64).map(|buffer| buffer.as_slice().to_vec())
    }

    // RFC 4648, section 10, without its padding; the last from RFC 7515, appendix C.
    #[test]
    fn agrees_with_the_standards_examples() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (&[3, 236, 255, 224, 193], "A-z_4ME"),
        ] {
            assert_eq!(decoded(text).as_deref(), Ok(bytes));
            assert_eq!(encode(bytes), text);
            assert_eq!(encode_secret(bytes).expose(), text);
        }
    }

    #[test]
    fn padding_white_space_and_the_other_alphabet_are_refused() {
        for (text, position) in [
            ("Zg==", 2),
            ("Zm8=", 3),
            ("Zm9v\n", 4),
            (" Zm9v", 0),
            ("Zm 9v", 2),
            ("a+bc", 1),
            ("a/bc", 1),
            ("Zg%3D", 2),
        ] {
            assert_eq!(decoded(text), Err(Base64Error::Character { position }), "{text:?}");
        }
    }

    #[test]
    fn a_length_that_no_bytes_have_is_refused() {
        assert_eq!(decoded("Z"), Err(Base64Error::Length { length: 1 }));
        assert_eq!(decoded("Zm9vY"), Err(Base64Error::Length { length: 5 }));
    }

    #[test]
    fn unused_bits_that_are_not_zero_are_refused() {
        assert_eq!(decoded("Zh"), Err(Base64Error::TrailingBits));
        assert_eq!(decoded("Zm9"), Err(Base64Error::TrailingBits));
    }

    #[test]
    fn the_limit_is_kept_at_the_byte() {
        assert!(decode("Zm9vYg", 4).is_ok());
        assert_eq!(decode("Zm9vYg", 3).map(|_| ()), Err(Base64Error::TooLong { most: 3 }));
        assert_eq!(decode(&"A".repeat(4000), 3).map(|_| ()), Err(Base64Error::TooLong { most: 3 }));
    }
}
