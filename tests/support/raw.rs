//! Peers of another make: rustls's own clients that believe anything, and a relay that damages what it passes on.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::sign::{any_eddsa_type, any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, SignatureScheme};
use safe_conduct::codec::pem;

use crate::certificates;

/// Takes any driver: what is tested is what the driver makes of its peer.
#[derive(Debug)]
pub struct AnyDriver {
    pub raw_keys: bool,
}

impl ServerCertVerifier for AnyDriver {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw_keys
    }
}

/// The private key of a job's key file as a raw public key.
pub fn key_of(file: &Path) -> Arc<AlwaysResolvesClientRawPublicKeys> {
    // In the file, the private key comes first.
    let parts = pem::decode(&std::fs::read(file).unwrap()).unwrap();
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(parts[0].1.as_slice())).unwrap();
    let public = CertificateDer::from(key.public_key().unwrap().as_ref().to_vec());
    Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![public], key))))
}

/// A certificate of `tests/certs/peers` with its key.
pub fn certificate(name: &str) -> Arc<SingleCertAndKey> {
    let certificate = CertificateDer::from_pem_slice(&certificates::text(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&certificates::text(&format!("{name}.key"))).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap())))
}

/// What an executor (0) and a driver (1) sent.
pub type Sessions = [Vec<u8>; 2];

/// Passes one connection's bytes on, and flips a bit of the byte at `flip` of what the executor (0) or the driver (1)
/// sends. What the executor sends goes on one byte at a time, and so does what the driver sends, unless a bit is flipped.
pub fn relay(to: SocketAddr, flip: Option<(usize, usize)>) -> (u16, JoinHandle<Sessions>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let at = move |side: usize| flip.filter(|(flipped, _)| *flipped == side).map(|(_, place)| place);
    let whole = flip.is_some();
    let thread = std::thread::spawn(move || {
        let (executor, _) = listener.accept().unwrap();
        let driver = TcpStream::connect(to).unwrap();
        let (back_from, back_to) = (driver.try_clone().unwrap(), executor.try_clone().unwrap());
        let back = std::thread::spawn(move || pass_on(back_from, back_to, at(1), whole));
        let sent = pass_on(executor, driver, at(0), whole);
        [sent, back.join().unwrap()]
    });
    (port, thread)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, flip: Option<usize>, whole: bool) -> Vec<u8> {
    let _ = to.set_nodelay(true);
    let (mut passed, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let piece = &mut buffer[..count];
        if let Some(byte) =
            flip.and_then(|place| place.checked_sub(passed.len())).and_then(|place| piece.get_mut(place))
        {
            *byte ^= 1;
        }
        passed.extend_from_slice(piece);
        let size = if whole { count } else { 1 };
        if piece.chunks(size).any(|piece| to.write_all(piece).is_err()) {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    passed
}
