//! Our verifier and jsonwebtoken, each as strict as it can be told to be, over the same token, keys and policy.

use std::collections::HashMap;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use safe_conduct::Secret;
use safe_conduct::error::Actionable;
use safe_conduct::identity::{KeySet, KeySetError, TokenVerifier};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;

use crate::draft::{AUDIENCE, ISSUER};

/// What everybody accepts: our default.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Verdicts: `ok`, or the reason of a refusal.
pub struct Judges {
    verifier: TokenVerifier,
    now: Timestamp,
    sets: HashMap<String, Result<KeySet, KeySetError>>,
}

impl Judges {
    pub fn new(now: u64) -> Self {
        let verifier = TokenVerifier::new(Issuer::new(ISSUER).unwrap(), Audience::new(AUDIENCE).unwrap());
        Self { verifier, now: Timestamp::from_unix_seconds(now).unwrap(), sets: HashMap::new() }
    }

    pub fn ours(&mut self, token: &str, jwks: &str) -> String {
        let read = || KeySet::from_jwks(jwks.as_bytes());
        let said = match self.sets.entry(jwks.to_owned()).or_insert_with(read) {
            Ok(keys) => self.verifier.verify(Secret::from_text(token), keys, self.now).map_err(|error| error.facts()),
            Err(error) => Err(error.facts()),
        };
        said.map_or_else(|facts| facts.code.to_owned(), |_| "ok".to_owned())
    }

    pub fn jsonwebtoken(&self, token: &str, jwks: &str) -> String {
        judged_by_jsonwebtoken(token, jwks).map_or_else(|error| error, |()| "ok".to_owned())
    }
}

fn judged_by_jsonwebtoken(token: &str, jwks: &str) -> Result<(), String> {
    let said = |error: jsonwebtoken::errors::Error| format!("{:?}", error.kind()).chars().take(60).collect::<String>();
    let set: JwkSet = serde_json::from_str(jwks).map_err(|_| "key set".to_owned())?;
    let header = decode_header(token).map_err(said)?;
    // The key by its id; without one, a set of one key. The library leaves this to its user.
    let key = match (&header.kid, set.keys.as_slice()) {
        (Some(id), _) => set.find(id).ok_or("no such key")?,
        (None, [only]) => only,
        (None, _) => return Err("no key id".to_owned()),
    };
    if !ALGORITHMS.contains(&header.alg) {
        return Err("algorithm".to_owned());
    }
    // It takes a list of one family's algorithms; a key's own `alg` is for its user to compare.
    let meant = key.common.key_algorithm.map(|own| own.to_string());
    if meant.is_some_and(|own| own != format!("{:?}", header.alg)) {
        return Err("algorithm of the key".to_owned());
    }
    let mut validation = Validation::new(header.alg);
    let families = [AlgorithmFamily::Rsa, AlgorithmFamily::Ec, AlgorithmFamily::Ed];
    let family = families.into_iter().find(|family| family.algorithms().contains(&header.alg)).ok_or("family")?;
    validation.algorithms = family.algorithms().iter().copied().filter(|a| ALGORITHMS.contains(a)).collect();
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    let key = DecodingKey::from_jwk(key).map_err(said)?;
    decode::<serde_json::Map<String, serde_json::Value>>(token, &key, &validation).map(|_| ()).map_err(said)
}
