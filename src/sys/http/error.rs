//! Why there is no answer over HTTP, and what to do about it. Knows nothing of ureq.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::MAX_HEAD;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sys::file::FileError;
use crate::sys::tls::{CertificatesError, PeerFault};

/// Why there is no answer. Neither the URL nor anything that the peer said is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The file of root certificates cannot be read.
    RootsFile(FileError),
    /// The file of root certificates gives none that can be used.
    Roots {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: CertificatesError,
    },
    /// The bearer token has a character that cannot stand in a header.
    Bearer,
    /// The host's name has no address.
    Resolve,
    /// No connection.
    Connect {
        /// What the operating system said.
        kind: ErrorKind,
    },
    /// The peer closed the connection before the answer was whole.
    Disconnected,
    /// A time limit passed.
    Timeout {
        /// During what.
        phase: Phase,
    },
    /// TLS did not come about.
    Tls(PeerFault),
    /// The head is longer than [`MAX_HEAD`].
    HeadTooLong,
    /// The body is longer than what the caller takes.
    BodyTooLong {
        /// Most bytes that were to be read.
        most: usize,
    },
    /// The body is compressed, though we asked for it as it is.
    ContentEncoding,
    /// The answer is not HTTP/1.1 of the kind that we accept.
    Protocol,
}

/// During what a time limit passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// While the host's name was looked up.
    Resolve,
    /// Until the connection stood, TLS included.
    Connect,
    /// Between the request and the end of the answer.
    Answer,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootsFile(error) => write!(f, "the root certificates cannot be read: {error}"),
            Self::Roots { path, reason } => {
                write!(f, "the root certificates in {} cannot be used: {reason}", path.display())
            }
            Self::Bearer => f.write_str("the bearer token has a character that cannot stand in a header"),
            Self::Resolve => f.write_str("the host's name has no address"),
            Self::Connect { kind } => write!(f, "there is no connection to the host: {kind}"),
            Self::Disconnected => f.write_str("the peer closed the connection before its answer was whole"),
            Self::Timeout { phase } => f.write_str(match phase {
                Phase::Resolve => "the time limit passed while the host's name was looked up",
                Phase::Connect => "the time limit passed before the connection stood",
                Phase::Answer => "the time limit passed before the answer was whole",
            }),
            Self::Tls(fault) => f.write_str(match fault {
                PeerFault::UnknownIssuer => "no trusted root certificate vouches for the server's certificate",
                PeerFault::WrongName => "the server's certificate is for another name than the URL's",
                PeerFault::OutsideValidity => "the server's certificate has expired or is not valid yet",
                PeerFault::Certificate => "the server's certificate is not fit for a server, or is damaged",
                PeerFault::Handshake => "the peer speaks no TLS that we accept",
            }),
            Self::HeadTooLong => write!(f, "the answer's head has more than {MAX_HEAD} bytes"),
            Self::BodyTooLong { most } => write!(f, "the answer's body has more than {most} bytes"),
            Self::ContentEncoding => f.write_str("the answer is compressed, though that was not asked for"),
            Self::Protocol => f.write_str("the answer is not HTTP/1.1 of the kind that is accepted"),
        }
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::RootsFile(error) => Some(error),
            Self::Roots { reason, .. } => Some(reason),
            Self::Bearer
            | Self::Resolve
            | Self::Connect { .. }
            | Self::Disconnected
            | Self::Timeout { .. }
            | Self::Tls(_)
            | Self::HeadTooLong
            | Self::BodyTooLong { .. }
            | Self::ContentEncoding
            | Self::Protocol => None,
        }
    }
}

impl Actionable for HttpError {
    fn facts(&self) -> Facts {
        match self {
            Self::RootsFile(error) => error.facts(),
            Self::Roots { .. } => Facts::new(
                "TLS_ROOTS",
                Fault::Configuration,
                Retry::Never,
                "Put whole PEM certificates into the file that spark.security.oidc.aws.caFile or jwks.caFile names.",
            ),
            Self::Bearer => Facts::new(
                "HTTP_BEARER",
                Fault::Configuration,
                Retry::Never,
                "Put the token alone on one line into the file that jwks.bearerTokenFile names.",
            ),
            Self::Resolve => Facts::new(
                "HTTP_RESOLVE",
                Fault::Unreachable,
                Retry::Backoff,
                "Check the host in the configured URL and the DNS of this network (for AWS: the region's name).",
            ),
            Self::Connect { .. } => Facts::new(
                "HTTP_CONNECT",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the host listens and that network policies and routes let this pod reach it.",
            ),
            Self::Disconnected => Facts::new(
                "HTTP_DISCONNECTED",
                Fault::Unreachable,
                Retry::Backoff,
                "Look into the log of the service, or of the gateway before it: it hung up in mid-answer.",
            ),
            Self::Timeout { .. } => Facts::new(
                "HTTP_TIMEOUT",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that network policies let this pod reach the host and that the service is not overloaded.",
            ),
            Self::Tls(fault) => tls_facts(*fault),
            Self::HeadTooLong => Facts::new(
                "HTTP_HEAD_TOO_LONG",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the URL is the service's own, not a portal's.",
            ),
            Self::BodyTooLong { .. } => Facts::new(
                "HTTP_BODY_TOO_LONG",
                Fault::Unreachable,
                Retry::Backoff,
                "Check that the URL is the service's own, not a portal's.",
            ),
            Self::ContentEncoding => Facts::new(
                "HTTP_CONTENT_ENCODING",
                Fault::Unreachable,
                Retry::Backoff,
                "Turn off compression in the gateway before the service: it ignores Accept-Encoding: identity.",
            ),
            Self::Protocol => Facts::new(
                "HTTP_PROTOCOL",
                Fault::Unreachable,
                Retry::Backoff,
                "Check host and port of the URL: what answers there does not speak HTTP/1.1 properly.",
            ),
        }
    }
}

fn tls_facts(fault: PeerFault) -> Facts {
    match fault {
        PeerFault::UnknownIssuer => Facts::new(
            "TLS_UNKNOWN_ISSUER",
            Fault::Configuration,
            Retry::Never,
            "Name the CA of the server's certificate in spark.security.oidc.aws.caFile or jwks.caFile.",
        ),
        PeerFault::WrongName => Facts::new(
            "TLS_WRONG_NAME",
            Fault::Configuration,
            Retry::Never,
            "Use a host in the URL that the server's certificate names, or give the server a certificate for it.",
        ),
        PeerFault::OutsideValidity => Facts::new(
            "TLS_OUTSIDE_VALIDITY",
            Fault::Unreachable,
            Retry::Never,
            "Renew the server's certificate; if it is valid, set this machine's clock.",
        ),
        PeerFault::Certificate => Facts::new(
            "TLS_CERTIFICATE",
            Fault::Unreachable,
            Retry::Never,
            "Give the server a certificate for servers (extended key usage serverAuth) from a CA that may sign it.",
        ),
        PeerFault::Handshake => Facts::new(
            "TLS_HANDSHAKE",
            Fault::Unreachable,
            Retry::Backoff,
            "Check host and port of the URL: what listens there must speak TLS 1.2 or 1.3.",
        ),
    }
}
