//! PEM of keys: what is read is written and read again as the same, and limits hold.

use safe_conduct::codec::pem::{self, KeyKind, MAX_KEY, MAX_SECTIONS};

/// Checks `data` as a key file, and as a key.
pub fn check(data: &[u8]) {
    if let Ok(keys) = pem::decode(data) {
        assert!(keys.len() <= MAX_SECTIONS);
        let mut text = Vec::new();
        for (kind, der) in &keys {
            assert!(!der.as_slice().is_empty() && der.as_slice().len() <= MAX_KEY);
            text.extend_from_slice(pem::encode(*kind, der.as_slice()).as_slice());
        }
        let again = pem::decode(&text).unwrap();
        let plain = |(kind, der): &(KeyKind, safe_conduct::secret::WipedBuffer)| (*kind, der.as_slice().to_vec());
        assert!(again.iter().map(plain).eq(keys.iter().map(plain)));
    }
    let written = pem::encode(KeyKind::Public, data);
    assert!(written.as_slice().len() <= data.len() * 2 + 64);
    match pem::decode(written.as_slice()).as_deref() {
        Ok([(KeyKind::Public, der)]) => assert_eq!(der.as_slice(), data),
        Ok(_) => panic!("one key was written"),
        Err(_) => assert!(data.is_empty() || data.len() > MAX_KEY),
    }
}
