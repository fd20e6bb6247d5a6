//! The rules for a token's claims. A claim that is missing and one of a wrong type are both refused, never ignored.

use std::time::Duration;

use crate::codec::json::{Json, JsonObject};
use crate::identity::{ClaimError, ClaimPath};
use crate::name::{Audience, Issuer, Principal, Subject};
use crate::time::Timestamp;

/// Most entries of `aud`: Kubernetes' own tokens have one to three.
pub(super) const MAX_AUDIENCES: usize = 8;

/// What a number of seconds since 1970 must be (RFC 7519, section 2, NumericDate; whole seconds only, as every issuer
/// that we know writes them).
const A_TIME: &str = "a whole number of seconds from 1970 to 9999";

/// Rule: `iss` "MUST exactly match" the issuer (OIDC Core 1.0, section 3.1.3.7, rule 2): byte for byte, no
/// normalisation (RFC 8725, section 3.8).
pub(super) fn issuer(claims: &JsonObject, expected: &Issuer) -> Result<(), ClaimError> {
    if text(claims, "iss")? == expected.as_str() { Ok(()) } else { Err(ClaimError::Issuer) }
}

/// Rule: one of our audiences is `aud`, or exactly a member of it (RFC 7519, section 4.1.3; OIDC Core 1.0, section
/// 3.1.3.7, rule 3; RFC 8725, section 3.9).
pub(super) fn audience(claims: &JsonObject, expected: &[Audience]) -> Result<(), ClaimError> {
    let wrong = || ClaimError::Type { claim: "aud".to_owned(), expected: "a text or a list of texts" };
    let found = match claims.get("aud").ok_or_else(|| missing("aud"))? {
        one @ Json::Text(_) => std::slice::from_ref(one),
        Json::List(entries) if entries.len() > MAX_AUDIENCES => {
            return Err(ClaimError::TooManyAudiences { count: entries.len(), most: MAX_AUDIENCES });
        }
        Json::List(entries) if !entries.is_empty() => entries,
        _ => return Err(wrong()),
    };
    let mut is_meant = false;
    for entry in found {
        let Json::Text(text) = entry else { return Err(wrong()) };
        is_meant |= expected.iter().any(|audience| audience.as_str() == text);
    }
    if is_meant { Ok(()) } else { Err(ClaimError::Audience) }
}

/// Rule: `exp` is there, and now is before it (RFC 7519, section 4.1.4), give or take `skew`.
pub(super) fn expiry(claims: &JsonObject, now: Timestamp, skew: Duration) -> Result<Timestamp, ClaimError> {
    let expired_at = expires_at(claims)?;
    if now < expired_at.plus(skew) { Ok(expired_at) } else { Err(ClaimError::Expired { expired_at, now }) }
}

/// Rule: now is not before `nbf`, where there is one (RFC 7519, section 4.1.5), give or take `skew`.
pub(super) fn not_before(claims: &JsonObject, now: Timestamp, skew: Duration) -> Result<(), ClaimError> {
    match time(claims, "nbf")? {
        Some(valid_from) if valid_from > now.plus(skew) => Err(ClaimError::NotYetValid { valid_from, now }),
        _ => Ok(()),
    }
}

/// Rule: `iat` is there (OIDC Core 1.0, section 2) and has passed, give or take `skew`.
pub(super) fn issuance(claims: &JsonObject, now: Timestamp, skew: Duration) -> Result<Timestamp, ClaimError> {
    let issued_at = issued_at(claims)?;
    if issued_at > now.plus(skew) { Err(ClaimError::IssuedInFuture { issued_at, now }) } else { Ok(issued_at) }
}

/// Rule: from `iat` to `exp` is no longer than allowed. A token that lives a year is a password.
pub(super) fn lifetime(claims: &JsonObject, most: Duration) -> Result<(), ClaimError> {
    let (issued_at, expires_at) = (issued_at(claims)?, expires_at(claims)?);
    if expires_at < issued_at {
        return Err(ClaimError::EndsBeforeStart { issued_at, expires_at });
    }
    let lifetime = issued_at.until(expires_at);
    if lifetime > most { Err(ClaimError::TooLongLived { lifetime, most }) } else { Ok(()) }
}

/// Rule: `sub` is there (OIDC Core 1.0, section 2): 1 to 255 characters, none of control.
pub(super) fn subject(claims: &JsonObject) -> Result<Subject, ClaimError> {
    Subject::new(text(claims, "sub")?).map_err(|source| ClaimError::Form { claim: "sub".to_owned(), source })
}

/// Rule: the claim that names the principal is there, and is a text of 1 to 255 characters, none of control.
pub(super) fn principal(claims: &JsonObject, path: &ClaimPath) -> Result<Principal, ClaimError> {
    let claim = || path.as_str().to_owned();
    let name = text_at(claims, path)?;
    Principal::new(name).map_err(|source| ClaimError::Form { claim: claim(), source })
}

/// Rule: where a party is configured, `azp` is exactly that (OIDC Core 1.0, section 3.1.3.7, rule 5).
pub(super) fn authorized_party(claims: &JsonObject, expected: Option<&str>) -> Result<(), ClaimError> {
    match expected {
        None => Ok(()),
        Some(party) if text(claims, "azp")? == party => Ok(()),
        Some(_) => Err(ClaimError::AuthorizedParty),
    }
}

/// Rule: every required claim is a text with exactly the required value.
pub(super) fn required(claims: &JsonObject, required: &[(ClaimPath, String)]) -> Result<(), ClaimError> {
    for (path, value) in required {
        if text_at(claims, path)? != value {
            return Err(ClaimError::Value { claim: path.as_str().to_owned() });
        }
    }
    Ok(())
}

/// Rule: an access token has `client_id` and `jti` too (RFC 9068, section 2.2).
pub(super) fn access_token(claims: &JsonObject) -> Result<(), ClaimError> {
    text(claims, "client_id")?;
    text(claims, "jti").map(|_| ())
}

/// `exp`.
fn expires_at(claims: &JsonObject) -> Result<Timestamp, ClaimError> {
    time(claims, "exp")?.ok_or_else(|| missing("exp"))
}

/// `iat`.
fn issued_at(claims: &JsonObject) -> Result<Timestamp, ClaimError> {
    time(claims, "iat")?.ok_or_else(|| missing("iat"))
}

fn missing(claim: &str) -> ClaimError {
    ClaimError::Missing { claim: claim.to_owned() }
}

fn text<'a>(claims: &'a JsonObject, claim: &str) -> Result<&'a str, ClaimError> {
    let wrong = |_| ClaimError::Type { claim: claim.to_owned(), expected: "a text" };
    claims.text(claim).map_err(wrong)?.ok_or_else(|| missing(claim))
}

fn text_at<'a>(claims: &'a JsonObject, path: &ClaimPath) -> Result<&'a str, ClaimError> {
    match path.find(claims) {
        Some(Json::Text(text)) => Ok(text),
        Some(_) => Err(ClaimError::Type { claim: path.as_str().to_owned(), expected: "a text" }),
        None => Err(missing(path.as_str())),
    }
}

fn time(claims: &JsonObject, claim: &str) -> Result<Option<Timestamp>, ClaimError> {
    let wrong = || ClaimError::Type { claim: claim.to_owned(), expected: A_TIME };
    let seconds = claims.integer(claim).map_err(|_| wrong())?;
    seconds.map(|seconds| Timestamp::from_unix_seconds(seconds).ok_or_else(wrong)).transpose()
}
