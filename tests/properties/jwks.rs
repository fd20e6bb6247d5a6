//! Property: a key set has at most its limits, and every key that is read has the lengths that its kind says.

use safe_conduct::codec::jwks::{MAX_KEY_SET, MAX_KEYS, Material, is_key_id, parse};

pub fn check(data: &[u8]) {
    // The bytes as a set, and as the one key of a set.
    let one = [b"{\"keys\":[", data, b"]}"].concat();
    for document in [data, &one] {
        let Ok(keys) = parse(document) else { continue };
        assert!(document.len() <= MAX_KEY_SET && keys.len() <= MAX_KEYS);
        for key in keys.into_iter().flatten() {
            assert!(key.key_id.is_none_or(|id| is_key_id(&id)));
            match key.material {
                Material::Rsa { n, e } => {
                    assert!(n.len() <= 1024 && e.len() <= 5);
                    assert!(n.first().is_some_and(|byte| *byte != 0) && e.first().is_some_and(|byte| *byte != 0));
                }
                Material::P256 { x, y } => assert_eq!((x.len(), y.len()), (32, 32)),
                Material::P384 { x, y } => assert_eq!((x.len(), y.len()), (48, 48)),
                Material::Ed25519 { x } => assert_eq!(x.len(), 32),
                _ => panic!("a kind of key without a property"),
            }
        }
    }
}
