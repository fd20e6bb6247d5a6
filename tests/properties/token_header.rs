//! Property: a header is accepted exactly if a second JSON reader finds an allowed `alg` and nothing that is forbidden.

#[path = "../support/oracle.rs"]
mod oracle;

use std::sync::LazyLock;

use oracle::Limits;
use safe_conduct::Secret;
use safe_conduct::codec::base64url::encode;
use safe_conduct::identity::{Algorithm, KeySet, TokenType, TokenVerifier};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;
use serde_json::Value;

const LIMITS: Limits = Limits { bytes: 2048, depth: 4, values: 32 };

/// RFC 7515, sections 4.1.2, 4.1.3, 4.1.5, 4.1.6, 4.1.10 and 4.1.11; RFC 7516, sections 4.1.2 and 4.1.3; RFC 7797.
const FORBIDDEN: [&str; 9] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty"];

/// Claims that both kinds of token may have.
static CLAIMS: LazyLock<String> = LazyLock::new(|| {
    encode(br#"{"iss":"i","aud":"a","sub":"s","iat":1800000000,"exp":1800000060,"client_id":"c","jti":"j"}"#)
});

static JWKS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::from_jwks(include_bytes!("../keys/jwks.json")).expect("the test keys are readable"));

pub fn check(data: &[u8]) {
    for (kind, names) in [(TokenType::Jwt, &["jwt"][..]), (TokenType::AccessToken, &["at+jwt", "application/at+jwt"])] {
        let verifier = TokenVerifier::new(Issuer::new("i").unwrap(), Audience::new("a").unwrap()).token_type(kind);
        // Nobody signed this: whatever the header says, no key makes it valid.
        assert!(!accepts(&verifier, data), "an unsigned token is believed");
        let verifier = verifier.algorithms(&[Algorithm::Rs256, Algorithm::Es384]).dangerously_skip_signature();
        let read = oracle::read(data);
        if accepts(&verifier, data) {
            let header = read.as_ref().expect("what is accepted is JSON");
            assert!(is_good(header, kind, names), "accepted against the rules: {header}");
        }
        if let Some(header) = read.filter(|header| oracle::is_readable(header, &LIMITS)) {
            let good = is_good(&header, kind, names);
            assert_eq!(accepts(&verifier, oracle::written(&header).as_bytes()), good, "{header}");
        }
    }
}

fn accepts(verifier: &TokenVerifier, header: &[u8]) -> bool {
    let token = Secret::from_text(&format!("{}.{}.AAAA", encode(header), *CLAIMS));
    let now = Timestamp::from_unix_seconds(1_800_000_000).unwrap();
    let explained = verifier.explain(&token, &JWKS, now).verdict();
    let verified = verifier.verify(token, &JWKS, now).map(|_| ());
    assert_eq!(verified, explained, "verifying and explaining differ");
    verified.is_ok()
}

fn is_good(header: &Value, kind: TokenType, names: &[&str]) -> bool {
    let type_fits = match header.get("typ") {
        None => kind == TokenType::Jwt,
        Some(name) => name.as_str().is_some_and(|name| names.contains(&name.to_ascii_lowercase().as_str())),
    };
    let id_fits = |id: &str| (1..=256).contains(&id.len()) && id.chars().all(|c| matches!(c, ' '..='~'));
    matches!(header["alg"].as_str(), Some("RS256" | "ES384"))
        && FORBIDDEN.iter().all(|member| header.get(member).is_none())
        && header.get("kid").is_none_or(|id| id.as_str().is_some_and(id_fits))
        && type_fits
}
