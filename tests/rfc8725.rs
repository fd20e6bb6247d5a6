//! RFC 8725, JSON Web Token Best Current Practices: one test for each rule of its section 3, named as the section is.

#[path = "support/verdicts.rs"]
mod verdicts;

use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwks::JwkError;
use safe_conduct::codec::jwt::Segment;
use safe_conduct::identity::{Algorithm, ClaimError, ClaimPath, KeyProblem, KeySet, TokenType, TokenVerifier};
use safe_conduct::name::{Audience, Issuer, NameError};
use verdicts::tokens::{signed, signed_with_header, signed_with_other_key};
use verdicts::*;

#[test]
fn section_3_1_perform_algorithm_verification() {
    for allowed in Algorithm::ALL {
        for used in Algorithm::ALL {
            let said = said_by(&verifier().algorithms(&[allowed]), &signed(used, &claims(&[])));
            assert_eq!(said, if used == allowed { Ok(()) } else { ALGORITHM }, "{allowed} {used}");
        }
        assert_eq!(said_by(&verifier().algorithms(&[]), &signed(allowed, &claims(&[]))), ALGORITHM);
    }
    // What the header names is what the signature is checked with, and each key is used with its own algorithm only.
    let family = &Algorithm::ALL[..6];
    all(family[1..].iter().map(|made| said(&signed_with_header(*made, RS256, &claims(&[])))), &SIGNATURE);
    let bound = keys_with("\"kty\": \"RSA\"", "\"kty\": \"RSA\", \"alg\": \"PS256\"");
    let of = |algorithm| said_with(&verifier(), &bound, &signed(algorithm, &claims(&[])), NOW);
    assert_eq!((of(Algorithm::Ps256), of(Algorithm::Rs256)), (Ok(()), key_algorithm(Algorithm::Rs256)));
}

#[test]
fn section_3_2_use_appropriate_algorithms() {
    all(Algorithm::ALL.map(|algorithm| said(&signed(algorithm, &claims(&[])))), &Ok(()));
    let others = ["none", "HS256", "HS384", "HS512", "RS1", "ES512", "ES256K", "RSA1_5", "RSA-OAEP", "dir", "Ed448"];
    all(others.map(of_algorithm), &ALGORITHM);
}

#[test]
fn section_3_3_validate_all_cryptographic_operations() {
    let inner = signed(Algorithm::Es256, &claims(&[]));
    // A token inside a token is never unpacked, so there is no inner check that could be left out.
    assert_eq!(said_of_body(inner.as_bytes()), json(Segment::Payload, JsonError::Syntax { line: 1, column: 1 }));
    assert_eq!(said_of_member("cty", "\"JWT\""), forbidden("cty"));
    assert_eq!(said(&format!("{inner}.AAAA.AAAA")), segments(5));
    // One good signature beside a bad one does not count, nor does the same token with a bit of it changed.
    let [h, p, s] = <[&str; 3]>::try_from(inner.split('.').collect::<Vec<_>>()).unwrap();
    let signatures = [s, "AAAA"].map(|s| format!("{{\"protected\":\"{h}\",\"signature\":\"{s}\"}}")).join(",");
    assert_eq!(said(&format!("{{\"payload\":\"{p}\",\"signatures\":[{signatures}]}}")), character(0));
    let flipped = |good: &[u8]| [&[good[0] ^ 1], &good[1..]].concat();
    all(Algorithm::ALL.map(|algorithm| said_of_signature(algorithm, flipped)), &SIGNATURE);
}

#[test]
fn section_3_4_validate_cryptographic_inputs() {
    let off_curve = keys_with("\"y\": \"k6ra", "\"y\": \"k6rb");
    assert_eq!(said_with(&verifier(), &off_curve, &signed(Algorithm::Es256, &claims(&[])), NOW), SIGNATURE);
    let short = "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"";
    assert_eq!(problem(short), Some(KeyProblem::Malformed(JwkError::Member { name: "x" })));
    let small = format!("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"", encode(&[0; 32]));
    assert_eq!(problem(&small), Some(KeyProblem::SmallOrder));
    let even = [&modulus()[..255], &[0]].concat();
    let even = format!("\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"AQAB\"", encode(&even));
    assert_eq!(problem(&even), Some(KeyProblem::RsaModulus));
    let order = hex(P256_ORDER);
    let numbers = [vec![0; 64], [order.clone(), order].concat()];
    all(numbers.map(|numbers| said_of_signature(Algorithm::Es256, |_| numbers)), &SIGNATURE);
}

#[test]
fn section_3_5_ensure_cryptographic_keys_have_sufficient_entropy() {
    // No password can be a key here; what can be asked of public keys is their size, and no known bad generator.
    let header = encode(br#"{"alg":"HS256","kid":"rsa"}"#);
    let input = format!("{header}.{}", encode(claims(&[]).as_bytes()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"password"), input.as_bytes());
    assert_eq!(said(&format!("{input}.{}", encode(tag.as_ref()))), ALGORITHM);
    let password = format!("\"kty\":\"oct\",\"k\":\"{}\"", encode(b"password"));
    assert_eq!(problem(&password), Some(KeyProblem::Malformed(JwkError::NotPublic)));
    let of_bits = |bits: usize| {
        let n = &modulus()[..bits / 8];
        problem(&format!("\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"AQAB\"", encode(n)))
    };
    assert_eq!(of_bits(2048), None);
    for bits in [512, 1024, 1536, 2040] {
        assert_eq!(of_bits(bits), Some(KeyProblem::RsaSize { bits }));
    }
}

#[test]
fn section_3_6_avoid_compression_of_encryption_inputs() {
    // Nothing is encrypted here, and nothing is unpacked either.
    all(["\"DEF\"", "\"GZIP\"", "null", "false"].map(|value| said_of_member("zip", value)), &forbidden("zip"));
    assert_eq!(said_of_member("enc", "\"A256GCM\""), forbidden("enc"));
}

#[test]
fn section_3_7_use_utf_8() {
    let subject = claims(&[("sub", "\"\u{e9}\"")]);
    assert_eq!(said_of_body(subject.as_bytes()), Ok(()));
    let position = subject.find('\u{e9}').unwrap();
    // The same letter in Latin-1, a slash in two bytes, half of a pair, and a text that is UTF-16 as a whole.
    for letter in [&b"\xe9"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        let bytes = [&subject.as_bytes()[..position], letter, &subject.as_bytes()[position + 2..]].concat();
        assert_eq!(said_of_body(&bytes), json(Segment::Payload, JsonError::NotUtf8 { position }), "{letter:?}");
    }
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let header = of_bytes(Algorithm::Rs256, &utf_16(RS256), claims(&[]).as_bytes());
    assert_eq!(said(&header), json(Segment::Header, JsonError::Syntax { line: 1, column: 2 }));
    let marked = of_bytes(Algorithm::Rs256, format!("\u{feff}{RS256}").as_bytes(), claims(&[]).as_bytes());
    assert_eq!(said(&marked), json(Segment::Header, JsonError::ByteOrderMark));
}

#[test]
fn section_3_8_validate_issuer_and_subject() {
    // The keys are the issuer's: another issuer's name under our key is refused, and our issuer's under another key.
    assert_eq!(said_of(&[("iss", "\"https://other.example\"")]), claim(ClaimError::Issuer));
    assert_eq!(said(&signed_with_other_key(RS256, &claims(&[]))), SIGNATURE);
    let other = r#"{"alg":"RS256","kid":"other"}"#;
    assert_eq!(said(&signed_with_other_key(other, &claims(&[]))), KEY_UNKNOWN);
    assert_eq!((said_of(&[("iss", "")]), said_of(&[("sub", "")])), (missing("iss"), missing("sub")));
    let nobody = NameError::Length { what: "subject", length: 0, least: 1, most: 255 };
    let form = ClaimError::Form { claim: "sub".to_owned(), source: nobody };
    assert_eq!(said_of(&[("sub", "\"\"")]), claim(form));
    let bound = verifier().required_claim(ClaimPath::new("sub").unwrap(), "system:serviceaccount:spark:etl".to_owned());
    let of = |subject: &str| said_by(&bound, &signed(Algorithm::Es256, &claims(&[("sub", subject)])));
    assert_eq!(of("\"system:serviceaccount:spark:etl\""), Ok(()));
    let another = claim(ClaimError::Value { claim: "sub".to_owned() });
    assert_eq!(of("\"system:serviceaccount:spark:etl2\""), another);
}

#[test]
fn section_3_9_use_and_validate_audience() {
    let aud = |value: &str| said_of(&[("aud", value)]);
    all([r#""sts.example""#, r#"["sts.example"]"#, r#"["other","sts.example"]"#].map(aud), &Ok(()));
    let others = [r#""other""#, r#"["other"]"#, r#""sts.example.evil""#, r#""sts.exampl""#, r#""*""#, r#""""#];
    all(others.map(aud), &claim(ClaimError::Audience));
    assert_eq!(aud(""), missing("aud"));
    all(["[]", "null", "1", "{}"].map(aud), &of_type("aud", TEXTS));
}

#[test]
fn section_3_10_do_not_trust_received_claims() {
    let id = |id: &str| said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"{id}\"}}"));
    all(["../../dev/null", "' OR 1=1 --", "http://169.254.169.254/", "*", "rsa*"].map(id), &KEY_UNKNOWN);
    let key = format!("{{{}}}", tokens::foreign_jwk());
    let address = "\"http://169.254.169.254/keys\"";
    let chain = self_signed_chain();
    for (member, value) in [("jku", address), ("x5u", address), ("jwk", &key), ("x5c", &chain)] {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"{member}\":{value}}}");
        assert_eq!(said(&signed_with_other_key(&header, &claims(&[]))), forbidden(member));
    }
}

#[test]
fn section_3_11_use_explicit_typing() {
    all(["\"JWT\"", "\"jwt\""].map(|kind| said_of_member("typ", kind)), &Ok(()));
    let kinds = ["at+jwt", "application/at+jwt", "secevent+jwt", "logout+jwt", "dpop+jwt", "JOSE", ""];
    all(kinds.map(|kind| said_of_member("typ", &format!("\"{kind}\""))), &TYPE);
    let access = verifier().token_type(TokenType::AccessToken);
    let full = claims(&[("client_id", "\"c\""), ("jti", "\"j\"")]);
    let of = |header: &str| said_by(&access, &signed_with_header(Algorithm::Rs256, header, &full));
    let typed = |kind: &str| of(&format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"{kind}\"}}"));
    all(["at+jwt", "AT+JWT", "application/at+jwt"].map(typed), &Ok(()));
    all([typed("JWT"), typed("logout+jwt"), of(RS256)], &TYPE);
}

/// Three kinds of tokens that one issuer signs with the same key.
fn kinds() -> [(&'static str, TokenVerifier, String); 3] {
    let of = |audience: &str| {
        TokenVerifier::new(Issuer::new("https://issuer.example").unwrap(), Audience::new(audience).unwrap())
    };
    let access = r#"{"alg":"RS256","kid":"rsa","typ":"at+jwt"}"#;
    let details = [("client_id", "\"c\""), ("jti", "\"j\"")];
    [
        ("for the STS", of("sts.example"), signed(Algorithm::Rs256, &claims(&[]))),
        ("for a peer", of("driver.example"), signed(Algorithm::Rs256, &claims(&[("aud", "\"driver.example\"")]))),
        (
            "for access",
            of("sts.example").token_type(TokenType::AccessToken),
            signed_with_header(Algorithm::Rs256, access, &claims(&details)),
        ),
    ]
}

#[test]
fn section_3_12_use_mutually_exclusive_validation_rules_for_different_kinds_of_jwts() {
    let (other_audience, other_type) = (claim(ClaimError::Audience), TYPE);
    let expected = [
        [Ok(()), other_audience.clone(), other_type.clone()],
        [other_audience, Ok(()), other_type.clone()],
        [other_type.clone(), other_type, Ok(())],
    ];
    for ((rules, verifier, _), row) in kinds().iter().zip(&expected) {
        for ((kind, _, token), verdict) in kinds().iter().zip(row) {
            assert_eq!(&said_with(verifier, &keys(), token, NOW), verdict, "a token {kind} by the rules {rules}");
        }
    }
    // The rules for keys are exclusive too: what belongs to another issuer is in another set.
    let (_, verifier, token) = &kinds()[0];
    let others =
        KeySet::from_jwks(format!("{{\"keys\":[{{\"kid\":\"rsa\",{}}}]}}", tokens::foreign_jwk()).as_bytes()).unwrap();
    assert_eq!(said_with(verifier, &others, token, NOW), SIGNATURE);
}
