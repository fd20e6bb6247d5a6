//! Certificates from PEM, and what a failed handshake with a server says of it.

use std::fmt;

use rustls::CertificateError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates of a PEM text, in its order. Sections of other kinds are left out.
///
/// # Errors
/// [`CertificatesError`] if there is none, or at the first one that is broken: a list that got shorter without a word
/// would look like a bad server later.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let mut certificates = Vec::new();
    for parsed in CertificateDer::pem_slice_iter(pem) {
        certificates.push(parsed.map_err(|_| CertificatesError::Broken { position: certificates.len() })?);
    }
    if certificates.is_empty() { Err(CertificatesError::None) } else { Ok(certificates) }
}

/// The private keys of a PEM text: PKCS #8, SEC 1 (RFC 5915) or PKCS #1. Sections of other kinds are left out.
///
/// # Errors
/// [`CertificatesError::Broken`] at the first section that is not of PEM's form.
pub(super) fn private_keys_from_pem(pem: &[u8]) -> Result<Vec<PrivateKeyDer<'static>>, CertificatesError> {
    let mut keys = Vec::new();
    for parsed in PrivateKeyDer::pem_slice_iter(pem) {
        keys.push(parsed.map_err(|_| CertificatesError::Broken { position: keys.len() })?);
    }
    Ok(keys)
}

/// Whether `certificate` can serve as a root: X.509 that a verifier can read.
#[must_use]
pub fn is_usable_as_root(certificate: &CertificateDer<'static>) -> bool {
    // Borrowed: a system has some hundred and a half of them.
    rustls::RootCertStore::empty().add(CertificateDer::from(certificate.as_ref())).is_ok()
}

/// Why a PEM text gives no certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificatesError {
    /// There is none in it.
    None,
    /// One of them is not of PEM's form.
    Broken {
        /// Which, counted from 0.
        position: usize,
    },
}

impl fmt::Display for CertificatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no certificate in it"),
            Self::Broken { position } => write!(f, "certificate {position} (counted from 0) cannot be read"),
        }
    }
}

impl std::error::Error for CertificatesError {}

/// What a failed handshake says of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// No root that we trust vouches for its certificate.
    UnknownIssuer,
    /// Its certificate is for another name.
    WrongName,
    /// Its certificate has expired or is not valid yet, by our clock.
    OutsideValidity,
    /// Its certificate is refused for another reason, such as its purpose.
    Certificate,
    /// There was no common language: no TLS at all, or no version or algorithm that both accept.
    Handshake,
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "no authority that we trust vouches for it",
            Self::WrongName => "it is for another name",
            Self::OutsideValidity => "it has expired or is not valid yet",
            Self::Certificate => "it is for another purpose, or damaged",
            Self::Handshake => "there is no common language",
        })
    }
}

/// What a failed handshake says of the peer, if `error` carries one.
#[must_use]
pub fn peer_fault_in(error: &std::io::Error) -> Option<PeerFault> {
    error.get_ref()?.downcast_ref().map(peer_fault)
}

/// What `error` says of the peer.
#[must_use]
pub fn peer_fault(error: &rustls::Error) -> PeerFault {
    // Both enums are rustls's and open-ended: what they may gain is a refused certificate, or a failed handshake.
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => PeerFault::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => PeerFault::WrongName,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => PeerFault::OutsideValidity,
            _ => PeerFault::Certificate,
        },
        _ => PeerFault::Handshake,
    }
}
