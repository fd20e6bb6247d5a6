//! Randomness: the only place that asks the operating system for it.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

use crate::time::Fraction;

/// Where random bytes come from. An argument wherever randomness is used, so that tests choose it.
pub trait Random: Send + Sync {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`RandomError`] if the operating system has none to give.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError>;

    /// A share between nothing and the whole; the whole if there is no randomness, which is the longest delay.
    fn fraction(&self) -> Fraction {
        let mut bytes = [0; 2];
        match self.fill(&mut bytes) {
            Ok(()) => Fraction(u16::from_be_bytes(bytes)),
            Err(RandomError) => Fraction::ONE,
        }
    }
}

/// The operating system's generator.
#[derive(Debug)]
pub struct SystemRandomness(SystemRandom);

impl SystemRandomness {
    /// A handle; it holds no state of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemRandomness {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandomness {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        self.0.fill(out).map_err(|_| RandomError)
    }
}

/// The operating system gave no random bytes. There is no more to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomError;

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for RandomError {}
