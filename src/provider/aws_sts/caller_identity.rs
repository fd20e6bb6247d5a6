//! GetCallerIdentity: asks the STS, with a credential that it gave, whose that is. Needs no permission of the role.

use super::{API_VERSION, AwsSts, refused};
use crate::codec::form::FormBuilder;
use crate::codec::sigv4::{Credentials, SigV4Error};
use crate::codec::sts_xml::{Action, CallerAnswer, CallerIdentity, parse_caller_identity_answer};
use crate::credential::{ServiceCredential, s3a};
use crate::provider::{AnswerError, AwsStsError};
use crate::sys::http::HttpResponse;
use crate::time::Moment;

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
        understood(&self.send_signed(&form, &credentials, at.wall)?)
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
        Ok(CallerAnswer::Error(error)) if status >= 400 => Err(refused(error, response, Action::GetCallerIdentity)),
        Ok(_) => Err(AnswerError::Status { status }.into()),
        Err(_) if status == 429 || status >= 500 => Err(AwsStsError::Unavailable { status, retry_after }),
        Err(reason) => Err(AnswerError::Malformed { status, reason }.into()),
    }
}
