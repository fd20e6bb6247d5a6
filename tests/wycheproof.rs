//! Project Wycheproof's JSON Web Signature, Key and Crypto files through our signature layer, where they lie beside the checkout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safe_conduct::identity::{KeySet, KeySetError, verify_compact_signature};
use serde_json::Value;

/// Valid signatures that are refused by design, with the reason: (file, test, reason). Whatever stands here and is
/// accepted all the same fails the test, and so does a valid signature that is refused and does not stand here.
const REFUSED_BY_DESIGN: &[(&str, u64, &str)] = &[
    (SIGNATURE, 1, HMAC),
    (SIGNATURE, 348, HMAC),
    (SIGNATURE, 352, HMAC),
    (SIGNATURE, 357, HMAC),
    (SIGNATURE, 358, HMAC),
    (SIGNATURE, 359, HMAC),
    (SIGNATURE, 372, HMAC),
    (SIGNATURE, 373, HMAC),
    (SIGNATURE, 376, HMAC),
    (SIGNATURE, 377, HMAC),
    (SIGNATURE, 259, EMPTY),
    (SIGNATURE, 264, EMPTY),
    (SIGNATURE, 268, EMPTY),
    (SIGNATURE, 272, EMPTY),
    (SIGNATURE, 320, EMPTY),
    (SIGNATURE, 325, EMPTY),
    (SIGNATURE, 346, OTHER_ALGORITHM),
    (SIGNATURE, 350, OTHER_ALGORITHM),
    (SIGNATURE, 347, P521),
    (SIGNATURE, 351, P521),
    (KEY, 2, HMAC),
    (KEY, 13, HMAC),
    (KEY, 14, HMAC),
    (KEY, 15, HMAC),
    (CRYPTO, 1, HMAC),
    (CRYPTO, 48, HMAC),
    (CRYPTO, 50, ENCRYPTED),
    (CRYPTO, 67, ENCRYPTED),
];

const SIGNATURE: &str = "json_web_signature_test.json";
const KEY: &str = "json_web_key_test.json";
const CRYPTO: &str = "json_web_crypto_test.json";

const HMAC: &str = "no symmetric algorithm exists here: whoever can verify could sign";
const EMPTY: &str = "no segment may be empty: a token without claims is none, and a detached payload is never taken";
const OTHER_ALGORITHM: &str = "the key says that it is for another algorithm than the token's";
const P521: &str = "P-521 is not implemented by ring, and no issuer that we know uses it";
const ENCRYPTED: &str = "encrypted tokens are never taken";

#[test]
fn every_invalid_signature_is_refused_and_every_valid_one_is_accepted_or_listed() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora/wycheproof"));
    if !folder.is_dir() {
        println!("wycheproof: not run, corpora not beside the checkout");
        return;
    }
    let mut tally = BTreeMap::new();
    for (file, total) in [(SIGNATURE, 401), (KEY, 26), (CRYPTO, 83)] {
        let document: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        let mut seen = 0;
        for group in document["testGroups"].as_array().unwrap() {
            let keys = keys(group);
            for case in group["tests"].as_array().unwrap() {
                seen += 1;
                let id = case["tcId"].as_u64().unwrap();
                let accepted = accepted(case, &keys);
                let listed = REFUSED_BY_DESIGN.iter().any(|(f, i, _)| (*f, *i) == (file, id));
                let valid = case["result"] == "valid";
                assert!(valid || case["result"] == "invalid", "{file} {id}: an unknown kind of result");
                assert_eq!(accepted, valid && !listed, "{file} {id} {}", case["comment"]);
                *tally.entry((file, valid, accepted)).or_insert(0) += 1;
            }
        }
        assert_eq!(seen, total, "{file}");
    }
    assert_eq!(tally.get(&(SIGNATURE, false, false)), Some(&355));
    println!("wycheproof: {} cases; (file, valid, accepted): {tally:?}", tally.values().sum::<u32>());
}

/// The group's public key, or set of keys, where there is one; otherwise its private one, which we refuse to use.
fn keys(group: &Value) -> KeySet {
    let key = group.get("public").or_else(|| group.get("private")).unwrap();
    let set = if key.get("keys").is_some() { key.clone() } else { serde_json::json!({ "keys": [key] }) };
    match KeySet::from_jwks(set.to_string().as_bytes()) {
        Ok(keys) => keys,
        Err(KeySetError::NoUsableKey { .. }) => KeySet::empty(),
        Err(error) => panic!("{error}"),
    }
}

/// The serialisation in JSON, which is refused as such, is given as its text.
fn accepted(case: &Value, keys: &KeySet) -> bool {
    let token = case.get("jws").or_else(|| case.get("jwe")).unwrap();
    let text = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
    verify_compact_signature(&text, keys).is_ok()
}
