//! HTTP to issuers and services: the only file that knows ureq. One agent a request, dropped with the answer.

use std::fmt;
use std::time::Duration;

use crate::codec::url::ServiceUrl;
use crate::error::{Actionable, Facts};
use crate::secret::{Secret, WipedBuffer};

/// One request. There is no way to put a secret into its URL: a [`ServiceUrl`] has no query.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// Where to.
    pub url: &'a ServiceUrl,
    /// A POST with this form body, or else a GET.
    pub form: Option<&'a WipedBuffer>,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<&'a Secret>,
    /// Longest body that is read; one byte more is an error.
    pub most: usize,
}

/// An answer with any status: the caller decides what a status means.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code. A redirect is an answer like any other and is never followed.
    pub status: u16,
    /// The body, in wiped memory.
    pub body: WipedBuffer,
    /// `Retry-After` in seconds, where the service said it so, at most an hour.
    pub retry_after: Option<Duration>,
}

/// Sends one request and waits for the answer. A closure is a test double.
pub trait HttpClient: Send + Sync {
    /// Sends `request`.
    ///
    /// # Errors
    /// [`HttpError`] if there is no whole answer in time.
    fn send(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpError>;
}

impl<F> HttpClient for F
where
    F: Fn(&HttpRequest<'_>) -> Result<HttpResponse, HttpError> + Send + Sync,
{
    fn send(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
        self(request)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {}

impl fmt::Display for HttpError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for HttpError {}

impl Actionable for HttpError {
    fn facts(&self) -> Facts {
        match *self {}
    }
}
