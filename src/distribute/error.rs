//! Why the driver cannot serve, and why an ask got no answer. Says what to do; does nothing itself.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::codec::frame::FrameError;
use crate::distribute::{DriverAddress, MessageError, ProofError};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sys::file::FileError;
use crate::sys::tls::PeerFault;

/// Why the driver's server did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServeError {
    /// There is nothing to prove oneself with.
    Proof(ProofError),
    /// The address cannot be listened on.
    Listen {
        /// Which; the last one that was tried.
        address: SocketAddr,
        /// Why.
        kind: ErrorKind,
    },
    /// The operating system gave no thread.
    Threads {
        /// Why.
        kind: ErrorKind,
    },
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof(error) => error.fmt(f),
            Self::Listen { address, kind } => write!(f, "the driver cannot listen on {address}: {kind}"),
            Self::Threads { kind } => write!(f, "the driver cannot start its serving threads: {kind}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Proof(error) => Some(error),
            Self::Listen { .. } | Self::Threads { .. } => None,
        }
    }
}

impl Actionable for ServeError {
    fn facts(&self) -> Facts {
        match self {
            Self::Proof(error) => error.facts(),
            Self::Listen { .. } => Facts::new(
                "SERVE_LISTEN",
                Fault::Configuration,
                Retry::Never,
                "Name a free port and an address of this machine in distribution.listen.",
            ),
            Self::Threads { .. } => Facts::new(
                "SERVE_THREADS",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes (pids) so that 40 threads fit.",
            ),
        }
    }
}

/// Why an executor's ask got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// There is nothing to prove oneself with.
    Proof(ProofError),
    /// The operating system gave no thread for asking.
    Thread {
        /// Why.
        kind: ErrorKind,
    },
    /// The ask does not fit into a frame.
    Ask(FrameError),
    /// The executor's token file cannot be read.
    Token(FileError),
    /// The executor's token file holds no text.
    NoToken {
        /// Which file.
        path: PathBuf,
    },
    /// The driver's name does not resolve.
    DriverName {
        /// Which.
        driver: DriverAddress,
    },
    /// Nobody answers at the driver's address.
    Unreachable {
        /// Which.
        driver: DriverAddress,
        /// Why.
        kind: ErrorKind,
    },
    /// Whoever answers there is not this job's driver.
    DriverUnknown {
        /// Where.
        driver: DriverAddress,
    },
    /// The certificate of whoever answers there is refused.
    DriverCertificate {
        /// Where.
        driver: DriverAddress,
        /// Why.
        fault: PeerFault,
    },
    /// The driver does not take this executor's key or certificate.
    KeyRefused {
        /// Which driver.
        driver: DriverAddress,
    },
    /// The driver proves itself in another way than this executor, or wants another proof of it.
    OtherProof {
        /// Which driver.
        driver: DriverAddress,
    },
    /// Whoever answers there does not speak our protocol.
    NotADriver {
        /// Where.
        driver: DriverAddress,
    },
    /// The driver did not answer in time.
    TimedOut {
        /// Which.
        driver: DriverAddress,
    },
    /// The connection ended in the middle.
    Broken {
        /// To which driver.
        driver: DriverAddress,
        /// How.
        kind: ErrorKind,
    },
    /// The answer is refused.
    Answer(MessageError),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof(error) => error.fmt(f),
            Self::Thread { kind } => write!(f, "the thread that asks the driver cannot be started: {kind}"),
            Self::Ask(error) => write!(f, "the ask cannot be written: {error}"),
            Self::Token(error) => write!(f, "the executor's token cannot be read: {error}"),
            Self::NoToken { path } => write!(f, "the executor's token file {} holds no token", path.display()),
            Self::DriverName { driver } => write!(f, "the name of driver {driver} does not resolve"),
            Self::Unreachable { driver, kind } => write!(f, "driver {driver} cannot be reached: {kind}"),
            Self::DriverUnknown { driver } => write!(f, "what answers at {driver} does not hold this job's driver key"),
            Self::DriverCertificate { driver, fault } => {
                write!(f, "the certificate of what answers at {driver} is refused: {fault}")
            }
            Self::KeyRefused { driver } => write!(f, "driver {driver} refused this executor's key or certificate"),
            Self::OtherProof { driver } => {
                write!(f, "driver {driver} and this executor are set to prove themselves in different ways")
            }
            Self::NotADriver { driver } => write!(f, "what answers at {driver} does not speak our protocol"),
            Self::TimedOut { driver } => write!(f, "driver {driver} did not answer in time"),
            Self::Broken { driver, kind } => write!(f, "the connection to driver {driver} broke: {kind}"),
            Self::Answer(error) => write!(f, "the driver's answer is refused: {error}"),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Proof(error) => Some(error),
            Self::Ask(error) => Some(error),
            Self::Token(error) => Some(error),
            Self::Answer(error) => Some(error),
            Self::Thread { .. }
            | Self::NoToken { .. }
            | Self::DriverName { .. }
            | Self::Unreachable { .. }
            | Self::DriverUnknown { .. }
            | Self::DriverCertificate { .. }
            | Self::KeyRefused { .. }
            | Self::OtherProof { .. }
            | Self::NotADriver { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. } => None,
        }
    }
}

impl Actionable for AskError {
    fn facts(&self) -> Facts {
        match self {
            Self::Proof(error) => error.facts(),
            Self::Answer(error) => error.facts(),
            Self::Token(error) => error.facts(),
            Self::NoToken { .. } => Facts::new(
                "ASK_NO_TOKEN",
                Fault::Configuration,
                Retry::Backoff,
                "Name a projected service account token in distribution.executorToken.file.",
            ),
            Self::Thread { .. } => Facts::new(
                "ASK_THREAD",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes (pids).",
            ),
            Self::Ask(_) => {
                Facts::new("ASK_TOO_LONG", Fault::Configuration, Retry::Never, "Give the executor a shorter name.")
            }
            Self::DriverName { .. } => Facts::new(
                "ASK_DRIVER_NAME",
                Fault::Unreachable,
                Retry::Backoff,
                "Check the host in distribution.driver; on Kubernetes, that the driver's headless Service exists.",
            ),
            Self::Unreachable { .. } => Facts::new(
                "ASK_UNREACHABLE",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the driver runs and listens on the port in distribution.driver, and that a NetworkPolicy lets executors in.",
            ),
            Self::DriverUnknown { .. } => Facts::new(
                "ASK_DRIVER_UNKNOWN",
                Fault::Configuration,
                Retry::Never,
                "Mount the executors.pem that was made together with this driver's driver.pem, and check distribution.driver.",
            ),
            Self::DriverCertificate { .. } => Facts::new(
                "ASK_DRIVER_CERTIFICATE",
                Fault::Configuration,
                Retry::Backoff,
                "Compare the driver's distribution.tls.certFile with this side's caFile and peerName, and both clocks.",
            ),
            Self::KeyRefused { .. } => Facts::new(
                "ASK_KEY_REFUSED",
                Fault::Configuration,
                Retry::Never,
                "Mount the executors.pem that belongs to the driver's key file; with certificates, the driver's log says why.",
            ),
            Self::OtherProof { .. } => Facts::new(
                "ASK_OTHER_PROOF",
                Fault::Configuration,
                Retry::Never,
                "Set the same way on both sides, and only that: distribution.keyFile, distribution.tls.* or distribution.executorToken.*.",
            ),
            Self::NotADriver { .. } => Facts::new(
                "ASK_NOT_A_DRIVER",
                Fault::Configuration,
                Retry::Never,
                "Point distribution.driver to the port of distribution.listen, 7443 by default, and run one version on both sides.",
            ),
            Self::TimedOut { .. } => Facts::new(
                "ASK_TIMED_OUT",
                Fault::Unreachable,
                Retry::Backoff,
                "Look for packet loss between the pods, and for a driver that is short of CPU.",
            ),
            Self::Broken { .. } => Facts::new(
                "ASK_BROKEN",
                Fault::Unreachable,
                Retry::Backoff,
                "Look at the driver's log for why it closes connections; a busy driver turns some away.",
            ),
        }
    }
}
