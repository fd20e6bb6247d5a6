//! JSON Web Key Sets (RFC 7517): from bytes to public keys in their raw parts. Verifies nothing with them.

use std::fmt;

use crate::codec::base64url;
use crate::codec::json::{Json, JsonError, JsonLimits, JsonObject};

/// Longest key set in bytes: an issuer with ten keys and their certificates has 30 KiB.
pub const MAX_KEY_SET: usize = 512 * 1024;

/// Most keys in a set: issuers publish two to ten.
pub const MAX_KEYS: usize = 100;

/// Longest key id in bytes: the longest in use is a SHA-256 in hexadecimal, 64.
pub const MAX_KEY_ID: usize = 256;

/// Most of a key set: [`MAX_KEYS`] keys of 20 members and certificates each.
const LIMITS: JsonLimits = JsonLimits { bytes: MAX_KEY_SET, depth: 6, values: 4096 };

/// Longest modulus in bytes: RSA with 8,192 bits, ring's limit.
const MAX_MODULUS: usize = 1024;

/// Longest public exponent in bytes: ring takes 33 bits.
const MAX_EXPONENT: usize = 5;

/// One public key for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`: opaque, compared byte for byte; printable ASCII.
    pub key_id: Option<String>,
    /// `alg`, as written: the one algorithm that the key is for.
    pub algorithm: Option<String>,
    /// The key itself.
    pub material: Material,
}

/// A public key's numbers, big-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Material {
    /// RSA: modulus and exponent, without leading zeros.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Public exponent.
        e: Vec<u8>,
    },
    /// A point of the curve P-256: 32 bytes each.
    P256 {
        /// First coordinate.
        x: Vec<u8>,
        /// Second coordinate.
        y: Vec<u8>,
    },
    /// A point of the curve P-384: 48 bytes each.
    P384 {
        /// First coordinate.
        x: Vec<u8>,
        /// Second coordinate.
        y: Vec<u8>,
    },
    /// An Ed25519 key: 32 bytes.
    Ed25519 {
        /// The public key.
        x: Vec<u8>,
    },
}

/// Reads a key set. One bad key does not spoil the others: it is an `Err` at its place in the list.
///
/// # Errors
/// [`JwksError`] if the document itself is not a key set within the limits.
pub fn parse(bytes: &[u8]) -> Result<Vec<Result<Jwk, JwkError>>, JwksError> {
    let set = JsonObject::parse(bytes, &LIMITS).map_err(JwksError::Json)?;
    let keys = set.list("keys").ok().flatten().ok_or(JwksError::NoKeyList)?;
    if keys.len() > MAX_KEYS {
        return Err(JwksError::TooManyKeys { count: keys.len() });
    }
    Ok(keys.iter().map(key).collect())
}

fn key(json: &Json) -> Result<Jwk, JwkError> {
    let Json::Object(members) = json else { return Err(JwkError::NotAnObject) };
    let kind = text(members, "kty")?.ok_or(JwkError::Member { name: "kty" })?;
    // Rule: a key set holds public keys only (RFC 7517, section 9.3 (a published private key is nobody's any more)).
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        if members.get(name).is_some() {
            return Err(JwkError::NotPublic);
        }
    }
    // Rule: a key for encryption verifies no signature (RFC 7517, sections 4.2 and 4.3).
    if text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JwkError::NotForSignatures);
    }
    let operations = members.list("key_ops").map_err(|_| JwkError::Member { name: "key_ops" })?;
    if operations.is_some_and(|list| !list.contains(&Json::Text("verify".to_owned()))) {
        return Err(JwkError::NotForSignatures);
    }
    let key_id = text(members, "kid")?;
    if key_id.is_some_and(|id| !is_key_id(id)) {
        return Err(JwkError::Member { name: "kid" });
    }
    let algorithm = text(members, "alg")?.map(str::to_owned);
    let material = match (kind, text(members, "crv")?) {
        ("RSA", _) => {
            let (n, e) = (number(members, "n", MAX_MODULUS)?, number(members, "e", MAX_EXPONENT)?);
            Material::Rsa { n, e }
        }
        ("EC", Some("P-256")) => Material::P256 { x: fixed(members, "x", 32)?, y: fixed(members, "y", 32)? },
        ("EC", Some("P-384")) => Material::P384 { x: fixed(members, "x", 48)?, y: fixed(members, "y", 48)? },
        ("OKP", Some("Ed25519")) => Material::Ed25519 { x: fixed(members, "x", 32)? },
        _ => return Err(JwkError::UnknownKind),
    };
    Ok(Jwk { key_id: key_id.map(str::to_owned), algorithm, material })
}

/// Whether a text can be a key id: 1 to [`MAX_KEY_ID`] printable ASCII characters. It is only ever compared: no path,
/// URL or query is made of it.
#[must_use]
pub fn is_key_id(text: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn text<'a>(members: &'a JsonObject, name: &'static str) -> Result<Option<&'a str>, JwkError> {
    members.text(name).map_err(|_| JwkError::Member { name })
}

fn bytes(members: &JsonObject, name: &'static str, most: usize) -> Result<Vec<u8>, JwkError> {
    let text = text(members, name)?.ok_or(JwkError::Member { name })?;
    let decoded = base64url::decode(text, most).map_err(|_| JwkError::Member { name })?;
    Ok(decoded.as_slice().to_vec())
}

/// Rule: a number has no leading zero (RFC 7518, sections 2 and 6.3.1: "the minimum number of octets").
fn number(members: &JsonObject, name: &'static str, most: usize) -> Result<Vec<u8>, JwkError> {
    let number = bytes(members, name, most)?;
    if number.first().is_none_or(|first| *first == 0) { Err(JwkError::Member { name }) } else { Ok(number) }
}

/// Rule: a coordinate has the full length, leading zeros included (RFC 7518, section 6.2.1.2; RFC 8037, section 2).
fn fixed(members: &JsonObject, name: &'static str, length: usize) -> Result<Vec<u8>, JwkError> {
    let coordinate = bytes(members, name, length)?;
    if coordinate.len() == length { Ok(coordinate) } else { Err(JwkError::Member { name }) }
}

/// Why a document is not a key set. Nothing of the document is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwksError {
    /// It is not the JSON that we take: a web page, cut off, too long.
    Json(JsonError),
    /// It has no list named `keys`.
    NoKeyList,
    /// More than [`MAX_KEYS`].
    TooManyKeys {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(source) => write!(f, "the key set is malformed: {source}"),
            Self::NoKeyList => f.write_str("the key set has no list named keys"),
            Self::TooManyKeys { count } => write!(f, "the key set has {count} keys, more than {MAX_KEYS}"),
        }
    }
}

impl std::error::Error for JwksError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(source) => Some(source),
            Self::NoKeyList | Self::TooManyKeys { .. } => None,
        }
    }
}

/// Why one key of a set cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwkError {
    /// It is not an object.
    NotAnObject,
    /// A member is missing, of the wrong type, length or encoding.
    Member {
        /// Which.
        name: &'static str,
    },
    /// A type or curve that we do not take, such as P-521.
    UnknownKind,
    /// It is for encryption.
    NotForSignatures,
    /// It is a private or a symmetric key: whoever reads the set could sign with it.
    NotPublic,
}

impl fmt::Display for JwkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("it is not an object"),
            Self::Member { name } => write!(f, "its member {name} is missing or malformed"),
            Self::UnknownKind => f.write_str("its type or curve is not one that is taken here"),
            Self::NotForSignatures => f.write_str("it is not for verifying signatures"),
            Self::NotPublic => f.write_str("it is a private or symmetric key, so whoever reads the set could sign"),
        }
    }
}

impl std::error::Error for JwkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str) -> Result<Jwk, JwkError> {
        parse(format!("{{\"keys\":[{key}]}}").as_bytes()).unwrap().remove(0)
    }

    fn point(length: usize) -> String {
        base64url::encode(&vec![0; length])
    }

    // RFC 8037, appendix A.2.
    #[test]
    fn a_public_key_is_read_with_its_id_and_algorithm() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = one(&format!(
            "{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a/b\",\"alg\":\"EdDSA\",\"x\":\"{x}\",\"x5t\":\"?\"}}"
        ))
        .unwrap();
        assert_eq!((key.key_id.as_deref(), key.algorithm.as_deref()), (Some("a/b"), Some("EdDSA")));
        assert!(matches!(key.material, Material::Ed25519 { x } if x.starts_with(&[0xd7, 0x5a, 0x98, 0x01])));
    }

    #[test]
    fn one_bad_key_does_not_spoil_the_others() {
        let good = format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"}}", point(32));
        let set = format!("{{\"keys\":[1,{good},{{\"kty\":\"EC\",\"crv\":\"P-521\"}},{{}}]}}");
        let keys = parse(set.as_bytes()).unwrap();
        assert_eq!(keys[0], Err(JwkError::NotAnObject));
        assert!(keys[1].is_ok());
        assert_eq!(keys[2], Err(JwkError::UnknownKind));
        assert_eq!(keys[3], Err(JwkError::Member { name: "kty" }));
    }

    #[test]
    fn a_private_or_symmetric_key_is_refused() {
        assert_eq!(one(r#"{"kty":"oct","k":"AAAA"}"#), Err(JwkError::NotPublic));
        assert_eq!(one(r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#), Err(JwkError::NotPublic));
    }

    #[test]
    fn a_key_that_is_not_for_verifying_is_refused() {
        let with = |extra: &str| one(&format!("{{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",{extra}}}"));
        assert!(with(r#""use":"sig","key_ops":["sign","verify"]"#).is_ok());
        assert_eq!(with(r#""use":"enc""#), Err(JwkError::NotForSignatures));
        assert_eq!(with(r#""key_ops":["sign"]"#), Err(JwkError::NotForSignatures));
        assert_eq!(with(r#""key_ops":[]"#), Err(JwkError::NotForSignatures));
        assert_eq!(with(r#""key_ops":"verify""#), Err(JwkError::Member { name: "key_ops" }));
        assert_eq!(with(r#""alg":null"#), Err(JwkError::Member { name: "alg" }));
    }

    #[test]
    fn numbers_have_no_leading_zero_and_coordinates_their_full_length() {
        for (n, e, name) in [("AAEB", "AQAB", "n"), ("AQAB", "AAEB", "e"), ("", "AQAB", "n"), ("AQAB", "AQAAAAAB", "e")]
        {
            let key = format!("{{\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"{e}\"}}");
            assert_eq!(one(&key), Err(JwkError::Member { name }), "{key}");
        }
        for (curve, right) in [("P-256", 32), ("P-384", 48)] {
            let key = |x: usize, y: usize| {
                one(&format!("{{\"kty\":\"EC\",\"crv\":\"{curve}\",\"x\":\"{}\",\"y\":\"{}\"}}", point(x), point(y)))
            };
            assert!(key(right, right).is_ok());
            assert_eq!(key(right - 1, right), Err(JwkError::Member { name: "x" }));
            assert_eq!(key(right, right + 1), Err(JwkError::Member { name: "y" }));
        }
    }

    #[test]
    fn a_key_id_has_1_to_256_printable_characters() {
        let with =
            |id: &str| one(&format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":{id},\"x\":\"{}\"}}", point(32)));
        assert!(with(&format!("\"{}\"", "k".repeat(MAX_KEY_ID))).is_ok());
        let bad = [format!("\"{}\"", "k".repeat(MAX_KEY_ID + 1)), "\"\"".into(), "\"\\u0000\"".into(), "7".into()];
        for id in bad {
            assert_eq!(with(&id), Err(JwkError::Member { name: "kid" }));
        }
    }

    #[test]
    fn a_document_that_is_no_key_set_is_refused() {
        for text in ["{}", r#"{"keys":null}"#, r#"{"keys":{}}"#] {
            assert_eq!(parse(text.as_bytes()), Err(JwksError::NoKeyList), "{text}");
        }
        assert_eq!(parse(b"[]"), Err(JwksError::Json(JsonError::NotAnObject)));
        assert_eq!(parse(br#"{"keys":[],"keys":[]}"#), Err(JwksError::Json(JsonError::Duplicate)));
        assert!(matches!(parse(b"<html></html>"), Err(JwksError::Json(JsonError::Syntax { .. }))));
        let keys = |count: usize| format!("{{\"keys\":[{}]}}", vec!["1"; count].join(","));
        assert!(parse(keys(MAX_KEYS).as_bytes()).is_ok());
        assert_eq!(parse(keys(MAX_KEYS + 1).as_bytes()), Err(JwksError::TooManyKeys { count: MAX_KEYS + 1 }));
        let spaces = |length: usize| format!("{{\"keys\":[]{}}}", " ".repeat(length - 11));
        assert!(parse(spaces(MAX_KEY_SET).as_bytes()).is_ok());
        let too_long = JwksError::Json(JsonError::TooLong { most: MAX_KEY_SET });
        assert_eq!(parse(spaces(MAX_KEY_SET + 1).as_bytes()), Err(too_long));
    }
}
