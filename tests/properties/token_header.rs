//! Property: a header is accepted exactly if a second JSON reader finds an allowed `alg` and nothing that is forbidden.

use std::sync::LazyLock;

use safe_conduct::Secret;
use safe_conduct::codec::base64url::encode;
use safe_conduct::identity::{Algorithm, KeySet, TokenType, TokenVerifier, VerifyError};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;
use serde_json::Value;

use crate::oracle::{self, Limits};

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
    let read = oracle::read(data);
    for (kind, names) in [(TokenType::Jwt, &["jwt"][..]), (TokenType::AccessToken, &["at+jwt", "application/at+jwt"])] {
        let verifier = TokenVerifier::new(Issuer::new("i").unwrap(), Audience::new("a").unwrap()).token_type(kind);
        // Nobody signed this: whatever the header says, no key makes it valid.
        let checked = verdict(&verifier, data);
        assert!(checked.is_err(), "an unsigned token is believed");
        assert_eq!(verifier.explain(&token(data), &JWKS, now()).verdict(), checked, "explaining differs");
        let verifier = verifier.algorithms(&[Algorithm::Rs256, Algorithm::Es384]).dangerously_skip_signature();
        if verdict(&verifier, data).is_ok() {
            let header = read.as_ref().expect("what is accepted is JSON");
            assert!(is_good(header, kind, names), "accepted against the rules: {header}");
        }
        if let Some(header) = read.as_ref().filter(|header| oracle::is_readable(header, &LIMITS)) {
            let accepted = verdict(&verifier, oracle::written(header).as_bytes());
            assert_eq!(accepted.is_ok(), is_good(header, kind, names), "{accepted:?}: {header}");
        }
    }
}

fn token(header: &[u8]) -> Secret {
    Secret::from_text(&format!("{}.{}.AAAA", encode(header), *CLAIMS))
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000).unwrap()
}

fn verdict(verifier: &TokenVerifier, header: &[u8]) -> Result<(), VerifyError> {
    verifier.verify(token(header), &JWKS, now()).map(|_| ())
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
