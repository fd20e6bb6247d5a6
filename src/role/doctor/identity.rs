//! The part of doctor that needs no STS: the token's file, its rotation, its issuer's keys, and the rules.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::codec::jwks::JwkError;
use safe_conduct::config::{IdentityConfig, KeysFrom};
use safe_conduct::error::Actionable;
use safe_conduct::identity::{Explanation, KeyProblem, KeySet, RuleOutcome, TokenVerifier, UnusableKey, UserContext};
use safe_conduct::ingest::{self, TokenFile};
use safe_conduct::secret::Secret;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http::HttpClient;
use safe_conduct::time::{Clock, Timestamp};

use super::finding::Finding;
use super::report::Report;
use super::watched::Watched;
use super::{clocks, reached};
use crate::role::{Failure, parts};

const FILE: &str = "token file";
const ROTATION: &str = "token rotation";
const ISSUER: &str = "issuer";
const KEYS: &str = "issuer's keys";
const CLOCK: &str = "issuer's clock";
pub(super) const RULES: &str = "token rules";

/// All checks of this part, in their order.
pub(super) const NAMES: [&str; 6] = [FILE, ROTATION, ISSUER, KEYS, CLOCK, RULES];

/// Checks all of it; gives the user if the driver would believe the token.
pub(super) fn examine(
    report: &mut Report,
    token_file: &Path,
    identity: &IdentityConfig,
    default_ca: Option<&Path>,
    show_claims: bool,
) -> Option<UserContext> {
    let token = read(report, token_file);
    match &token {
        Some(token) => rotation(report, &identity.verifier, token),
        None => report.needs(FILE, &[ROTATION]),
    }
    let keys = keys(report, identity, default_ca, token.as_ref());
    match token {
        Some(token) => rules(report, identity, token, keys, show_claims),
        None => {
            report.needs(FILE, &[RULES]);
            None
        }
    }
}

fn read(report: &mut Report, path: &Path) -> Option<Secret> {
    match ingest::read_token(path) {
        Ok(TokenFile { token, readable_by_others: true }) => {
            report.warn(FILE, &Finding::TokenReadable { path: path.to_owned() });
            Some(token)
        }
        Ok(TokenFile { token, .. }) => {
            report.ok(
                FILE,
                format_args!("{} holds {} characters and is not for everybody to read", path.display(), token.length()),
            );
            Some(token)
        }
        Err(error) => {
            report.fail(FILE, &error);
            None
        }
    }
}

/// By the token's own times, which are not verified here: whoever could write them could write anything.
fn rotation(report: &mut Report, verifier: &TokenVerifier, token: &Secret) {
    let now = SystemClock::new().moment().wall;
    let explanation = verifier.explain(token, &KeySet::empty(), now);
    let claim = |name: &str| {
        let found = explanation.claims().iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.parse().ok()).and_then(Timestamp::from_unix_seconds)
    };
    let Some((issued_at, expires_at)) = claim("iat").zip(claim("exp")) else {
        return report.skip(ROTATION, "iat and exp are no times that can be read; the rules below say more");
    };
    let (age, life) = (issued_at.until(now), issued_at.until(expires_at));
    if is_aging(age, life) {
        report.warn(ROTATION, &Finding::TokenAging { age, life });
    } else {
        let left = now.until(expires_at).as_secs();
        report.ok(ROTATION, format_args!("{left} s are left of {} s; rotation is due at 80 % of them", life.as_secs()));
    }
}

/// Whether kubelet would have replaced the token: it does at four fifths of a token's life.
fn is_aging(age: Duration, life: Duration) -> bool {
    age.saturating_mul(5) >= life.saturating_mul(4)
}

/// Asks for the keys as the driver does. `None` if there are none to be had.
fn keys(
    report: &mut Report,
    identity: &IdentityConfig,
    default_ca: Option<&Path>,
    token: Option<&Secret>,
) -> Option<Arc<KeySet>> {
    let mut watched = None;
    let source = parts::key_source_over(identity, || {
        let client = Arc::new(Watched::new(parts::client(identity.ca_file.as_deref().or(default_ca))?));
        watched = Some(Arc::clone(&client));
        Ok::<Arc<dyn HttpClient>, Failure>(client)
    });
    let mut source = match source {
        Ok(source) => source,
        Err(failure) => {
            report.fail(ISSUER, failure.error());
            report.needs(ISSUER, &[KEYS, CLOCK]);
            return None;
        }
    };
    let key_id = token.and_then(|token| TokenVerifier::unverified_key_id(token).ok()).flatten();
    let found = source.keys(key_id.as_deref(), SystemClock::new().moment());
    let heard = watched.as_deref().and_then(Watched::heard);
    let (reachable, place) = match (&identity.keys, &watched) {
        (KeysFrom::Url(url), Some(watched)) => {
            (reached(report, ISSUER, url.as_str(), watched, heard.as_ref()), url.to_string())
        }
        (KeysFrom::Discovery, Some(watched)) => {
            let issuer = identity.issuer.as_str();
            (reached(report, ISSUER, issuer, watched, heard.as_ref()), format!("where {issuer} says"))
        }
        (KeysFrom::File(path), _) => {
            report.skip(ISSUER, "its keys are in a file (jwks.file): it is not asked");
            (true, path.display().to_string())
        }
        _ => {
            report.skip(ISSUER, "signatures are not checked: it is not asked");
            (true, "nowhere".to_owned())
        }
    };
    match &found {
        _ if !reachable => report.needs(ISSUER, &[KEYS]),
        Ok(_) if matches!(identity.keys, KeysFrom::Nowhere) => report.skip(KEYS, "signatures are not checked"),
        Ok(keys) => described(report, keys, &place),
        Err(error) => report.fail(KEYS, error),
    }
    clocks::compare(report, CLOCK, "the issuer", ISSUER, heard.as_ref());
    found.ok().cloned()
}

/// Which keys there are. One that is not used is a warning, unless it is there for another purpose.
fn described(report: &mut Report, keys: &KeySet, place: &str) {
    let private = |key: &&UnusableKey| key.reason == KeyProblem::Malformed(JwkError::NotPublic);
    let odd = |key: &&UnusableKey| key.reason != KeyProblem::Malformed(JwkError::NotForSignatures);
    let mut unusable = keys.unusable().iter();
    match unusable.clone().find(private).or_else(|| unusable.find(odd)) {
        Some(key) => report.warn(KEYS, key),
        None => {
            let ids: Vec<&str> = keys.ids().map(|id| id.unwrap_or("(without an id)")).collect();
            report.ok(KEYS, format_args!("{} that can be used, {place}: {}", ids.len(), ids.join(", ")));
        }
    }
}

/// Each rule, as `inspect` has them.
fn rules(
    report: &mut Report,
    identity: &IdentityConfig,
    token: Secret,
    keys: Option<Arc<KeySet>>,
    show_claims: bool,
) -> Option<UserContext> {
    let (now, verifier) = (SystemClock::new().moment().wall, &identity.verifier);
    let Some(keys) = keys else {
        // Everything but the signature can still be said.
        let rest = verifier.clone().dangerously_skip_signature().explain(&token, &KeySet::empty(), now);
        match rest.verdict() {
            Ok(()) => report.needs(KEYS, &[RULES]),
            Err(error) => report.fail_saying(RULES, broken(&rest), error.facts()),
        }
        return None;
    };
    let explanation = verifier.explain(&token, &keys, now);
    match verifier.verify(token, &keys, now) {
        Ok(user) => {
            let principal = if show_claims { user.principal().as_str() } else { "(hidden; --show-claims)" };
            let (count, issuer) = (explanation.rules().len(), user.issuer());
            report.ok(RULES, format_args!("{count} of {count} are kept; principal {principal}, issuer {issuer}"));
            Some(user)
        }
        Err(error) => {
            report.fail_saying(RULES, broken(&explanation), error.facts());
            None
        }
    }
}

/// Every rule that is broken, the first one first: it is the one whose code stands in front.
fn broken(explanation: &Explanation) -> String {
    let refusals = explanation
        .rules()
        .iter()
        .filter_map(|RuleOutcome { rule, outcome }| outcome.as_ref().err().map(|error| format!("{rule}: {error}")));
    refusals.collect::<Vec<_>>().join("; ")
}
