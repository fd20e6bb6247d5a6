//! Known attacks on claims, time, refusals and key sets, a test a class: SECURITY.md lists them with known cases.

#[path = "support/verdicts.rs"]
mod verdicts;

use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwks::JwkError;
use safe_conduct::codec::jwt::Segment;
use safe_conduct::identity::{Algorithm, ClaimError, ClaimPath, KeyProblem, TokenType};
use safe_conduct::name::NameError;
use verdicts::tokens::{signed, signed_with_other_key};
use verdicts::*;

#[test]
fn j27_text_is_utf_8_and_compared_byte_for_byte() {
    for (bytes, position) in [(&b"\xff"[..], 6), (b"\xc0\xaf", 6), (b"\xed\xa0\x80", 6), (b"a\xe2\x82", 7)] {
        let body = [b"{\"x\":\"", bytes, b"\"}"].concat();
        assert_eq!(said_of_body(&body), json(Segment::Payload, JsonError::NotUtf8 { position }));
    }
    assert_eq!(said_of_body(b"\xef\xbb\xbf{}"), json(Segment::Payload, JsonError::ByteOrderMark));
    let issuers = ["\u{456}ssuer", "issuer\u{200b}", "\u{202e}issuer", "issuer\\u0000", "i\u{301}ssuer", "Issuer"];
    let said = issuers.map(|name| said_of(&[("iss", &format!("\"https://{name}.example\""))]));
    all(said, &claim(ClaimError::Issuer));
    let audiences = ["st\u{455}.example", "sts.example\\u0000", "\u{ff53}ts.example", " sts.example"];
    let said = audiences.map(|name| said_of(&[("aud", &format!("\"{name}\""))]));
    all(said, &claim(ClaimError::Audience));
    let source = NameError::Character { what: "subject", position: 1 };
    let odd = ["a\\u0000", "a\\u001b", "a\\r\\nb", "a\\u0085"].map(|text| said_of(&[("sub", &format!("\"{text}\""))]));
    all(odd, &claim(ClaimError::Form { claim: "sub".to_owned(), source }));
}

#[test]
fn j28_an_expiry_of_the_wrong_type_is_not_an_absent_one() {
    let wrong = ["null", "\"1800003540\"", "1800003540.5", "true", "-1", "1e300", "18446744073709551616", "[1]", "{}"];
    all(wrong.map(|value| said_of(&[("exp", value)])), &of_type("exp", A_TIME));
    all(wrong.map(|value| said_of(&[("nbf", value)])), &of_type("nbf", A_TIME));
    assert_eq!(said_of(&[("exp", "")]), missing("exp"));
    let expired = claim(ClaimError::Expired { expired_at: at(0), now: at(NOW) });
    assert_eq!(said_of(&[("exp", "0")]), expired);
    assert_eq!(said_of(&[("exp", "253402300800")]), of_type("exp", A_TIME));
}

#[test]
fn j29_no_skew_and_no_clock_makes_an_expired_token_good() {
    let token = signed(Algorithm::Es256, &claims(&[("exp", &NOW.to_string())]));
    let expired = |now: u64| claim(ClaimError::Expired { expired_at: at(NOW), now: at(now) });
    for skew in [Duration::from_secs(60), Duration::from_secs(86_400), Duration::MAX] {
        let wide = verifier().clock_skew(skew);
        assert_eq!(said_at(&wide, &token, NOW + 59), Ok(()));
        assert_eq!(said_at(&wide, &token, NOW + 60), expired(NOW + 60));
    }
    assert_eq!(said_at(&verifier(), &token, 253_402_300_799), expired(253_402_300_799));
    let early = |now: u64| claim(ClaimError::IssuedInFuture { issued_at: at(NOW - 60), now: at(now) });
    assert_eq!(said_at(&verifier(), &token, 0), early(0));
    assert_eq!(said_at(&verifier(), &token, NOW - 3600), early(NOW - 3600));
}

#[test]
fn j30_a_life_begins_in_the_past_and_has_a_bound() {
    let later = (NOW + 31).to_string();
    let early = ClaimError::NotYetValid { valid_from: at(NOW + 31), now: at(NOW) };
    assert_eq!(said_of(&[("nbf", &later)]), claim(early));
    let future = ClaimError::IssuedInFuture { issued_at: at(NOW + 31), now: at(NOW) };
    assert_eq!(said_of(&[("iat", &later)]), claim(future));
    assert_eq!(said_of(&[("iat", "")]), missing("iat"));
    let most = Duration::from_secs(86_400);
    let (iat, lifetime) = (NOW - 90_000, Duration::from_secs(93_540));
    let old = said_of(&[("iat", &iat.to_string())]);
    assert_eq!(old, claim(ClaimError::TooLongLived { lifetime, most }));
    assert_eq!(
        said_by(&verifier().max_lifetime(lifetime), &signed(Algorithm::Es256, &claims(&[("iat", &iat.to_string())]))),
        Ok(())
    );
}

#[test]
fn j31_an_audience_is_a_whole_text_and_one_of_ours() {
    let near =
        ["", "sts", "sts.exampl", "sts.example/", "xsts.example", "sts.example.evil", "*", "sts.*", "sts.example,x"];
    all(near.map(|text| said_of(&[("aud", &format!("\"{text}\""))])), &claim(ClaimError::Audience));
    all(near.map(|text| said_of(&[("aud", &format!("[\"{text}\"]"))])), &claim(ClaimError::Audience));
    let odd = ["[]", "[1]", "{\"sts.example\":1}", "[\"sts.example\",null]", "[[\"sts.example\"]]", "true"];
    all(odd.map(|value| said_of(&[("aud", value)])), &of_type("aud", TEXTS));
    assert_eq!(said_of(&[("aud", "")]), missing("aud"));
}

#[test]
fn j32_an_issuer_is_the_whole_text_of_ours() {
    let near = [
        "",
        "https://issuer.example/",
        "https://issuer",
        "http://issuer.example",
        "https://issuer.example:443",
        "https://u@issuer.example",
        "https://issuer.example/x/..",
        "HTTPS://issuer.example",
        "https://issuer.example?x",
    ];
    all(near.map(|text| said_of(&[("iss", &format!("\"{text}\""))])), &claim(ClaimError::Issuer));
    let odd = ["[\"https://issuer.example\"]", "null", "{}", "1"];
    all(odd.map(|value| said_of(&[("iss", value)])), &of_type("iss", "a text"));
    assert_eq!(said_of(&[("iss", "")]), missing("iss"));
}

#[test]
fn j33_a_subject_is_bound_whole_and_never_by_its_beginning() {
    let wanted = "system:serviceaccount:spark:etl";
    let bound = verifier().required_claim(ClaimPath::new("sub").unwrap(), wanted.to_owned());
    let of = |subject: &str| said_by(&bound, &signed(Algorithm::Es256, &claims(&[("sub", &format!("\"{subject}\""))])));
    assert_eq!(of(wanted), Ok(()));
    let near = [
        "system:serviceaccount:spark:etl2",
        "system:serviceaccount:spark:etl:x",
        "system:serviceaccount:spark2:etl",
        "SYSTEM:serviceaccount:spark:etl",
        "system:serviceaccount:spark",
        "x:system:serviceaccount:spark:etl",
    ];
    all(near.map(of), &claim(ClaimError::Value { claim: "sub".to_owned() }));
    assert_eq!(said_of(&[("sub", "")]), missing("sub"));
    all(["7", "null", "[\"a\"]", "{}"].map(|value| said_of(&[("sub", value)])), &of_type("sub", "a text"));
}

#[test]
fn j34_a_token_of_another_type_is_refused() {
    for typ in
        ["at+jwt", "application/at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "vc+sd-jwt", "JOSE", "JWT\\u0000"]
    {
        assert_eq!(said_of_member("typ", &format!("\"{typ}\"")), TYPE, "{typ}");
    }
    let access = verifier().token_type(TokenType::AccessToken);
    all([signed(Algorithm::Es256, &claims(&[]))].map(|token| said_by(&access, &token)), &TYPE);
}

#[test]
fn j35_a_token_for_another_party_is_refused() {
    assert_eq!(said_of(&[("aud", "\"other-party\""), ("azp", "\"sts.example\"")]), claim(ClaimError::Audience));
    let party = verifier().authorized_party("client".to_owned());
    let of = |azp: &str| said_by(&party, &signed(Algorithm::Es256, &claims(&[("azp", azp)])));
    assert_eq!(of("\"client\""), Ok(()));
    all(["\"client2\"", "\"\"", "\"CLIENT\""].map(of), &claim(ClaimError::AuthorizedParty));
    all(["[\"client\"]", "null"].map(of), &of_type("azp", "a text"));
    assert_eq!(of(""), missing("azp"));
}

#[test]
fn j36_no_user_comes_from_a_token_whose_signature_was_not_checked_unless_it_says_so() {
    let forged = signed_with_other_key(RS256, &claims(&[]));
    let secret = || Secret::from_text(&forged);
    assert_eq!(said(&forged), SIGNATURE);
    assert_eq!(verifier().explain(&secret(), &keys(), at(NOW)).verdict(), SIGNATURE);
    let skipped = verifier().dangerously_skip_signature().verify(secret(), &keys(), at(NOW)).unwrap();
    assert!(!skipped.signature_checked());
    let good = signed(Algorithm::Es256, &claims(&[]));
    assert!(verifier().verify(Secret::from_text(&good), &keys(), at(NOW)).unwrap().signature_checked());
}

#[test]
fn j37_a_bad_signature_is_all_that_is_said_of_a_token_that_has_one() {
    let bodies =
        [claims(&[("exp", "1")]), claims(&[("aud", "1")]), claims(&[("iss", "")]), "{".to_owned(), "\0".to_owned()];
    all(bodies.map(|body| said(&signed_with_other_key(RS256, &body))), &SIGNATURE);
}

#[test]
fn j38_no_refusal_repeats_a_value_of_the_token() {
    let planted =
        ["iss", "aud", "sub", "exp", "nbf", "iat"].map(|name| said_of(&[(name, "{\"PLANTED\":\"PLANTED\"}")]));
    let members = ["crit", "jwk", "typ"].map(|name| said_of_member(name, "{\"PLANTED\":1}"));
    let texts = ["PLANTED", "PLANTED.PLANTED.PLANTED", "e30.PLANTED.PLANTED"].map(said);
    let others =
        [of_algorithm("PLANTED"), said_of_body(b"{\"PLANTED\":PLANTED}"), said_of(&[("sub", "\"PLANTED\\n\"")])];
    for said in planted.into_iter().chain(members).chain(texts).chain(others) {
        let error = said.unwrap_err();
        let mut shown = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            shown.push_str(&format!("{inner} {inner:?}"));
            source = inner.source();
        }
        assert!(!shown.contains("PLANTED"), "{shown}");
    }
}

#[test]
fn j39_of_a_key_set_only_public_signature_keys_are_used_and_a_bad_one_spoils_no_other() {
    let bad = |extra: &str| problem(&format!("{},{extra}", tokens::foreign_jwk()));
    let malformed = |error| Some(KeyProblem::Malformed(error));
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(bad(&format!("\"{name}\":\"AQAB\"")), malformed(JwkError::NotPublic), "{name}");
    }
    for extra in ["\"use\":\"enc\"", "\"key_ops\":[\"sign\"]", "\"key_ops\":[\"encrypt\"]"] {
        assert_eq!(bad(extra), malformed(JwkError::NotForSignatures), "{extra}");
    }
    assert_eq!(bad("\"alg\":\"HS256\""), Some(KeyProblem::UnknownAlgorithm));
    assert_eq!(bad("\"alg\":\"ES256\""), Some(KeyProblem::AlgorithmOfOtherType));
    let mixed = keys_with("{\"keys\": [", "{\"keys\": [7, {\"kty\":\"oct\",\"k\":\"AA\"}, {\"kty\":\"AKP\"}, {},");
    assert_eq!(mixed.unusable().len(), 4);
    assert_eq!(said_with(&verifier(), &mixed, &signed(Algorithm::Es256, &claims(&[])), NOW), Ok(()));
}

#[test]
fn j43_the_signature_is_over_the_received_bytes() {
    let spaced = br#"{ "kid":"p256" , "alg":"ES256" }"#;
    let token = of_bytes(Algorithm::Es256, spaced, claims(&[]).as_bytes());
    assert_eq!(said(&token), Ok(()), "it is not written anew before it is checked");
    let (_, rest) = token.split_once('.').unwrap();
    all(
        [&b"{\"kid\":\"p256\",\"alg\":\"ES256\"}"[..], ES256.as_bytes()]
            .map(|head| said(&format!("{}.{rest}", encode(head)))),
        &SIGNATURE,
    );
}
