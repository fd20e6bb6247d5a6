//! A token for a person to look at: what it says, and what each rule says to it. Nothing here is to be relied on.

use std::fmt;

use crate::codec::json::JsonObject;
use crate::identity::VerifyError;

/// What a token says, and every rule in the order of checking. The values are those of the token, verified or not, on
/// one line each and without control characters; whoever shows them decides which of them are personal.
pub struct Explanation {
    pub(super) header: Vec<(String, String)>,
    pub(super) claims: Vec<(String, String)>,
    pub(super) rules: Vec<RuleOutcome>,
}

impl Explanation {
    /// The header's members, name and value.
    #[must_use]
    pub fn header(&self) -> &[(String, String)] {
        &self.header
    }

    /// The claims, name and value.
    #[must_use]
    pub fn claims(&self) -> &[(String, String)] {
        &self.claims
    }

    /// Every rule that could be checked.
    #[must_use]
    pub fn rules(&self) -> &[RuleOutcome] {
        &self.rules
    }

    /// What [`TokenVerifier::verify`](crate::identity::TokenVerifier::verify) says: the first refusal, if there is one.
    ///
    /// # Errors
    /// [`VerifyError`] if the token would be refused.
    pub fn verdict(&self) -> Result<(), VerifyError> {
        self.rules.iter().try_for_each(|rule| rule.outcome.clone())
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Explanation({} header members, {} claims, ", self.header.len(), self.claims.len())?;
        write!(f, "{:?})", self.rules)
    }
}

/// What one rule says to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOutcome {
    /// The rule, in words.
    pub rule: &'static str,
    /// Whether it is kept.
    pub outcome: Result<(), VerifyError>,
}

/// Name and value of every member, for people.
pub(super) fn members(object: &JsonObject) -> Vec<(String, String)> {
    object.members().map(|(name, value)| (name.escape_debug().to_string(), value.to_string())).collect()
}
