//! `KeySource`: where the issuer's keys come from, how long they are kept, and when they are fetched anew.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::codec::hash::Sha256;
use crate::codec::json::{JsonError, JsonLimits, JsonObject};
use crate::codec::jwks::{JwkError, MAX_KEY_SET};
use crate::codec::jwt::MAX_TOKEN;
use crate::codec::url::{ServiceUrl, UrlError};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::{KeyProblem, KeySet, KeySetError};
use crate::ingest::file::length_without_line_end;
use crate::name::Issuer;
use crate::secret::{Secret, WipedBuffer};
use crate::sys::file::{self, FileError};
use crate::sys::http::{HttpClient, HttpError, HttpRequest};
use crate::time::Moment;

/// Shortest time between two attempts to replace keys that are there, failed ones included: tokens with made-up key
/// ids must not become a flood at the issuer.
pub const REFETCH_PAUSE: Duration = Duration::from_secs(30);

/// Most of a discovery document: real ones have under 10 KiB.
const DISCOVERY_LIMITS: JsonLimits = JsonLimits { bytes: 64 * 1024, depth: 8, values: 2048 };

/// Where the issuer's keys come from.
pub struct KeySource {
    origin: Origin,
    current: Option<Kept>,
    nothing: Arc<KeySet>,
}

enum Origin {
    Nowhere,
    File(PathBuf),
    Http(Remote),
}

struct Kept {
    keys: Arc<KeySet>,
    fetched: Duration,
    content: Sha256,
}

struct Remote {
    place: Place,
    http: Arc<dyn HttpClient>,
    bearer_token_file: Option<PathBuf>,
    refresh: Duration,
    max_stale: Duration,
    attempted: Option<Duration>,
}

enum Place {
    KeySet(ServiceUrl),
    Discovery { issuer: Issuer, base: ServiceUrl, document: ServiceUrl },
}

impl KeySource {
    /// No keys: for a verifier that skips signatures.
    #[must_use]
    pub fn none() -> Self {
        Self::from(Origin::Nowhere)
    }

    /// A JWKS file. It is read at each use, and what it says counts at once; there is no keeping of older keys.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::from(Origin::File(path))
    }

    /// A JWKS document at `url`. It is fetched when it is needed first, then when it is `refresh` old or a token names
    /// a key that it has not. While it cannot be fetched, the last good one serves until it is `max_stale` old.
    #[must_use]
    pub fn url(
        url: ServiceUrl,
        http: Arc<dyn HttpClient>,
        bearer_token_file: Option<PathBuf>,
        refresh: Duration,
        max_stale: Duration,
    ) -> Self {
        let place = Place::KeySet(url);
        Self::from(Origin::Http(Remote { place, http, bearer_token_file, refresh, max_stale, attempted: None }))
    }

    /// As [`KeySource::url`], with the URL from the issuer's discovery document (OIDC Discovery 1.0, section 4), which
    /// is fetched each time too.
    ///
    /// # Errors
    /// [`KeySourceError::IssuerUrl`] if the issuer is no URL that we would send anything to.
    pub fn discovery(
        issuer: &Issuer,
        http: Arc<dyn HttpClient>,
        bearer_token_file: Option<PathBuf>,
        refresh: Duration,
        max_stale: Duration,
    ) -> Result<Self, KeySourceError> {
        // Rule: the document is at the issuer, less one `/` at its end, plus this path (OIDC Discovery 1.0, section 4.1).
        let base = ServiceUrl::new(issuer.as_str()).map_err(KeySourceError::IssuerUrl)?;
        let document = base.joined("/.well-known/openid-configuration").map_err(KeySourceError::IssuerUrl)?;
        let place = Place::Discovery { issuer: issuer.clone(), base, document };
        Ok(Self::from(Origin::Http(Remote { place, http, bearer_token_file, refresh, max_stale, attempted: None })))
    }

    /// The keys to check a token with that names `key_id`.
    ///
    /// # Errors
    /// [`KeySourceError`] if there are none that may still be used.
    pub fn keys(&mut self, key_id: Option<&str>, at: Moment) -> Result<&Arc<KeySet>, KeySourceError> {
        let now = at.monotonic;
        match &mut self.origin {
            Origin::Nowhere => return Ok(&self.nothing),
            Origin::File(path) => {
                let content = file::read(path, MAX_KEY_SET).map_err(KeySourceError::File)?.content;
                let hash = Sha256::of(content.as_slice());
                if self.current.as_ref().is_none_or(|kept| kept.content != hash) {
                    // Not kept when the new content is bad: the file is the owner's word on which keys count.
                    self.current = None;
                    let keys = KeySet::from_jwks(content.as_slice()).map_err(KeySourceError::KeySet)?;
                    say_unusable(&keys);
                    self.current = Some(Kept { keys: Arc::new(keys), fetched: now, content: hash });
                }
            }
            Origin::Http(remote) => {
                if remote.is_due(self.current.as_ref(), key_id, now) {
                    remote.attempted = Some(now);
                    match remote.fetch() {
                        Ok((keys, content)) => {
                            if self.current.as_ref().is_none_or(|kept| kept.content != content) {
                                say_unusable(&keys);
                            }
                            self.current = Some(Kept { keys: Arc::new(keys), fetched: now, content });
                        }
                        Err(error) if self.current.is_some() => {
                            log::warn!("the issuer's keys cannot be fetched anew: {}: {error}", error.facts().code);
                        }
                        Err(error) => return Err(error),
                    }
                }
                let age = self.current.as_ref().map(|kept| now.saturating_sub(kept.fetched)).unwrap_or_default();
                if age > remote.max_stale {
                    return Err(KeySourceError::Stale { age, most: remote.max_stale });
                }
            }
        }
        self.current
            .as_ref()
            .map(|kept| &kept.keys)
            .ok_or(KeySourceError::KeySet(KeySetError::NoUsableKey { unusable: Vec::new() }))
    }
}

impl From<Origin> for KeySource {
    fn from(origin: Origin) -> Self {
        Self { origin, current: None, nothing: Arc::new(KeySet::empty()) }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Nowhere => f.write_str("KeySource(none)"),
            Origin::File(path) => write!(f, "KeySource({})", path.display()),
            Origin::Http(Remote { place: Place::KeySet(url), .. }) => write!(f, "KeySource({url})"),
            Origin::Http(Remote { place: Place::Discovery { document, .. }, .. }) => write!(f, "KeySource({document})"),
        }
    }
}

impl Remote {
    /// Whether to fetch now. Without any keys always: whoever asks waits longer after each failure.
    fn is_due(&self, current: Option<&Kept>, key_id: Option<&str>, now: Duration) -> bool {
        let Some(kept) = current else { return true };
        let paused = self.attempted.is_some_and(|last| now.saturating_sub(last) < REFETCH_PAUSE);
        let old = now.saturating_sub(kept.fetched) >= self.refresh;
        let unknown = key_id.is_some_and(|id| !kept.keys.has(id));
        !paused && (old || unknown)
    }

    fn fetch(&self) -> Result<(KeySet, Sha256), KeySourceError> {
        let bearer = self.bearer_token_file.as_deref().map(bearer_token).transpose()?;
        let url = match &self.place {
            Place::KeySet(url) => url.clone(),
            Place::Discovery { issuer, base, document } => {
                let body = self.get(document, bearer.as_ref(), DISCOVERY_LIMITS.bytes)?;
                key_set_url(body.as_slice(), issuer, base)?
            }
        };
        let body = self.get(&url, bearer.as_ref(), MAX_KEY_SET)?;
        let keys = KeySet::from_jwks(body.as_slice()).map_err(KeySourceError::KeySet)?;
        Ok((keys, Sha256::of(body.as_slice())))
    }

    fn get(&self, url: &ServiceUrl, bearer: Option<&Secret>, most: usize) -> Result<WipedBuffer, KeySourceError> {
        let request = HttpRequest { url, form: None, bearer, signature: None, most };
        let response = self.http.send(&request).map_err(KeySourceError::Unreachable)?;
        // Rule: only 200 is an answer (OIDC Discovery 1.0, section 4.2). A redirect is not followed.
        if response.status == 200 { Ok(response.body) } else { Err(KeySourceError::Status { status: response.status }) }
    }
}

/// What a discovery document says of the keys' place.
fn key_set_url(document: &[u8], issuer: &Issuer, base: &ServiceUrl) -> Result<ServiceUrl, KeySourceError> {
    let document = JsonObject::parse(document, &DISCOVERY_LIMITS).map_err(KeySourceError::Discovery)?;
    // Rule: its `issuer` "MUST be identical to the Issuer URL" (OIDC Discovery 1.0, section 4.3).
    if document.text("issuer") != Ok(Some(issuer.as_str())) {
        return Err(KeySourceError::OtherIssuer);
    }
    let url = document.text("jwks_uri").ok().flatten().ok_or(KeySourceError::NoKeySetUrl)?;
    let url = ServiceUrl::new(url).map_err(KeySourceError::KeySetUrl)?;
    // Rule: the keys are where the issuer is, so that a changed document cannot send us elsewhere. On loopback, where
    // both are taken, https and http without a port are two ports.
    if origin(&url).eq(origin(base)) { Ok(url) } else { Err(KeySourceError::OtherHost) }
}

/// Scheme, host and port as written (RFC 6454, section 4).
fn origin(url: &ServiceUrl) -> impl Iterator<Item = &str> {
    url.as_str().split('/').take(3)
}

/// Loudly where whoever reads the set could sign tokens, and quietly where a key only has another purpose.
fn say_unusable(keys: &KeySet) {
    for key in keys.unusable() {
        let facts = key.facts();
        let level = match key.reason {
            KeyProblem::Malformed(JwkError::NotPublic) => log::Level::Error,
            KeyProblem::Malformed(JwkError::NotForSignatures) => log::Level::Debug,
            _ => log::Level::Warn,
        };
        log::log!(level, "[{}] {key}. {}", facts.code, facts.remedy);
    }
}

fn bearer_token(path: &Path) -> Result<Secret, KeySourceError> {
    let mut content = file::read(path, MAX_TOKEN).map_err(KeySourceError::File)?.content;
    let length = length_without_line_end(content.as_slice());
    content.truncate(length);
    // It becomes a header's value (RFC 6750, section 2.1: these characters, and no others).
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let well_formed = length > 0 && content.as_slice().iter().all(allowed);
    let secret = content.to_secret().ok().filter(|_| well_formed);
    secret.ok_or_else(|| KeySourceError::BearerToken { path: path.to_owned() })
}

/// Why there are no keys that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySourceError {
    /// The JWKS file, or the file with the bearer token, cannot be read.
    File(FileError),
    /// The file with the bearer token holds something else.
    BearerToken {
        /// Which file.
        path: PathBuf,
    },
    /// The document is no key set, or has no key that can be used.
    KeySet(KeySetError),
    /// The issuer is no URL that we would ask.
    IssuerUrl(UrlError),
    /// There was no answer.
    Unreachable(HttpError),
    /// The answer is not 200.
    Status {
        /// But this.
        status: u16,
    },
    /// The discovery document is not the JSON that it must be.
    Discovery(JsonError),
    /// The discovery document is another issuer's.
    OtherIssuer,
    /// The discovery document has no `jwks_uri`.
    NoKeySetUrl,
    /// The discovery document's `jwks_uri` is no URL that we would ask.
    KeySetUrl(UrlError),
    /// The discovery document's `jwks_uri` is at another host or port than the issuer.
    OtherHost,
    /// The keys could not be fetched for too long.
    Stale {
        /// How old they are.
        age: Duration,
        /// Oldest that may be used.
        most: Duration,
    },
}

impl fmt::Display for KeySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(source) => write!(f, "the issuer's keys cannot be read: {source}"),
            Self::BearerToken { path } => write!(f, "{} does not hold one bearer token", path.display()),
            Self::KeySet(source) => source.fmt(f),
            Self::IssuerUrl(source) => write!(f, "the issuer cannot be asked for its keys: {source}"),
            Self::Unreachable(source) => write!(f, "the issuer's keys cannot be fetched: {source}"),
            Self::Status { status } => write!(f, "the issuer answered with status {status} when asked for its keys"),
            Self::Discovery(source) => write!(f, "the issuer's discovery document is malformed: {source}"),
            Self::OtherIssuer => f.write_str("the discovery document is another issuer's"),
            Self::NoKeySetUrl => f.write_str("the discovery document has no jwks_uri"),
            Self::KeySetUrl(source) => write!(f, "the discovery document's jwks_uri is refused: {source}"),
            Self::OtherHost => {
                f.write_str("the discovery document's jwks_uri is at another host or port than the issuer")
            }
            Self::Stale { age, most } => {
                write!(f, "the issuer's keys are {} s old, more than {} s", age.as_secs(), most.as_secs())
            }
        }
    }
}

impl std::error::Error for KeySourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            Self::KeySet(source) => Some(source),
            Self::IssuerUrl(source) | Self::KeySetUrl(source) => Some(source),
            Self::Unreachable(source) => Some(source),
            Self::Discovery(source) => Some(source),
            Self::BearerToken { .. }
            | Self::Status { .. }
            | Self::OtherIssuer
            | Self::NoKeySetUrl
            | Self::OtherHost
            | Self::Stale { .. } => None,
        }
    }
}

impl Actionable for KeySourceError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(source) => source.facts(),
            Self::BearerToken { .. } => Facts::new(
                "KEYS_BEARER_TOKEN",
                Fault::Configuration,
                Retry::Backoff,
                "Put one bearer token, and nothing else, into the file of spark.security.oidc.jwks.bearerTokenFile.",
            ),
            Self::KeySet(source) => source.facts(),
            Self::IssuerUrl(_) => Facts::new(
                "KEYS_ISSUER_URL",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.jwks.file or jwks.url, or an issuer that starts with https://.",
            ),
            Self::Unreachable(_) => Facts::new(
                "KEYS_UNREACHABLE",
                Fault::Unreachable,
                Retry::Backoff,
                "Check the network to the issuer and spark.security.oidc.jwks.caFile, or set spark.security.oidc.jwks.file.",
            ),
            Self::Status { .. } => Facts::new(
                "KEYS_STATUS",
                Fault::Unreachable,
                Retry::Backoff,
                "Check the issuer's URL; for a cluster's API server, allow anonymous discovery or set jwks.bearerTokenFile.",
            ),
            Self::Discovery(_) | Self::OtherIssuer | Self::NoKeySetUrl | Self::KeySetUrl(_) | Self::OtherHost => {
                Facts::new(
                    "KEYS_DISCOVERY",
                    Fault::Identity,
                    Retry::Backoff,
                    "Check spark.security.oidc.identityToken.issuer, or name the keys' place in spark.security.oidc.jwks.url.",
                )
            }
            Self::Stale { .. } => Facts::new(
                "KEYS_STALE",
                Fault::Unreachable,
                Retry::Backoff,
                "Restore the way to the issuer's keys; the warnings before this one say what is wrong with it.",
            ),
        }
    }
}
