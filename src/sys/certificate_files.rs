//! What can be wrong with the PEM files of certificates and their keys. Reads nothing itself.

use std::fmt;

use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sys::tls::{CertificatesError, TlsError};

/// Longest file of certificates in bytes: a chain has three or four of them, a bundle of authorities a few dozen.
pub const MAX_CERTIFICATES_FILE: usize = 64 * 1024;

/// Why certificates and keys cannot be used. Nothing of a key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFilesError {
    /// The authorities' text.
    Authorities(CertificatesError),
    /// A certificate that cannot be an authority's.
    AuthorityBroken {
        /// Which, counted from 0.
        position: usize,
    },
    /// The text of one's own certificate.
    Chain(CertificatesError),
    /// One's own certificate is no X.509 v3 that can be used.
    CertificateBroken,
    /// It has expired or does not hold yet.
    OutsideValidity,
    /// It is for another purpose.
    Purpose,
    /// The key's text is damaged.
    KeyBroken,
    /// There is not exactly one key.
    Keys {
        /// But so many.
        count: usize,
    },
    /// The key is of a kind that is not used, or too weak.
    KeyKind,
    /// The key is not the certificate's.
    Mismatch,
    /// One's own certificate would pass as the other side's.
    OwnAsPeer,
    /// The TLS library cannot be set up so.
    Library,
}

impl From<TlsError> for CertificateFilesError {
    fn from(_: TlsError) -> Self {
        Self::Library
    }
}

impl fmt::Display for CertificateFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities(error) => write!(f, "the file of distribution.tls.caFile is refused: {error}"),
            Self::AuthorityBroken { position } => {
                write!(f, "certificate {position} (counted from 0) of distribution.tls.caFile cannot be an authority's")
            }
            Self::Chain(error) => write!(f, "the file of distribution.tls.certFile is refused: {error}"),
            Self::CertificateBroken => {
                f.write_str("the first certificate of distribution.tls.certFile is no X.509 v3 certificate for a peer")
            }
            Self::OutsideValidity => {
                f.write_str("the certificate of distribution.tls.certFile has expired or is not valid yet")
            }
            Self::Purpose => f.write_str("the certificate of distribution.tls.certFile is for another purpose"),
            Self::KeyBroken => f.write_str("the file of distribution.tls.keyFile has a damaged section"),
            Self::Keys { count } => {
                write!(f, "the file of distribution.tls.keyFile has {count} private keys that can be read, not one")
            }
            Self::KeyKind => f.write_str("the key of distribution.tls.keyFile is of a kind that is not used"),
            Self::Mismatch => f.write_str(
                "the key of distribution.tls.keyFile is not that of the certificate in distribution.tls.certFile",
            ),
            Self::OwnAsPeer => {
                f.write_str("the certificate of distribution.tls.certFile would pass as the other side's")
            }
            Self::Library => f.write_str("the TLS library does not take the certificates"),
        }
    }
}

impl std::error::Error for CertificateFilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authorities(error) | Self::Chain(error) => Some(error),
            Self::AuthorityBroken { .. }
            | Self::CertificateBroken
            | Self::OutsideValidity
            | Self::Purpose
            | Self::KeyBroken
            | Self::Keys { .. }
            | Self::KeyKind
            | Self::Mismatch
            | Self::OwnAsPeer
            | Self::Library => None,
        }
    }
}

impl Actionable for CertificateFilesError {
    fn facts(&self) -> Facts {
        match self {
            Self::Authorities(_) => Facts::new(
                "CERTS_AUTHORITIES",
                Fault::Configuration,
                Retry::Backoff,
                "Put the authorities' whole certificates in PEM into the file of distribution.tls.caFile.",
            ),
            Self::AuthorityBroken { .. } => Facts::new(
                "CERTS_AUTHORITY_BROKEN",
                Fault::Configuration,
                Retry::Backoff,
                "Replace that certificate in distribution.tls.caFile; openssl x509 -text shows what is in it.",
            ),
            Self::Chain(_) => Facts::new(
                "CERTS_CHAIN",
                Fault::Configuration,
                Retry::Backoff,
                "Put one's own certificate, then those that lead to the authority, in PEM into distribution.tls.certFile.",
            ),
            Self::CertificateBroken => Facts::new(
                "CERTS_CERTIFICATE_BROKEN",
                Fault::Configuration,
                Retry::Backoff,
                "Put an X.509 v3 certificate that is no authority's first in the file of distribution.tls.certFile.",
            ),
            Self::OutsideValidity => Facts::new(
                "CERTS_OUTSIDE_VALIDITY",
                Fault::Configuration,
                Retry::Backoff,
                "Renew the certificate of distribution.tls.certFile, and check the clock of this machine.",
            ),
            Self::Purpose => Facts::new(
                "CERTS_PURPOSE",
                Fault::Configuration,
                Retry::Backoff,
                "Have the driver's certificate issued with the usage serverAuth, an executor's with clientAuth.",
            ),
            Self::KeyBroken => Facts::new(
                "CERTS_KEY_BROKEN",
                Fault::Configuration,
                Retry::Backoff,
                "Write the file of distribution.tls.keyFile anew; it is cut off or is not base64.",
            ),
            Self::Keys { .. } => Facts::new(
                "CERTS_KEY_COUNT",
                Fault::Configuration,
                Retry::Backoff,
                "Leave one unencrypted private key in distribution.tls.keyFile: PRIVATE KEY (PKCS #8), EC or RSA PRIVATE KEY.",
            ),
            Self::KeyKind => Facts::new(
                "CERTS_KEY_KIND",
                Fault::Configuration,
                Retry::Backoff,
                "Use a key on P-256 or P-384, an Ed25519 key, or RSA with 2048 to 8192 bits in distribution.tls.keyFile.",
            ),
            Self::Mismatch => Facts::new(
                "CERTS_KEY_MISMATCH",
                Fault::Configuration,
                Retry::Backoff,
                "Mount certificate and key of one issuance; while both are being replaced, this passes.",
            ),
            Self::OwnAsPeer => Facts::new(
                "CERTS_OWN_AS_PEER",
                Fault::Configuration,
                Retry::Backoff,
                "Issue the driver's certificate for serverAuth alone and the executors' for clientAuth alone, or under two names.",
            ),
            Self::Library => Facts::new(
                "CERTS_LIBRARY",
                Fault::Configuration,
                Retry::Never,
                "Report this as a bug, with the output of openssl x509 -text for each certificate.",
            ),
        }
    }
}
