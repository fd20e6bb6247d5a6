//! Known attacks on a token's form, key and signature, a test a class: SECURITY.md lists them with the cases that made each one known.

#[path = "support/verdicts.rs"]
mod verdicts;

use safe_conduct::codec::base64url::{Base64Error, encode};
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwks::JwkError;
use safe_conduct::codec::jwt::{JwtError, Segment};
use safe_conduct::identity::{Algorithm, KeyProblem, KeySet, TokenVerifier, VerifyError};
use verdicts::tokens::{signed, signed_with_header, signed_with_other_key};
use verdicts::*;

#[test]
fn j01_a_token_that_nobody_signed_is_refused_before_any_key_is_looked_up() {
    let body = encode(claims(&[]).as_bytes());
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","kid":"nobody"}"#, RS256] {
        let head = encode(header.as_bytes());
        assert_eq!(said(&format!("{head}.{body}.")), empty(Segment::Signature));
        assert_eq!(said(&format!("{head}.{body}")), segments(2));
    }
    let none = signed_with_other_key(r#"{"alg":"none","kid":"nobody"}"#, "{}");
    assert_eq!(said_with(&verifier(), &KeySet::empty(), &none, NOW), ALGORITHM);
    // A signature of zero bytes of any length is none either.
    all([1, 32, 256].map(|length| said_of_signature(Algorithm::Rs256, |_| vec![0; length])), &SIGNATURE);
}

#[test]
fn j02_an_algorithms_name_in_another_spelling_is_another_algorithm() {
    let names = ["None", "NONE", "nOnE", " RS256", "RS256 ", "rs256", "Rs256", "RS256\\u0000", "\\tRS256", "RS-256"];
    all(names.map(of_algorithm), &ALGORITHM);
    assert_eq!(of_algorithm("\\u0052S256"), Ok(()), "an escape is a spelling of JSON, not of the name");
}

#[test]
fn j03_a_public_key_is_never_the_secret_of_a_mac() {
    let n = modulus();
    let frame = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let der = [hex(frame), n.clone(), hex("0203010001")].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode(&der));
    let marked = format!("\u{feff}{pem}");
    let secrets = [n.as_slice(), &der, pem.as_bytes(), marked.as_bytes(), b" \n", b"", &[b'x'; 64]];
    for (name, kind) in
        [("HS256", ring::hmac::HMAC_SHA256), ("HS384", ring::hmac::HMAC_SHA384), ("HS512", ring::hmac::HMAC_SHA512)]
    {
        let header = format!("{{\"alg\":\"{name}\",\"kid\":\"rsa\"}}");
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims(&[]).as_bytes()));
        let of = |secret: &[u8]| {
            let tag = ring::hmac::sign(&ring::hmac::Key::new(kind, secret), input.as_bytes());
            said(&format!("{input}.{}", encode(tag.as_ref())))
        };
        all(secrets.map(of), &ALGORITHM);
    }
    assert_eq!(problem(r#""kty":"oct","k":"AAAA","alg":"HS256""#), Some(KeyProblem::Malformed(JwkError::NotPublic)));
}

#[test]
fn j04_the_token_chooses_no_algorithm_even_where_the_key_names_none() {
    let bare = keys_with("\"alg\": \"ES256\", ", "");
    let of = |verifier: &TokenVerifier, algorithm: Algorithm| {
        let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"p256\"}}");
        said_with(verifier, &bare, &signed_with_header(algorithm, &header, &claims(&[])), NOW)
    };
    assert_eq!(of(&verifier(), Algorithm::Es256), Ok(()));
    for algorithm in [Algorithm::Rs256, Algorithm::Es384, Algorithm::EdDsa] {
        assert_eq!(of(&verifier(), algorithm), key_algorithm(algorithm));
    }
    assert_eq!(of(&verifier().algorithms(&[Algorithm::Rs256]), Algorithm::Es256), ALGORITHM);
}

#[test]
fn j05_a_key_for_one_rsa_algorithm_verifies_no_other() {
    let family = &Algorithm::ALL[..6];
    for own in family {
        let keys = keys_with("\"kty\": \"RSA\"", &format!("\"kty\": \"RSA\", \"alg\": \"{own}\""));
        for algorithm in family {
            let said = said_with(&verifier(), &keys, &signed(*algorithm, &claims(&[])), NOW);
            let expected = if own == algorithm { Ok(()) } else { key_algorithm(*algorithm) };
            assert_eq!(said, expected, "{own} {algorithm}");
        }
    }
}

#[test]
fn j06_a_key_in_the_header_is_never_used() {
    let own = format!("{{{},\"kid\":\"rsa\"}}", tokens::foreign_jwk());
    let chain = self_signed_chain();
    for (member, value) in [("jwk", own.as_str()), ("x5c", chain.as_str()), ("jwk", "null"), ("x5c", "[]")] {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"{member}\":{value}}}");
        assert_eq!(said(&signed_with_other_key(&header, &claims(&[]))), forbidden(member));
    }
    // A thumbprint brings no key, and chooses none.
    let thumbprint = r#"{"alg":"RS256","kid":"rsa","x5t":"AAAA","x5t#S256":"AAAA"}"#;
    assert_eq!(said(&signed_with_other_key(thumbprint, &claims(&[]))), SIGNATURE);
    assert_eq!(said_of_header(thumbprint), Ok(()));
}

#[test]
fn j07_an_address_of_a_key_in_the_header_is_never_followed() {
    for address in ["https://evil.example/jwks", "file:///etc/passwd", "ftp://x/", "http://169.254.169.254/", ""] {
        assert_eq!(said_of_member("jku", &format!("\"{address}\"")), forbidden("jku"));
        assert_eq!(said_of_member("x5u", &format!("\"{address}\"")), forbidden("x5u"));
    }
}

#[test]
fn j08_a_key_id_is_looked_up_and_nothing_else() {
    let of = |id: &str| said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"{id}\"}}"));
    let ids =
        ["../../dev/null", "/etc/passwd", "https://evil.example/", "' OR '1'='1", "rsa;id", "$(id)", "RSA", "rsa "];
    all(ids.map(of), &KEY_UNKNOWN);
    assert_eq!(of(&"k".repeat(256)), KEY_UNKNOWN);
    let long = "k".repeat(257);
    let odd = [long.as_str(), "rsa\\u0000", "rsa\\r\\nx", "\\u001b[2J", "r\u{455}a", ""];
    all(odd.map(of), &member("kid"));
    let huge = signed_with_header(Algorithm::Rs256, &format!("{{\"kid\":\"{}\"}}", "k".repeat(1 << 20)), "{}");
    assert_eq!(said(&huge), malformed(JwtError::TooLong { length: huge.len() }));
}

#[test]
fn j09_which_key_is_meant_is_never_a_guess() {
    let shared = keys_with("\"kid\": \"p384\"", "\"kid\": \"p256\"");
    let token = signed(Algorithm::Es256, &claims(&[]));
    assert_eq!(said_with(&verifier(), &shared, &token, NOW), KEY_UNKNOWN);
    let reasons: Vec<_> = shared.unusable().iter().map(|key| (key.index, key.reason)).collect();
    assert_eq!(reasons, [(1, KeyProblem::DuplicateId), (2, KeyProblem::DuplicateId)]);
    let unnamed = signed_with_header(Algorithm::Es256, r#"{"alg":"ES256"}"#, &claims(&[]));
    assert_eq!(said(&unnamed), Err(VerifyError::KeyAmbiguous { keys: 4 }));
    assert_eq!(said_with(&verifier(), &KeySet::empty(), &unnamed, NOW), KEY_UNKNOWN);
    assert_eq!(said_of_header(r#"{"alg":"RS256","kid":"p25"}"#), KEY_UNKNOWN);
}

#[test]
fn j10_a_member_that_stands_there_twice_is_refused_however_it_is_written() {
    let headers = [
        r#"{"alg":"RS256","alg":"RS256","kid":"rsa"}"#,
        r#"{"alg":"none","kid":"rsa","\u0061lg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"rsa","kid":"p256"}"#,
        r#"{"alg":"RS256","kid":"rsa","x":{"y":1,"\u0079":2}}"#,
    ];
    all(headers.map(said_of_header), &json(Segment::Header, JsonError::Duplicate));
    let body = claims(&[]);
    let doubled = ["{\"sub\":\"a\",", "{\"\\u0073ub\":\"a\",", "{\"x\":[{\"y\":1,\"y\":1}],"];
    let said = doubled.map(|start| said_of_body(body.replacen('{', start, 1).as_bytes()));
    all(said, &json(Segment::Payload, JsonError::Duplicate));
}

#[test]
fn j11_critical_extensions_are_refused_whatever_they_list() {
    let lists = ["[\"x\"]", "[]", "[\"alg\"]", "[\"exp\",\"exp\"]", "\"exp\"", "null", "{}", "[\"b64\"]", "[1]"];
    all(lists.map(|list| said_of_member("crit", list)), &forbidden("crit"));
}

#[test]
fn j12_an_unencoded_or_detached_payload_is_refused() {
    all(["false", "true", "null", "\"false\""].map(|value| said_of_member("b64", value)), &forbidden("b64"));
    let token = signed(Algorithm::Es256, &claims(&[]));
    let (head, signature) = (token.split('.').next().unwrap(), token.rsplit('.').next().unwrap());
    assert_eq!(said(&format!("{head}..{signature}")), empty(Segment::Payload));
}

#[test]
fn j13_only_the_compact_form_is_a_token() {
    let token = signed(Algorithm::Es256, &claims(&[]));
    let [h, p, s] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    let flattened = format!("{{\"protected\":\"{h}\",\"payload\":\"{p}\",\"signature\":\"{s}\"}}");
    let unprotected = format!("{{\"header\":{{\"alg\":\"none\"}},\"payload\":\"{p}\",\"signature\":\"\"}}");
    let general = format!("{{\"payload\":\"{p}\",\"signatures\":[{{\"protected\":\"{h}\",\"signature\":\"{s}\"}}]}}");
    let polyglot = format!("{{\"{h}.x.\":\"\",\"protected\":\"{h}\",\"payload\":\"{p}\",\"signature\":\"{s}\"}}");
    all([flattened, unprotected, general, polyglot].map(|text| said(&text)), &character(0));
}

#[test]
fn j14_an_encrypted_compressed_or_nested_token_is_refused_without_being_unpacked() {
    let token = signed(Algorithm::Es256, &claims(&[]));
    assert_eq!(said(&format!("{token}.AAAA.AAAA")), segments(5));
    let plain = format!("{}..AA.{}.AA", encode(br#"{"alg":"dir","enc":"A128GCM"}"#), encode(claims(&[]).as_bytes()));
    assert_eq!(said(&plain), segments(5));
    for (name, value) in [("zip", "\"DEF\""), ("enc", "\"A128GCM\""), ("cty", "\"JWT\""), ("cty", "\"jwt\"")] {
        assert_eq!(said_of_member(name, value), forbidden(name));
    }
    all(["RSA-OAEP", "dir", "PBES2-HS256+A128KW", "RSA1_5", "A128KW"].map(of_algorithm), &ALGORITHM);
    let nested = json(Segment::Payload, JsonError::Syntax { line: 1, column: 1 });
    assert_eq!(said_of_body(token.as_bytes()), nested);
}

#[test]
fn j15_a_signature_of_zeros_or_of_the_groups_order_is_refused() {
    for (algorithm, order) in [(Algorithm::Es256, P256_ORDER), (Algorithm::Es384, P384_ORDER)] {
        let n = hex(order);
        let zero = vec![0; n.len()];
        let one = [vec![0; n.len() - 1], vec![1]].concat();
        let below = difference(&n, &one);
        let above = sum(&n, &one).unwrap();
        let values = [&zero, &one, &below, &n, &above, &vec![0xff; n.len()]];
        for r in values {
            all(values.map(|s| said_of_signature(algorithm, |_| [r.as_slice(), s].concat())), &SIGNATURE);
            all([said_of_signature(algorithm, |good| [r, &good[n.len()..]].concat())], &SIGNATURE);
            all([said_of_signature(algorithm, |good| [&good[..n.len()], r].concat())], &SIGNATURE);
        }
    }
}

/// A change of an ECDSA signature's two halves.
type Change<'a> = &'a dyn Fn(&[u8], &[u8]) -> Vec<u8>;

#[test]
fn j16_an_ecdsa_signature_is_two_numbers_of_full_length() {
    let of = |algorithm: Algorithm, change: Change<'_>| {
        said_of_signature(algorithm, |good| {
            let (r, s) = good.split_at(good.len() / 2);
            change(r, s)
        })
    };
    for (algorithm, half) in [(Algorithm::Es256, 32), (Algorithm::Es384, 48)] {
        let length = u8::try_from(half).unwrap();
        let integer = |number: &[u8]| [&[2, length + 1, 0], number].concat();
        let der = |r: &[u8], s: &[u8]| [vec![0x30, 2 * length + 6], integer(r), integer(s)].concat();
        let padded = |r: &[u8], s: &[u8]| [&[0], r, &[0], s].concat();
        let said = [
            of(algorithm, &der),
            of(algorithm, &padded),
            of(algorithm, &|r, s| [r, &s[..half - 1]].concat()),
            of(algorithm, &|r, s| [&r[1..], s].concat()),
            of(algorithm, &|r, s| [r, s, &[0]].concat()),
            of(algorithm, &|r, s| [r, s, r, s].concat()),
            of(algorithm, &|r, _| r.to_vec()),
        ];
        all(said, &SIGNATURE);
        assert_eq!(of(algorithm, &|r, s| [r, s].concat()), Ok(()));
    }
}

#[test]
fn j17_the_other_form_of_an_ecdsa_signature_is_valid_so_no_signature_is_an_identity() {
    for (algorithm, order) in [(Algorithm::Es256, P256_ORDER), (Algorithm::Es384, P384_ORDER)] {
        let n = hex(order);
        let other = |good: &[u8]| {
            let (r, s) = good.split_at(n.len());
            [r, &difference(&n, s)].concat()
        };
        assert_eq!(said_of_signature(algorithm, other), Ok(()), "FIPS 186-5 accepts n - s");
    }
}

/// An elliptic curve key of zeros, of which each coordinate has so many bytes.
fn point(curve: &str, x: usize, y: usize) -> String {
    let zeros = |length: usize| encode(&vec![0; length]);
    format!("\"kty\":\"EC\",\"kid\":\"p256\",\"crv\":\"{curve}\",\"x\":\"{}\",\"y\":\"{}\"", zeros(x), zeros(y))
}

#[test]
fn j18_a_key_of_another_curve_or_off_its_curve_verifies_nothing() {
    let crossed = |algorithm: Algorithm, key: &str| {
        let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{key}\"}}");
        said(&signed_with_header(algorithm, &header, &claims(&[])))
    };
    assert_eq!(crossed(Algorithm::Es384, "p256"), key_algorithm(Algorithm::Es384));
    assert_eq!(crossed(Algorithm::Es256, "p384"), key_algorithm(Algorithm::Es256));
    all(["ES256K", "ES512"].map(of_algorithm), &ALGORITHM);
    for curve in ["secp256k1", "P-521", "p-256", "P256", ""] {
        assert_eq!(problem(&point(curve, 32, 32)), Some(KeyProblem::Malformed(JwkError::UnknownKind)), "{curve}");
    }
    for (x, y, name) in [(31, 32, "x"), (33, 32, "x"), (32, 31, "y"), (32, 33, "y"), (0, 32, "x")] {
        assert_eq!(problem(&point("P-256", x, y)), Some(KeyProblem::Malformed(JwkError::Member { name })));
    }
    // (0, 0) and a real x with the y of another point are not on the curve: ring refuses the key as it is used.
    let token = signed(Algorithm::Es256, &claims(&[]));
    let zeros = KeySet::from_jwks(format!("{{\"keys\":[{{{}}}]}}", point("P-256", 32, 32)).as_bytes()).unwrap();
    let moved = keys_with("\"y\": \"k6ra", "\"y\": \"k6rb");
    all([zeros, moved].map(|keys| said_with(&verifier(), &keys, &token, NOW)), &SIGNATURE);
}

#[test]
fn j19_an_rsa_key_that_is_weak_is_not_used() {
    let rsa = |n: &[u8], e: &[u8]| problem(&format!("\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"{}\"", encode(n), encode(e)));
    let (n, f4) = (modulus(), [1, 0, 1]);
    assert_eq!(rsa(&n, &f4), None);
    assert_eq!(rsa(&n[..128], &f4), Some(KeyProblem::RsaSize { bits: 1024 }));
    for e in [&[1][..], &[2], &[3], &[1, 0, 0], &[0xff, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(rsa(&n, e), Some(KeyProblem::RsaExponent), "{e:?}");
    }
    let member = |name| Some(KeyProblem::Malformed(JwkError::Member { name }));
    assert_eq!(rsa(&n, &[1; 6]), member("e"));
    assert_eq!(rsa(&n, &[0, 1, 0, 1]), member("e"));
    assert_eq!(rsa(&[&[0], n.as_slice()].concat(), &f4), member("n"));
    assert_eq!(rsa(&[n.as_slice(); 5].concat(), &f4), member("n"));
    let even = [&n[..255], &[0x82]].concat();
    assert_eq!(rsa(&even, &f4), Some(KeyProblem::RsaModulus));
}

#[test]
fn j20_a_padding_that_differs_in_any_way_is_refused() {
    let mut cases = 0;
    for line in include_str!("keys/paddings.txt").lines() {
        let [case, algorithm, signature] = <[&str; 3]>::try_from(line.split(' ').collect::<Vec<_>>()).unwrap();
        let header = encode(format!("{{\"alg\":\"{algorithm}\",\"kid\":\"rsa\"}}").as_bytes());
        let said = said(&format!("{header}.{}.{signature}", encode(claims(&[]).as_bytes())));
        assert_eq!(said, if case == "good" { Ok(()) } else { SIGNATURE }, "{algorithm} {case}");
        cases += 1;
    }
    assert_eq!(cases, 20);
}

/// The keys of Ed25519 of which a multiple by 8 is nothing, so that anybody's signature fits: 0, 1, p - 1, p, p + 1
/// and the two of order 8, each with both signs. Checked with the formulas of RFC 8032, section 5.1.4.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn j21_an_ed25519_signature_has_one_form_and_its_key_a_full_order() {
    let order = hex(ED25519_ORDER);
    let malleable = |good: &[u8]| {
        let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let above = sum(&reversed(&good[32..]), &reversed(&order)).unwrap();
        [&good[..32], &reversed(&above)].concat()
    };
    assert_eq!(said_of_signature(Algorithm::EdDsa, malleable), SIGNATURE);
    all(["Ed25519", "Ed25519ph", "Ed448", "EdDSA ", "eddsa"].map(of_algorithm), &ALGORITHM);
    let nothing = [vec![1], vec![0; 63]].concat();
    assert_eq!(said_of_signature(Algorithm::EdDsa, |_| nothing.clone()), SIGNATURE);
    for small in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut x = hex(small);
            x[31] |= sign;
            let key = format!("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"", encode(&x));
            assert_eq!(problem(&key), Some(KeyProblem::SmallOrder), "{small} {sign}");
        }
    }
}

#[test]
fn j22_base64url_has_one_text_for_every_value() {
    let token = signed(Algorithm::Es256, &claims(&[]));
    let padded = ["=", "==", "%3D", "\n", " ", "+", "/", ",", "\t"].map(|text| said(&format!("{token}{text}")));
    all(padded, &character(token.len()));
    let [h, p, s] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    all([said(&format!("{h}=.{p}.{s}")), said(&format!("{h}={h}.{p}.{s}"))], &character(h.len()));
    let loose = encoding(Segment::Signature, Base64Error::TrailingBits);
    assert_eq!(said(&format!("{h}.{p}.{}", with_trailing_bit(s))), loose);
    let loose = of_segments(Algorithm::Es256, &with_trailing_bit(h), p);
    assert_eq!(said(&loose), encoding(Segment::Header, Base64Error::TrailingBits));
}

#[test]
fn j23_nothing_stands_before_between_or_behind_the_three_segments() {
    let token = signed(Algorithm::Es256, &claims(&[]));
    let before = [" ", "\u{feff}", "\r\n", "\0", "\t", "\"", "{"].map(|text| said(&format!("{text}{token}")));
    all(before, &character(0));
    assert_eq!(said(&format!("bearer {token}")), character(6));
    let dot = token.find('.').unwrap();
    let between = ["\u{3002}", "\u{ff0e}", " .", ":", "%2E"].map(|text| said(&token.replacen('.', text, 1)));
    all(between, &character(dot));
    all([format!(".{token}"), format!("{token}."), token.replacen('.', "..", 1)].map(|text| said(&text)), &segments(4));
}

#[test]
fn j24_a_huge_token_costs_no_more_than_its_length_is_read() {
    for text in [".".repeat(20_001), "a".repeat(10_000_000), "a.".repeat(5_000_000)] {
        assert_eq!(said(&text), malformed(JwtError::TooLong { length: text.len() }));
    }
    assert_eq!(said(&".".repeat(20_000)), segments(20_001));
}

#[test]
fn j25_json_that_is_deep_or_has_many_values_is_refused_within_its_limits() {
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(said_of_member("x", &nested(3)), Ok(()));
    let deep = said_of_member("x", &nested(4));
    assert_eq!(deep, json(Segment::Header, JsonError::TooDeep { most: 4 }));
    assert_eq!(said_of(&[("x", &nested(15))]), Ok(()));
    let deep = [16, 127, 5000].map(|depth| said_of(&[("x", &nested(depth))]));
    all(deep, &json(Segment::Payload, JsonError::TooDeep { most: 16 }));
    // Five claims, the list itself, and its entries.
    let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    assert_eq!(said_of(&[("x", &list(1018))]), Ok(()));
    assert_eq!(said_of(&[("x", &list(1019))]), json(Segment::Payload, JsonError::TooManyValues { most: 1024 }));
    assert_eq!(said_of(&[("x", &"9".repeat(300))]), Ok(()), "a number that nobody reads");
    let long = signed(Algorithm::Es256, &claims(&[("x", &format!("\"{}\"", "x".repeat(15_000)))]));
    assert_eq!(said(&long), malformed(JwtError::TooLong { length: long.len() }));
}

#[test]
fn j26_a_value_of_another_type_is_neither_absent_nor_converted() {
    for text in ["[\"RS256\",\"rsa\"]", "\"x\"", "null", "true", "1", "[]", "[{}]"] {
        assert_eq!(said_of_header(text), json(Segment::Header, JsonError::NotAnObject), "{text}");
        assert_eq!(said_of_body(text.as_bytes()), json(Segment::Payload, JsonError::NotAnObject), "{text}");
    }
    for value in ["null", "[\"RS256\"]", "256", "{\"RS256\":1}", "true"] {
        assert_eq!(said_of_header(&format!("{{\"alg\":{value},\"kid\":\"rsa\"}}")), member("alg"), "{value}");
        assert_eq!(said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":{value}}}")), member("kid"), "{value}");
        assert_eq!(said_of_member("typ", value), member("typ"), "{value}");
        assert_eq!(said_of(&[("iss", value)]), of_type("iss", "a text"), "{value}");
    }
}
