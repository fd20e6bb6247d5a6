//! Property: keys come only from the place that the issuer's own document names, over TLS, at the issuer's host and port.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use safe_conduct::ingest::{KeySource, KeySourceError};
use safe_conduct::name::Issuer;
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sys::http::{HttpRequest, HttpResponse};
use safe_conduct::time::{Moment, Timestamp};
use serde_json::Value;

use crate::oracle::{self, Limits};

const LIMITS: Limits = Limits { bytes: 64 * 1024, depth: 8, values: 2048 };
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Issuers, and the host and port of each as they stand in its URLs. The third is where plain HTTP would be possible.
const ISSUERS: [(&str, &str); 3] = [
    ("https://issuer.example/realm", "issuer.example"),
    ("https://issuer.example:8443", "issuer.example:8443"),
    ("https://127.0.0.1/i", "127.0.0.1"),
];

pub fn check(data: &[u8]) {
    for (issuer, authority) in ISSUERS {
        let read = oracle::read(data);
        if let Ok(asked) = fetched(issuer, data) {
            let document = read.as_ref().expect("what is accepted is JSON");
            assert!(is_good(document, issuer, authority), "accepted against the rules: {document}");
            let place = document["jwks_uri"].as_str().unwrap().to_owned();
            assert_eq!(asked, [format!("{issuer}{WELL_KNOWN}"), place]);
        }
        if let Some(document) = read.filter(|document| oracle::is_readable(document, &LIMITS)) {
            let accepted = fetched(issuer, oracle::written(&document).as_bytes());
            assert_eq!(accepted.is_ok(), is_good(&document, issuer, authority), "{accepted:?}: {document}");
        }
    }
}

/// What was asked for, in order, by an issuer that has keys at every URL but answers with `document` at the one.
fn fetched(issuer: &str, document: &[u8]) -> Result<Vec<String>, KeySourceError> {
    let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), document.to_vec());
    let seen = Arc::clone(&asked);
    let http = move |request: &HttpRequest<'_>| {
        let url = request.url.as_str();
        let first = seen.lock().unwrap().is_empty();
        seen.lock().unwrap().push(url.to_owned());
        let content: &[u8] = if first { &answer } else { include_bytes!("../keys/jwks.json") };
        let mut body = WipedBuffer::with_capacity(content.len());
        body.push(content).expect("it is made to measure");
        Ok(HttpResponse { status: 200, body, retry_after: None, date: None })
    };
    let hour = Duration::from_secs(3600);
    let issuer = Issuer::new(issuer).expect("it is an issuer");
    let mut source = KeySource::discovery(&issuer, Arc::new(http), None, hour, hour)?;
    source.keys(Some("p256"), Moment { wall: Timestamp::MAX, monotonic: hour })?;
    let asked = asked.lock().unwrap();
    Ok(asked.clone())
}

fn is_good(document: &Value, issuer: &str, authority: &str) -> bool {
    let place = document["jwks_uri"].as_str().unwrap_or_default();
    let rest = place.strip_prefix("https://").and_then(|rest| rest.strip_prefix(authority));
    let plain = place.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\@?#".contains(&byte));
    document["issuer"].as_str() == Some(issuer)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && plain
        && place.len() <= 2048
}
