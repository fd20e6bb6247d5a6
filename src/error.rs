//! What every error says to the person on call: a stable code, whose fault it is, whether waiting helps, what to do.

/// An error that a person can act on. Implemented with one `match` over all variants, without `_`.
pub trait Actionable: std::error::Error {
    /// What is known of this very variant.
    fn facts(&self) -> Facts;
}

/// The four things that hold for every occurrence of an error's variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Stable, greppable, listed in README: `TOKEN_EXPIRED`.
    pub code: &'static str,
    /// Who has to do something.
    pub fault: Fault,
    /// Whether waiting helps.
    pub retry: Retry,
    /// What to do, in the imperative, on one line.
    pub remedy: &'static str,
}

impl Facts {
    /// One line of the error table.
    #[must_use]
    pub const fn new(code: &'static str, fault: Fault, retry: Retry, remedy: &'static str) -> Self {
        Self { code, fault, retry, remedy }
    }
}

/// Who has to do something; decides the exit status of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A setting, a file of ours or the command line.
    Configuration,
    /// The identity token or the keys that it is checked with.
    Identity,
    /// The service understood the request and said no.
    Service,
    /// A peer could not be reached or gave no usable answer.
    Unreachable,
}

impl Fault {
    /// The exit status, after sysexits.h where it has one.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Configuration => 78,
            Self::Identity => 77,
            Self::Service => 76,
            Self::Unreachable => 69,
        }
    }
}

/// Whether waiting helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// No: somebody has to change something.
    Never,
    /// Only once another identity token is there.
    OnNewToken,
    /// Yes: the same call may go through later.
    Backoff,
}
