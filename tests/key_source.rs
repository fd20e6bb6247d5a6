//! The issuer's keys: which ones are usable, when they are fetched, and how long they are kept.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/tokens.rs"]
mod tokens;

use std::fs;
use std::time::Duration;

use folder::Folder;
use issuer::{DAY, DOCUMENT, FakeIssuer, HOUR, KEYS, after, one_key};
use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::url::{ServiceUrl, UrlError};
use safe_conduct::error::{Actionable, Fault, Retry};
use safe_conduct::identity::{KeyProblem, KeySet, KeySetError};
use safe_conduct::ingest::{KeySource, KeySourceError, REFETCH_PAUSE};
use safe_conduct::time::Moment;

fn at(seconds: u64) -> Moment {
    after(Duration::from_secs(seconds))
}

#[test]
fn keys_are_fetched_once_and_kept_until_they_are_due() {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let mut source = issuer.source();
    for second in [0, 1, 60, 3599] {
        assert!(source.keys(Some("a"), at(second)).unwrap().has("a"));
    }
    assert_eq!(issuer.asked(), 1);
    issuer.answers(KEYS, 200, one_key("b"));
    assert!(source.keys(Some("a"), at(3600)).unwrap().has("b"));
    assert_eq!(issuer.asked(), 2);
}

#[test]
fn an_unknown_key_id_fetches_at_most_once_in_30_seconds_failures_counted() {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let mut source = issuer.source();
    assert!(source.keys(Some("a"), at(100)).is_ok());
    for attempt in 0..1000 {
        assert!(source.keys(Some(&format!("made-up-{attempt}")), at(100 + attempt % 30)).is_ok());
    }
    assert_eq!(issuer.asked(), 1);
    issuer.answers(KEYS, 500, "");
    let pause = REFETCH_PAUSE.as_secs();
    assert!(source.keys(Some("b"), at(100 + pause)).unwrap().has("a"), "the last good keys serve on");
    assert!(source.keys(Some("b"), at(100 + 2 * pause - 1)).is_ok());
    assert_eq!(issuer.asked(), 2);
    issuer.answers(KEYS, 200, one_key("b"));
    assert!(source.keys(Some("b"), at(100 + 2 * pause)).unwrap().has("b"), "the new key, once it is there");
    assert_eq!(issuer.asked(), 3);
}

#[test]
fn without_any_keys_each_use_asks_and_says_what_is_wrong() {
    let issuer = FakeIssuer::new();
    let mut source = issuer.source();
    for (status, second) in [(404, 0), (302, 1), (500, 2), (204, 3)] {
        issuer.answers(KEYS, status, "");
        let error = source.keys(None, at(second)).unwrap_err();
        assert!(matches!(error, KeySourceError::Status { status: found } if found == status));
        assert_eq!((error.facts().fault, error.facts().retry), (Fault::Unreachable, Retry::Backoff));
    }
    issuer.answers(KEYS, 200, "<html></html>");
    let error = source.keys(None, at(4)).unwrap_err();
    assert!(matches!(error, KeySourceError::KeySet(KeySetError::Malformed(_))));
    issuer.answers(KEYS, 200, "{\"keys\":[]}");
    let error = source.keys(None, at(5)).unwrap_err();
    assert!(matches!(error, KeySourceError::KeySet(KeySetError::NoUsableKey { .. })));
    issuer.answers(KEYS, 200, one_key("a"));
    assert!(source.keys(None, at(6)).is_ok());
}

#[test]
fn the_last_good_keys_serve_for_a_day_and_then_no_longer() {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let mut source = issuer.source();
    assert!(source.keys(None, at(0)).is_ok());
    for body in ["", "garbage", "{\"keys\":[]}"] {
        issuer.answers(KEYS, if body.is_empty() { 503 } else { 200 }, body);
        assert!(source.keys(Some("a"), at(DAY.as_secs())).unwrap().has("a"), "{body}");
    }
    let error = source.keys(Some("a"), at(DAY.as_secs() + 1)).unwrap_err();
    assert!(matches!(error, KeySourceError::Stale { most: DAY, .. }));
    issuer.answers(KEYS, 200, one_key("b"));
    assert!(source.keys(None, at(DAY.as_secs() + 31)).unwrap().has("b"));
}

#[test]
fn discovery_finds_the_keys_at_the_issuer_itself() {
    for written in ["https://issuer.example/realm", "https://issuer.example/realm/"] {
        let issuer = FakeIssuer::new();
        issuer.answers(DOCUMENT, 200, format!("{{\"issuer\":\"{written}\",\"jwks_uri\":\"{KEYS}\",\"x\":[]}}"));
        issuer.answers(KEYS, 200, one_key("a"));
        assert!(issuer.discovery(written).unwrap().keys(None, at(0)).unwrap().has("a"));
        assert_eq!(*issuer.requests.lock().unwrap(), [(DOCUMENT.to_owned(), None), (KEYS.to_owned(), None)]);
    }
}

#[test]
fn a_discovery_document_that_leads_elsewhere_is_refused() {
    let refused = |document: &str| {
        let issuer = FakeIssuer::new();
        issuer.answers(DOCUMENT, 200, document);
        let error =
            issuer.discovery("https://issuer.example/realm").unwrap().keys(None, at(0)).map(|_| ()).unwrap_err();
        assert_eq!(issuer.asked(), 1, "nothing else was asked");
        error
    };
    let with = |name: &str, url: &str| refused(&format!("{{\"issuer\":\"{name}\",\"jwks_uri\":\"{url}\"}}"));
    let own = "https://issuer.example/realm";
    for name in ["https://issuer.example/realm/", "https://issuer.example", "https://evil.example/realm", ""] {
        assert!(matches!(with(name, KEYS), KeySourceError::OtherIssuer), "{name}");
    }
    for url in ["https://evil.example/keys", "https://issuer.example:8443/keys", "https://issuer.example.evil/keys"] {
        assert!(matches!(with(own, url), KeySourceError::OtherHost), "{url}");
    }
    let on_loopback = FakeIssuer::new();
    let document = r#"{"issuer":"https://127.0.0.1","jwks_uri":"http://127.0.0.1/keys"}"#;
    on_loopback.answers("https://127.0.0.1/.well-known/openid-configuration", 200, document);
    let error = on_loopback.discovery("https://127.0.0.1").unwrap().keys(None, at(0)).map(|_| ()).unwrap_err();
    assert!(matches!(error, KeySourceError::OtherHost), "port 80, and no TLS");
    for (url, rule) in [
        ("http://issuer.example/keys", UrlError::NotEncrypted),
        ("https://a@issuer.example/keys", UrlError::UserInformation),
        ("https://issuer.example/keys#x", UrlError::QueryOrFragment),
        ("file:///etc/passwd", UrlError::Scheme),
    ] {
        assert!(matches!(with(own, url), KeySourceError::KeySetUrl(found) if found == rule), "{url}");
    }
    assert!(matches!(refused(&format!("{{\"issuer\":\"{own}\"}}")), KeySourceError::NoKeySetUrl));
    assert!(matches!(refused("<html>"), KeySourceError::Discovery(_)));
    let long = format!("{{\"issuer\":\"{own}\",\"jwks_uri\":\"{KEYS}\",\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    assert!(matches!(refused(&long), KeySourceError::Discovery(_)));
}

#[test]
fn an_issuer_that_is_no_https_url_cannot_be_discovered() {
    for (issuer, rule) in [
        ("http://issuer.example", UrlError::NotEncrypted),
        ("accounts.example", UrlError::Scheme),
        ("https://a@b", UrlError::UserInformation),
    ] {
        let error = FakeIssuer::new().discovery(issuer).unwrap_err();
        assert!(matches!(error, KeySourceError::IssuerUrl(found) if found == rule), "{issuer}");
        assert_eq!(error.facts().retry, Retry::Never);
    }
}

#[test]
fn a_key_file_is_read_at_each_use_and_a_bad_one_closes() {
    let folder = Folder::new();
    let mut source = KeySource::file(folder.write("jwks.json", one_key("a").as_bytes()));
    assert!(source.keys(None, at(0)).unwrap().has("a"));
    folder.write("jwks.json", one_key("b").as_bytes());
    assert!(source.keys(None, at(0)).unwrap().has("b"));
    for _ in 0..2 {
        folder.write("jwks.json", "garbage".as_bytes());
        assert!(matches!(source.keys(None, at(0)), Err(KeySourceError::KeySet(_))));
    }
    folder.write("jwks.json", one_key("b").as_bytes());
    assert!(source.keys(None, at(0)).is_ok());
    fs::remove_file(folder.path("jwks.json")).unwrap();
    assert!(matches!(source.keys(None, at(0)), Err(KeySourceError::File(_))));
    let none = KeySource::none().keys(Some("a"), at(0)).map(|keys| keys.has("a"));
    assert!(matches!(none, Ok(false)));
}

#[test]
fn the_bearer_token_is_read_for_each_fetch_and_must_be_one() {
    let folder = Folder::new();
    let path = folder.write("bearer", "abc.DEF-1_2~3+/==\n".as_bytes());
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let source = || KeySource::url(ServiceUrl::new(KEYS).unwrap(), issuer.http(), Some(path.clone()), HOUR, DAY);
    assert!(source().keys(None, at(0)).is_ok());
    assert_eq!(issuer.requests.lock().unwrap()[0].1.as_deref(), Some("abc.DEF-1_2~3+/=="));
    for content in ["", "\n", "two words", "a\r\nHost: evil", "a\n\n", "b\u{e9}"] {
        folder.write("bearer", content.as_bytes());
        assert!(matches!(source().keys(None, at(0)), Err(KeySourceError::BearerToken { .. })), "{content:?}");
    }
    assert_eq!(issuer.asked(), 1);
}

fn problem(n: &[u8], e: &[u8]) -> Option<KeyProblem> {
    let set = format!("{{\"keys\":[{{\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"{}\"}}]}}", encode(n), encode(e));
    match KeySet::from_jwks(set.as_bytes()) {
        Ok(_) => None,
        Err(KeySetError::NoUsableKey { unusable }) => Some(unusable[0].reason),
        Err(error) => panic!("{error}"),
    }
}

/// An odd number of so many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut n = vec![0x5b; bits.div_ceil(8)];
    let top = (bits - 1) % 8;
    n[0] = (1 << top) | (n[0] & ((1 << top) - 1));
    n
}

const F4: &[u8] = &[1, 0, 1];

#[test]
fn an_rsa_key_has_2048_to_8192_bits() {
    for bits in [2048, 2049, 3072, 8192] {
        assert_eq!(problem(&modulus(bits), F4), None, "{bits}");
    }
    for bits in [1024, 2047] {
        assert_eq!(problem(&modulus(bits), F4), Some(KeyProblem::RsaSize { bits }));
    }
    assert!(matches!(problem(&modulus(8193), F4), Some(KeyProblem::Malformed(_))), "longer than is even decoded");
}

#[test]
fn an_rsa_exponent_is_odd_and_from_65_537_to_33_bits_and_the_modulus_is_odd() {
    for e in [&[1, 0, 1][..], &[1, 0, 3], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(problem(&modulus(2048), e), None, "{e:?}");
    }
    for e in [&[1][..], &[2], &[3], &[17], &[0xff, 0xff], &[1, 0, 0], &[1, 0, 2], &[2, 0, 0, 0, 1]] {
        assert_eq!(problem(&modulus(2048), e), Some(KeyProblem::RsaExponent), "{e:?}");
    }
    let mut even = modulus(2048);
    *even.last_mut().unwrap() -= 1;
    assert_eq!(problem(&even, F4), Some(KeyProblem::RsaModulus));
}

/// 65537^128 is a power of 65537 modulo every prime, so it has the pattern; and it has 2,049 bits.
#[test]
fn a_modulus_with_the_pattern_of_cve_2017_15361_is_refused() {
    let mut power = vec![1u8];
    for _ in 0..128 {
        // Times 65537: the number, plus the number moved up by two bytes. Little-endian.
        let mut next = vec![0u8; power.len() + 3];
        let mut carry = 0u16;
        for (place, byte) in next.iter_mut().enumerate() {
            let own = u16::from(*power.get(place).unwrap_or(&0));
            let moved = place.checked_sub(2).map_or(0, |from| u16::from(*power.get(from).unwrap_or(&0)));
            let sum = own + moved + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        while next.last() == Some(&0) {
            next.pop();
        }
        power = next;
    }
    power.reverse();
    assert_eq!(problem(&power, F4), Some(KeyProblem::Roca));
    // Two more is odd too, and no power modulo some of the primes.
    *power.last_mut().unwrap() += 2;
    assert_eq!(problem(&power, F4), None);
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_makes_it_unusable() {
    let set = |algorithm: &str| {
        let document = tokens::jwks().replace("\"alg\": \"ES256\"", &format!("\"alg\": \"{algorithm}\""));
        KeySet::from_jwks(document.as_bytes()).unwrap().unusable().to_vec()
    };
    assert_eq!(set("ES256"), []);
    for (algorithm, reason) in [
        ("ES384", KeyProblem::AlgorithmOfOtherType),
        ("RS256", KeyProblem::AlgorithmOfOtherType),
        ("ES521", KeyProblem::UnknownAlgorithm),
        ("none", KeyProblem::UnknownAlgorithm),
        ("HS256", KeyProblem::UnknownAlgorithm),
    ] {
        let unusable = set(algorithm);
        assert_eq!((unusable[0].index, unusable[0].reason), (1, reason), "{algorithm}");
    }
}

#[test]
fn what_is_said_of_an_unusable_key_names_it_and_only_a_private_one_is_urgent() {
    let private = r#"{"kty":"RSA","kid":"a","d":"AQAB"}"#;
    let set = tokens::jwks().replacen('[', &format!("[{private},{{\"kty\":\"x\"}},"), 1);
    let keys = KeySet::from_jwks(set.as_bytes()).unwrap();
    let said: Vec<(String, &str)> = keys.unusable().iter().map(|key| (key.to_string(), key.facts().code)).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].0.starts_with("key 0 of the set is not used: it is a private"), "{said:?}");
    assert_eq!((said[0].1, said[1].1), ("KEY_PRIVATE", "KEY_UNUSABLE"));
    let source = std::error::Error::source(&keys.unusable()[0]).unwrap().to_string();
    assert!(said[0].0.ends_with(&source), "{source}");
    assert_eq!(keys.ids().collect::<Vec<_>>(), [Some("rsa"), Some("p256"), Some("p384"), Some("ed25519")]);
}
