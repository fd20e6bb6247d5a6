//! HTTP to issuers and services: the only file that knows ureq. One agent a request, dropped with the answer.

mod error;

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderName, HeaderValue, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::codec::http_date::parse_http_date;
use crate::codec::sigv4::SignedHeaders;
use crate::codec::url::ServiceUrl;
use crate::secret::{Secret, WipedBuffer};
use crate::sys::file::{self, FileError};
use crate::sys::tls::{self, CertificatesError, PeerFault};
use crate::time::Timestamp;

pub use error::{HttpError, Phase};

/// Longest time until a connection, TLS included, stands: a peer in the same region needs a tenth of a second.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Longest time from the first look-up of the name to the last byte of the body.
pub const TOTAL_LIMIT: Duration = Duration::from_secs(10);

/// Longest head of an answer in bytes: those of STS and of issuers have under 2 KiB.
pub const MAX_HEAD: usize = 16 * 1024;

/// Longest pause that a service's `Retry-After` can ask for: a credential of the usual life would be over.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Longest file of root certificates in bytes: a system's bundle with all its comments has about 1.3 MB.
pub const MAX_ROOTS_FILE: usize = 4 * 1024 * 1024;

/// The type of a form's body: where a request is signed, this is signed too.
pub const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// Where systems keep their bundle of root certificates: Debian and Alpine, Fedora and RHEL, openSUSE, older ones.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// One request. There is no way to put a secret into its URL: a [`ServiceUrl`] has no query.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// Where to.
    pub url: &'a ServiceUrl,
    /// A POST with this form body, or else a GET.
    pub form: Option<&'a WipedBuffer>,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<&'a Secret>,
    /// Sent as its headers are signed; not beside a bearer token.
    pub signature: Option<Signature<'a>>,
    /// Longest body that is read; one byte more is an error.
    pub most: usize,
}

/// A request's signature, by Signature Version 4 in its headers.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// Who signed, when, and the signature.
    pub headers: &'a SignedHeaders,
    /// What was signed as `x-amz-security-token`.
    pub session_token: Option<&'a Secret>,
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
    /// `Date`: what time it is for the service, where it says so in the form of RFC 9110.
    pub date: Option<Timestamp>,
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

/// Which root certificates vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// The system's bundle, found at this path.
    System(PathBuf),
    /// A configured file, and nothing else.
    File(PathBuf),
    /// Mozilla's, compiled into the program.
    Compiled,
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(path) => write!(f, "the system's root certificates in {}", path.display()),
            Self::File(path) => write!(f, "the root certificates in {}", path.display()),
            Self::Compiled => f.write_str("the compiled-in root certificates of Mozilla"),
        }
    }
}

/// The client for everything outside: no redirect is followed, no proxy used, no connection kept.
///
/// Each request has an agent of its own. An agent that lives on keeps connections, and with them the token that was
/// sent, in buffers that nobody wipes. For the same reason a file of roots is read for each request: one that was
/// replaced counts at once, and some hundred certificates are not held for weeks between two exchanges.
pub struct UreqClient {
    roots: Roots,
    connect_limit: Duration,
    total_limit: Duration,
}

impl UreqClient {
    /// A client that trusts `roots`.
    ///
    /// # Errors
    /// [`HttpError`] names the file if it cannot be read or gives no usable certificate.
    pub fn new(roots: Roots) -> Result<Self, HttpError> {
        read_roots(&roots)?;
        Ok(Self { roots, connect_limit: CONNECT_LIMIT, total_limit: TOTAL_LIMIT })
    }

    /// A client that trusts the certificates in the file at `path`, and nothing else.
    ///
    /// # Errors
    /// As [`UreqClient::new`].
    pub fn with_ca_file(path: &Path) -> Result<Self, HttpError> {
        Self::new(Roots::File(path.to_owned()))
    }

    /// A client that trusts the system's bundle, or Mozilla's compiled-in roots where there is none.
    ///
    /// # Errors
    /// [`HttpError`] if there is a bundle and it cannot be used: a damaged one is not passed over in silence.
    pub fn with_default_roots() -> Result<Self, HttpError> {
        for path in SYSTEM_BUNDLES {
            match Self::new(Roots::System(PathBuf::from(path))) {
                Err(HttpError::RootsFile(FileError::NotFound { .. })) => {}
                found => return found,
            }
        }
        Self::new(Roots::Compiled)
    }

    /// The same client with other time limits than [`CONNECT_LIMIT`] and [`TOTAL_LIMIT`]: for tests of silent peers.
    #[doc(hidden)]
    #[must_use]
    pub fn with_limits(self, connect_limit: Duration, total_limit: Duration) -> Self {
        Self { connect_limit, total_limit, ..self }
    }

    /// Which root certificates are in use: worth saying at start.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Every setting of ureq whose default is wrong for us, in one place.
    fn config(&self, url: &ServiceUrl) -> Result<ureq::config::Config, HttpError> {
        // Without TLS nobody is asked to vouch: then there is no root to read, and none that would vouch after all.
        let is_tls = url.as_str().starts_with("https:");
        let roots =
            if is_tls { read_roots(&self.roots)? } else { RootCerts::from(std::iter::empty::<Certificate<'_>>()) };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(tls::crypto_provider())
            .build();
        Ok(ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(!url.is_loopback())
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .save_redirect_history(false)
            .http_status_as_error(false)
            .timeout_global(Some(self.total_limit))
            .timeout_resolve(Some(self.connect_limit))
            .timeout_connect(Some(self.connect_limit))
            .max_response_header_size(MAX_HEAD)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .accept_encoding("identity")
            .user_agent(concat!("safe-conduct/", env!("CARGO_PKG_VERSION")))
            .build())
    }
}

impl fmt::Debug for UreqClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UreqClient({:?})", self.roots)
    }
}

impl HttpClient for UreqClient {
    fn send(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
        let agent = self.config(request.url)?.new_agent();
        let headers = proof(request)?;
        let answered = match request.form {
            Some(form) => {
                let post = agent.post(request.url.as_str()).content_type(FORM_TYPE);
                headers.into_iter().fold(post, |post, (name, value)| post.header(name, value)).send(form.as_slice())
            }
            None => {
                let get = agent.get(request.url.as_str());
                headers.into_iter().fold(get, |get, (name, value)| get.header(name, value)).call()
            }
        };
        let mut answer = answered.map_err(from_ureq)?;
        check_framing(answer.headers())?;
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        let date = date(answer.headers());
        let body = read_body(&mut answer.body_mut().as_reader(), request.most)?;
        Ok(HttpResponse { status, body, retry_after, date })
    }
}

/// The headers that say who asks.
fn proof(request: &HttpRequest<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, HttpError> {
    let mut headers = Vec::new();
    if let Some(token) = request.bearer {
        // RFC 6750, section 2.1.
        headers.push((header::AUTHORIZATION, secret_header("Bearer ", token.expose())?));
    }
    if let Some(Signature { headers: signed, session_token }) = request.signature {
        headers.push((header::AUTHORIZATION, secret_header("", &signed.authorization)?));
        headers.push((HeaderName::from_static("x-amz-date"), secret_header("", &signed.date_time)?));
        if let Some(token) = session_token {
            headers.push((HeaderName::from_static("x-amz-security-token"), secret_header("", token.expose())?));
        }
    }
    Ok(headers)
}

/// A value that is marked so that it is not shown where headers are.
fn secret_header(prefix: &str, value: &str) -> Result<HeaderValue, HttpError> {
    let mut text = WipedBuffer::with_capacity(prefix.len().saturating_add(value.len()));
    let written = text.push(prefix.as_bytes()).and_then(|()| text.push(value.as_bytes()));
    written.map_err(|_| HttpError::Bearer)?;
    let mut value = HeaderValue::from_bytes(text.as_slice()).map_err(|_| HttpError::Bearer)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Rules that ureq leaves to us:
/// - nothing is decompressed, so a `Content-Encoding` is refused (we asked for `identity`);
/// - `Transfer-Encoding` is `chunked` and nothing more;
/// - it never stands beside a `Content-Length` (RFC 9112, section 6.1: a sign of request smuggling).
fn check_framing(headers: &HeaderMap) -> Result<(), HttpError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(HttpError::ContentEncoding);
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            if headers.contains_key(header::CONTENT_LENGTH) { Err(HttpError::Protocol) } else { Ok(()) }
        }
        _ => Err(HttpError::Protocol),
    }
}

/// `Retry-After` as a number of seconds (RFC 9110, section 10.2.3), at most [`MAX_RETRY_AFTER`]. A date is ignored:
/// it would be judged by a clock that may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// `Date` (RFC 9110, section 6.6.1), if it stands there once and can be read.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let mut dates = headers.get_all(header::DATE).iter();
    match (dates.next(), dates.next()) {
        (Some(date), None) => parse_http_date(date.to_str().ok()?).ok(),
        _ => None,
    }
}

/// Reads to the end into memory that was sized first: one byte beyond `most` shows that the body is too long.
fn read_body(from: &mut dyn Read, most: usize) -> Result<WipedBuffer, HttpError> {
    let mut body = WipedBuffer::zeroed(most.saturating_add(1));
    let mut length = 0usize;
    while let Some(rest) = body.as_mut_slice().get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => length = length.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(from_ureq(ureq::Error::from(error))),
        }
    }
    if length > most {
        return Err(HttpError::BodyTooLong { most });
    }
    body.truncate(length);
    Ok(body)
}

/// What becomes of a certificate that no verifier can read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// In a configured file each one is meant.
    Refused,
    /// In a system's bundle an odd one, added long ago for something else, must not cost all the others.
    LeftOut,
}

fn read_roots(roots: &Roots) -> Result<RootCerts, HttpError> {
    match roots {
        Roots::Compiled => Ok(RootCerts::WebPki),
        Roots::File(path) => read_certificates(path, Broken::Refused),
        Roots::System(path) => read_certificates(path, Broken::LeftOut),
    }
}

fn read_certificates(path: &Path, broken: Broken) -> Result<RootCerts, HttpError> {
    let file = file::read(path, MAX_ROOTS_FILE).map_err(HttpError::RootsFile)?;
    let refused = |reason| HttpError::Roots { path: path.to_owned(), reason };
    let mut certificates = tls::certificates_from_pem(file.content.as_slice()).map_err(refused)?;
    if broken == Broken::Refused
        && let Some(position) = certificates.iter().position(|certificate| !tls::is_usable_as_root(certificate))
    {
        return Err(refused(CertificatesError::Broken { position }));
    }
    certificates.retain(tls::is_usable_as_root);
    if certificates.is_empty() {
        return Err(refused(CertificatesError::None));
    }
    let owned = certificates.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned());
    Ok(RootCerts::from(owned))
}

fn from_ureq(error: ureq::Error) -> HttpError {
    use ureq::{Error, Timeout};
    match error {
        Error::Timeout(Timeout::Resolve) => HttpError::Timeout { phase: Phase::Resolve },
        Error::Timeout(Timeout::Connect) => HttpError::Timeout { phase: Phase::Connect },
        Error::Timeout(_) => HttpError::Timeout { phase: Phase::Answer },
        Error::HostNotFound => HttpError::Resolve,
        Error::ConnectionFailed => HttpError::Connect { kind: ErrorKind::Other },
        Error::Io(error) => from_io(&error),
        Error::Rustls(error) => HttpError::Tls(tls::peer_fault(&error)),
        Error::Tls(_) | Error::TlsRequired => HttpError::Tls(PeerFault::Handshake),
        Error::LargeResponseHeader(..) => HttpError::HeadTooLong,
        // ureq's enum is open-ended; what is left are answers that are not HTTP.
        _ => HttpError::Protocol,
    }
}

fn from_io(error: &std::io::Error) -> HttpError {
    if let Some(fault) = tls::peer_fault_in(error) {
        return HttpError::Tls(fault);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => HttpError::Disconnected,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => HttpError::Timeout { phase: Phase::Answer },
        // std has no kind for a name that does not resolve, only this text.
        _ if error.to_string().starts_with("failed to lookup address") => HttpError::Resolve,
        kind => HttpError::Connect { kind },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::ToSocketAddrs;

    fn config_for(url: &str) -> ureq::config::Config {
        UreqClient::new(Roots::Compiled).unwrap().config(&ServiceUrl::new(url).unwrap()).unwrap()
    }

    #[test]
    fn every_setting_reads_back_as_it_must_be() {
        let config = config_for("https://sts.eu-central-1.amazonaws.com");
        assert!(config.proxy().is_none());
        assert!(config.https_only());
        assert_eq!(config.max_redirects(), 0);
        assert!(!config.max_redirects_will_error());
        assert!(!config.save_redirect_history());
        assert!(!config.http_status_as_error());
        assert_eq!(config.timeouts().global, Some(CONNECT_LIMIT + Duration::from_secs(7)));
        assert_eq!(config.timeouts().connect, Some(CONNECT_LIMIT));
        assert_eq!(config.timeouts().resolve, Some(CONNECT_LIMIT));
        assert_eq!(config.max_response_header_size(), 16_384);
        assert_eq!(config.max_idle_connections(), 0);
        assert_eq!(config.max_idle_connections_per_host(), 0);
        assert!(!config.tls_config().disable_verification());
        assert!(config.tls_config().use_sni());
        assert!(matches!(config.tls_config().root_certs(), RootCerts::WebPki));
    }

    #[test]
    fn plain_http_is_possible_to_loopback_addresses_only() {
        assert!(!config_for("http://127.0.0.1:9000").https_only());
        assert!(!config_for("http://[::1]:9000").https_only());
        assert!(config_for("https://localhost:9000").https_only());
    }

    #[test]
    fn a_name_without_an_address_is_told_from_a_host_that_does_not_listen() {
        // A label of 64 characters cannot exist (RFC 1035, section 2.3.4): refused without asking the network.
        let error = ("a".repeat(64), 80).to_socket_addrs().unwrap_err();
        assert_eq!(from_io(&error), HttpError::Resolve);
        let refused = std::io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(from_io(&refused), HttpError::Connect { kind: ErrorKind::ConnectionRefused });
    }

    #[test]
    fn a_date_counts_if_it_stands_there_once_and_can_be_read() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::DATE, HeaderValue::from_static(value));
            }
            date(&headers).map(Timestamp::unix_seconds)
        };
        let good = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(with(&[good]), Some(784_111_777));
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[good, good]), None);
        assert_eq!(with(&["Sun Nov  6 08:49:37 1994"]), None);
    }

    #[test]
    fn a_bearer_token_that_would_split_the_header_is_refused() {
        assert_eq!(secret_header("Bearer ", "a\r\nX: y"), Err(HttpError::Bearer));
        assert_eq!(secret_header("Bearer ", "abc").unwrap().as_bytes(), b"Bearer abc");
        assert!(!format!("{:?}", secret_header("Bearer ", "PLANTED")).contains("PLANTED"));
    }
}
