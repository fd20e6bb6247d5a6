//! Signature Version 4: the published example step by step, and bad inputs 273 to 283.

use safe_conduct::Secret;
use safe_conduct::codec::hash::Sha256;
use safe_conduct::codec::sigv4::{
    Credentials, MAX_EXPIRES, MAX_SCOPE_NAME, PathRule, Request, Scope, SigV4Error, SigningKey, canonical_request,
    sign_headers, sign_query, signature, string_to_sign,
};
use safe_conduct::time::Timestamp;

// The secret of AWS's own examples.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: (&str, &str) = ("Host", "iam.amazonaws.com");

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn scope() -> Scope<'static> {
    Scope { at: at("2015-08-30T12:36:00Z"), region: "us-east-1", service: "iam" }
}

fn get<'a>(query: &'a [(&'a str, &'a str)], headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    let (path, path_rule, body) = ("/", PathRule::Normalized, Sha256::of(b""));
    Request { method: "GET", path, path_rule, query, headers, body }
}

fn canonical(request: &Request<'_>) -> String {
    String::from_utf8(canonical_request(request).unwrap().as_slice().to_vec()).unwrap()
}

/// The line of the canonical request that holds the path, and the one that holds the query.
fn path_and_query(path: &str, path_rule: PathRule, query: &[(&str, &str)]) -> (String, String) {
    let canonical = canonical(&Request { path, path_rule, ..get(query, &[HOST]) });
    let mut lines = canonical.lines().skip(1).map(str::to_owned);
    (lines.next().unwrap(), lines.next().unwrap())
}

fn signed(
    credentials: &Credentials<'_>,
    scope: &Scope<'_>,
    headers: &[(&str, &str)],
) -> Result<(String, String), SigV4Error> {
    let key = SigningKey::derive(credentials.secret_access_key, scope)?;
    let request = get(&[], headers);
    let signed = sign_headers(&request, credentials, scope, &key)?;
    let query = sign_query(&request, credentials, scope, &key, 60)?;
    Ok((signed.authorization, String::from_utf8(query.as_slice().to_vec()).unwrap()))
}

// AWS IAM User Guide, "Create a signed AWS API request": ListUsers, with the hash of the canonical request and the
// signature as they are printed there.
#[test]
fn the_published_example_is_signed_step_by_step() {
    let secret = Secret::from_text(SECRET);
    let query = [("Action", "ListUsers"), ("Version", "2010-05-08")];
    let content_type = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    let headers = [content_type, HOST, ("X-Amz-Date", "20150830T123600Z")];
    let canonical = canonical_request(&get(&query, &headers)).unwrap();
    let hash = "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
    assert_eq!(Sha256::of(canonical.as_slice()).hex(), hash);
    let to_sign = string_to_sign(&scope(), &canonical);
    assert_eq!(to_sign, format!("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n{hash}"));
    let key = SigningKey::derive(&secret, &scope()).unwrap();
    let expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    assert_eq!(signature(&key, &to_sign), expected);
    let credentials = Credentials { access_key_id: "AKIDEXAMPLE", secret_access_key: &secret, session_token: None };
    let signed = sign_headers(&get(&query, &[content_type, HOST]), &credentials, &scope(), &key).unwrap();
    assert_eq!(
        signed.authorization,
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={expected}"
        )
    );
    assert_eq!(signed.date_time, "20150830T123600Z");
}

#[test]
fn bad_inputs_273_274_and_283_headers_that_could_be_read_in_two_ways_are_refused() {
    let of_header = |header: (&str, &str)| canonical_request(&get(&[], &[HOST, header])).unwrap_err();
    let value = |name: &str| SigV4Error::HeaderValue { name: name.to_owned() };
    for text in ["a\r\nx: y", "a\nb", "a\rb", "a\0", "a\tb", "a\u{7f}", "\u{e4}", "\u{2028}"] {
        assert_eq!(of_header(("X-Test", text)), value("x-test"), "{text:?}");
    }
    for name in ["", "a b", "a:b", "a\r\nb", "\u{e4}"] {
        assert_eq!(of_header((name, "v")), SigV4Error::HeaderName, "{name:?}");
    }
    let (secret, token) = (Secret::from_text(SECRET), Secret::from_text("tok\r\nx-amz-acl: public"));
    let credentials =
        Credentials { access_key_id: "AKIDEXAMPLE", secret_access_key: &secret, session_token: Some(&token) };
    assert_eq!(signed(&credentials, &scope(), &[HOST]).unwrap_err(), value("x-amz-security-token"));
}

// Rule: a value is of ` ` to `~`, whatever stands around it. 20 places: two whole steps of eight, and a rest.
#[test]
fn bad_input_273_a_character_that_is_not_printable_is_refused_wherever_it_stands() {
    for character in (0..=0xff).map(char::from) {
        for place in 0..20 {
            for around in ["~", " "] {
                let value: String =
                    (0..20).map(|n| if n == place { character.into() } else { around.to_owned() }).collect();
                let found = canonical_request(&get(&[], &[HOST, ("x-test", &value)])).err();
                let refused =
                    (!(' '..='~').contains(&character)).then(|| SigV4Error::HeaderValue { name: "x-test".into() });
                assert_eq!(found, refused, "{value:?}");
            }
        }
    }
}

#[test]
fn a_request_that_does_not_sign_its_host_is_refused() {
    assert_eq!(canonical_request(&get(&[], &[("Accept", "x")])).unwrap_err(), SigV4Error::NoHost);
}

#[test]
fn bad_inputs_275_and_276_repeated_headers_keep_their_order_and_spaces_are_one() {
    let headers = [("My-Header", "b"), HOST, ("my-header", "  a \u{20}  c  "), ("MY-HEADER", ""), ("A.b_c", "x")];
    let canonical = canonical(&get(&[], &headers));
    assert!(canonical.contains("\na.b_c:x\nhost:iam.amazonaws.com\nmy-header:b,a c,\n\na.b_c;host;my-header\n"));
}

// By hand, from the guide's rules for the canonical URI.
#[test]
fn bad_input_277_paths_are_resolved_and_escaped_as_the_standard_says() {
    for (path, normalized, as_is) in [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("//", "/", "//"),
        ("/./", "/", "/./"),
        ("/..", "/", "/.."),
        ("/a/../..//b", "/b", "/a/../..//b"),
        ("//a//", "/a/", "//a//"),
        ("/a/.", "/a/", "/a/."),
        ("/a/..", "/", "/a/.."),
        ("/a%2Fb", "/a%252Fb", "/a%252Fb"),
        ("/a%2fb", "/a%252fb", "/a%252fb"),
        ("/a b+c~", "/a%20b%2Bc~", "/a%20b%2Bc~"),
        ("/\u{1234}", "/%E1%88%B4", "/%E1%88%B4"),
    ] {
        assert_eq!(path_and_query(path, PathRule::Normalized, &[]).0, normalized, "{path}");
        assert_eq!(path_and_query(path, PathRule::AsIs, &[]).0, as_is, "{path}");
    }
}

// By hand, from the guide's rules for the canonical query string.
#[test]
fn bad_input_278_queries_are_escaped_and_sorted_by_what_is_sent() {
    for (query, expected) in [
        (&[("b", ""), ("a", "")][..], "a=&b="),
        (&[("a", "2"), ("a", "1"), ("a", "10")], "a=1&a=10&a=2"),
        (&[("a", "x y"), ("A", "+")], "A=%2B&a=x%20y"),
        (&[("a", "1"), ("a-", "1"), ("a%", "1")], "a=1&a%25=1&a-=1"),
        (&[("\u{e4}", "&="), ("z", "1")], "%C3%A4=%26%3D&z=1"),
    ] {
        assert_eq!(path_and_query("/", PathRule::Normalized, query).1, expected);
    }
}

#[test]
fn bad_inputs_279_and_280_an_empty_key_and_a_scope_of_more_than_names_are_refused() {
    let (secret, empty) = (Secret::from_text(SECRET), Secret::from_text(""));
    let with = |id, secret| Credentials { access_key_id: id, secret_access_key: secret, session_token: None };
    assert_eq!(signed(&with("AKID", &empty), &scope(), &[HOST]).unwrap_err(), SigV4Error::EmptySecret);
    for id in ["", "AK/ID", "AK ID", "AK,ID", "AK\nID"] {
        assert_eq!(signed(&with(id, &secret), &scope(), &[HOST]).unwrap_err(), SigV4Error::AccessKeyId, "{id:?}");
    }
    let longest = "a".repeat(MAX_SCOPE_NAME);
    let longer = "a".repeat(MAX_SCOPE_NAME + 1);
    assert!(signed(&with("AKID", &secret), &Scope { region: &longest, ..scope() }, &[HOST]).is_ok());
    for name in ["", "us/east", "us east", "US-EAST-1", "us_east", "us.east", "\u{e4}", &longer] {
        let region = signed(&with("AKID", &secret), &Scope { region: name, ..scope() }, &[HOST]);
        assert_eq!(region.unwrap_err(), SigV4Error::Region, "{name:?}");
        let service = signed(&with("AKID", &secret), &Scope { service: name, ..scope() }, &[HOST]);
        assert_eq!(service.unwrap_err(), SigV4Error::Service, "{name:?}");
    }
}

#[test]
fn bad_input_282_a_clock_before_2000_is_refused_and_9999_is_the_last_year() {
    let secret = Secret::from_text(SECRET);
    let credentials = Credentials { access_key_id: "AKID", secret_access_key: &secret, session_token: None };
    let when = |at| signed(&credentials, &Scope { at, ..scope() }, &[HOST]);
    let before = at("1999-12-31T23:59:59Z");
    assert_eq!(when(before).unwrap_err(), SigV4Error::Clock { at: before });
    assert!(when(at("2000-01-01T00:00:00Z")).is_ok());
    assert!(when(Timestamp::MAX).unwrap().0.contains("/99991231/"), "no time has a fifth digit in its year");
    assert_eq!(Timestamp::from_unix_seconds(Timestamp::MAX.unix_seconds() + 1), None);
}

#[test]
fn a_key_signs_for_its_day_region_and_service_and_for_nothing_else() {
    let secret = Secret::from_text(SECRET);
    let credentials = Credentials { access_key_id: "AKID", secret_access_key: &secret, session_token: None };
    let key = SigningKey::derive(&secret, &scope()).unwrap();
    let later = Scope { at: at("2015-08-30T23:59:59Z"), ..scope() };
    assert!(sign_headers(&get(&[], &[HOST]), &credentials, &later, &key).is_ok());
    for other in [
        Scope { at: at("2015-08-31T00:00:00Z"), ..scope() },
        Scope { region: "us-east-2", ..scope() },
        Scope { service: "sts", ..scope() },
    ] {
        let refused = sign_headers(&get(&[], &[HOST]), &credentials, &other, &key);
        assert_eq!(refused.unwrap_err(), SigV4Error::OtherScope);
        let refused = sign_query(&get(&[], &[HOST]), &credentials, &other, &key, 60);
        assert_eq!(refused.unwrap_err(), SigV4Error::OtherScope);
    }
}

#[test]
fn a_signed_query_is_good_for_a_second_to_a_week() {
    let secret = Secret::from_text(SECRET);
    let credentials = Credentials { access_key_id: "AKID", secret_access_key: &secret, session_token: None };
    let key = SigningKey::derive(&secret, &scope()).unwrap();
    let query = |expires| sign_query(&get(&[], &[HOST]), &credentials, &scope(), &key, expires).map(|_| ());
    assert_eq!(MAX_EXPIRES, 7 * 24 * 3600);
    assert_eq!((query(1), query(MAX_EXPIRES)), (Ok(()), Ok(())));
    for expires in [0, MAX_EXPIRES + 1] {
        assert_eq!(query(expires), Err(SigV4Error::Expires { expires }));
    }
}

#[test]
fn nothing_secret_is_in_what_can_be_printed() {
    let (secret, token) = (Secret::from_text("PLANTED-KEY"), Secret::from_text("PLANTED-TOKEN"));
    let credentials = Credentials { access_key_id: "AKID", secret_access_key: &secret, session_token: Some(&token) };
    let key = SigningKey::derive(&secret, &scope()).unwrap();
    let signed = sign_headers(&get(&[], &[HOST]), &credentials, &scope(), &key).unwrap();
    let shown = format!("{credentials:?} {key:?} {signed:?}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    assert!(shown.contains("SigningKey(20150830/us-east-1/iam/aws4_request, hidden)"), "{shown}");
    assert!(signed.authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "));
}
