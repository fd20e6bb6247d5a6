//! One issuer's verifier, claims that are good for it, and what it says to a token: for the tests on attacks.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "tokens.rs"]
pub mod tokens;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use safe_conduct::Secret;
use safe_conduct::codec::base64url::{Base64Error, decode, encode};
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwt::{JwtError, Segment};
use safe_conduct::identity::{Algorithm, ClaimError, KeyProblem, KeySet, KeySetError, TokenVerifier, VerifyError};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;
use tokens::{signed, signed_with_header};

pub type Verdict = Result<(), VerifyError>;

pub const NOW: u64 = 1_800_000_000;

pub const RS256: &str = r#"{"alg":"RS256","kid":"rsa"}"#;
pub const ES256: &str = r#"{"alg":"ES256","kid":"p256"}"#;

/// What a claim with a time must be, in the words of its refusal.
pub const A_TIME: &str = "a whole number of seconds from 1970 to 9999";
pub const TEXTS: &str = "a text or a list of texts";

/// Orders of the groups, from SP 800-186, sections 3.2.1.3 and 3.2.1.4, and RFC 8032, section 5.1 (little-endian).
pub const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
pub const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
pub const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// Claims that are good at [`NOW`]; `changed` replaces members, adds some, or takes those with an empty value away.
pub fn claims(changed: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", "\"https://issuer.example\"".to_owned()),
        ("aud", "\"sts.example\"".to_owned()),
        ("sub", "\"system:serviceaccount:spark:etl\"".to_owned()),
        ("iat", (NOW - 60).to_string()),
        ("exp", (NOW + 3540).to_string()),
    ];
    for (name, value) in changed {
        members.retain(|(known, _)| known != name);
        if !value.is_empty() {
            members.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

pub fn verifier() -> TokenVerifier {
    TokenVerifier::new(Issuer::new("https://issuer.example").unwrap(), Audience::new("sts.example").unwrap())
}

pub fn keys() -> KeySet {
    KeySet::from_jwks(tokens::jwks().as_bytes()).unwrap()
}

pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

pub fn said_with(verifier: &TokenVerifier, keys: &KeySet, token: &str, now: u64) -> Verdict {
    verifier.verify(Secret::from_text(token), keys, at(now)).map(|_| ())
}

pub fn said_by(verifier: &TokenVerifier, token: &str) -> Verdict {
    said_with(verifier, &keys(), token, NOW)
}

pub fn said_at(verifier: &TokenVerifier, token: &str, now: u64) -> Verdict {
    said_with(verifier, &keys(), token, now)
}

pub fn said(token: &str) -> Verdict {
    said_by(&verifier(), token)
}

/// What it says to these claims, signed well.
pub fn said_of(changed: &[(&str, &str)]) -> Verdict {
    said(&signed(Algorithm::Es256, &claims(changed)))
}

/// What it says to this payload, signed well.
pub fn said_of_body(body: &[u8]) -> Verdict {
    said(&of_bytes(Algorithm::Es256, ES256.as_bytes(), body))
}

/// What it says to this header over good claims, signed well with RS256.
pub fn said_of_header(header: &str) -> Verdict {
    said(&signed_with_header(Algorithm::Rs256, header, &claims(&[])))
}

/// What it says to a header of RS256 and the right key with one more member.
pub fn said_of_member(name: &str, value: &str) -> Verdict {
    said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"{name}\":{value}}}"))
}

/// A token of any bytes, signed well.
pub fn of_bytes(algorithm: Algorithm, header: &[u8], body: &[u8]) -> String {
    of_segments(algorithm, &encode(header), &encode(body))
}

/// A token of any two segments, signed well.
pub fn of_segments(algorithm: Algorithm, header: &str, body: &str) -> String {
    let input = format!("{header}.{body}");
    let signature = tokens::signature(algorithm, input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

/// A good token with its signature changed.
pub fn said_of_signature(algorithm: Algorithm, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Verdict {
    let token = signed(algorithm, &claims(&[]));
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = change(&tokens::signature(algorithm, input.as_bytes()));
    said(&format!("{input}.{}", encode(&signature)))
}

/// The same token with a bit set that base64url leaves unused at a segment's end.
pub fn with_trailing_bit(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(segment.len() % 4, 0, "there are unused bits");
    let (rest, last) = segment.split_at(segment.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[value + 1..value + 2])
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// `a + b` of numbers of one length, big-endian; `None` if it does not fit.
pub fn sum(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let mut out = a.to_vec();
    let mut carry = 0;
    for (digit, other) in out.iter_mut().zip(b).rev() {
        let value = u16::from(*digit) + u16::from(*other) + carry;
        *digit = u8::try_from(value & 0xff).unwrap();
        carry = value >> 8;
    }
    (carry == 0).then_some(out)
}

/// `a - b` of numbers of one length, big-endian, for `a` above `b`.
pub fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = a.to_vec();
    let mut borrowed = 0;
    for (digit, other) in out.iter_mut().zip(b).rev() {
        let value = 256 + u16::from(*digit) - u16::from(*other) - borrowed;
        *digit = u8::try_from(value & 0xff).unwrap();
        borrowed = 1 - (value >> 8);
    }
    out
}

/// The modulus of the issuer's key `rsa`.
pub fn modulus() -> Vec<u8> {
    let set = tokens::jwks();
    let text = set.split("\"n\": \"").nth(1).unwrap().split('"').next().unwrap();
    decode(text, 256).unwrap().as_slice().to_vec()
}

/// `x5c` with a certificate that this key signed for itself (RFC 7515, section 4.1.6: base64, not base64url).
pub fn self_signed_chain() -> String {
    format!("[\"{}\"]", STANDARD.encode(include_bytes!("../keys/other-rsa.crt")))
}

/// The set of the issuer with a text in it replaced.
pub fn keys_with(from: &str, to: &str) -> KeySet {
    let set = tokens::jwks();
    assert!(set.contains(from), "{from}");
    KeySet::from_jwks(set.replace(from, to).as_bytes()).unwrap()
}

/// Why a key cannot be used, or `None` if it can.
pub fn problem(members: &str) -> Option<KeyProblem> {
    match KeySet::from_jwks(format!("{{\"keys\":[{{{members}}}]}}").as_bytes()) {
        Ok(_) => None,
        Err(KeySetError::NoUsableKey { unusable }) => Some(unusable[0].reason),
        Err(error) => panic!("{error}"),
    }
}

pub fn malformed(source: JwtError) -> Verdict {
    Err(VerifyError::Malformed(source))
}

pub fn character(position: usize) -> Verdict {
    malformed(JwtError::Character { position })
}

pub fn segments(count: usize) -> Verdict {
    malformed(JwtError::Segments { count })
}

pub fn empty(segment: Segment) -> Verdict {
    malformed(JwtError::EmptySegment { segment })
}

pub fn encoding(segment: Segment, source: Base64Error) -> Verdict {
    malformed(JwtError::Encoding { segment, source })
}

pub fn json(segment: Segment, source: JsonError) -> Verdict {
    malformed(JwtError::Json { segment, source })
}

pub fn member(member: &'static str) -> Verdict {
    Err(VerifyError::HeaderMember { member })
}

pub fn forbidden(member: &'static str) -> Verdict {
    Err(VerifyError::HeaderForbidden { member })
}

pub fn key_algorithm(algorithm: Algorithm) -> Verdict {
    Err(VerifyError::KeyAlgorithm { algorithm })
}

pub fn claim(source: ClaimError) -> Verdict {
    Err(VerifyError::Claim(source))
}

pub fn missing(name: &str) -> Verdict {
    claim(ClaimError::Missing { claim: name.to_owned() })
}

pub fn of_type(name: &str, expected: &'static str) -> Verdict {
    claim(ClaimError::Type { claim: name.to_owned(), expected })
}

pub const ALGORITHM: Verdict = Err(VerifyError::Algorithm);
pub const SIGNATURE: Verdict = Err(VerifyError::Signature);
pub const KEY_UNKNOWN: Verdict = Err(VerifyError::KeyUnknown);
pub const TYPE: Verdict = Err(VerifyError::Type);

/// A number, what was said, and what must be said.
pub type Row = (u16, Verdict, Verdict);

/// Every row is as it must be, and no number of the section is missing.
pub fn check<T: PartialEq + Debug>(section: RangeInclusive<u16>, rows: &[(u16, T, T)]) {
    for (place, (number, said, expected)) in rows.iter().enumerate() {
        assert_eq!(said, expected, "bad input {number}, row {place}");
    }
    let numbers: BTreeSet<u16> = rows.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(numbers, section.collect());
}

/// Each of several cases is judged alike.
pub fn all(said: impl IntoIterator<Item = Verdict>, expected: &Verdict) {
    for (place, said) in said.into_iter().enumerate() {
        assert_eq!(said, *expected, "case {place}");
    }
}

/// A token whose header says this algorithm, signed with RS256.
pub fn of_algorithm(name: &str) -> Verdict {
    said_of_header(&format!("{{\"alg\":\"{name}\",\"kid\":\"rsa\"}}"))
}
