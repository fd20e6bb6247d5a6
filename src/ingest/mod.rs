//! Where the identity token comes from, and how its rotation is noticed.

mod file;
mod keys;

use std::fmt;

use crate::codec::hash::Sha256;
use crate::error::{Actionable, Facts};
use crate::identity::UserContext;
use crate::time::Moment;

/// Reads the identity token and notices that it changed.
pub trait TokenIngestor: Send {
    /// Reads the token and verifies it. Given by value: it is dropped, and wiped, after the exchange.
    ///
    /// # Errors
    /// [`IngestError`] says what is wrong with the file, the token or the keys.
    fn load(&mut self, at: Moment) -> Result<UserContext, IngestError>;

    /// A digest of what [`TokenIngestor::load`] would read now: cheap, and no secret.
    ///
    /// # Errors
    /// [`IngestError`] if there is nothing to read.
    fn fingerprint(&mut self) -> Result<Sha256, IngestError>;
}

/// Why there is no verified user.
#[derive(Debug)]
#[non_exhaustive]
pub enum IngestError {}

impl fmt::Display for IngestError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for IngestError {}

impl Actionable for IngestError {
    fn facts(&self) -> Facts {
        match *self {}
    }
}
