//! The second way to prove oneself: certificates of an authority, for one name and one purpose.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use super::certificates::{PeerFault, certificates_from_pem, peer_fault, private_keys_from_pem};
use super::{Acceptor, Connector};
use super::{client_builder, crypto_provider, no_tls12, server_builder};
use crate::sys::certificate_files::CertificateFilesError;
use crate::sys::clock::SystemClock;
use crate::time::Clock;

/// A label that no certificate names, to find out whether a certificate is for a wildcard.
const NOBODY: &str = "no-host-of-safe-conduct-has-this-name";

/// The DNS name that the other side's certificate must be for. A wildcard is not that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    name: ServerName<'static>,
    /// Another name with the same parent: whatever is for this one too is a wildcard.
    sibling: Option<ServerName<'static>>,
}

impl PeerName {
    /// A DNS name of at most 253 bytes; `None` for an IP address, a wildcard, or a name with a dot at its end.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let of = |text: &str| DnsName::try_from(text.to_owned()).ok().map(ServerName::DnsName);
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        let name = of(text).filter(|_| !is_address && !text.ends_with('.'))?;
        let sibling = text.split_once('.').map(|(_, parent)| format!("{NOBODY}.{parent}"));
        // A parent so long that no label fits in front of it has no sibling to compare with.
        let sibling = sibling.map(|sibling| of(&sibling).ok_or(())).transpose().ok()?;
        Some(Self { name, sibling })
    }

    /// RFC 6125, section 6.4: the name stands in the certificate as a DNS name; here, no wildcard stands for it.
    fn judge(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        verify_server_name(&certificate, &self.name)?;
        match &self.sibling {
            Some(sibling) if verify_server_name(&certificate, sibling).is_ok() => {
                Err(CertificateError::NotValidForName.into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What a certificate is for (RFC 5280, section 4.2.1.12). One without the extension is for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `serverAuth`: the driver's.
    Driver,
    /// `clientAuth`: the executors'.
    Executor,
}

/// One's own certificate, with what leads to its authority, and its private key. rustls and ring do not wipe the key.
pub struct OwnCertificate(Arc<CertifiedKey>);

impl OwnCertificate {
    /// Reads a chain and its key from PEM: a certificate that holds now, for `purpose`, with exactly one key.
    ///
    /// # Errors
    /// [`CertificateFilesError`] says which rule is broken.
    pub fn from_pem(chain: &[u8], key: &[u8], purpose: Purpose) -> Result<Self, CertificateFilesError> {
        let chain = certificates_from_pem(chain).map_err(CertificateFilesError::Chain)?;
        let keys = private_keys_from_pem(key).map_err(|_| CertificateFilesError::KeyBroken)?;
        let count = keys.len();
        let [key] = <[_; 1]>::try_from(keys).map_err(|_| CertificateFilesError::Keys { count })?;
        let provider = crypto_provider();
        let key = provider.key_provider.load_private_key(key).map_err(|_| CertificateFilesError::KeyKind)?;
        let own = CertifiedKey::new(chain, key);
        own.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateFilesError::Mismatch,
            _ => CertificateFilesError::CertificateBroken,
        })?;
        let own = Self(Arc::new(own));
        own.holds_now(purpose)?;
        Ok(own)
    }

    /// Dates and purpose are looked at before any authority is (RFC 5280, section 6.1.3, has no order): whether one
    /// vouches for it is the other side's to judge, so that is left open here.
    fn holds_now(&self, purpose: Purpose) -> Result<(), CertificateFilesError> {
        let mut roots = RootCertStore::empty();
        let certificate = self.0.cert.first().ok_or(CertificateFilesError::CertificateBroken)?;
        roots.add(certificate.clone()).map_err(|_| CertificateFilesError::CertificateBroken)?;
        let judge = Judge::new(roots, purpose).ok_or(CertificateFilesError::Library)?;
        match judge.chain(&self.0.cert) {
            Ok(()) => Ok(()),
            Err(error) => match (peer_fault(&error), error) {
                (PeerFault::UnknownIssuer | PeerFault::WrongName, _) => Ok(()),
                (PeerFault::OutsideValidity, _) => Err(CertificateFilesError::OutsideValidity),
                (_, rustls::Error::InvalidCertificate(reason)) if is_purpose(&reason) => {
                    Err(CertificateFilesError::Purpose)
                }
                (PeerFault::Certificate | PeerFault::Handshake, _) => Err(CertificateFilesError::CertificateBroken),
            },
        }
    }

    /// A driver that asks for no certificate: executors prove themselves inside the connection.
    ///
    /// # Errors
    /// [`CertificateFilesError::Library`] if the library cannot be set up so.
    pub fn acceptor(self) -> Result<Acceptor, CertificateFilesError> {
        let builder = server_builder()?.with_no_client_auth();
        Ok(Acceptor::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(self.0)))))
    }

    /// A driver that lets in who has a certificate of `executors`.
    ///
    /// # Errors
    /// [`CertificateFilesError::OwnAsPeer`] if our own certificate would be let in too.
    pub fn mutual_acceptor(self, executors: Authorities) -> Result<Acceptor, CertificateFilesError> {
        let judge = executors.judge(Purpose::Executor, Some(&self))?;
        let builder = server_builder()?.with_client_cert_verifier(Arc::new(judge));
        Ok(Acceptor::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(self.0)))))
    }

    /// An executor that has a certificate itself, and takes a driver that has one of `driver`.
    ///
    /// # Errors
    /// [`CertificateFilesError::OwnAsPeer`] if our own certificate would pass for the driver's.
    pub fn mutual_connector(self, driver: Authorities) -> Result<Connector, CertificateFilesError> {
        let name = driver.name.name.clone();
        let judge = driver.judge(Purpose::Driver, Some(&self))?;
        let builder = client_builder()?.dangerous().with_custom_certificate_verifier(Arc::new(judge));
        Ok(Connector::new(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.0))), name))
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate(hidden)")
    }
}

/// Who vouches for the other side, and under which name.
#[derive(Debug)]
pub struct Authorities {
    roots: RootCertStore,
    name: PeerName,
}

impl Authorities {
    /// Reads the authorities' certificates from PEM. That they hold now is not looked at: an authority is trusted
    /// because it is configured (RFC 5280, section 6.1.1 d).
    ///
    /// # Errors
    /// [`CertificateFilesError`] if there is none, or one that cannot be an authority's.
    pub fn from_pem(pem: &[u8], name: PeerName) -> Result<Self, CertificateFilesError> {
        let mut roots = RootCertStore::empty();
        for (position, certificate) in
            certificates_from_pem(pem).map_err(CertificateFilesError::Authorities)?.iter().enumerate()
        {
            roots.add(certificate.clone()).map_err(|_| CertificateFilesError::AuthorityBroken { position })?;
        }
        Ok(Self { roots, name })
    }

    /// An executor without a certificate that takes a driver that has one of these.
    ///
    /// # Errors
    /// [`CertificateFilesError::Library`] if the library cannot be set up so.
    pub fn connector(self) -> Result<Connector, CertificateFilesError> {
        let name = self.name.name.clone();
        let judge = self.judge(Purpose::Driver, None)?;
        let builder = client_builder()?.dangerous().with_custom_certificate_verifier(Arc::new(judge));
        Ok(Connector::new(builder.with_no_client_auth(), name))
    }

    /// One certificate that passes on both sides would let an executor play the driver.
    fn judge(self, peers: Purpose, own: Option<&OwnCertificate>) -> Result<NamedPeers, CertificateFilesError> {
        let chain = Judge::new(self.roots, peers).ok_or(CertificateFilesError::Library)?;
        let judge = NamedPeers { chain, name: self.name };
        let passes = |own: &OwnCertificate| match own.0.cert.split_first() {
            Some((certificate, rest)) => judge.check(certificate, rest, now()).is_ok(),
            None => false,
        };
        if own.is_some_and(passes) { Err(CertificateFilesError::OwnAsPeer) } else { Ok(judge) }
    }
}

/// rustls's own judgement of a chain: authority, signatures, dates, constraints, purpose.
#[derive(Debug)]
enum Judge {
    Drivers(Arc<WebPkiServerVerifier>),
    Executors(Arc<dyn ClientCertVerifier>),
}

impl Judge {
    fn new(roots: RootCertStore, purpose: Purpose) -> Option<Self> {
        let (roots, provider) = (Arc::new(roots), crypto_provider());
        match purpose {
            Purpose::Driver => {
                WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok().map(Self::Drivers)
            }
            Purpose::Executor => {
                WebPkiClientVerifier::builder_with_provider(roots, provider).build().ok().map(Self::Executors)
            }
        }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match self {
            Self::Drivers(judge) => judge.verify_server_cert(certificate, rest, name, &[], now).map(drop),
            Self::Executors(judge) => judge.verify_client_cert(certificate, rest, now).map(drop),
        }
    }

    /// A chain under no name.
    fn chain(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let nobody = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
        let (certificate, rest) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.check(certificate, rest, &nobody, now())
    }
}

/// Takes a peer by its chain, its purpose and its name: by all three.
#[derive(Debug)]
struct NamedPeers {
    chain: Judge,
    name: PeerName,
}

impl NamedPeers {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.chain.check(certificate, rest, &self.name.name, now)?;
        self.name.judge(certificate)
    }

    /// RFC 8446, section 4.4.3: the peer signs the handshake, which proves that it holds the private key.
    fn proof(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.chain {
            Judge::Drivers(judge) => judge.verify_tls13_signature(message, certificate, signature),
            Judge::Executors(judge) => judge.verify_tls13_signature(message, certificate, signature),
        }
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        match &self.chain {
            Judge::Drivers(judge) => judge.supported_verify_schemes(),
            Judge::Executors(judge) => judge.supported_verify_schemes(),
        }
    }
}

impl ServerCertVerifier for NamedPeers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(certificate, rest, now).map(|()| ServerCertVerified::assertion())
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
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proof(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for NamedPeers {
    /// Whom we trust is nothing that a stranger has to know.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(certificate, rest, now).map(|()| ClientCertVerified::assertion())
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
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proof(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

fn is_purpose(reason: &CertificateError) -> bool {
    matches!(reason, CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. })
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(SystemClock::new().moment().wall.unix_seconds()))
}
