//! Property: what parses is exactly its three segments again, is signed over the received bytes, and is bounded.

use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::jwt::{CompactJws, MAX_TOKEN};

pub fn check(data: &[u8]) {
    // The bytes as a token, and as the header of one, so that the header's reader is reached too.
    let made = format!("{}.e30.AA", encode(data));
    for token in [std::str::from_utf8(data).unwrap_or_default(), &made] {
        let Ok(jws) = CompactJws::parse(token) else { continue };
        assert!(token.len() <= MAX_TOKEN);
        let signed = std::str::from_utf8(jws.signed_bytes()).unwrap();
        assert_eq!(format!("{signed}.{}", encode(jws.signature())), token);
        assert_eq!(token.matches('.').count(), 2);
        if let Ok(claims) = jws.claims() {
            assert!(claims.members().count() <= token.len());
        }
    }
}
