//! Whom a job speaks for: the verified user, and the only way to become one.

mod algorithm;
mod claim;
mod claims;
mod error;
mod explain;
mod header;
mod keys;
mod signature;
mod verifier;

pub use algorithm::Algorithm;
pub use claim::{ClaimPath, ClaimPathError, MAX_CLAIM_PATH};
pub use error::{ClaimError, VerifyError};
pub use explain::{Explanation, RuleOutcome};
pub use header::TokenType;
pub use keys::{KeyProblem, KeySet, KeySetError, UnusableKey};
pub use verifier::{MAX_CLOCK_SKEW, TokenVerifier, UserContext, verify_compact_signature, verify_raw_signature};
