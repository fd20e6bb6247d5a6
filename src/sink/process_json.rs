//! The JSON that AWS SDKs read from what `credential_process` names.

use crate::codec::json::{JsonValue, credential_json};
use crate::credential::{ServiceCredential, s3a};
use crate::secret::WipedBuffer;

/// The credential as version 1 of that JSON. Clients take keys without `Expiration` for ones that never end, so it is
/// always there.
#[must_use]
pub fn process_json(credential: &ServiceCredential) -> WipedBuffer {
    let expiration = credential.expires_at().to_string();
    let mut members = vec![("Version", JsonValue::Number(1))];
    for (member, property) in [
        ("AccessKeyId", s3a::ACCESS_KEY),
        ("SecretAccessKey", s3a::SECRET_KEY),
        ("SessionToken", s3a::SESSION_TOKEN),
        ("AccountId", s3a::ACCOUNT_ID),
    ] {
        if let Some(value) = credential.property(property) {
            members.push((member, JsonValue::Secret(value)));
        }
    }
    members.push(("Expiration", JsonValue::Text(&expiration)));
    credential_json(&members)
}
