//! Property: claims are accepted exactly if a second JSON reader finds every rule kept, and the user is whom they name.

use safe_conduct::Secret;
use safe_conduct::codec::base64url::encode;
use safe_conduct::identity::{ClaimPath, KeySet, TokenType, TokenVerifier, UserContext, VerifyError};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;
use serde_json::Value;

use crate::oracle::{self, Limits};

const NOW: u64 = 1_800_000_000;
const SKEW: u64 = 30;
const LONGEST_LIFE: u64 = 24 * 3600;

/// 9999-12-31T23:59:59Z, by `date -u -d 9999-12-31T23:59:59Z +%s`.
const LAST_SECOND: u64 = 253_402_300_799;

/// The claims' own limit is 16 KiB, but no token with more than 14,900 bytes of them is short enough.
const LIMITS: Limits = Limits { bytes: 14_900, depth: 16, values: 1024 };

/// The defaults, and every rule that can be asked for besides.
#[derive(Clone, Copy, PartialEq)]
enum Rules {
    Usual,
    All,
}

pub fn check(data: &[u8]) {
    for rules in [Rules::Usual, Rules::All] {
        let read = oracle::read(data);
        if let Ok(user) = verified(rules, data) {
            let claims = read.as_ref().expect("what is accepted is JSON");
            assert!(is_good(claims, rules), "accepted against the rules: {claims}");
            check_user(&user, claims, rules);
        }
        if let Some(claims) = read.filter(|claims| oracle::is_readable(claims, &LIMITS)) {
            let accepted = verified(rules, oracle::written(&claims).as_bytes());
            assert_eq!(accepted.is_ok(), is_good(&claims, rules), "{accepted:?}: {claims}");
        }
    }
}

fn verified(rules: Rules, claims: &[u8]) -> Result<UserContext, VerifyError> {
    let mut verifier = TokenVerifier::new(Issuer::new("https://issuer.example").unwrap(), Audience::new("a").unwrap());
    let mut header = "{\"alg\":\"ES256\"}";
    if rules == Rules::All {
        header = "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}";
        verifier = verifier
            .also_audience(Audience::new("b").unwrap())
            .principal_claim(ClaimPath::new("/k8s.io/name").unwrap())
            .required_claim(ClaimPath::new("tenant").unwrap(), "t".to_owned())
            .token_type(TokenType::AccessToken)
            .authorized_party("p".to_owned());
    }
    let verifier = verifier.dangerously_skip_signature();
    let token = Secret::from_text(&format!("{}.{}.AAAA", encode(header.as_bytes()), encode(claims)));
    let (keys, now) = (KeySet::empty(), Timestamp::from_unix_seconds(NOW).unwrap());
    let explained = verifier.explain(&token, &keys, now).verdict();
    let verified = verifier.verify(token, &keys, now);
    assert_eq!(verified.as_ref().map(|_| ()).map_err(Clone::clone), explained, "verifying and explaining differ");
    verified
}

fn is_good(claims: &Value, rules: Rules) -> bool {
    let text = |claim: &str| claims[claim].as_str();
    let audiences: &[&str] = if rules == Rules::All { &["a", "b"] } else { &["a"] };
    let is_ours = |entry: &Value| entry.as_str().is_some_and(|entry| audiences.contains(&entry));
    let audience = match &claims["aud"] {
        Value::Array(entries) => {
            entries.len() <= 8 && entries.iter().all(Value::is_string) && entries.iter().any(is_ours)
        }
        one => is_ours(one),
    };
    let usual = text("iss") == Some("https://issuer.example") && audience && is_name(text("sub")) && times(claims);
    let asked_for = || {
        is_name(claims["k8s.io"]["name"].as_str())
            && text("tenant") == Some("t")
            && text("azp") == Some("p")
            && text("client_id").is_some()
            && text("jti").is_some()
    };
    usual && (rules == Rules::Usual || asked_for())
}

fn times(claims: &Value) -> bool {
    let time = |claim: &str| claims[claim].as_u64().filter(|second| *second <= LAST_SECOND);
    let (Some(issued), Some(expires)) = (time("iat"), time("exp")) else { return false };
    let from = claims.get("nbf").is_none() || time("nbf").is_some_and(|from| from <= NOW + SKEW);
    from && issued <= NOW + SKEW && NOW < expires + SKEW && issued <= expires && expires - issued <= LONGEST_LIFE
}

fn is_name(text: Option<&str>) -> bool {
    text.is_some_and(|text| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control))
}

fn check_user(user: &UserContext, claims: &Value, rules: Rules) {
    let principal = if rules == Rules::All { &claims["k8s.io"]["name"] } else { &claims["sub"] };
    assert_eq!(Some(user.principal().as_str()), principal.as_str());
    assert_eq!(Some(user.subject().as_str()), claims["sub"].as_str());
    assert_eq!(user.issuer().as_str(), "https://issuer.example");
    assert_eq!(Some(user.issued_at().unix_seconds()), claims["iat"].as_u64());
    assert_eq!(Some(user.expires_at().unix_seconds()), claims["exp"].as_u64());
    assert!(!user.signature_checked());
}
