//! The name of a role session, made from a user's name.

use crate::codec::hash::Sha256;
use crate::name::{Issuer, NameError, Principal, SessionName, Subject, is_session_character};

/// Longest name that STS takes.
const MOST: usize = 64;

/// What stays readable when a hash is appended: the longest name less `-` and eight digits.
const READABLE: usize = MOST - 9;

/// The session name for a user: the principal itself, if STS takes it.
///
/// Else each character that STS refuses becomes `-`, and after at most 55 characters come `-` and eight hexadecimal
/// digits of the SHA-256 of `subject|issuer`, so that two users whose names look alike then stay apart in CloudTrail.
///
/// # Errors
/// [`NameError`], which the construction rules out.
pub fn session_name_for(principal: &Principal, subject: &Subject, issuer: &Issuer) -> Result<SessionName, NameError> {
    if let Ok(name) = SessionName::new(principal.as_str()) {
        return Ok(name);
    }
    let allowed = |c| if is_session_character(c) { c } else { '-' };
    let readable: String = principal.as_str().chars().map(allowed).take(READABLE).collect();
    let hash = Sha256::of(format!("{subject}|{issuer}").as_bytes());
    SessionName::new(&format!("{readable}-{}", hash.short_hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(principal: &str, subject: &str) -> String {
        let issuer = Issuer::new("https://issuer.example").unwrap();
        let (principal, subject) = (Principal::new(principal).unwrap(), Subject::new(subject).unwrap());
        session_name_for(&principal, &subject, &issuer).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_principal_that_sts_takes_is_the_name() {
        assert_eq!(name("alice@example.com", "1"), "alice@example.com");
        assert_eq!(name(&"a".repeat(64), "1"), "a".repeat(64));
    }

    // Golden digits: `printf %s 'SUBJECT|https://issuer.example' | sha256sum | cut -c-8`.
    #[test]
    fn a_principal_that_sts_refuses_is_changed_and_gets_a_hash() {
        let account = "system:serviceaccount:spark:driver";
        assert_eq!(name(account, account), "system-serviceaccount-spark-driver-42135607");
        assert_eq!(name("a", "a"), "a-9ef09477");
        assert_eq!(name("Jos\u{e9}", "7"), "Jos--172874fa");
        assert_eq!(name(&"b".repeat(65), "7"), format!("{}-172874fa", "b".repeat(55)));
    }

    #[test]
    fn names_that_look_alike_stay_apart() {
        assert_ne!(name("a:b", "a:b"), name("a/b", "a/b"));
    }
}
