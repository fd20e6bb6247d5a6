//! TLS 1.3 between driver and executors, with pinned raw public keys.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName};
use rustls::{ServerConfig, ServerConnection, SignatureScheme, version};

use super::crypto_provider;
use crate::sys::clock::SystemClock;
use crate::time::Clock;

/// The name of our protocol in the handshake (ALPN, RFC 7301): a peer that speaks another one is noticed there.
const ALPN: &[u8] = b"safe-conduct/1";

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

/// Mutual TLS 1.3 with pinned raw public keys (RFC 7250): no certificates, no names, no resumption, no early data.
pub struct MutualTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl MutualTls {
    /// Proves itself with `own` and takes the other side by `peers`, SubjectPublicKeyInfos of Ed25519 keys.
    ///
    /// # Errors
    /// [`TlsError::Handshake`] if the library cannot be set up so, which no input of ours should cause.
    pub fn new(own: OwnKey, peers: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let own = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.public)], own.key));
        let provider = crypto_provider();
        let algorithms = provider.signature_verification_algorithms;
        let pinned = Arc::new(PinnedKeys { peers, algorithms });
        // ureq turns on rustls's feature `tls12` for everybody, so the version is said here.
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|_| TlsError::Handshake)?
            .with_client_cert_verifier(pinned.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&own))));
        // A resumed session would skip the look at the key.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.max_early_data_size = 0;
        server.alpn_protocols = vec![ALPN.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|_| TlsError::Handshake)?
            .dangerous()
            .with_custom_certificate_verifier(pinned)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;
        client.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }

    /// The driver's side of a handshake. When this returns, the peer holds one of the pinned keys.
    ///
    /// # Errors
    /// [`TlsError`] if it does not, or if the handshake is not over within `limit`.
    pub fn accept(&self, socket: Arc<TcpStream>, limit: Duration) -> Result<TlsStream, TlsError> {
        let connection = ServerConnection::new(Arc::clone(&self.server)).map_err(|_| TlsError::Handshake)?;
        TlsStream::handshake(Connection::Server(connection), socket, limit)
    }

    /// The executor's side of a handshake. When this returns, the peer holds one of the pinned keys, but it has not
    /// judged ours yet: if it refuses, the first read says [`TlsError::RefusedByPeer`].
    ///
    /// # Errors
    /// As [`MutualTls::accept`].
    pub fn connect(&self, socket: Arc<TcpStream>, limit: Duration) -> Result<TlsStream, TlsError> {
        // The key alone says who the peer is; no name is sent (SNI is off) or looked at.
        let nobody = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
        let connection = ClientConnection::new(Arc::clone(&self.client), nobody).map_err(|_| TlsError::Handshake)?;
        TlsStream::handshake(Connection::Client(connection), socket, limit)
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutualTls(hidden)")
    }
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

/// Nothing older than TLS 1.3 is offered, so this is never asked for; if it is, the answer is no.
fn no_tls12() -> rustls::Error {
    rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
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

/// An authenticated connection. Every read and write ends by a deadline, however slowly the peer drips.
pub struct TlsStream {
    tls: Connection,
    socket: DeadlineSocket,
}

impl TlsStream {
    fn handshake(mut tls: Connection, socket: Arc<TcpStream>, limit: Duration) -> Result<Self, TlsError> {
        let mut socket = DeadlineSocket { socket, since: SystemClock::new(), limit };
        tls.complete_io(&mut socket).map_err(|error| TlsError::of(&error))?;
        // A peer may end its side in the middle (asking again would then go on for ever: RUSTSEC-2024-0336), and
        // RFC 7301 lets it leave the protocol's name out; ours never does.
        if tls.is_handshaking() || tls.alpn_protocol() != Some(ALPN) {
            return Err(TlsError::Handshake);
        }
        // What we send is bounded by our frames, and all of it is to be sent.
        tls.set_buffer_limit(None);
        Ok(Self { tls, socket })
    }

    /// From now on, everything has to be over within `limit`.
    pub fn set_deadline(&mut self, limit: Duration) {
        (self.socket.since, self.socket.limit) = (SystemClock::new(), limit);
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// [`TlsError`] if the peer closes before, or the deadline passes.
    pub fn read_exact(&mut self, out: &mut [u8]) -> Result<(), TlsError> {
        let mut rest = out;
        while !rest.is_empty() {
            match self.tls.reader().read(rest) {
                Ok(0) => return Err(TlsError::Broken { kind: ErrorKind::UnexpectedEof }),
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.tls.complete_io(&mut self.socket).map_err(|error| TlsError::of(&error))?;
                }
                Err(error) => return Err(TlsError::of(&error)),
            }
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// [`TlsError`] if the peer does not take them before the deadline.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let sent = self.tls.writer().write_all(bytes).and_then(|()| self.flush());
        sent.map_err(|error| TlsError::of(&error))
    }

    /// Says that nothing more will come (RFC 8446, section 6.1). Whether the peer hears it does not matter.
    pub fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsStream(hidden)")
    }
}

/// A socket whose every read and write may take what is left until the deadline: a time limit of its own for each
/// would let a peer that drips stay for ever.
struct DeadlineSocket {
    socket: Arc<TcpStream>,
    since: SystemClock,
    limit: Duration,
}

impl DeadlineSocket {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.limit.saturating_sub(self.since.moment().monotonic);
        // Zero would mean "no limit" to the socket.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for DeadlineSocket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        (&*self.socket).read(out).map_err(late)
    }
}

impl Write for DeadlineSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        (&*self.socket).write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.socket).flush()
    }
}

/// A blocking socket reports a passed time limit as `WouldBlock`, which rustls takes for "come back later".
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The deadline passed.
    TimedOut,
    /// The peer's key is not a pinned one.
    PeerUnknown,
    /// The peer said, in TLS, that it does not want us.
    RefusedByPeer,
    /// There was no common language: no TLS, another version, another protocol, or a damaged record.
    Handshake,
    /// The connection broke.
    Broken {
        /// How.
        kind: ErrorKind,
    },
}

impl TlsError {
    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => Self::PeerUnknown,
            Some(rustls::Error::AlertReceived(_)) => Self::RefusedByPeer,
            Some(_) => Self::Handshake,
            None => match error.kind() {
                ErrorKind::TimedOut => Self::TimedOut,
                kind => Self::Broken { kind },
            },
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the peer did not finish in time"),
            Self::PeerUnknown => f.write_str("the peer's public key is not one of the pinned ones"),
            Self::RefusedByPeer => f.write_str("the peer refused us"),
            Self::Handshake => f.write_str("the peer does not speak our protocol over TLS 1.3"),
            Self::Broken { kind } => write!(f, "the connection broke: {kind}"),
        }
    }
}

impl std::error::Error for TlsError {}
