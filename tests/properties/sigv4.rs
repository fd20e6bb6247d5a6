//! Property of `codec::sigv4`: what is signed has one reading, and what is sent reads back as what went in.

use safe_conduct::Secret;
use safe_conduct::codec::hash::Sha256;
use safe_conduct::codec::sigv4::{
    Credentials, PathRule, Request, Scope, SigningKey, canonical_request, sign_headers, sign_query,
};
use safe_conduct::time::Timestamp;

/// Takes lines of `data` as path, region, session token, then as names and values in turn: of the query first, then of
/// headers.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\u{1}');
    let mut next = || lines.next().unwrap_or_default();
    let (path, region, token) = (next(), next(), next());
    let (query, header) = ([(next(), next())], (next(), next()));
    let headers = [("host", "sts.example"), header];
    let (secret, token) = (Secret::from_text("PLANTED/key+"), Secret::from_text(token));
    let at = Timestamp::from_unix_seconds(1_800_000_000).expect("in range");
    let scope = Scope { at, region, service: "sts" };
    let Ok(key) = SigningKey::derive(&secret, &scope) else {
        assert!(region.is_empty() || region.len() > 64 || !region.bytes().all(is_of_a_name), "a good region is taken");
        return;
    };
    assert!(region.bytes().all(is_of_a_name));
    let credentials = Credentials { access_key_id: "AKID", secret_access_key: &secret, session_token: Some(&token) };
    for path_rule in [PathRule::Normalized, PathRule::AsIs] {
        let body = Sha256::of(data);
        let request = Request { method: "POST", path, path_rule, query: &query, headers: &headers, body };
        let Ok(canonical) = canonical_request(&request) else {
            assert!(!header.0.bytes().all(is_of_a_header) || header.0.is_empty() || !is_printable(header.1));
            return;
        };
        let canonical = std::str::from_utf8(canonical.as_slice()).expect("ASCII");
        let count = if header.0.eq_ignore_ascii_case("host") { 1 } else { 2 };
        assert_eq!(canonical.split('\n').count(), 6 + count, "a line for each part and no more: {canonical}");
        assert!(canonical.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
        assert!(canonical.split('\n').nth(1).is_some_and(|line| line.starts_with('/')));

        let signed = sign_headers(&request, &credentials, &scope, &key);
        assert_eq!(signed.is_ok(), is_printable(token.expose()));
        if let Ok(signed) = signed {
            assert!(is_printable(&signed.authorization) && !signed.authorization.contains("PLANTED"));
        }
        let sent = sign_query(&request, &credentials, &scope, &key, 60).expect("a query takes every text");
        let sent = std::str::from_utf8(sent.as_slice()).expect("ASCII");
        let pairs: Vec<_> = sent.split('&').map(|pair| pair.split_once('=').expect("a pair")).collect();
        assert_eq!((decoded(pairs[0].0), decoded(pairs[0].1)), (query[0].0.into(), query[0].1.into()));
        let of = |name: &str| pairs.iter().rev().find(|(other, _)| *other == name).map(|(_, value)| decoded(value));
        assert_eq!(of("X-Amz-Security-Token"), Some(token.expose().as_bytes().to_vec()));
        assert_eq!(of("X-Amz-Signature").map(|signature| signature.len()), Some(64));
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_of_a_header(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        out.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        out.extend_from_slice(&piece.as_bytes()[2..]);
    }
    out
}
