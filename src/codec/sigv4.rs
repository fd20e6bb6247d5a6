//! AWS Signature Version 4: the standard's steps as functions, and requests signed in their headers or in their query.
//!
//! Source: AWS IAM User Guide, "Create a signed AWS API request". A request is written in one canonical form
//! ([`canonical_request`]), its hash goes into a text with the time and the scope ([`string_to_sign`]), and that text
//! is signed with a key that holds for one day, one region and one service ([`SigningKey`], [`signature`]).
//!
//! What could be read in two ways is refused before anything is signed: control characters and non-ASCII in headers,
//! an empty secret, a region that is more than a name.

use std::borrow::Cow;
use std::fmt;

use ring::hmac;

use crate::codec::form::escaped;
use crate::codec::hash::{Push, Sha256, hex};
use crate::secret::{BufferFull, Secret, WipedBuffer};
use crate::time::Timestamp;

/// The name of the algorithm, as it stands in requests.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What ends every scope.
const TERMINATOR: &str = "aws4_request";

/// Longest time in seconds for which a request that is signed in its query may be used: a week.
pub const MAX_EXPIRES: u32 = 604_800;

/// Longest name of a region or a service in bytes: the longest region of today has 16.
pub const MAX_SCOPE_NAME: usize = 64;

/// 2000-01-01T00:00:00Z. A clock before that was never set; the service would refuse the signature anyhow.
const EARLIEST: u64 = 946_684_800;

/// Whose key signs.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// The key's public name.
    pub access_key_id: &'a str,
    /// The key.
    pub secret_access_key: &'a Secret,
    /// What temporary credentials send along.
    pub session_token: Option<&'a Secret>,
}

/// When, where and for which service a signature holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The request's time. The service takes it within 15 minutes of its own.
    pub at: Timestamp,
    /// The region, such as `eu-central-1`.
    pub region: &'a str,
    /// The service's signing name, such as `sts`.
    pub service: &'a str,
}

impl Scope<'_> {
    /// `YYYYMMDDThhmmssZ`.
    #[must_use]
    pub fn date_time(&self) -> String {
        self.at.compact()
    }

    /// `YYYYMMDD`.
    #[must_use]
    pub fn date(&self) -> String {
        Written::new(self).date().to_owned()
    }

    fn check(&self) -> Result<(), SigV4Error> {
        if self.at.unix_seconds() < EARLIEST {
            return Err(SigV4Error::Clock { at: self.at });
        }
        if !is_scope_name(self.region) {
            return Err(SigV4Error::Region);
        }
        if is_scope_name(self.service) { Ok(()) } else { Err(SigV4Error::Service) }
    }
}

/// A scope as it is signed: written once for each signature.
struct Written {
    date_time: String,
    /// `YYYYMMDD/REGION/SERVICE/aws4_request`.
    scope: String,
}

impl Written {
    fn new(scope: &Scope<'_>) -> Self {
        let date_time = scope.date_time();
        let text = [date_of(&date_time), "/", scope.region, "/", scope.service, "/", TERMINATOR].concat();
        Self { date_time, scope: text }
    }

    fn date(&self) -> &str {
        date_of(&self.date_time)
    }

    fn string_to_sign(&self, canonical_request: Sha256) -> String {
        [ALGORITHM, "\n", &self.date_time, "\n", &self.scope, "\n", &canonical_request.hex()].concat()
    }
}

fn date_of(date_time: &str) -> &str {
    date_time.split('T').next().unwrap_or_default()
}

/// Whether it is a name that cannot be taken for more than one part of a scope, or of a host.
fn is_scope_name(name: &str) -> bool {
    (1..=MAX_SCOPE_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// How a path is brought into its canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// `.`, `..` and empty segments are resolved: every service but S3.
    Normalized,
    /// Segments stay as they are: S3, whose keys may hold them.
    AsIs,
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST` ..
    pub method: &'a str,
    /// The path as sent; for S3, the path before it was escaped. Either is escaped (again) for signing.
    pub path: &'a str,
    /// What is done with its segments.
    pub path_rule: PathRule,
    /// The query's names and values before they were escaped.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers that are signed; `host` must be one of them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body's hash.
    pub body: Sha256,
}

/// Step 1: the request in its canonical form. It can hold a session token.
///
/// # Errors
/// [`SigV4Error`] if a header could be read in two ways, or `host` is not among them.
pub fn canonical_request(request: &Request<'_>) -> Result<WipedBuffer, SigV4Error> {
    let canonical = Canonical::new(request)?;
    written(&|push| canonical.push(push))
}

/// The parts of a request in their canonical form.
struct Canonical<'a> {
    request: Request<'a>,
    query: Vec<(&'a str, &'a str)>,
    headers: Headers<'a>,
    names: String,
    body: String,
}

impl<'a> Canonical<'a> {
    fn new(request: &Request<'a>) -> Result<Self, SigV4Error> {
        let headers = Headers::new(request.headers)?;
        let (names, query) = (headers.names(), sorted_query(request.query));
        Ok(Self { request: *request, query, headers, names, body: request.body.hex() })
    }

    fn push(&self, push: Push<'_>) {
        push(self.request.method.as_bytes());
        push(b"\n");
        push_path(self.request.path, self.request.path_rule, push);
        push(b"\n");
        push_query(&self.query, push);
        push(b"\n");
        self.headers.push(push);
        push(b"\n");
        push(self.names.as_bytes());
        push(b"\n");
        push(self.body.as_bytes());
    }

    /// Its hash; the text itself is nowhere in memory.
    fn hash(&self) -> Sha256 {
        Sha256::of_pieces(&|push| self.push(push))
    }
}

/// Step 2: what is signed.
#[must_use]
pub fn string_to_sign(scope: &Scope<'_>, canonical_request: &WipedBuffer) -> String {
    Written::new(scope).string_to_sign(Sha256::of(canonical_request.as_slice()))
}

/// Step 3: the signature, as hexadecimal digits.
#[must_use]
pub fn signature(key: &SigningKey, string_to_sign: &str) -> String {
    hex(hmac(key.key.as_slice(), string_to_sign.as_bytes()).as_ref())
}

/// A key that signs for one day, one region and one service.
pub struct SigningKey {
    key: WipedBuffer,
    scope: String,
}

impl SigningKey {
    /// Derives it. What is in between is wiped.
    ///
    /// # Errors
    /// [`SigV4Error`] if the secret is empty or the scope is no such thing.
    pub fn derive(secret_access_key: &Secret, scope: &Scope<'_>) -> Result<Self, SigV4Error> {
        scope.check()?;
        if secret_access_key.length() == 0 {
            return Err(SigV4Error::EmptySecret);
        }
        let first = written(&|push| {
            push(b"AWS4");
            push(secret_access_key.expose().as_bytes());
        })?;
        let scope_text = Written::new(scope);
        let parts = [scope_text.date(), scope.region, scope.service, TERMINATOR];
        let key =
            parts.iter().fold(first, |key, part| WipedBuffer::copy_of(hmac(key.as_slice(), part.as_bytes()).as_ref()));
        Ok(Self { key, scope: scope_text.scope })
    }

    /// Whether it signs for `scope`: another day needs another one.
    #[must_use]
    pub fn is_for(&self, scope: &Scope<'_>) -> bool {
        self.scope == Written::new(scope).scope
    }
}

/// Shows what it is for.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.scope)
    }
}

fn hmac(key: &[u8], data: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
}

/// What a request that is signed in its headers sends beside its own headers, and the session token in
/// `x-amz-security-token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// The value of `x-amz-date`.
    pub date_time: String,
    /// The value of `authorization`. It holds no secret.
    pub authorization: String,
}

/// Signs a request in its headers: `x-amz-date` and `x-amz-security-token` are signed beside its own.
///
/// # Errors
/// [`SigV4Error`]; nothing of a value is in it.
pub fn sign_headers(
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    scope: &Scope<'_>,
    key: &SigningKey,
) -> Result<SignedHeaders, SigV4Error> {
    let at = check(credentials, scope, key)?;
    let mut headers = Vec::with_capacity(request.headers.len().saturating_add(2));
    headers.extend_from_slice(request.headers);
    headers.push(("x-amz-date", &at.date_time));
    if let Some(token) = credentials.session_token {
        headers.push(("x-amz-security-token", token.expose()));
    }
    let canonical = Canonical::new(&Request { headers: &headers, ..*request })?;
    let signature = signature(key, &at.string_to_sign(canonical.hash()));
    let (id, names) = (credentials.access_key_id, &canonical.names);
    let authorization =
        format!("{ALGORITHM} Credential={id}/{}, SignedHeaders={names}, Signature={signature}", at.scope);
    Ok(SignedHeaders { date_time: at.date_time, authorization })
}

/// Signs a request in its query, to be used within `expires` seconds, and returns the whole query as sent.
///
/// # Errors
/// [`SigV4Error`]; nothing of a value is in it.
pub fn sign_query(
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    scope: &Scope<'_>,
    key: &SigningKey,
    expires: u32,
) -> Result<WipedBuffer, SigV4Error> {
    let at = check(credentials, scope, key)?;
    if !(1..=MAX_EXPIRES).contains(&expires) {
        return Err(SigV4Error::Expires { expires });
    }
    let credential = format!("{}/{}", credentials.access_key_id, at.scope);
    let expires = expires.to_string();
    let names = Headers::new(request.headers)?.names();
    let mut query = request.query.to_vec();
    query.extend([
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &at.date_time),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", &names),
    ]);
    if let Some(token) = credentials.session_token {
        query.push(("X-Amz-Security-Token", token.expose()));
    }
    let canonical = Canonical::new(&Request { query: &query, ..*request })?;
    let signature = signature(key, &at.string_to_sign(canonical.hash()));
    query.push(("X-Amz-Signature", &signature));
    written(&|push| push_query(&query, push))
}

/// Whether these may sign together, and the scope as it is signed.
fn check(credentials: &Credentials<'_>, scope: &Scope<'_>, key: &SigningKey) -> Result<Written, SigV4Error> {
    scope.check()?;
    let id = credentials.access_key_id;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(SigV4Error::AccessKeyId);
    }
    let written = Written::new(scope);
    if key.scope == written.scope { Ok(written) } else { Err(SigV4Error::OtherScope) }
}

/// A text that may hold secrets, in a buffer of exactly its size: its pieces are counted, then written.
fn written(pieces: &dyn Fn(Push<'_>)) -> Result<WipedBuffer, SigV4Error> {
    let mut length = 0usize;
    pieces(&mut |piece| length = length.saturating_add(piece.len()));
    let mut text = WipedBuffer::with_capacity(length);
    let mut whole = Ok(());
    pieces(&mut |piece| whole = whole.and(text.push(piece)));
    whole.map(|()| text).map_err(|BufferFull| SigV4Error::TooLong)
}

fn push_escaped(text: &str, push: Push<'_>) {
    escaped(text).for_each(|byte| push(&[byte]));
}

fn push_path(path: &str, rule: PathRule, push: Push<'_>) {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_folder = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        is_folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." if rule == PathRule::Normalized => {}
            ".." if rule == PathRule::Normalized => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    for segment in &kept {
        push(b"/");
        push_escaped(segment, push);
    }
    if kept.is_empty() || (is_folder && rule == PathRule::Normalized) {
        push(b"/");
    }
}

/// By the escaped names, then by the escaped values.
fn sorted_query<'a>(query: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut sorted = query.to_vec();
    sorted.sort_by(|(name, value), (other_name, other_value)| {
        escaped(name).cmp(escaped(other_name)).then_with(|| escaped(value).cmp(escaped(other_value)))
    });
    sorted
}

fn push_query(query: &[(&str, &str)], push: Push<'_>) {
    for (position, (name, value)) in query.iter().enumerate() {
        if position > 0 {
            push(b"&");
        }
        push_escaped(name, push);
        push(b"=");
        push_escaped(value, push);
    }
}

/// Headers in the order of their names in lower case; those of one name in their own order.
struct Headers<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Headers<'a> {
    fn new(headers: &[(&'a str, &'a str)]) -> Result<Self, SigV4Error> {
        let mut sorted = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                return Err(SigV4Error::HeaderName);
            }
            let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
            let name = if is_lower { Cow::Borrowed(*name) } else { Cow::Owned(name.to_ascii_lowercase()) };
            // Rule: a header's value is printable ASCII. A line break would be another header.
            if !is_printable(value.as_bytes()) {
                return Err(SigV4Error::HeaderValue { name: name.into_owned() });
            }
            sorted.push((name, *value));
        }
        if !sorted.iter().any(|(name, _)| name == "host") {
            return Err(SigV4Error::NoHost);
        }
        // Stable: values of one name stay in their order.
        sorted.sort_by(|(name, _), (other, _)| name.cmp(other));
        Ok(Self(sorted))
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.dedup();
        names.join(";")
    }

    /// `name:value`, a line each name; spaces around a value are left out, and several in it are one.
    fn push(&self, push: Push<'_>) {
        for same in self.0.chunk_by(|(name, _), (other, _)| name == other) {
            for (position, (name, value)) in same.iter().enumerate() {
                if position == 0 {
                    push(name.as_bytes());
                }
                push(if position == 0 { b":" } else { b"," });
                for (position, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
                    if position > 0 {
                        push(b" ");
                    }
                    push(word.as_bytes());
                }
            }
            push(b"\n");
        }
    }
}

/// Whether every byte is one of ` ` to `~`. Eight are looked at in one step: a session token has a thousand.
fn is_printable(text: &[u8]) -> bool {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (eights, rest) = text.as_chunks();
    let all = eights.iter().all(|eight| {
        let eight = u64::from_ne_bytes(*eight);
        // With its high bit set a byte lends nothing to its neighbour, and loses that bit if it was below a space.
        let not_below = (eight | HIGH).wrapping_sub(u64::from_ne_bytes([b' '; 8]));
        // DEL gains the high bit, whatever is not ASCII has it.
        let above = eight | eight.wrapping_add(u64::from_ne_bytes([1; 8]));
        not_below & !above & HIGH == HIGH
    });
    all && rest.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Why a request is not signed. Nothing of a value is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigV4Error {
    /// A header's name is not one.
    HeaderName,
    /// A header's value has a control character, or is not ASCII.
    HeaderValue {
        /// The header's name.
        name: String,
    },
    /// `host` is not signed: the request could be sent elsewhere.
    NoHost,
    /// The access key id is empty, or more than letters, digits and `_`.
    AccessKeyId,
    /// The secret access key is empty.
    EmptySecret,
    /// The region is no name of at most [`MAX_SCOPE_NAME`] small letters, digits and `-`.
    Region,
    /// The service is no such name.
    Service,
    /// The clock is before the year 2000.
    Clock {
        /// What it says.
        at: Timestamp,
    },
    /// The key is for another day, region or service.
    OtherScope,
    /// A request that is signed in its query is good for 1 to [`MAX_EXPIRES`] seconds.
    Expires {
        /// What was asked for.
        expires: u32,
    },
    /// The request does not fit into memory that is wiped.
    TooLong,
}

impl fmt::Display for SigV4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName => f.write_str("a header to be signed has no name that can be one"),
            Self::HeaderValue { name } => write!(f, "the header {name} to be signed is not printable ASCII"),
            Self::NoHost => f.write_str("the header host is not among those to be signed"),
            Self::AccessKeyId => f.write_str("the access key id is empty, or more than letters, digits and _"),
            Self::EmptySecret => f.write_str("the secret access key is empty"),
            Self::Region => f.write_str("the region is no name of small letters, digits and -"),
            Self::Service => f.write_str("the service is no name of small letters, digits and -"),
            Self::Clock { at } => write!(f, "the clock says {at}, before the year 2000"),
            Self::OtherScope => f.write_str("the signing key is for another day, region or service"),
            Self::Expires { expires } => write!(f, "{expires} s is not within 1 to {MAX_EXPIRES}"),
            Self::TooLong => f.write_str("the request to be signed is too long"),
        }
    }
}

impl std::error::Error for SigV4Error {}
