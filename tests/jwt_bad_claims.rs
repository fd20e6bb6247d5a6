//! Numbered bad tokens, 155 to 190: claims and times, signed well, and the one refusal that each must meet.

#[path = "support/verdicts.rs"]
mod verdicts;

use std::time::Duration;

use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwt::{JwtError, Segment};
use safe_conduct::identity::{Algorithm, ClaimError, ClaimPath};
use safe_conduct::name::NameError;
use verdicts::tokens::signed;
use verdicts::*;

#[test]
fn bad_inputs_155_to_166_are_refused_for_their_expiry() {
    let exp = |value: &str| said_of(&[("exp", value)]);
    let refused = of_type("exp", A_TIME);
    let expired = claim(ClaimError::Expired { expired_at: at(0), now: at(NOW) });
    // The expiry is the last member, so the number's end is the byte before the closing brace.
    let syntax = |value: &str, column: usize| {
        let start = claims(&[("exp", "0")]).len() - 2;
        (exp(value), json(Segment::Payload, JsonError::Syntax { line: 1, column: start + column }))
    };
    let ((huge, huge_expected), (nan, nan_expected)) = (syntax("1e400", 5), syntax("NaN", 1));
    let (infinity, infinity_expected) = syntax("Infinity", 1);
    let twice = |first: u64, last: u64| {
        let body = claims(&[("exp", "")]).replace('}', &format!(",\"exp\":{first},\"exp\":{last}}}"));
        said_of_body(body.as_bytes())
    };
    let duplicate = json(Segment::Payload, JsonError::Duplicate);
    check(
        155..=166,
        &[
            (155, exp(""), missing("exp")),
            (156, exp("null"), refused.clone()),
            (157, exp("\"1800003540\""), refused.clone()),
            (158, exp("1e3"), refused.clone()),
            (158, exp("1.8e9"), refused.clone()),
            (158, exp("1800003540.0"), refused.clone()),
            (159, exp("-1"), refused.clone()),
            (160, exp("0"), expired),
            (161, huge, huge_expected),
            (162, nan, nan_expected),
            (162, infinity, infinity_expected),
            (163, exp("9223372036854775808"), refused.clone()),
            (163, exp("18446744073709551616"), refused.clone()),
            (163, exp("100000000000000000000"), refused.clone()),
            (163, exp("253402300800"), refused.clone()),
            (164, exp("true"), refused.clone()),
            (165, exp("[]"), refused.clone()),
            (165, exp("{}"), refused),
            (166, twice(1, NOW + 600), duplicate.clone()),
            (166, twice(NOW + 600, 1), duplicate),
        ],
    );
}

#[test]
fn bad_inputs_167_to_174_are_refused_for_their_times() {
    let expiring = signed(Algorithm::Es256, &claims(&[("exp", &NOW.to_string())]));
    let seen = |now: u64| said_at(&verifier(), &expiring, now);
    let expired = |now: u64| claim(ClaimError::Expired { expired_at: at(NOW), now: at(now) });
    let exact = |now: u64| said_at(&verifier().clock_skew(Duration::ZERO), &expiring, now);
    let endless = |now: u64| said_at(&verifier().clock_skew(Duration::from_secs(u64::MAX)), &expiring, now);
    let early = ClaimError::NotYetValid { valid_from: at(NOW + 31), now: at(NOW) };
    let future = |now: u64| claim(ClaimError::IssuedInFuture { issued_at: at(NOW - 60), now: at(now) });
    let not_issued = ClaimError::IssuedInFuture { issued_at: at(NOW + 31), now: at(NOW) };
    let backwards = ClaimError::EndsBeforeStart { issued_at: at(NOW + 9), expires_at: at(NOW + 8) };
    let (iat, exp, later) = ((NOW + 9).to_string(), (NOW + 8).to_string(), (NOW + 31).to_string());
    let ten_years = Duration::from_secs(10 * 365 * 86_400);
    let years = (NOW - 60 + ten_years.as_secs()).to_string();
    let long_lived = |lifetime| claim(ClaimError::TooLongLived { lifetime, most: Duration::from_secs(86_400) });
    let last = Duration::from_secs(253_402_300_799 - (NOW - 60));
    let plain = signed(Algorithm::Es256, &claims(&[]));
    check(
        167..=174,
        &[
            (167, exact(NOW - 1), Ok(())),
            (167, exact(NOW), expired(NOW)),
            (167, seen(NOW + 29), Ok(())),
            (167, seen(NOW + 30), expired(NOW + 30)),
            (167, seen(NOW + 31), expired(NOW + 31)),
            (168, said_of(&[("nbf", &later)]), claim(early)),
            (169, said_of(&[("nbf", "\"1700000000\"")]), of_type("nbf", A_TIME)),
            (169, said_of(&[("nbf", "null")]), of_type("nbf", A_TIME)),
            (170, said_of(&[("iat", &later)]), claim(not_issued)),
            (171, said_of(&[("iat", &iat), ("exp", &exp)]), claim(backwards)),
            (172, said_of(&[("exp", &years)]), long_lived(ten_years)),
            // A clock that stands at 1970, or that jumped back by an hour; an earlier time cannot be expressed.
            (173, said_at(&verifier(), &plain, 0), future(0)),
            (173, said_at(&verifier(), &plain, NOW - 3600), future(NOW - 3600)),
            (174, endless(NOW + 59), Ok(())),
            (174, endless(NOW + 60), expired(NOW + 60)),
            (174, said_of(&[("exp", "253402300799")]), long_lived(last)),
        ],
    );
}

#[test]
fn bad_inputs_175_to_184_are_refused_for_their_audience_or_issuer() {
    let aud = |value: &str| said_of(&[("aud", value)]);
    let iss = |value: &str| said_of(&[("iss", value)]);
    let (audience, issuer) = (claim(ClaimError::Audience), claim(ClaimError::Issuer));
    let list = |count: usize| format!("[{}]", vec!["\"a\""; count].join(","));
    let many = signed(Algorithm::Es256, &claims(&[("aud", &list(10_000))]));
    let party = verifier().authorized_party("client".to_owned());
    let of_party = |changed: &[(&str, &str)]| said_by(&party, &signed(Algorithm::Es256, &claims(changed)));
    let both = r#"["sts.example","other"]"#;
    check(
        175..=184,
        &[
            (175, aud(""), missing("aud")),
            (175, aud("null"), of_type("aud", TEXTS)),
            (175, aud("\"\""), audience.clone()),
            (175, aud("[]"), of_type("aud", TEXTS)),
            (175, aud("[\"\"]"), audience.clone()),
            (176, aud("[1]"), of_type("aud", TEXTS)),
            (177, aud("[[\"sts.example\"]]"), of_type("aud", TEXTS)),
            (178, aud("\"sts.example.evil\""), audience.clone()),
            (178, aud("\"sts\""), audience.clone()),
            (178, aud("\"example\""), audience.clone()),
            (178, aud("\"STS.example\""), audience.clone()),
            (178, aud("\"sts.example/\""), audience),
            (179, said(&many), malformed(JwtError::TooLong { length: many.len() })),
            (179, aud(&list(1000)), claim(ClaimError::TooManyAudiences { count: 1000, most: 8 })),
            (180, aud(both), Ok(())),
            (180, of_party(&[("aud", both)]), missing("azp")),
            (181, of_party(&[("azp", "\"CLIENT\"")]), claim(ClaimError::AuthorizedParty)),
            (182, iss(""), missing("iss")),
            (182, iss("[\"https://issuer.example\"]"), of_type("iss", "a text")),
            (182, iss("\"https://issuer\""), issuer.clone()),
            (182, iss("\"https://issuer.example/\""), issuer.clone()),
            (182, iss("\"https://ISSUER.example\""), issuer.clone()),
            (182, iss("\"https://issuer.example:443\""), issuer.clone()),
            (183, iss("\"https://issuer.example\\u0000\""), issuer.clone()),
            (183, iss("\"https://issuer.example\\n\""), issuer.clone()),
            // A Cyrillic letter, and an accent that stands for itself.
            (184, iss("\"https://\u{456}ssuer.example\""), issuer.clone()),
            (184, iss("\"https://i\u{307}ssuer.example\""), issuer),
        ],
    );
}

#[test]
fn bad_inputs_185_to_190_are_refused_for_their_subject_or_form() {
    let sub = |value: &str| said_of(&[("sub", value)]);
    let form = |source| claim(ClaimError::Form { claim: "sub".to_owned(), source });
    let nobody = form(NameError::Length { what: "subject", length: 0, least: 1, most: 255 });
    let mine = ClaimPath::new("sub").unwrap();
    let bound = verifier().required_claim(mine, "system:serviceaccount:spark:etl".to_owned());
    let of_bound = |subject: &str| said_by(&bound, &signed(Algorithm::Es256, &claims(&[("sub", subject)])));
    let value = claim(ClaimError::Value { claim: "sub".to_owned() });
    let refused = |source| json(Segment::Payload, source);
    let token = signed(Algorithm::Es256, &claims(&[("jti", "\"once\"")]));
    let keys = keys();
    let again = || said_with(&verifier(), &keys, &token, NOW);
    check(
        185..=190,
        &[
            (185, sub(""), missing("sub")),
            (185, sub("\"\""), nobody),
            (185, sub("7"), of_type("sub", "a text")),
            (186, of_bound("\"system:serviceaccount:spark:etl\""), Ok(())),
            (186, of_bound("\"system:serviceaccount:spark2:etl\""), value.clone()),
            (186, of_bound("\"system:serviceaccount:spark:etl:x\""), value),
            (187, said_of_body(b"[]"), refused(JsonError::NotAnObject)),
            (187, said_of_body(b"\"claims\""), refused(JsonError::NotAnObject)),
            (187, said_of_body(b"null"), refused(JsonError::NotAnObject)),
            (188, said_of_body(format!("{}x", claims(&[])).as_bytes()), refused(JsonError::Trailing)),
            (188, said_of_body(format!("\u{feff}{}", claims(&[])).as_bytes()), refused(JsonError::ByteOrderMark)),
            (189, said_of(&[("groups", "[\"a\",{\"b\":null}]"), ("x", "1e9")]), Ok(())),
            // A token file is read again and again until its token expires: to see it twice is no replay.
            (190, again(), Ok(())),
            (190, again(), Ok(())),
        ],
    );
}
