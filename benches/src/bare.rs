//! What a delivery is measured against: plain TCP, and a mutual raw-key handshake by rustls with nothing of ours around
//! it. Both exchange a question and an answer of a delivery's size, over a new connection each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::ring::{default_provider, sign::any_eddsa_type};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    ServerConnection, SignatureScheme, Stream, version,
};

/// Bytes of a question and an answer: about what an ask and a bundle have.
const QUESTION: usize = 64;
const ANSWER: usize = 1500;

/// As many as the driver has.
const SERVERS: usize = 32;

/// Threads that all accept on one listener and answer without TLS. They end with the process.
pub fn serve_plain() -> SocketAddr {
    serve(answer)
}

/// The same over TLS.
pub fn serve_tls(keys: &str) -> SocketAddr {
    let (own, peer) = keys_of(keys);
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(peer))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    serve(move |socket| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        answer(&mut Stream::new(&mut tls, socket))
    })
}

fn serve(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::new((listener, answer));
    for _ in 0..SERVERS {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = shared.0.accept() {
                let _ = socket.set_nodelay(true).and_then(|()| (shared.1)(&mut socket));
            }
        });
    }
    address
}

fn answer(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    stream.read_exact(&mut [0; QUESTION])?;
    stream.write_all(&[b'x'; ANSWER])
}

/// One plain exchange.
pub fn ask_plain(address: SocketAddr) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    ask(&mut socket)
}

/// One handshake and one exchange.
pub fn ask_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let nobody = ServerName::from(address.ip());
    let mut tls = ClientConnection::new(Arc::clone(config), nobody).unwrap();
    ask(&mut Stream::new(&mut tls, &mut socket))
}

fn ask(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    stream.write_all(&[b'x'; QUESTION])?;
    stream.read_exact(&mut [0; ANSWER])
}

/// What [`ask_tls`] needs.
pub fn tls_client(keys: &str) -> Arc<ClientConfig> {
    let (own, peer) = keys_of(keys);
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(peer))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

/// The key in a key file of a job, and the key of the other side.
fn keys_of(file: &str) -> (Arc<CertifiedKey>, Pinned) {
    let own = any_eddsa_type(&PrivatePkcs8KeyDer::from_pem_file(file).unwrap()).unwrap();
    let public = own.public_key().unwrap().as_ref().to_vec();
    let peer = SubjectPublicKeyInfoDer::from_pem_file(file).unwrap().as_ref().to_vec();
    let algorithms = default_provider().signature_verification_algorithms;
    (Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], own)), Pinned { peer, algorithms })
}

#[derive(Debug)]
struct Pinned {
    peer: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn judge(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        let refusal = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        if key.as_ref() == self.peer { Ok(()) } else { Err(refusal) }
    }
}

macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.3 only".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let key = SubjectPublicKeyInfoDer::from(key.as_ref());
            verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(key).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(key).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}
