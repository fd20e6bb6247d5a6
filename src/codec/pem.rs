//! PEM text (RFC 7468) of private and public keys, read strictly. Knows the text, not what kind of key is in it.

use std::fmt;

use crate::codec::base64url;
use crate::secret::WipedBuffer;

/// Longest key in bytes of DER. An Ed25519 key has 48; a large RSA key still fits, so that it is named as what it is.
pub const MAX_KEY: usize = 4 * 1024;

/// Most sections of one text: a private key, and peers enough for any rotation.
pub const MAX_SECTIONS: usize = 16;

/// Longest base64 text of [`MAX_KEY`] bytes.
const MAX_BASE64: usize = MAX_KEY.div_ceil(3).saturating_mul(4);

/// What a section says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `PRIVATE KEY`: PKCS #8 (RFC 5958).
    Private,
    /// `PUBLIC KEY`: SubjectPublicKeyInfo (RFC 5280, section 4.1).
    Public,
}

impl KeyKind {
    fn begin(self) -> &'static [u8] {
        match self {
            Self::Private => b"-----BEGIN PRIVATE KEY-----",
            Self::Public => b"-----BEGIN PUBLIC KEY-----",
        }
    }

    fn end(self) -> &'static [u8] {
        match self {
            Self::Private => b"-----END PRIVATE KEY-----",
            Self::Public => b"-----END PUBLIC KEY-----",
        }
    }
}

/// All keys of `text`, in its order.
///
/// RFC 7468, section 2, lets a reader skip text around the sections and sections of other kinds. Here nothing is
/// skipped: a key that is not seen is a peer that is refused, or an old key that is thought to be gone.
///
/// # Errors
/// [`PemError`] names the line and the rule, never what stands there.
pub fn decode(text: &[u8]) -> Result<Vec<(KeyKind, WipedBuffer)>, PemError> {
    let mut keys = Vec::new();
    let mut open: Option<(KeyKind, WipedBuffer)> = None;
    let mut line = 0usize;
    for content in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
        line = line.saturating_add(1);
        match open.take() {
            None if content.is_empty() => {}
            None => {
                let begun = [KeyKind::Private, KeyKind::Public].into_iter().find(|kind| kind.begin() == content);
                let kind = begun.ok_or(PemError::Foreign { line })?;
                if keys.len() >= MAX_SECTIONS {
                    return Err(PemError::TooMany { most: MAX_SECTIONS });
                }
                open = Some((kind, WipedBuffer::with_capacity(MAX_BASE64)));
            }
            Some((kind, base64)) if kind.end() == content => keys.push((kind, key(&base64, line)?)),
            Some((kind, mut base64)) => {
                push_line(&mut base64, content, line)?;
                open = Some((kind, base64));
            }
        }
    }
    if open.is_some() { Err(PemError::Unfinished { line }) } else { Ok(keys) }
}

/// Writes `der` as one section with lines of 64 characters (RFC 7468, section 2).
#[must_use]
pub fn encode(kind: KeyKind, der: &[u8]) -> WipedBuffer {
    let base64 = base64url::encode_secret(der);
    let length = base64.length();
    // Two lines around it, at most three characters of padding, and a line end a line.
    let size = length.saturating_add(64).saturating_add(length / 64);
    let mut text = WipedBuffer::with_capacity(size);
    let mut put = |bytes: &[u8]| {
        // Sized for all of it just above.
        let _ = text.push(bytes);
    };
    put(kind.begin());
    for (position, byte) in base64.expose().bytes().chain(padding(length).iter().copied()).enumerate() {
        if position.is_multiple_of(64) {
            put(b"\n");
        }
        put(&[match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        }]);
    }
    put(b"\n");
    put(kind.end());
    put(b"\n");
    text
}

fn padding(length: usize) -> &'static [u8] {
    match length % 4 {
        2 => b"==",
        3 => b"=",
        _ => b"",
    }
}

/// Adds a line of base64, in the alphabet that [`base64url`] reads.
fn push_line(base64: &mut WipedBuffer, content: &[u8], line: usize) -> Result<(), PemError> {
    for byte in content {
        let translated = match byte {
            b'+' => b'-',
            b'/' => b'_',
            b'-' | b'_' => return Err(PemError::Base64 { line }),
            other => *other,
        };
        if base64.as_slice().len() >= MAX_BASE64 {
            return Err(PemError::TooLong { line, most: MAX_KEY });
        }
        base64.push(&[translated]).map_err(|_| PemError::TooLong { line, most: MAX_KEY })?;
    }
    Ok(())
}

/// The key whose section ends at `line`. Padding must be exactly what RFC 4648, section 4, asks for.
fn key(base64: &WipedBuffer, line: usize) -> Result<WipedBuffer, PemError> {
    let wrong = PemError::Base64 { line };
    let padded = std::str::from_utf8(base64.as_slice()).map_err(|_| wrong)?;
    let bare = padded.trim_end_matches('=');
    if bare.is_empty() || padded.len().saturating_sub(bare.len()) != padding(bare.len()).len() {
        return Err(wrong);
    }
    base64url::decode(bare, MAX_KEY).map_err(|error| match error {
        base64url::Base64Error::TooLong { most } => PemError::TooLong { line, most },
        base64url::Base64Error::Character { .. }
        | base64url::Base64Error::Length { .. }
        | base64url::Base64Error::TrailingBits => wrong,
    })
}

/// Why a text is not PEM of keys. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemError {
    /// A line outside the sections that is neither blank nor the first of a key: perhaps a certificate.
    Foreign {
        /// Which line, from 1.
        line: usize,
    },
    /// The text ends inside a section.
    Unfinished {
        /// The last line, from 1.
        line: usize,
    },
    /// A section's content is not base64, or empty.
    Base64 {
        /// The line where it was noticed, from 1.
        line: usize,
    },
    /// A key is longer than [`MAX_KEY`].
    TooLong {
        /// The line where it was noticed, from 1.
        line: usize,
        /// Most bytes of a key.
        most: usize,
    },
    /// More than [`MAX_SECTIONS`].
    TooMany {
        /// Most sections.
        most: usize,
    },
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { line } => write!(f, "line {line} is neither blank nor part of a private or public key"),
            Self::Unfinished { line } => write!(f, "the text ends at line {line}, inside a key"),
            Self::Base64 { line } => write!(f, "the key at line {line} is not base64"),
            Self::TooLong { line, most } => write!(f, "the key at line {line} has more than {most} bytes"),
            Self::TooMany { most } => write!(f, "there are more than {most} keys"),
        }
    }
}

impl std::error::Error for PemError {}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with `printf 'any carnal pleas' | base64` and `printf 'any carnal pleasu' | base64`; the markers by hand.
    const PADDED_TWICE: &str = "-----BEGIN PUBLIC KEY-----\nYW55IGNhcm5hbCBwbGVhcw==\n-----END PUBLIC KEY-----\n";
    const PADDED_ONCE: &str = "-----BEGIN PRIVATE KEY-----\nYW55IGNhcm5hbCBwbGVhc3U=\n-----END PRIVATE KEY-----\n";

    fn decoded(text: &str) -> Result<Vec<(KeyKind, Vec<u8>)>, PemError> {
        decode(text.as_bytes()).map(|keys| keys.iter().map(|(kind, der)| (*kind, der.as_slice().to_vec())).collect())
    }

    #[test]
    fn reads_and_writes_the_same_text() {
        for (text, kind, bytes) in [
            (PADDED_TWICE, KeyKind::Public, &b"any carnal pleas"[..]),
            (PADDED_ONCE, KeyKind::Private, b"any carnal pleasu"),
        ] {
            assert_eq!(decoded(text), Ok(vec![(kind, bytes.to_vec())]));
            assert_eq!(encode(kind, bytes).as_slice(), text.as_bytes());
        }
        let both = format!("\n{PADDED_ONCE}\r\n{}", PADDED_TWICE.replace('\n', "\r\n"));
        assert_eq!(decoded(&both).unwrap().len(), 2);
        assert_eq!(decoded(""), Ok(vec![]));
    }

    #[test]
    fn nothing_is_skipped() {
        let certificate = PADDED_TWICE.replace("PUBLIC KEY", "CERTIFICATE");
        assert_eq!(decoded(&format!("{PADDED_ONCE}{certificate}")), Err(PemError::Foreign { line: 4 }));
        assert_eq!(decoded(&format!("# new\n{PADDED_ONCE}")), Err(PemError::Foreign { line: 1 }));
        assert_eq!(decoded(&PADDED_ONCE.replace("PRIVATE", "RSA PRIVATE")), Err(PemError::Foreign { line: 1 }));
        assert_eq!(decoded("-----BEGIN PUBLIC KEY-----\nYW55"), Err(PemError::Unfinished { line: 2 }));
    }

    #[test]
    fn content_that_is_not_base64_is_refused_at_its_line() {
        for wrong in
            ["YW55IGNhcm5hbCBwbGVhcw=", "YW55IGNhcm5hbCBwbGVhcw", "YW-5", "YW 5", "YW5=", "Y", "", "YW55====", "é"]
        {
            let text = PADDED_TWICE.replace("YW55IGNhcm5hbCBwbGVhcw==", wrong);
            assert!(matches!(decoded(&text), Err(PemError::Base64 { line: 2 | 3 })), "{wrong}");
        }
    }

    #[test]
    fn the_limits_are_kept_at_the_last_byte_and_the_last_section() {
        let longest = encode(KeyKind::Public, &[7; MAX_KEY]);
        assert_eq!(decode(longest.as_slice()).unwrap()[0].1.as_slice().len(), MAX_KEY);
        let longer = encode(KeyKind::Public, &[7; MAX_KEY + 1]);
        assert!(matches!(decode(longer.as_slice()), Err(PemError::TooLong { most: MAX_KEY, .. })));
        let much_longer = encode(KeyKind::Public, &[7; MAX_KEY + 4]);
        assert!(matches!(decode(much_longer.as_slice()), Err(PemError::TooLong { most: MAX_KEY, .. })));
        assert_eq!(decoded(&PADDED_TWICE.repeat(MAX_SECTIONS)).unwrap().len(), MAX_SECTIONS);
        assert_eq!(decoded(&PADDED_TWICE.repeat(MAX_SECTIONS + 1)), Err(PemError::TooMany { most: MAX_SECTIONS }));
    }
}
