//! The first way to prove oneself: pinned raw public keys, without certificates and names.

use std::fmt;
use std::sync::Arc;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::{Acceptor, Connector, TlsError, client_builder, crypto_provider, no_tls12, server_builder};

/// An Ed25519 private key, which one side of a job proves itself with. rustls and ring do not wipe it.
pub struct OwnKey {
    key: Arc<dyn SigningKey>,
    public: Vec<u8>,
}

impl OwnKey {
    /// The key in `pkcs8`; `None` if it is not Ed25519.
    #[must_use]
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let key = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).ok()?;
        let public = key.public_key()?.as_ref().to_vec();
        Some(Self { key, public })
    }

    /// Its public key, as SubjectPublicKeyInfo.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKey(hidden)")
    }
}

/// Mutual TLS 1.3 with pinned raw public keys (RFC 7250): proves itself with `own` and takes the other side by `peers`,
/// SubjectPublicKeyInfos of Ed25519 keys. No certificates, no names.
///
/// # Errors
/// [`TlsError::Handshake`] if the library cannot be set up so, which no input of ours should cause.
pub fn pinned(own: OwnKey, peers: Vec<Vec<u8>>) -> Result<(Acceptor, Connector), TlsError> {
    let own = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.public)], own.key));
    let algorithms = crypto_provider().signature_verification_algorithms;
    let pinned = Arc::new(PinnedKeys { peers, algorithms });
    let server = server_builder()?
        .with_client_cert_verifier(pinned.clone())
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&own))));
    let client = client_builder()?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
    // The key alone says who the peer is; no name is sent (SNI is off) or looked at.
    let nobody = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
    Ok((Acceptor::new(server), Connector::new(client, nobody)))
}

/// Takes a peer by its raw public key (RFC 7250) and by nothing else. It serves both sides.
#[derive(Debug)]
struct PinnedKeys {
    peers: Vec<Vec<u8>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedKeys {
    /// RFC 7250, section 3: the "certificate" is one SubjectPublicKeyInfo. It must be a pinned one, byte for byte.
    fn judge(&self, key: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let pinned = more.is_empty() && self.peers.iter().any(|peer| peer.as_slice() == key.as_ref());
        let refusal = rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        if pinned { Ok(()) } else { Err(refusal) }
    }

    /// RFC 8446, section 4.4.3: the peer signs the handshake, which proves that it holds the private key.
    fn proof(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for PinnedKeys {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(key, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proof(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for PinnedKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(key, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proof(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
