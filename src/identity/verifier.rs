//! `TokenVerifier`: the only maker of a `UserContext`. Order: size, shape, header, key, signature, only then claims.

use std::time::Duration;

use crate::codec::json::JsonObject;
use crate::codec::jwt::CompactJws;
use crate::identity::explain::{self, Explanation, RuleOutcome};
use crate::identity::keys::FindError;
use crate::identity::signature::{self, SignatureInvalid, SignatureValid};
use crate::identity::{Algorithm, ClaimPath, KeySet, TokenType, VerifyError, claims, header};
use crate::name::{Audience, Issuer, Principal, Subject};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Most that clocks may differ: with more, expired tokens would live on for minutes.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// What a token must be, to be believed. Issuer and audience are not optional.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    issuer: Issuer,
    audiences: Vec<Audience>,
    algorithms: Vec<Algorithm>,
    principal_claim: ClaimPath,
    required_claims: Vec<(ClaimPath, String)>,
    token_type: TokenType,
    authorized_party: Option<String>,
    clock_skew: Duration,
    max_lifetime: Duration,
    signature_checked: bool,
}

impl TokenVerifier {
    /// A verifier for tokens of exactly this issuer and audience. Defaults: every [`Algorithm`], the principal from
    /// `sub`, no required claim, [`TokenType::Jwt`], no authorised party, 30 s of clock skew, 24 h of life, signatures
    /// checked.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Audience) -> Self {
        Self {
            issuer,
            audiences: vec![audience],
            algorithms: Algorithm::ALL.to_vec(),
            principal_claim: ClaimPath::subject(),
            required_claims: Vec::new(),
            token_type: TokenType::Jwt,
            authorized_party: None,
            clock_skew: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(24 * 3600),
            signature_checked: true,
        }
    }

    /// Also tokens for this audience.
    #[must_use]
    pub fn also_audience(mut self, audience: Audience) -> Self {
        self.audiences.push(audience);
        self
    }

    /// Only these algorithms; none at all refuses every token.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// The principal from this claim instead of `sub`, which is required all the same.
    #[must_use]
    pub fn principal_claim(mut self, claim: ClaimPath) -> Self {
        self.principal_claim = claim;
        self
    }

    /// Only tokens in which this claim is a text of exactly this value. Several add up.
    #[must_use]
    pub fn required_claim(mut self, claim: ClaimPath, value: String) -> Self {
        self.required_claims.push((claim, value));
        self
    }

    /// Tokens of this type instead of [`TokenType::Jwt`].
    #[must_use]
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// Only tokens whose `azp` is exactly this.
    #[must_use]
    pub fn authorized_party(mut self, party: String) -> Self {
        self.authorized_party = Some(party);
        self
    }

    /// How much the issuer's clock and ours may differ: 0 to [`MAX_CLOCK_SKEW`], more is cut to that.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew.min(MAX_CLOCK_SKEW);
        self
    }

    /// The longest life from `iat` to `exp` that is taken.
    #[must_use]
    pub fn max_lifetime(mut self, most: Duration) -> Self {
        self.max_lifetime = most;
        self
    }

    /// Does not check signatures, so that whoever can write the token file can be anybody. Everything else is checked.
    /// For issuers whose keys cannot be reached, where the service that takes the token checks it.
    #[must_use]
    pub fn dangerously_skip_signature(mut self) -> Self {
        self.signature_checked = false;
        self
    }

    /// Whether signatures are checked; for audit lines.
    #[must_use]
    pub fn signature_checked(&self) -> bool {
        self.signature_checked
    }

    /// Verifies a token. It goes into the [`UserContext`], or is dropped and wiped.
    ///
    /// # Errors
    /// [`VerifyError`]: the first rule, in the order of checking, that the token breaks.
    pub fn verify(&self, token: Secret, keys: &KeySet, now: Timestamp) -> Result<UserContext, VerifyError> {
        let mut notes = Notes::stopping();
        let jws = notes.need("size and shape", compact(&token))?;
        let authenticity = self.check_authenticity(&jws, keys, &mut notes)?;
        let (_, believed) = self.check_claims(&jws, now, &mut notes)?;
        drop(jws);
        // Each has stopped us already if there is none: these are the marks, not the checks.
        let (_, believed) = authenticity.zip(believed).ok_or(VerifyError::Signature)?;
        let Believed { principal, subject, issued_at, expires_at } = believed;
        let (issuer, signature_checked) = (self.issuer.clone(), self.signature_checked);
        Ok(UserContext { principal, subject, issuer, token, issued_at, expires_at, signature_checked })
    }

    /// The `kid` that a token names, if it is well-formed: unverified, so good for nothing but to decide whether
    /// fetching keys anew may help. `None` also for a token whose `kid` will be refused.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] if it is no compact signed JWT.
    pub fn unverified_key_id(token: &Secret) -> Result<Option<String>, VerifyError> {
        let jws = compact(token)?;
        Ok(header::key_id(jws.unverified_header()).ok().flatten().map(str::to_owned))
    }

    /// Checks every rule without stopping at the first that is broken. For people: nothing is made of the result.
    #[must_use]
    pub fn explain(&self, token: &Secret, keys: &KeySet, now: Timestamp) -> Explanation {
        let mut notes = Notes::going_on();
        let (mut members, mut claims) = (Vec::new(), Vec::new());
        let parsed = compact(token);
        if let Ok(jws) = notes.need("size and shape", parsed) {
            members = explain::members(jws.unverified_header());
            // A refusal that ends a part early is in the notes already.
            let _ = self.check_authenticity(&jws, keys, &mut notes);
            if let Ok((found, _)) = self.check_claims(&jws, now, &mut notes) {
                claims = explain::members(&found);
            }
        }
        Explanation { header: members, claims, rules: notes.rules }
    }

    /// Header, key and signature. `None` only where the notes go on after a refusal.
    fn check_authenticity(
        &self,
        jws: &CompactJws<'_>,
        keys: &KeySet,
        notes: &mut Notes,
    ) -> Result<Option<Authenticity>, VerifyError> {
        let head = jws.unverified_header();
        let algorithm = notes.check("alg is allowed", header::algorithm(head, &self.algorithms))?;
        notes.check("no forbidden header member", header::forbidden(head))?;
        notes.check("typ", header::token_type(head, self.token_type))?;
        let key_id = notes.need("kid", header::key_id(head))?;
        if !self.signature_checked {
            return Ok(algorithm.map(|_| Authenticity::DangerouslySkipped));
        }
        let Some(algorithm) = algorithm else { return Ok(None) };
        let found = keys.find(algorithm, key_id).map_err(|error| refusal(error, algorithm));
        let key = notes.need("one key of the issuer, for this algorithm", found)?;
        // Rule: the signature is over the received bytes, not over anything written anew (RFC 7515, section 5.2).
        let checked = signature::verify(algorithm, key, jws.signed_bytes(), jws.signature());
        let valid = notes.need("signature", checked.map_err(|SignatureInvalid| VerifyError::Signature))?;
        Ok(Some(Authenticity::Checked(valid)))
    }

    /// The claims, and what is believed of them: `None` only where the notes go on after a refusal.
    fn check_claims(
        &self,
        jws: &CompactJws<'_>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<(JsonObject, Option<Believed>), VerifyError> {
        let found = notes.need("claims are one JSON object", jws.claims().map_err(VerifyError::from))?;
        let skew = self.clock_skew;
        notes.check("iss", claims::issuer(&found, &self.issuer))?;
        notes.check("aud", claims::audience(&found, &self.audiences))?;
        let expires_at = notes.check("exp", claims::expiry(&found, now, skew))?;
        notes.check("nbf", claims::not_before(&found, now, skew))?;
        let issued_at = notes.check("iat", claims::issuance(&found, now, skew))?;
        notes.check("lifetime", claims::lifetime(&found, self.max_lifetime))?;
        let subject = notes.check("sub", claims::subject(&found))?;
        let principal = notes.check("principal", claims::principal(&found, &self.principal_claim))?;
        notes.check("azp", claims::authorized_party(&found, self.authorized_party.as_deref()))?;
        notes.check("required claims", claims::required(&found, &self.required_claims))?;
        if self.token_type == TokenType::AccessToken {
            notes.check("client_id and jti", claims::access_token(&found))?;
        }
        let believed = principal.zip(subject).zip(issued_at.zip(expires_at)).map(
            |((principal, subject), (issued_at, expires_at))| Believed { principal, subject, issued_at, expires_at },
        );
        Ok((found, believed))
    }
}

/// What a user is made of.
struct Believed {
    principal: Principal,
    subject: Subject,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

fn compact(token: &Secret) -> Result<CompactJws<'_>, VerifyError> {
    CompactJws::parse(token.expose()).map_err(VerifyError::from)
}

/// Checks a compact JWS against a key set as [`TokenVerifier`] does, but reads no claim of it. For test suites.
///
/// # Errors
/// [`VerifyError`] as of the verifier, up to the signature.
#[doc(hidden)]
pub fn verify_compact_signature(token: &str, keys: &KeySet) -> Result<(), VerifyError> {
    let names = Issuer::new("-").ok().zip(Audience::new("-").ok());
    let Some((issuer, audience)) = names else { return Err(VerifyError::Signature) };
    let jws = CompactJws::parse(token)?;
    let verifier = TokenVerifier::new(issuer, audience);
    verifier.check_authenticity(&jws, keys, &mut Notes::stopping())?.map(|_| ()).ok_or(VerifyError::Signature)
}

/// Checks a signature over any bytes with the only key of a set, as [`TokenVerifier`] does for a token's. For test suites
/// whose messages are no tokens.
///
/// # Errors
/// [`VerifyError`] as of the verifier: no such key, a key of another algorithm, or a signature that is not valid.
#[doc(hidden)]
pub fn verify_raw_signature(
    keys: &KeySet,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let key = keys.find(algorithm, None).map_err(|error| refusal(error, algorithm))?;
    signature::verify(algorithm, key, message, signature).map(|_| ()).map_err(|SignatureInvalid| VerifyError::Signature)
}

fn refusal(error: FindError, algorithm: Algorithm) -> VerifyError {
    match error {
        FindError::Unknown => VerifyError::KeyUnknown,
        FindError::Ambiguous { keys } => VerifyError::KeyAmbiguous { keys },
        FindError::Algorithm => VerifyError::KeyAlgorithm { algorithm },
    }
}

/// Why a token's claims may be believed. Without one there is no [`UserContext`].
#[derive(Debug)]
enum Authenticity {
    Checked(SignatureValid),
    DangerouslySkipped,
}

/// What the rules said so far. There is one list of rules; verifying stops at the first refusal, explaining goes on.
struct Notes {
    goes_on: bool,
    rules: Vec<RuleOutcome>,
}

impl Notes {
    fn stopping() -> Self {
        Self { goes_on: false, rules: Vec::new() }
    }

    fn going_on() -> Self {
        Self { goes_on: true, rules: Vec::new() }
    }

    /// Notes a rule on which no other depends; `None` where it is broken and the notes go on.
    fn check<T, E: Into<VerifyError>>(
        &mut self,
        rule: &'static str,
        outcome: Result<T, E>,
    ) -> Result<Option<T>, VerifyError> {
        let outcome = outcome.map_err(E::into);
        if !self.goes_on {
            return outcome.map(Some);
        }
        let (kept, outcome) = match outcome {
            Ok(kept) => (Some(kept), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.rules.push(RuleOutcome { rule, outcome });
        Ok(kept)
    }

    /// Notes a rule whose result the next ones need.
    fn need<T>(&mut self, rule: &'static str, outcome: Result<T, VerifyError>) -> Result<T, VerifyError> {
        if self.goes_on {
            self.rules.push(RuleOutcome { rule, outcome: outcome.as_ref().map(|_| ()).map_err(Clone::clone) });
        }
        outcome
    }
}

/// A verified identity. It lives on the driver only, for one exchange: there is no encoder, no `Clone` and no way to
/// make one but [`TokenVerifier::verify`].
#[derive(Debug)]
pub struct UserContext {
    principal: Principal,
    subject: Subject,
    issuer: Issuer,
    token: Secret,
    issued_at: Timestamp,
    expires_at: Timestamp,
    signature_checked: bool,
}

impl UserContext {
    /// Whom the token speaks for: the configured claim, `sub` by default.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The `sub` claim, which is what an STS reports back.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Who says so.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The identity token itself, for the exchange.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The `iat` claim.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The `exp` claim.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether the token's signature was checked: not where it was skipped by configuration.
    #[must_use]
    pub fn signature_checked(&self) -> bool {
        self.signature_checked
    }

    /// A user that no token was verified for.
    #[cfg(test)]
    pub(crate) fn for_tests(subject: &str, issuer: &str, token: &str, issued_at: u64, expires_at: u64) -> Self {
        Self {
            principal: Principal::new(subject).unwrap(),
            subject: Subject::new(subject).unwrap(),
            issuer: Issuer::new(issuer).unwrap(),
            token: Secret::from_text(token),
            issued_at: Timestamp::from_unix_seconds(issued_at).unwrap(),
            expires_at: Timestamp::from_unix_seconds(expires_at).unwrap(),
            signature_checked: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_user_shows_whom_but_not_the_token() {
        let user = UserContext::for_tests("ada", "https://issuer.example", "PLANTED", 1, 2);
        let shown = format!("{user:?}");
        assert!(shown.contains("ada") && !shown.contains("PLANTED"), "{shown}");
    }
}
