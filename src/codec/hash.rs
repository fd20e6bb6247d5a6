//! SHA-256 of bytes, for comparing contents without keeping them.

use std::fmt;

use ring::digest::{SHA256, digest};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
            *to = *from;
        }
        Self(out)
    }

    /// The first four bytes as eight hexadecimal digits: enough to tell names apart.
    #[must_use]
    pub fn short_hex(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
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
    }
}
