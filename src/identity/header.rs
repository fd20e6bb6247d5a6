//! The rules for a token's header, which an attacker may have written. Nothing in it chooses a key's bytes or place.

use crate::codec::json::JsonObject;
use crate::codec::jwks::is_key_id;
use crate::identity::{Algorithm, VerifyError};

/// Which type a token must say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// No `typ`, or `JWT`: ID tokens and Kubernetes' service account tokens.
    Jwt,
    /// `at+jwt`: access tokens of RFC 9068, section 2.1.
    AccessToken,
}

/// Rule: `alg` is there, and is on the allow-list (RFC 8725, section 3.1). `none` and `HS*` are in no list.
pub(super) fn algorithm(header: &JsonObject, allowed: &[Algorithm]) -> Result<Algorithm, VerifyError> {
    let name = header.text("alg").ok().flatten().ok_or(VerifyError::HeaderMember { member: "alg" })?;
    Algorithm::from_name(name).filter(|algorithm| allowed.contains(algorithm)).ok_or(VerifyError::Algorithm)
}

/// Rule: no member that would make us fetch, trust, unpack or ignore something. `crit` names extensions, of which we
/// have none (RFC 7515, section 4.1.11); `b64` changes what is signed (RFC 7797); `jku`, `jwk`, `x5u` and `x5c` bring a
/// key along (RFC 8725, section 3.10); `zip` and `enc` are of encryption; `cty` announces a nested token (RFC 7519,
/// section 5.2).
pub(super) fn forbidden(header: &JsonObject) -> Result<(), VerifyError> {
    for member in ["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty"] {
        if header.get(member).is_some() {
            return Err(VerifyError::HeaderForbidden { member });
        }
    }
    Ok(())
}

/// Rule: a token of one type is not taken for another (RFC 8725, section 3.11). Media types ignore case, and
/// `application/` may be left out (RFC 7515, section 4.1.9).
pub(super) fn token_type(header: &JsonObject, wanted: TokenType) -> Result<(), VerifyError> {
    let found = header.text("typ").map_err(|_| VerifyError::HeaderMember { member: "typ" })?;
    let matches = match (wanted, found) {
        (TokenType::Jwt, None) => true,
        (TokenType::Jwt, Some(name)) => name.eq_ignore_ascii_case("JWT"),
        (TokenType::AccessToken, None) => false,
        (TokenType::AccessToken, Some(name)) => {
            name.eq_ignore_ascii_case("at+jwt") || name.eq_ignore_ascii_case("application/at+jwt")
        }
    };
    if matches { Ok(()) } else { Err(VerifyError::Type) }
}

/// Rule: `kid`, where there is one, is a short printable text (RFC 7515, section 4.1.4: a string). It is compared with
/// the ids of a set that we have, and used for nothing else (RFC 8725, section 3.10).
pub(super) fn key_id(header: &JsonObject) -> Result<Option<&str>, VerifyError> {
    let malformed = VerifyError::HeaderMember { member: "kid" };
    match header.text("kid") {
        Ok(None) => Ok(None),
        Ok(Some(id)) if is_key_id(id) => Ok(Some(id)),
        _ => Err(malformed),
    }
}
