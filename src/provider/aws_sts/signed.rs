//! Requests to an STS that are signed with a credential which it gave.

use super::{AwsSts, AwsStsError};
use crate::codec::hash::Sha256;
use crate::codec::sigv4::{Credentials, PathRule, Request, Scope, SigningKey, sign_headers};
use crate::codec::sts_xml::MAX_ANSWER;
use crate::codec::url::ServiceUrl;
use crate::secret::WipedBuffer;
use crate::sys::http::{FORM_TYPE, HttpRequest, HttpResponse, Signature};
use crate::time::Timestamp;

/// The name of the service in a signature's scope.
const SERVICE: &str = "sts";

impl AwsSts {
    /// Posts `form`, signed in its headers: the session token goes in one of them, and the secret key nowhere.
    pub(super) fn send_signed(
        &self,
        form: &WipedBuffer,
        credentials: &Credentials<'_>,
        now: Timestamp,
    ) -> Result<HttpResponse, AwsStsError> {
        let scope = Scope { at: now, region: self.settings.endpoint.signing_region(), service: SERVICE };
        let (host, path) = (host_header(&self.url), path(&self.url));
        let request = Request {
            method: "POST",
            path: &path,
            path_rule: PathRule::Normalized,
            query: &[],
            headers: &[("content-type", FORM_TYPE), ("host", &host)],
            body: Sha256::of(form.as_slice()),
        };
        // Each request is signed with another credential: a key that was kept would never sign a second one.
        let key = SigningKey::derive(credentials.secret_access_key, &scope).map_err(AwsStsError::Sign)?;
        let headers = sign_headers(&request, credentials, &scope, &key).map_err(AwsStsError::Sign)?;
        let signature = Some(Signature { headers: &headers, session_token: credentials.session_token });
        let request = HttpRequest { url: &self.url, form: Some(form), bearer: None, signature, most: MAX_ANSWER };
        self.http.send(&request).map_err(AwsStsError::Http)
    }
}

/// The header `host` as the client sends it (RFC 9110, section 7.2): without the scheme's own port.
fn host_header(url: &ServiceUrl) -> String {
    let usual = if url.as_str().starts_with("https:") { 443 } else { 80 };
    match url.port().filter(|port| *port != usual) {
        Some(port) => format!("{}:{port}", url.host()),
        None => url.host().to_owned(),
    }
}

/// Everything behind the authority.
fn path(url: &ServiceUrl) -> String {
    let segments: Vec<&str> = url.as_str().split('/').skip(3).collect();
    format!("/{}", segments.join("/"))
}
