//! An issuer in memory, what it answers at which URL and what it was asked: for the tests on how keys are fetched.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::ingest::{KeySource, KeySourceError};
use safe_conduct::name::Issuer;
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sys::http::{HttpClient, HttpError, HttpRequest, HttpResponse};
use safe_conduct::time::{Moment, Timestamp};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const ISSUER: &str = "https://issuer.example/realm";
pub const DOCUMENT: &str = "https://issuer.example/realm/.well-known/openid-configuration";
pub const KEYS: &str = "https://issuer.example/realm/keys";

/// Status and body, or no answer at all.
type Answer = Result<(u16, Vec<u8>), HttpError>;

#[derive(Default)]
pub struct FakeIssuer {
    answers: Mutex<BTreeMap<String, Answer>>,
    /// URL and bearer token of each request.
    pub requests: Mutex<Vec<(String, Option<String>)>>,
}

impl FakeIssuer {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub fn answers(&self, url: &str, status: u16, body: impl AsRef<[u8]>) {
        self.answers.lock().unwrap().insert(url.to_owned(), Ok((status, body.as_ref().to_vec())));
    }

    pub fn fails(&self, url: &str, error: HttpError) {
        self.answers.lock().unwrap().insert(url.to_owned(), Err(error));
    }

    /// How often it was asked anything.
    pub fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn answer(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
        assert!(request.form.is_none(), "keys are fetched with GET");
        let bearer = request.bearer.map(|secret| secret.expose().to_owned());
        self.requests.lock().unwrap().push((request.url.as_str().to_owned(), bearer));
        let known = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        let (status, content) = known.unwrap_or(Ok((404, Vec::new())))?;
        let mut body = WipedBuffer::with_capacity(content.len());
        body.push(&content).unwrap();
        Ok(HttpResponse { status, body, retry_after: None, date: None })
    }

    /// The way to it.
    pub fn http(self: &Arc<Self>) -> Arc<dyn HttpClient> {
        let issuer = Arc::clone(self);
        Arc::new(move |request: &HttpRequest<'_>| issuer.answer(request))
    }

    pub fn source(self: &Arc<Self>) -> KeySource {
        KeySource::url(ServiceUrl::new(KEYS).unwrap(), self.http(), None, HOUR, DAY)
    }

    pub fn discovery(self: &Arc<Self>, issuer: &str) -> Result<KeySource, KeySourceError> {
        KeySource::discovery(&Issuer::new(issuer).unwrap(), self.http(), None, HOUR, DAY)
    }
}

/// So long after the start, by a clock that nobody can set.
pub fn after(monotonic: Duration) -> Moment {
    Moment { wall: Timestamp::MAX, monotonic }
}

pub fn one_key(id: &str) -> String {
    format!("{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"{id}\",\"x\":\"{}\"}}]}}", encode(&[7; 32]))
}
