//! Digests: the same bytes have the same one, a changed byte another, and the short form is eight digits.

use safe_conduct::codec::hash::Sha256;

/// Checks the digest of `data`.
pub fn check(data: &[u8]) {
    let digest = Sha256::of(data);
    assert_eq!(digest, Sha256::of(data));
    assert_eq!(digest.short_hex().len(), 8);
    assert!(digest.short_hex().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    assert_ne!(digest, Sha256::of(&[data, &[0]].concat()));
    if let Some((first, rest)) = data.split_first() {
        assert_ne!(digest, Sha256::of(&[&[first ^ 1], rest].concat()));
    }
}
