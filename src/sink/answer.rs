//! What the container credentials endpoint answers to a request: a function of head, store and time. Knows no sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::codec::http1::{Answer, Content, Head, Http1Error, Status};
use crate::codec::json::{JsonValue, credential_json};
use crate::counter::Counts;
use crate::credential::{ServiceCredential, UserCredentials, s3a};
use crate::name::{CredentialName, Scheme, TargetName};
use crate::secret::{Secret, WipedBuffer};
use crate::store::CredentialStore;
use crate::sys::http_server::HttpService;
use crate::time::Moment;

use super::endpoint::PATH;

/// The statuses that are answered with here.
pub(super) const STATUSES: [u16; 6] = [200, 400, 403, 404, 405, 503];

const EXPIRED: (Status, &str, &str) = (
    Status::ServiceUnavailable,
    "CREDENTIALS_EXPIRED",
    "The credentials have expired and could not be renewed. Safe-conduct's log says why.",
);

/// Everything that an answer depends on, besides the request and the time.
pub(crate) struct Responder {
    token: Arc<Secret>,
    hosts: [String; 3],
    scheme: Scheme,
    store: Arc<CredentialStore>,
    requests: Counts<u16>,
}

impl Responder {
    /// Answers for `scheme`, to whoever shows `token` and asked for this address by one of loopback's names.
    pub(crate) fn new(
        at: SocketAddr,
        token: Arc<Secret>,
        scheme: Scheme,
        store: Arc<CredentialStore>,
        requests: Counts<u16>,
    ) -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", at.port()));
        Self { token, hosts, scheme, store, requests }
    }

    fn judge(&self, head: &Head<'_>, at: Moment) -> Answer {
        // Rule: GET only. Also a browser's preflight (OPTIONS) gets this, and no CORS header, so that the browser
        // itself stops there.
        if head.method() != "GET" {
            return error(
                Status::MethodNotAllowed { allow: "GET" },
                "METHOD_NOT_ALLOWED",
                "Only GET is answered here.",
            );
        }
        match self.admit(head) {
            Ok(name) => match self.credential(&name, at) {
                Ok(credential) => match container_credentials(&credential) {
                    Some(body) => Answer::new(Status::Ok, Content::Json, body),
                    None => {
                        error(Status::ServiceUnavailable, "CREDENTIALS_INCOMPLETE", "The credential has no AWS keys.")
                    }
                },
                Err((status, code, message)) => error(status, code, message),
            },
            Err(rule) => {
                log::debug!("a request to the credentials endpoint was refused: {rule}");
                error(
                    Status::Forbidden,
                    "ACCESS_DENIED",
                    "Refused. Use AWS_CONTAINER_CREDENTIALS_FULL_URI as it is, and the token in \
                     AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.",
                )
            }
        }
    }

    /// The credential of that name and no other, if it may be served now: one that is not there is never made up for by
    /// another. Else the status, a code and a text for the asker.
    pub(crate) fn credential(
        &self,
        name: &CredentialName,
        at: Moment,
    ) -> Result<Arc<ServiceCredential>, (Status, &'static str, &'static str)> {
        let newest = self.store.newest();
        let held = newest.as_ref().map(|newest| &newest.credentials);
        let Some(credential) = held.and_then(|held| held.get(name)) else {
            let ours =
                || held.into_iter().flat_map(UserCredentials::iter).filter(|(of, _)| *of.scheme() == self.scheme);
            let none = ours().next().is_none();
            let expired = ours().all(|(_, credential)| credential.servable_for(at).is_zero());
            return Err(match name.target() {
                _ if none => (
                    Status::ServiceUnavailable,
                    "NO_CREDENTIALS_YET",
                    "No credentials have arrived yet. Safe-conduct's log says why.",
                ),
                Some(_) => (
                    Status::NotFound,
                    "TARGET_UNKNOWN",
                    "There are no credentials for a target of this name. Its name is the one in aws.target.<name>.",
                ),
                // Whoever asks whether we are ready hears it from this.
                None if expired => EXPIRED,
                None => (
                    Status::NotFound,
                    "NO_UNNAMED_CREDENTIALS",
                    "There are credentials for named targets only. Name one: /v1/credentials/<name>, or its profile.",
                ),
            });
        };
        // Rule: never serve an expired credential, nor one that could expire on its way into a request.
        if credential.servable_for(at).is_zero() {
            return Err(EXPIRED);
        }
        Ok(Arc::clone(credential))
    }

    /// The rules whose refusals all look the same from outside. The error names the rule, for our own log only.
    fn admit(&self, head: &Head<'_>) -> Result<CredentialName, &'static str> {
        // Rule: the token, always, compared in a time that says nothing about it.
        if !self.token.matches(head.header("authorization").unwrap_or_default()) {
            return Err("the token is missing or wrong");
        }
        // Rule: asked for by one of loopback's own names, with the port. A name that somebody pointed at 127.0.0.1
        // (DNS rebinding) is none of them.
        let host = head.header("host").unwrap_or_default();
        if !self.hosts.iter().any(|known| known.as_bytes() == host) {
            return Err("Host is not 127.0.0.1, localhost or [::1] with the endpoint's port");
        }
        // Rule: no SDK sends what browsers and proxies add, so whatever has it came through one.
        if head.header_names().any(is_from_browser_or_proxy) {
            return Err("it has a header that only a browser or a proxy adds");
        }
        // Rule: one path, and one below it for each target, as they are written, never decoded or normalised. A query
        // is allowed and means nothing.
        let below = head.path().strip_prefix(PATH).ok_or("the path is not the endpoint's")?;
        if below.is_empty() {
            return Ok(self.scheme.clone().into());
        }
        let target = below.strip_prefix('/').and_then(|target| TargetName::new(target).ok());
        let target = target.ok_or("the path is not the endpoint's")?;
        Ok(CredentialName::of_target(self.scheme.clone(), target))
    }
}

impl HttpService for Responder {
    const NAME: &'static str = "endpoint";

    fn answer(&self, request: Result<&Head<'_>, Http1Error>, at: Moment) -> Answer {
        let answer = match request {
            Ok(head) => self.judge(head, at),
            Err(_) => error(Status::BadRequest, "BAD_REQUEST", "This is not a request that an SDK sends."),
        };
        self.requests.add(answer.status.code());
        answer
    }
}

/// Headers that only a browser (Fetch Standard) or a proxy (RFC 7239, RFC 9110 section 7.6.3) adds.
fn is_from_browser_or_proxy(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "origin" | "referer" | "forwarded" | "via")
        || ["sec-fetch-", "x-forwarded-", "access-control-request-"].iter().any(|prefix| name.starts_with(prefix))
}

/// The members that all AWS SDKs read; the account only where it is known.
fn container_credentials(credential: &ServiceCredential) -> Option<WipedBuffer> {
    let expiration = credential.expires_at().to_string();
    let mut members = vec![
        ("AccessKeyId", JsonValue::Secret(credential.property(s3a::ACCESS_KEY)?)),
        ("SecretAccessKey", JsonValue::Secret(credential.property(s3a::SECRET_KEY)?)),
        ("Token", JsonValue::Secret(credential.property(s3a::SESSION_TOKEN)?)),
        ("Expiration", JsonValue::Text(&expiration)),
    ];
    if let Some(account) = credential.property(s3a::ACCOUNT_ID) {
        members.push(("AccountId", JsonValue::Secret(account)));
    }
    Some(credential_json(&members))
}

/// An error in the form that AWS SDKs show to their users: so no input and no secret is ever part of it. The AWS SDKs for
/// Java read the lower-case names only, and version 2 shows nothing but the message: so that begins with the code.
fn error(status: Status, code: &str, message: &str) -> Answer {
    let message = format!("{code}: {message}");
    let (code, message) = (JsonValue::Text(code), JsonValue::Text(&message));
    let body = credential_json(&[("Code", code), ("Message", message), ("code", code), ("message", message)]);
    Answer::new(status, Content::Json, body)
}
