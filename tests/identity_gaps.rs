//! What the other tests of tokens and keys leave open: each error's text, source and facts, and what an explanation shows.

#[path = "support/tokens.rs"]
mod tokens;

use std::error::Error;
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::codec::base64url::{Base64Error, encode};
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwks::{JwkError, JwksError};
use safe_conduct::codec::jwt::{CompactJws, JwtError, Segment};
use safe_conduct::error::{Actionable, Fault, Retry};
use safe_conduct::identity::{
    Algorithm, ClaimError, ClaimPath, ClaimPathError, KeyProblem, KeySet, KeySetError, TokenVerifier, UnusableKey,
    VerifyError, verify_compact_signature,
};
use safe_conduct::name::{Audience, Issuer, NameError, Subject};
use safe_conduct::time::Timestamp;

/// 2027-01-15T08:00:00Z, by `date -u -d @1800000000`.
const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn name_error() -> NameError {
    Subject::new("").unwrap_err()
}

/// Every refusal of a claim: its text, code and whether waiting helps.
fn claim_errors() -> Vec<(ClaimError, &'static str, &'static str, Retry)> {
    let claim = || "c".to_owned();
    let day = Duration::from_secs(24 * 3600);
    let (issued_at, now) = (at(NOW), at(NOW - 100));
    vec![
        (ClaimError::Missing { claim: claim() }, "the token has no claim c", "TOKEN_CLAIM", Retry::OnNewToken),
        (
            ClaimError::Type { claim: claim(), expected: "a text" },
            "the token's claim c is not a text",
            "TOKEN_CLAIM",
            Retry::OnNewToken,
        ),
        (
            ClaimError::Form { claim: claim(), source: name_error() },
            "the token's claim c cannot be taken: the subject has 0 bytes, not 1 to 255",
            "TOKEN_CLAIM",
            Retry::OnNewToken,
        ),
        (
            ClaimError::TooManyAudiences { count: 9, most: 8 },
            "the token has 9 audiences, more than 8",
            "TOKEN_CLAIM",
            Retry::OnNewToken,
        ),
        (
            ClaimError::EndsBeforeStart { issued_at, expires_at: now },
            "the token expires at 2027-01-15T07:58:20Z, before it was issued at 2027-01-15T08:00:00Z",
            "TOKEN_CLAIM",
            Retry::OnNewToken,
        ),
        (ClaimError::Issuer, "the token is from another issuer", "TOKEN_ISSUER", Retry::OnNewToken),
        (ClaimError::Audience, "the token is for another audience", "TOKEN_AUDIENCE", Retry::OnNewToken),
        (
            ClaimError::Expired { expired_at: now, now: issued_at },
            "the token expired at 2027-01-15T07:58:20Z; it is 2027-01-15T08:00:00Z",
            "TOKEN_EXPIRED",
            Retry::OnNewToken,
        ),
        (
            ClaimError::NotYetValid { valid_from: issued_at, now },
            "the token is valid from 2027-01-15T08:00:00Z; it is 2027-01-15T07:58:20Z",
            "TOKEN_NOT_YET_VALID",
            Retry::Backoff,
        ),
        (
            ClaimError::IssuedInFuture { issued_at, now },
            "the token was issued at 2027-01-15T08:00:00Z; it is 2027-01-15T07:58:20Z",
            "TOKEN_NOT_YET_VALID",
            Retry::Backoff,
        ),
        (
            ClaimError::TooLongLived { lifetime: day * 365, most: day },
            "the token lives 31536000 s, longer than 86400 s",
            "TOKEN_TOO_LONG_LIVED",
            Retry::OnNewToken,
        ),
        (
            ClaimError::AuthorizedParty,
            "the token was issued to another party",
            "TOKEN_AUTHORIZED_PARTY",
            Retry::OnNewToken,
        ),
        (
            ClaimError::Value { claim: claim() },
            "the token's claim c has not the required value",
            "TOKEN_CLAIM_VALUE",
            Retry::OnNewToken,
        ),
    ]
}

/// Every refusal of a token that is not of a claim.
fn token_errors() -> Vec<(VerifyError, &'static str, &'static str, Retry)> {
    vec![
        (
            JwtError::Segments { count: 5 }.into(),
            "the token has 5 segments, not 3",
            "TOKEN_MALFORMED",
            Retry::OnNewToken,
        ),
        (
            VerifyError::HeaderMember { member: "kid" },
            "the token's header member kid is missing or malformed",
            "TOKEN_HEADER",
            Retry::OnNewToken,
        ),
        (
            VerifyError::HeaderForbidden { member: "jku" },
            "the token's header has jku, which is never taken",
            "TOKEN_HEADER",
            Retry::OnNewToken,
        ),
        (
            VerifyError::Algorithm,
            "the token's algorithm is not one that is allowed",
            "TOKEN_ALGORITHM",
            Retry::OnNewToken,
        ),
        (VerifyError::Type, "the token says that it is of another type", "TOKEN_TYPE", Retry::OnNewToken),
        (
            VerifyError::KeyUnknown,
            "none of the issuer's usable keys has the token's key id",
            "KEY_UNKNOWN",
            Retry::Backoff,
        ),
        (
            VerifyError::KeyAmbiguous { keys: 3 },
            "the token names no key, and the issuer has 3",
            "KEY_AMBIGUOUS",
            Retry::Backoff,
        ),
        (
            VerifyError::KeyAlgorithm { algorithm: Algorithm::EdDsa },
            "the token's key is not for its algorithm, EdDSA",
            "KEY_ALGORITHM",
            Retry::Backoff,
        ),
        (VerifyError::Signature, "the token's signature is not valid", "TOKEN_SIGNATURE", Retry::OnNewToken),
    ]
}

#[test]
fn every_refusal_of_a_token_says_what_is_wrong_its_code_and_whether_waiting_helps() {
    let claims =
        claim_errors().into_iter().map(|(error, text, code, retry)| (VerifyError::from(error), text, code, retry));
    for (error, text, code, retry) in token_errors().into_iter().chain(claims) {
        let facts = error.facts();
        assert_eq!((error.to_string().as_str(), facts.code, facts.retry), (text, code, retry), "{error:?}");
        assert_eq!(facts.fault, Fault::Identity, "{error:?}");
        assert!(facts.remedy.ends_with('.') && facts.remedy.len() > 30, "{error:?}");
    }
    for (error, text, code, retry) in claim_errors() {
        let facts = error.facts();
        assert_eq!((error.to_string().as_str(), facts.code, facts.retry), (text, code, retry), "{error:?}");
    }
}

fn source(error: &dyn Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

#[test]
fn a_refusal_leads_to_its_source_and_only_where_it_has_one() {
    let name = "the subject has 0 bytes, not 1 to 255";
    for (error, ..) in claim_errors() {
        let expected = matches!(error, ClaimError::Form { .. }).then(|| name.to_owned());
        assert_eq!(source(&error), expected, "{error:?}");
        let text = error.to_string();
        assert_eq!(source(&VerifyError::Claim(error)), Some(text));
    }
    for (error, text, ..) in token_errors() {
        let expected = matches!(error, VerifyError::Malformed(_)).then(|| text.to_owned());
        assert_eq!(source(&error), expected, "{error:?}");
    }
}

#[test]
fn a_malformed_token_is_described_by_its_part_and_rule() {
    let encoding = Base64Error::TrailingBits;
    let json = JsonError::Duplicate;
    for (error, text, has_source) in [
        (JwtError::TooLong { length: 20_001 }, "the token has 20001 bytes, more than 20000".to_owned(), None),
        (
            JwtError::Character { position: 7 },
            "the token has a character that is not allowed at byte 7".to_owned(),
            None,
        ),
        (JwtError::Segments { count: 2 }, "the token has 2 segments, not 3".to_owned(), None),
        (JwtError::EmptySegment { segment: Segment::Signature }, "the token's signature is empty".to_owned(), None),
        (
            JwtError::Encoding { segment: Segment::Payload, source: encoding },
            "the token's payload is malformed: the base64url text ends in bits that are not zero".to_owned(),
            Some("the base64url text ends in bits that are not zero".to_owned()),
        ),
        (
            JwtError::Json { segment: Segment::Header, source: json },
            "the token's header is malformed: the JSON has two members of one name".to_owned(),
            Some("the JSON has two members of one name".to_owned()),
        ),
    ] {
        assert_eq!(error.to_string(), text);
        assert_eq!(source(&error), has_source, "{error:?}");
    }
}

#[test]
fn malformed_json_is_described_by_its_rule() {
    for (error, text) in [
        (JsonError::TooLong { most: 10 }, "the JSON has more than 10 bytes"),
        (JsonError::ByteOrderMark, "the JSON starts with a byte order mark"),
        (JsonError::NotUtf8 { position: 3 }, "the JSON is not UTF-8 from byte 3 on"),
        (JsonError::Syntax { line: 1, column: 2 }, "the JSON is malformed in line 1, column 2"),
        (JsonError::Trailing, "something stands behind the JSON object"),
        (JsonError::NotAnObject, "the JSON is not an object"),
        (JsonError::Duplicate, "the JSON has two members of one name"),
        (JsonError::TooDeep { most: 4 }, "the JSON has more than 4 objects and lists inside each other"),
        (JsonError::TooManyValues { most: 5 }, "the JSON has more than 5 values"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_key_that_is_not_used_says_why() {
    for (reason, text) in [
        (KeyProblem::Malformed(JwkError::NotAnObject), "it is not an object"),
        (KeyProblem::Malformed(JwkError::Member { name: "n" }), "its member n is missing or malformed"),
        (KeyProblem::Malformed(JwkError::UnknownKind), "its type or curve is not one that is taken here"),
        (KeyProblem::Malformed(JwkError::NotForSignatures), "it is not for verifying signatures"),
        (
            KeyProblem::Malformed(JwkError::NotPublic),
            "it is a private or symmetric key, so whoever reads the set could sign",
        ),
        (KeyProblem::DuplicateId, "another key has the same id"),
        (KeyProblem::UnknownAlgorithm, "it is for an algorithm that is not known here"),
        (KeyProblem::AlgorithmOfOtherType, "it is for an algorithm that needs another type of key"),
        (KeyProblem::RsaSize { bits: 1024 }, "its modulus has 1024 bits, not 2048 to 8192"),
        (KeyProblem::RsaExponent, "its exponent is even, below 65537 or above 33 bits"),
        (KeyProblem::RsaModulus, "its modulus is even"),
        (KeyProblem::Roca, "its private key can be computed (CVE-2017-15361)"),
        (KeyProblem::SmallOrder, "its order is at most 8, so that everybody can sign"),
    ] {
        assert_eq!(reason.to_string(), text);
        let key = UnusableKey { index: 2, reason };
        assert_eq!(key.to_string(), format!("key 2 of the set is not used: {text}"));
        let set = KeySetError::NoUsableKey { unusable: vec![key, key] };
        assert_eq!(
            set.to_string(),
            format!("none of the set's 2 keys can be used; key 2 of the set is not used: {text}")
        );
    }
}

#[test]
fn a_document_without_keys_says_why_its_code_and_that_waiting_helps() {
    let none = KeySetError::NoUsableKey { unusable: Vec::new() };
    assert_eq!((none.to_string().as_str(), source(&none)), ("the key set is empty", None));
    assert_eq!((none.facts().code, none.facts().retry), ("KEYS_NONE_USABLE", Retry::Backoff));
    for (error, text, has_source) in [
        (
            JwksError::Json(JsonError::NotAnObject),
            "the key set is malformed: the JSON is not an object",
            Some("the JSON is not an object".to_owned()),
        ),
        (JwksError::NoKeyList, "the key set has no list named keys", None),
        (JwksError::TooManyKeys { count: 101 }, "the key set has 101 keys, more than 100", None),
    ] {
        assert_eq!((error.to_string().as_str(), source(&error)), (text, has_source));
        let set = KeySetError::Malformed(error);
        assert_eq!((set.to_string().as_str(), source(&set).as_deref()), (text, Some(text)));
        assert_eq!((set.facts().code, set.facts().retry), ("KEYS_MALFORMED", Retry::Backoff));
    }
}

#[test]
fn a_claims_name_is_shown_as_it_was_written_and_a_bad_one_says_why() {
    let path = ClaimPath::new("/a~1b/c").unwrap();
    assert_eq!((path.as_str(), path.to_string().as_str()), ("/a~1b/c", "/a~1b/c"));
    for (error, text) in [
        (ClaimPathError::Length { length: 257 }, "the claim's name has 257 bytes, not 1 to 256"),
        (ClaimPathError::Character, "the claim's name has a control character"),
        (ClaimPathError::Escape, "the JSON pointer has a ~ that is followed by neither 0 nor 1"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

const HEADER: &str = r#"{"alg":"ES256","kid":"p256"}"#;

fn claims() -> String {
    format!(r#"{{"iss":"https://i","aud":["a"],"sub":"ada\u0007","iat":{NOW},"exp":{}}}"#, NOW + 60)
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(Issuer::new("https://i").unwrap(), Audience::new("a").unwrap())
}

fn keys() -> KeySet {
    KeySet::from_jwks(tokens::jwks().as_bytes()).unwrap()
}

#[test]
fn an_explanation_shows_members_on_one_line_each_and_its_debug_form_no_value() {
    let token = Secret::from_text(&tokens::signed_with_header(Algorithm::Es256, HEADER, &claims()));
    let explained = verifier().explain(&token, &keys(), at(NOW));
    let owned = |members: &[(&str, &str)]| -> Vec<(String, String)> {
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(explained.header(), owned(&[("alg", r#""ES256""#), ("kid", r#""p256""#)]));
    let shown = [
        ("aud", r#"["a"]"#),
        ("exp", "1800000060"),
        ("iat", "1800000000"),
        ("iss", r#""https://i""#),
        ("sub", r#""ada\u{7}""#),
    ];
    assert_eq!(explained.claims(), owned(&shown));
    let broken: Vec<&str> =
        explained.rules().iter().filter(|rule| rule.outcome.is_err()).map(|rule| rule.rule).collect();
    assert_eq!(broken, ["sub", "principal"]);
    assert!(matches!(explained.verdict(), Err(VerifyError::Claim(ClaimError::Form { claim, .. })) if claim == "sub"));
    let debug = format!("{explained:?}");
    assert!(
        debug.starts_with("Explanation(2 header members, 5 claims, [RuleOutcome { rule: \"size and shape\""),
        "{debug}"
    );
    assert!(!debug.contains("ada") && !debug.contains("https://i"), "{debug}");
}

#[test]
fn a_taken_apart_token_shows_nothing_of_itself() {
    let token = tokens::signed(Algorithm::EdDsa, &claims());
    assert_eq!(format!("{:?}", CompactJws::parse(&token).unwrap()), "CompactJws(hidden)");
}

#[test]
fn a_signature_alone_is_checked_without_reading_claims() {
    let token = tokens::signed_with_header(Algorithm::Es256, HEADER, "not JSON");
    assert_eq!(verify_compact_signature(&token, &keys()), Ok(()));
    assert_eq!(verify_compact_signature(&token, &KeySet::empty()), Err(VerifyError::KeyUnknown));
    assert_eq!(verify_compact_signature("a.b", &keys()), Err(VerifyError::Malformed(JwtError::Segments { count: 2 })));
}

#[test]
fn a_token_without_a_key_id_finds_no_key_in_an_empty_set_and_only_one_in_a_set_of_one() {
    let token = tokens::signed_with_header(Algorithm::EdDsa, r#"{"alg":"EdDSA"}"#, "{}");
    assert_eq!(verify_compact_signature(&token, &KeySet::empty()), Err(VerifyError::KeyUnknown));
    assert_eq!(verify_compact_signature(&token, &keys()), Err(VerifyError::KeyAmbiguous { keys: 4 }));
}

#[test]
fn the_key_id_of_a_token_is_read_only_where_it_is_well_formed() {
    for (header, expected) in [
        (HEADER, Some("p256")),
        (r#"{"alg":"ES256"}"#, None),
        (r#"{"alg":"ES256","kid":""}"#, None),
        (r#"{"alg":"ES256","kid":7}"#, None),
    ] {
        let token = Secret::from_text(&tokens::signed_with_header(Algorithm::Es256, header, "{}"));
        assert_eq!(TokenVerifier::unverified_key_id(&token).unwrap().as_deref(), expected, "{header}");
    }
    let malformed = VerifyError::Malformed(JwtError::Segments { count: 1 });
    assert_eq!(TokenVerifier::unverified_key_id(&Secret::from_text("x")), Err(malformed));
}

#[test]
fn a_user_says_what_the_token_says_and_whether_its_signature_was_checked() {
    let claims = format!(r#"{{"iss":"https://i","aud":"a","sub":"s","p":"q","iat":{NOW},"exp":{}}}"#, NOW + 60);
    let token = tokens::signed_with_header(Algorithm::Es256, HEADER, &claims);
    let checking = verifier().principal_claim(ClaimPath::new("p").unwrap());
    for (verifier, checked) in [(checking.clone(), true), (checking.dangerously_skip_signature(), false)] {
        let user = verifier.verify(Secret::from_text(&token), &keys(), at(NOW)).unwrap();
        assert_eq!(
            (user.principal().as_str(), user.subject().as_str(), user.issuer().as_str()),
            ("q", "s", "https://i")
        );
        assert_eq!((user.issued_at(), user.expires_at()), (at(NOW), at(NOW + 60)));
        assert_eq!(user.token().expose(), token);
        assert_eq!((user.signature_checked(), verifier.signature_checked()), (checked, checked));
    }
}

#[test]
fn a_token_may_end_when_it_starts_but_not_a_second_before() {
    let verified = |iat: u64, exp: u64| {
        let claims = format!(r#"{{"iss":"https://i","aud":"a","sub":"s","iat":{iat},"exp":{exp}}}"#);
        let token = tokens::signed_with_header(Algorithm::Es256, HEADER, &claims);
        verifier().verify(Secret::from_text(&token), &keys(), at(NOW)).map(|_| ())
    };
    assert_eq!(verified(NOW + 5, NOW + 5), Ok(()));
    let (issued_at, expires_at) = (at(NOW + 5), at(NOW + 4));
    let before = VerifyError::Claim(ClaimError::EndsBeforeStart { issued_at, expires_at });
    assert_eq!(verified(NOW + 5, NOW + 4), Err(before));
}

/// An Ed25519 key of these first, middle and last bytes, in a set of its own.
fn small_order(first: u8, middle: u8, last: u8) -> bool {
    let mut x = [middle; 32];
    (x[0], x[31]) = (first, last);
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]}}"#, encode(&x));
    match KeySet::from_jwks(set.as_bytes()) {
        Ok(_) => false,
        Err(KeySetError::NoUsableKey { unusable }) => {
            assert_eq!(unusable, [UnusableKey { index: 0, reason: KeyProblem::SmallOrder }]);
            true
        }
        Err(other) => panic!("{other}"),
    }
}

// RFC 8032, section 5.1: the coordinates 0, 1 and -1 are of small order, where p is 2^255 - 19, little-endian
// `ed ff .. ff 7f`, and nothing says that a coordinate must be below p.
#[test]
fn keys_of_small_order_are_refused_and_their_neighbours_taken() {
    for sign in [0, 0x80] {
        for (first, middle, last) in [(0, 0, 0), (1, 0, 0), (0xec, 0xff, 0x7f), (0xed, 0xff, 0x7f), (0xee, 0xff, 0x7f)]
        {
            assert!(small_order(first, middle, last | sign), "{first} {middle} {last} {sign}");
        }
        for (first, middle, last) in [
            (2, 0, 0),
            (0, 1, 0),
            (1, 1, 0),
            (0, 0, 1),
            (1, 0, 0x7f),
            (0xeb, 0xff, 0x7f),
            (0xef, 0xff, 0x7f),
            (0xec, 0xfe, 0x7f),
            (0xee, 0, 0x7f),
            (0xec, 0xff, 0x7e),
        ] {
            assert!(!small_order(first, middle, last | sign), "{first} {middle} {last} {sign}");
        }
    }
}
