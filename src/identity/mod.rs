//! Whom a job speaks for: the verified user, and the only way to become one.

mod keys;
mod signature;
mod verifier;

pub use verifier::UserContext;
