//! Tokens and what the verifier says to them: one row a rule, each refusal with its exact variant.

#[path = "support/tokens.rs"]
mod tokens;

use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwt::{JwtError, Segment};
use safe_conduct::error::{Actionable, Fault, Retry};
use safe_conduct::identity::{Algorithm, ClaimError, ClaimPath, KeySet, TokenType, TokenVerifier, VerifyError};
use safe_conduct::name::{Audience, Issuer, NameError};
use safe_conduct::time::Timestamp;
use tokens::{jwks, signed, signed_with_header, signed_with_other_key};

const NOW: u64 = 1_800_000_000;

/// Claims that are good at [`NOW`], for a token that lives an hour; `changed` replaces members or adds some.
fn claims(changed: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", "\"https://issuer.example\"".to_owned()),
        ("aud", "\"sts.example\"".to_owned()),
        ("sub", "\"system:serviceaccount:spark:etl\"".to_owned()),
        ("iat", (NOW - 60).to_string()),
        ("exp", (NOW + 3540).to_string()),
    ];
    for (name, value) in changed {
        members.retain(|(known, _)| known != name);
        // An empty value takes the member away.
        if !value.is_empty() {
            members.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn verifier() -> TokenVerifier {
    let issuer = Issuer::new("https://issuer.example").unwrap();
    TokenVerifier::new(issuer, Audience::new("sts.example").unwrap())
}

fn keys() -> KeySet {
    KeySet::from_jwks(jwks().as_bytes()).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// What the verifier says; explaining says the same.
fn said_at(verifier: &TokenVerifier, token: &str, now: u64) -> Result<(), VerifyError> {
    let explained = verifier.explain(&Secret::from_text(token), &keys(), at(now)).verdict();
    let verified = verifier.verify(Secret::from_text(token), &keys(), at(now)).map(|_| ());
    assert_eq!(verified, explained, "verify and explain must agree");
    verified
}

fn said(verifier: &TokenVerifier, token: &str) -> Result<(), VerifyError> {
    said_at(verifier, token, NOW)
}

/// What it says to these claims, signed well.
fn said_of(changed: &[(&str, &str)]) -> Result<(), VerifyError> {
    said(&verifier(), &signed(Algorithm::Es256, &claims(changed)))
}

/// What it says to this header, over good claims, signed well with RS256.
fn said_of_header(header: &str) -> Result<(), VerifyError> {
    said(&verifier(), &signed_with_header(Algorithm::Rs256, header, &claims(&[])))
}

fn of_type(claim: &str, expected: &'static str) -> Result<(), VerifyError> {
    Err(VerifyError::Claim(ClaimError::Type { claim: claim.to_owned(), expected }))
}

fn missing(claim: &str) -> Result<(), VerifyError> {
    Err(VerifyError::Claim(ClaimError::Missing { claim: claim.to_owned() }))
}

#[test]
fn a_good_token_of_every_algorithm_becomes_a_user() {
    for algorithm in Algorithm::ALL {
        let token = signed(algorithm, &claims(&[]));
        let user = verifier().verify(Secret::from_text(&token), &keys(), at(NOW)).unwrap();
        assert_eq!(user.subject().as_str(), "system:serviceaccount:spark:etl", "{algorithm}");
        assert_eq!(user.principal().as_str(), "system:serviceaccount:spark:etl");
        assert_eq!(user.issuer().as_str(), "https://issuer.example");
        assert_eq!((user.issued_at(), user.expires_at()), (at(NOW - 60), at(NOW + 3540)));
        assert_eq!(user.token().expose(), token);
        assert_eq!(said(&verifier(), &token), Ok(()));
    }
}

#[test]
fn an_algorithm_outside_the_allow_list_is_refused_before_any_key_is_looked_up() {
    for name in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", " RS256", "RS256\\u0000", "HS256", "HS384"] {
        let token = signed_with_header(Algorithm::Rs256, &format!("{{\"alg\":\"{name}\",\"kid\":\"nobody\"}}"), "{}");
        assert_eq!(said(&verifier(), &token), Err(VerifyError::Algorithm), "{name:?}");
    }
    for name in ["HS512", "ES512", "ES256K", "Ed25519", "RSA1_5"] {
        assert_eq!(said_of_header(&format!("{{\"alg\":\"{name}\"}}")), Err(VerifyError::Algorithm), "{name}");
    }
    let only = verifier().algorithms(&[Algorithm::Es256]);
    assert_eq!(said(&only, &signed(Algorithm::EdDsa, &claims(&[]))), Err(VerifyError::Algorithm));
    assert_eq!(said(&only, &signed(Algorithm::Es256, &claims(&[]))), Ok(()));
    assert_eq!(said(&verifier().algorithms(&[]), &signed(Algorithm::Es256, &claims(&[]))), Err(VerifyError::Algorithm));
}

#[test]
fn an_alg_that_is_missing_or_no_text_is_refused() {
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#, r#"{"alg":256}"#, r#"{"alg":{}}"#] {
        assert_eq!(said_of_header(header), Err(VerifyError::HeaderMember { member: "alg" }), "{header}");
    }
}

#[test]
fn a_header_that_brings_a_key_an_extension_or_an_encoding_is_refused() {
    for (member, value) in [
        ("crit", "[]"),
        ("crit", "[\"exp\"]"),
        ("b64", "false"),
        ("jku", "\"https://evil.example/jwks\""),
        ("jwk", "{\"kty\":\"oct\",\"k\":\"AAAA\"}"),
        ("x5u", "\"https://evil.example/x\""),
        ("x5c", "[\"MIIB\"]"),
        ("zip", "\"DEF\""),
        ("enc", "\"A128GCM\""),
        ("cty", "\"JWT\""),
    ] {
        let refused = said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"{member}\":{value}}}"));
        assert_eq!(refused, Err(VerifyError::HeaderForbidden { member }), "{member}");
    }
    // A thumbprint names a key and brings none: Microsoft's issuer sends it.
    assert_eq!(said_of_header(r#"{"alg":"RS256","kid":"rsa","x5t":"AAAA"}"#), Ok(()));
}

#[test]
fn a_token_of_one_type_is_not_taken_for_another() {
    let with = |verifier: &TokenVerifier, typ: &str, extra: &[(&str, &str)]| {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":{typ}}}");
        said(verifier, &signed_with_header(Algorithm::Rs256, &header, &claims(extra)))
    };
    for typ in ["\"JWT\"", "\"jwt\""] {
        assert_eq!(with(&verifier(), typ, &[]), Ok(()));
    }
    for typ in ["\"at+jwt\"", "\"logout+jwt\"", "\"secevent+jwt\"", "\"dpop+jwt\"", "\"\"", "\"JWT \""] {
        assert_eq!(with(&verifier(), typ, &[]), Err(VerifyError::Type), "{typ}");
    }
    assert_eq!(with(&verifier(), "7", &[]), Err(VerifyError::HeaderMember { member: "typ" }));
    let access = verifier().token_type(TokenType::AccessToken);
    let both = [("client_id", "\"c\""), ("jti", "\"j\"")];
    assert_eq!(with(&access, "\"at+jwt\"", &both), Ok(()));
    assert_eq!(with(&access, "\"application/AT+JWT\"", &both), Ok(()));
    assert_eq!(with(&access, "\"JWT\"", &both), Err(VerifyError::Type));
    assert_eq!(said(&access, &signed(Algorithm::Rs256, &claims(&both))), Err(VerifyError::Type));
    assert_eq!(with(&access, "\"at+jwt\"", &both[1..]), missing("client_id"));
    assert_eq!(with(&access, "\"at+jwt\"", &both[..1]), missing("jti"));
}

#[test]
fn a_key_id_is_compared_and_nothing_else() {
    for id in ["../../etc/passwd", "https://evil.example/k", "' OR 1=1 --", "unknown"] {
        assert_eq!(said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"{id}\"}}")), Err(VerifyError::KeyUnknown));
    }
    let long = format!("\"{}\"", "k".repeat(257));
    for id in ["\"\"", "null", "{}", "7", "\"\\u0000\"", "\"\\u001b[31m\"", &long] {
        let refused = said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":{id}}}"));
        assert_eq!(refused, Err(VerifyError::HeaderMember { member: "kid" }), "{id}");
    }
    let longest = said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":\"{}\"}}", "k".repeat(256)));
    assert_eq!(longest, Err(VerifyError::KeyUnknown));
    assert_eq!(said_of_header(r#"{"alg":"RS256"}"#), Err(VerifyError::KeyAmbiguous { keys: 4 }));
}

#[test]
fn a_token_without_a_key_id_is_for_a_set_of_one_key() {
    let set = jwks();
    let one = set.lines().find(|line| line.contains("\"p256\"")).unwrap().trim_end_matches(',');
    let keys = KeySet::from_jwks(format!("{{\"keys\":[{one}]}}").as_bytes()).unwrap();
    let token = signed_with_header(Algorithm::Es256, r#"{"alg":"ES256"}"#, &claims(&[]));
    assert!(verifier().verify(Secret::from_text(&token), &keys, at(NOW)).is_ok());
    let none = verifier().verify(Secret::from_text(&token), &KeySet::empty(), at(NOW)).map(|_| ());
    assert_eq!(none, Err(VerifyError::KeyUnknown));
}

#[test]
fn of_keys_that_share_an_id_none_is_used() {
    let set = jwks().replace("\"p384\"", "\"p256\"");
    let keys = KeySet::from_jwks(set.as_bytes()).unwrap();
    assert_eq!(keys.unusable().iter().map(|key| key.index).collect::<Vec<_>>(), [1, 2]);
    let token = signed(Algorithm::Es256, &claims(&[]));
    let refused = verifier().verify(Secret::from_text(&token), &keys, at(NOW)).map(|_| ());
    assert_eq!(refused, Err(VerifyError::KeyUnknown));
}

#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    for (algorithm, key) in
        [(Algorithm::Es256, "p384"), (Algorithm::Es384, "p256"), (Algorithm::Rs256, "p256"), (Algorithm::EdDsa, "rsa")]
    {
        let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{key}\"}}");
        let refused = said(&verifier(), &signed_with_header(algorithm, &header, &claims(&[])));
        assert_eq!(refused, Err(VerifyError::KeyAlgorithm { algorithm }), "{header}");
    }
    let set = jwks().replace("\"kty\": \"RSA\"", "\"kty\": \"RSA\", \"alg\": \"PS256\"");
    let keys = KeySet::from_jwks(set.as_bytes()).unwrap();
    let verify = |algorithm| {
        let token = Secret::from_text(&signed(algorithm, &claims(&[])));
        verifier().verify(token, &keys, at(NOW)).map(|_| ())
    };
    assert_eq!(verify(Algorithm::Ps256), Ok(()));
    assert_eq!(verify(Algorithm::Rs256), Err(VerifyError::KeyAlgorithm { algorithm: Algorithm::Rs256 }));
    assert_eq!(verify(Algorithm::Ps512), Err(VerifyError::KeyAlgorithm { algorithm: Algorithm::Ps512 }));
}

#[test]
fn a_signature_with_any_byte_changed_cut_or_added_is_refused() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let token = signed(algorithm, &claims(&[]));
        let (input, _) = token.rsplit_once('.').unwrap();
        let good = tokens::signature(algorithm, input.as_bytes());
        let with = |signature: &[u8]| said(&verifier(), &format!("{input}.{}", encode(signature)));
        assert_eq!(with(&good), Ok(()));
        for place in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[place] ^= 1;
            assert_eq!(with(&changed), Err(VerifyError::Signature), "{algorithm} {place}");
        }
        assert_eq!(with(&good[..good.len() - 1]), Err(VerifyError::Signature));
        assert_eq!(with(&[&good[..], &[0]].concat()), Err(VerifyError::Signature));
        assert_eq!(with(&[&[0], &good[..]].concat()), Err(VerifyError::Signature));
        assert_eq!(with(&vec![0; good.len()]), Err(VerifyError::Signature), "all zero");
    }
}

#[test]
fn a_signature_over_other_bytes_or_of_another_key_is_refused() {
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    assert_eq!(said(&verifier(), &signed_with_other_key(header, &claims(&[]))), Err(VerifyError::Signature));
    let token = signed_with_header(Algorithm::Rs256, header, &claims(&[]));
    let mut segments = token.split('.');
    let (head, body, signature) = (segments.next().unwrap(), segments.next().unwrap(), segments.next().unwrap());
    let other_body = encode(claims(&[("sub", "\"root\"")]).as_bytes());
    assert_eq!(said(&verifier(), &format!("{head}.{other_body}.{signature}")), Err(VerifyError::Signature));
    let same_json = encode(r#"{"alg":"RS256", "kid":"rsa"}"#.as_bytes());
    assert_eq!(said(&verifier(), &format!("{same_json}.{body}.{signature}")), Err(VerifyError::Signature));
    // RS256's signature under the name of PS256: the same key, another scheme.
    let renamed = signed_with_header(Algorithm::Rs256, r#"{"alg":"PS256","kid":"rsa"}"#, &claims(&[]));
    assert_eq!(said(&verifier(), &renamed), Err(VerifyError::Signature));
}

#[test]
fn claims_are_read_only_after_the_signature() {
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    for body in [claims(&[("exp", "1")]), "not json".to_owned(), "[]".to_owned()] {
        assert_eq!(said(&verifier(), &signed_with_other_key(header, &body)), Err(VerifyError::Signature), "{body}");
    }
}

#[test]
fn claims_that_are_no_object_or_have_a_duplicate_are_refused() {
    let body = |text: &str| said(&verifier(), &signed(Algorithm::EdDsa, text));
    let refused = |source| Err(VerifyError::Malformed(JwtError::Json { segment: Segment::Payload, source }));
    for text in ["[]", "\"x\"", "null", "7"] {
        assert_eq!(body(text), refused(JsonError::NotAnObject), "{text}");
    }
    assert_eq!(body(&claims(&[]).replace('{', "{\"exp\":1,")), refused(JsonError::Duplicate));
    assert_eq!(body(&claims(&[]).replace('{', "{\"e\\u0078p\":1,")), refused(JsonError::Duplicate));
    assert_eq!(body(&format!("{} ,", claims(&[]))), refused(JsonError::Trailing));
    assert_eq!(body(&format!("\u{feff}{}", claims(&[]))), refused(JsonError::ByteOrderMark));
    assert_eq!(said_of(&[("unknown", "{\"deep\":[1,2]}")]), Ok(()), "an unknown claim is no matter");
}

#[test]
fn the_issuer_must_exactly_match() {
    let refused = Err(VerifyError::Claim(ClaimError::Issuer));
    for issuer in [
        "https://issuer.example/",
        "https://ISSUER.example",
        "https://issuer.example:443",
        "https://issuer.exampl",
        "https://issuer.example.evil",
        "https://issuer.example\\u0000",
        "https://\u{456}ssuer.example",
        " https://issuer.example",
        "",
    ] {
        assert_eq!(said_of(&[("iss", &format!("\"{issuer}\""))]), refused, "{issuer}");
    }
    assert_eq!(said_of(&[("iss", "")]), missing("iss"));
    assert_eq!(said_of(&[("iss", "null")]), of_type("iss", "a text"));
    assert_eq!(said_of(&[("iss", "[\"https://issuer.example\"]")]), of_type("iss", "a text"));
}

#[test]
fn an_audience_must_be_exactly_one_of_ours() {
    for audience in [r#""sts.example""#, r#"["sts.example"]"#, r#"["other","sts.example"]"#] {
        assert_eq!(said_of(&[("aud", audience)]), Ok(()), "{audience}");
    }
    let refused = Err(VerifyError::Claim(ClaimError::Audience));
    for audience in
        [r#""""#, r#"[""]"#, r#""sts""#, r#""sts.example/""#, r#""STS.example""#, r#""sts.example.evil""#, r#""*""#]
    {
        assert_eq!(said_of(&[("aud", audience)]), refused, "{audience}");
    }
    for audience in ["null", "[]", "[1]", "{}", "7", r#"["sts.example",1]"#, r#"[["sts.example"]]"#] {
        assert_eq!(said_of(&[("aud", audience)]), of_type("aud", "a text or a list of texts"), "{audience}");
    }
    assert_eq!(said_of(&[("aud", "")]), missing("aud"));
    let other = Audience::new("other").unwrap();
    let token = signed(Algorithm::Es256, &claims(&[("aud", "\"other\"")]));
    assert_eq!(said(&verifier().also_audience(other), &token), Ok(()));
}

#[test]
fn a_token_with_8_audiences_is_taken_and_one_with_9_is_not() {
    let list = |count: usize| format!("[{}]", vec!["\"sts.example\""; count].join(","));
    assert_eq!(said_of(&[("aud", &list(8))]), Ok(()));
    let refused = VerifyError::Claim(ClaimError::TooManyAudiences { count: 9, most: 8 });
    assert_eq!(said_of(&[("aud", &list(9))]), Err(refused));
}

#[test]
fn a_time_that_is_missing_or_of_the_wrong_type_is_refused_never_ignored() {
    let a_time = "a whole number of seconds from 1970 to 9999";
    for name in ["exp", "nbf", "iat"] {
        for value in
            ["null", "\"1800000000\"", "1800000000.0", "1.8e9", "-1", "true", "[]", "{}", "253402300800", "1e300"]
        {
            assert_eq!(said_of(&[(name, value)]), of_type(name, a_time), "{name} {value}");
        }
    }
    assert_eq!(said_of(&[("exp", "")]), missing("exp"));
    assert_eq!(said_of(&[("iat", "")]), missing("iat"));
    assert_eq!(said_of(&[("nbf", "")]), Ok(()), "nbf may be missing (RFC 7519, section 4.1.5)");
}

#[test]
fn now_must_be_before_the_expiry_give_or_take_the_skew() {
    let token = signed(Algorithm::Es256, &claims(&[("exp", &NOW.to_string())]));
    let expired = |now: u64| Err(VerifyError::Claim(ClaimError::Expired { expired_at: at(NOW), now: at(now) }));
    assert_eq!(said_at(&verifier(), &token, NOW + 29), Ok(()));
    assert_eq!(said_at(&verifier(), &token, NOW + 30), expired(NOW + 30));
    let exact = verifier().clock_skew(Duration::ZERO);
    assert_eq!(said_at(&exact, &token, NOW - 1), Ok(()));
    assert_eq!(said_at(&exact, &token, NOW), expired(NOW));
    // More than 60 s of skew is cut to that.
    let wide = verifier().clock_skew(Duration::MAX);
    assert_eq!(said_at(&wide, &token, NOW + 59), Ok(()));
    assert_eq!(said_at(&wide, &token, NOW + 60), expired(NOW + 60));
    assert!(matches!(said_of(&[("exp", "0")]), Err(VerifyError::Claim(ClaimError::Expired { .. }))));
}

#[test]
fn now_must_not_be_before_nbf_or_iat_give_or_take_the_skew() {
    let time = |seconds: u64| seconds.to_string();
    assert_eq!(said_of(&[("nbf", &time(NOW + 30))]), Ok(()));
    let refused = ClaimError::NotYetValid { valid_from: at(NOW + 31), now: at(NOW) };
    assert_eq!(said_of(&[("nbf", &time(NOW + 31))]), Err(VerifyError::Claim(refused)));
    assert_eq!(said_of(&[("iat", &time(NOW + 30))]), Ok(()));
    let refused = ClaimError::IssuedInFuture { issued_at: at(NOW + 31), now: at(NOW) };
    assert_eq!(said_of(&[("iat", &time(NOW + 31))]), Err(VerifyError::Claim(refused)));
}

#[test]
fn a_life_of_24_hours_is_taken_and_a_second_more_is_not() {
    let day = 24 * 3600;
    let life = |seconds: u64| said_of(&[("exp", &(NOW - 60 + seconds).to_string())]);
    assert_eq!(life(day), Ok(()));
    let (lifetime, most) = (Duration::from_secs(day + 1), Duration::from_secs(day));
    assert_eq!(life(day + 1), Err(VerifyError::Claim(ClaimError::TooLongLived { lifetime, most })));
    let longer = verifier().max_lifetime(Duration::from_secs(day + 1));
    let token = signed(Algorithm::Es256, &claims(&[("exp", &(NOW - 60 + day + 1).to_string())]));
    assert_eq!(said(&longer, &token), Ok(()));
    let (iat, exp) = ((NOW + 20).to_string(), (NOW + 10).to_string());
    let refused = ClaimError::EndsBeforeStart { issued_at: at(NOW + 20), expires_at: at(NOW + 10) };
    assert_eq!(said_of(&[("iat", &iat), ("exp", &exp)]), Err(VerifyError::Claim(refused)));
}

#[test]
fn a_subject_is_a_text_of_1_to_255_characters_without_control() {
    assert_eq!(said_of(&[("sub", "")]), missing("sub"));
    assert_eq!(said_of(&[("sub", "7")]), of_type("sub", "a text"));
    assert_eq!(said_of(&[("sub", &format!("\"{}\"", "s".repeat(255)))]), Ok(()));
    for (text, length) in [(String::new(), 0), ("s".repeat(256), 256)] {
        let source = NameError::Length { what: "subject", length, least: 1, most: 255 };
        let refused = ClaimError::Form { claim: "sub".to_owned(), source };
        assert_eq!(said_of(&[("sub", &format!("\"{text}\""))]), Err(VerifyError::Claim(refused)));
    }
    let source = NameError::Character { what: "subject", position: 1 };
    let refused = ClaimError::Form { claim: "sub".to_owned(), source };
    assert_eq!(said_of(&[("sub", "\"a\\u001b[31m\"")]), Err(VerifyError::Claim(refused)));
}

#[test]
fn the_principal_comes_from_the_claim_that_is_set() {
    let set = |path: &str| verifier().principal_claim(ClaimPath::new(path).unwrap());
    let body = claims(&[("email", "\"ada@example\""), ("kubernetes.io", "{\"namespace\":\"spark\",\"n\":7}")]);
    let token = signed(Algorithm::Es256, &body);
    for (path, principal) in [("email", "ada@example"), ("/kubernetes.io/namespace", "spark")] {
        let user = set(path).verify(Secret::from_text(&token), &keys(), at(NOW)).unwrap();
        assert_eq!(user.principal().as_str(), principal);
        assert_eq!(user.subject().as_str(), "system:serviceaccount:spark:etl");
    }
    assert_eq!(said(&set("upn"), &token), missing("upn"));
    assert_eq!(said(&set("/kubernetes.io/n"), &token), of_type("/kubernetes.io/n", "a text"));
}

#[test]
fn required_claims_and_the_authorised_party_match_exactly() {
    let path = || ClaimPath::new("/kubernetes.io/namespace").unwrap();
    let verifier_of = |value: &str| verifier().required_claim(path(), value.to_owned());
    let token = signed(Algorithm::Es256, &claims(&[("kubernetes.io", "{\"namespace\":\"spark\"}")]));
    assert_eq!(said(&verifier_of("spark"), &token), Ok(()));
    let claim = "/kubernetes.io/namespace".to_owned();
    assert_eq!(said(&verifier_of("spark2"), &token), Err(VerifyError::Claim(ClaimError::Value { claim })));
    assert_eq!(said(&verifier_of("x"), &signed(Algorithm::Es256, &claims(&[]))), missing("/kubernetes.io/namespace"));
    let party = verifier().authorized_party("client".to_owned());
    assert_eq!(said(&party, &signed(Algorithm::Es256, &claims(&[("azp", "\"client\"")]))), Ok(()));
    let other = signed(Algorithm::Es256, &claims(&[("azp", "\"Client\"")]));
    assert_eq!(said(&party, &other), Err(VerifyError::Claim(ClaimError::AuthorizedParty)));
    assert_eq!(said(&party, &token), missing("azp"));
}

#[test]
fn without_the_signature_everything_else_is_still_checked() {
    let skipping = verifier().dangerously_skip_signature();
    assert!(verifier().signature_checked() && !skipping.signature_checked());
    let header = r#"{"alg":"RS256","kid":"nobody"}"#;
    assert_eq!(said(&skipping, &signed_with_other_key(header, &claims(&[]))), Ok(()));
    assert_eq!(said(&skipping, &signed_with_other_key(r#"{"alg":"none"}"#, &claims(&[]))), Err(VerifyError::Algorithm));
    assert_eq!(said(&skipping, &signed_with_other_key(header, &claims(&[("sub", "")]))), missing("sub"));
}

#[test]
fn explaining_names_every_rule_and_shows_no_signature() {
    let token = signed_with_other_key(r#"{"alg":"RS256","kid":"rsa"}"#, &claims(&[("exp", "1")]));
    let explained = verifier().explain(&Secret::from_text(&token), &keys(), at(NOW));
    let broken: Vec<&str> =
        explained.rules().iter().filter(|rule| rule.outcome.is_err()).map(|rule| rule.rule).collect();
    assert_eq!(broken, ["signature", "exp", "lifetime"]);
    assert_eq!(explained.header(), [("alg".into(), "\"RS256\"".into()), ("kid".into(), "\"rsa\"".into())]);
    assert!(explained.claims().contains(&("exp".into(), "1".into())));
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!format!("{explained:?}").contains(signature));
}

#[test]
fn the_unverified_key_id_is_a_hint_only() {
    let id = |token: &str| TokenVerifier::unverified_key_id(&Secret::from_text(token));
    assert_eq!(id(&signed(Algorithm::Es256, "{}")), Ok(Some("p256".to_owned())));
    assert_eq!(id(&signed_with_header(Algorithm::Es256, r#"{"kid":7}"#, "{}")), Ok(None));
    assert_eq!(id("a.b"), Err(VerifyError::Malformed(JwtError::Segments { count: 2 })));
}

#[test]
fn no_refusal_repeats_anything_of_the_token() {
    for changed in [("iss", "\"PLANTED\""), ("aud", "\"PLANTED\""), ("sub", "{\"PLANTED\":1}"), ("exp", "\"PLANTED\"")]
    {
        let error = said_of(&[changed]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("PLANTED"), "{changed:?}");
    }
    let error = said_of_header(r#"{"alg":"RS256","kid":"PLANTED"}"#).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("PLANTED"));
}

#[test]
fn a_refusal_says_whether_waiting_helps() {
    let expired = VerifyError::Claim(ClaimError::Expired { expired_at: at(1), now: at(2) }).facts();
    assert_eq!((expired.code, expired.fault, expired.retry), ("TOKEN_EXPIRED", Fault::Identity, Retry::OnNewToken));
    let early = VerifyError::Claim(ClaimError::NotYetValid { valid_from: at(2), now: at(1) }).facts();
    assert_eq!((early.code, early.retry), ("TOKEN_NOT_YET_VALID", Retry::Backoff));
    assert_eq!(VerifyError::KeyUnknown.facts().retry, Retry::Backoff);
    let issuer = VerifyError::Claim(ClaimError::Issuer).facts();
    assert!(issuer.remedy.contains("spark.security.oidc.identityToken.issuer"));
}
