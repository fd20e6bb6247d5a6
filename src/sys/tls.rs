//! TLS: the only room that knows rustls. What every connection between driver and executors has in common is here.

mod certificates;
mod named;
mod pinned;
mod stream;

use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, Connection, ServerConfig, ServerConnection};
use rustls::{WantsVerifier, version};

pub use certificates::{
    CertificatesError, PeerFault, certificates_from_pem, is_usable_as_root, peer_fault, peer_fault_in,
};
pub use named::{Authorities, OwnCertificate, PeerName, Purpose};
pub use pinned::{OwnKey, pinned};
pub use stream::{TlsError, TlsStream};

/// The name of our protocol in the handshake (ALPN, RFC 7301): a peer that speaks another one is noticed there.
const ALPN: &[u8] = b"safe-conduct/1";

/// The algorithms of every TLS connection: ring's. Passed in everywhere; there is no process-wide default.
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The same algorithms with another first choice between driver and executors. A handshake is short and hashes much:
/// processors have instructions for SHA-256, few have some for SHA-384. X25519 and Ed25519 are as strong as AES-128.
fn own_provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..rustls::crypto::ring::default_provider() })
}

// ureq turns on rustls's feature `tls12` for everybody, so the version is said here.
fn server_builder() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, TlsError> {
    let builder = ServerConfig::builder_with_provider(own_provider()).with_protocol_versions(&[&version::TLS13]);
    builder.map_err(|_| TlsError::Handshake)
}

fn client_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let builder = ClientConfig::builder_with_provider(own_provider()).with_protocol_versions(&[&version::TLS13]);
    builder.map_err(|_| TlsError::Handshake)
}

/// Nothing older than TLS 1.3 is offered, so this is never asked for; if it is, the answer is no.
fn no_tls12() -> rustls::Error {
    rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
}

/// The driver's side of connections: TLS 1.3, no resumption, no early data.
pub struct Acceptor(Arc<ServerConfig>);

impl Acceptor {
    fn new(mut config: ServerConfig) -> Self {
        // A resumed session would skip the look at the peer.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self(Arc::new(config))
    }

    /// The driver's side of a handshake. When this returns, the peer has proved itself, if it was asked to.
    ///
    /// # Errors
    /// [`TlsError`] if it has not, or if the handshake is not over within `limit`.
    pub fn accept(&self, socket: Arc<TcpStream>, limit: Duration) -> Result<TlsStream, TlsError> {
        let connection = ServerConnection::new(Arc::clone(&self.0)).map_err(|_| TlsError::Handshake)?;
        TlsStream::handshake(Connection::Server(connection), socket, limit)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor(hidden)")
    }
}

/// The executor's side of connections: TLS 1.3, no resumption, no early data.
pub struct Connector {
    config: Arc<ClientConfig>,
    driver: ServerName<'static>,
}

impl Connector {
    fn new(mut config: ClientConfig, driver: ServerName<'static>) -> Self {
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self { config: Arc::new(config), driver }
    }

    /// The executor's side of a handshake. When this returns, the driver has proved itself, but it has not judged us
    /// yet: if it refuses, the first read says [`TlsError::RefusedByPeer`].
    ///
    /// # Errors
    /// As [`Acceptor::accept`].
    pub fn connect(&self, socket: Arc<TcpStream>, limit: Duration) -> Result<TlsStream, TlsError> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.driver.clone());
        let connection = connection.map_err(|_| TlsError::Handshake)?;
        TlsStream::handshake(Connection::Client(connection), socket, limit)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector(hidden)")
    }
}
