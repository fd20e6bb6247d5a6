//! GetCallerIdentity: asks the STS, with a credential that it gave, whose that is. Needs no permission of the role.

use super::{API_VERSION, AwsSts, refused};
use crate::codec::form::FormBuilder;
use crate::codec::hash::Sha256;
use crate::codec::sigv4::{Credentials, PathRule, Request, Scope, SigV4Error, SigningKey, sign_headers};
use crate::codec::sts_xml::{Action, CallerAnswer, CallerIdentity, MAX_ANSWER, parse_caller_identity_answer};
use crate::codec::url::ServiceUrl;
use crate::credential::{ServiceCredential, s3a};
use crate::provider::{AnswerError, AwsStsError};
use crate::sys::http::{FORM_TYPE, HttpRequest, HttpResponse, Signature};
use crate::time::Moment;

/// The name of the service in a signature's scope.
const SERVICE: &str = "sts";

impl AwsSts {
    /// Whose `credential` is, by the STS that gave it. The request is signed in its headers; the session token goes in
    /// one of them, and the secret key nowhere.
    ///
    /// # Errors
    /// [`AwsStsError`]; an STS of another make that does not have this action refuses.
    pub fn caller_identity(&self, credential: &ServiceCredential, at: Moment) -> Result<CallerIdentity, AwsStsError> {
        let property = |name| credential.property(name);
        let access_key_id = property(s3a::ACCESS_KEY).ok_or(AwsStsError::Sign(SigV4Error::AccessKeyId))?;
        let secret_access_key = property(s3a::SECRET_KEY).ok_or(AwsStsError::Sign(SigV4Error::EmptySecret))?;
        let session_token = property(s3a::SESSION_TOKEN);
        let credentials = Credentials { access_key_id: access_key_id.expose(), secret_access_key, session_token };
        let form = FormBuilder::new().text("Action", Action::GetCallerIdentity.name()).text("Version", API_VERSION);
        let form = form.finish().map_err(AwsStsError::Form)?;

        let scope = Scope { at: at.wall, region: self.settings.endpoint.signing_region(), service: SERVICE };
        let (host, path) = (host_header(&self.url), path(&self.url));
        let request = Request {
            method: "POST",
            path: &path,
            path_rule: PathRule::Normalized,
            query: &[],
            headers: &[("content-type", FORM_TYPE), ("host", &host)],
            body: Sha256::of(form.as_slice()),
        };
        let key = SigningKey::derive(secret_access_key, &scope).map_err(AwsStsError::Sign)?;
        let headers = sign_headers(&request, &credentials, &scope, &key).map_err(AwsStsError::Sign)?;
        let signature = Some(Signature { headers: &headers, session_token });
        let request = HttpRequest { url: &self.url, form: Some(&form), bearer: None, signature, most: MAX_ANSWER };
        understood(&self.http.send(&request).map_err(AwsStsError::Http)?)
    }
}

/// Status and document must agree, as in an exchange.
fn understood(response: &HttpResponse) -> Result<CallerIdentity, AwsStsError> {
    let HttpResponse { status, retry_after, .. } = *response;
    if (300..400).contains(&status) {
        return Err(AwsStsError::Redirected { status });
    }
    match parse_caller_identity_answer(response.body.as_slice()) {
        Ok(CallerAnswer::Identity(identity)) if status == 200 => Ok(identity),
        Ok(CallerAnswer::Error(error)) if status >= 400 => Err(refused(error, status, retry_after)),
        Ok(_) => Err(AnswerError::Status { status }.into()),
        Err(_) if status == 429 || status >= 500 => Err(AwsStsError::Unavailable { status, retry_after }),
        Err(reason) => Err(AnswerError::Malformed { status, reason }.into()),
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
