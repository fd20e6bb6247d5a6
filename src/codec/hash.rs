//! SHA-256 of bytes, for comparing contents without keeping them.

use std::fmt;

use ring::digest::{Context, Digest, SHA256, digest};

/// Takes the pieces of a text one after the other.
pub(super) type Push<'a> = &'a mut dyn FnMut(&[u8]);

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from(digest(&SHA256, bytes))
    }

    /// The digest of a text that is handed over piece by piece.
    pub(super) fn of_pieces(pieces: &dyn Fn(Push<'_>)) -> Self {
        let mut context = Context::new(&SHA256);
        pieces(&mut |piece| context.update(piece));
        Self::from(context.finish())
    }

    /// All of it as 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first four bytes as eight hexadecimal digits: enough to tell names apart.
    #[must_use]
    pub fn short_hex(&self) -> String {
        hex(self.0.get(..4).unwrap_or_default())
    }
}

impl From<Digest> for Sha256 {
    fn from(digest: Digest) -> Self {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(out)
    }
}

/// Bytes as hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        text.push(char::from(digit(byte >> 4)));
        text.push(char::from(digit(byte & 0x0f)));
    }
    text
}

/// The digit of a number under 16.
fn digit(number: u8) -> u8 {
    if number < 10 { number.saturating_add(b'0') } else { number.saturating_add(b'a' - 10) }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({}..)", self.short_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1: SHA-256("abc").
    #[test]
    fn agrees_with_the_standards_example() {
        let expected = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
        assert_eq!(Sha256::of(b"abc").0[..8], expected);
        assert_eq!(Sha256::of(b"abc").short_hex(), "ba7816bf");
        assert_eq!(Sha256::of(b"abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
