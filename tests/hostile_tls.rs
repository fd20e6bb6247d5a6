//! The HTTP client against servers whose TLS is wrong in one way, with the committed certificates, on loopback.
//!
//! Numbers are those of the list of bad inputs.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::error::Actionable;
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::http::{HttpClient, HttpError, HttpRequest, HttpResponse, Roots, UreqClient};
use safe_conduct::sys::tls::{CertificatesError, PeerFault, certificates_from_pem};

fn post(client: &UreqClient, url: &str) -> Result<HttpResponse, HttpError> {
    let mut form = WipedBuffer::with_capacity(16);
    form.push(b"WebId=token").unwrap();
    let url = ServiceUrl::new(url).unwrap();
    client.send(&HttpRequest { url: &url, form: Some(&form), bearer: None, signature: None, most: 1000 })
}

/// A folder that is gone afterwards, and in it a file of mode 0600: a checkout's own files may be writable by a group.
struct CaFile(PathBuf);

impl CaFile {
    fn new(name: &str, content: &[u8], mode: u32) -> Self {
        let folder = std::env::temp_dir().join(format!("safe-conduct-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = Self(folder.join("ca.pem"));
        std::fs::write(&file.0, content).unwrap();
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn certificate(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/certs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A TLS server that shows the certificate `name` to one client: its port and its thread.
fn tls_server(name: &str) -> (u16, JoinHandle<()>) {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&certificate(&format!("{name}.pem"))).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&certificate(&format!("{name}.key"))).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut connection, &mut peer);
        // Whoever refuses the certificate closes, and that is an error here.
        if stream.read(&mut [0; 1024]).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = stream.flush();
        }
    });
    (port, thread)
}

/// Asks a TLS server that shows the certificate `name`, trusting `root`, by `host`.
fn over_tls(name: &str, root: &str, host: &str) -> Result<HttpResponse, HttpError> {
    let (port, thread) = tls_server(name);
    let file = CaFile::new(&format!("{name}-{root}-{port}"), &certificate(root), 0o600);
    let client = UreqClient::with_ca_file(&file.0).unwrap();
    assert_eq!(client.roots(), &Roots::File(file.0.clone()));
    let result = post(&client, &format!("https://{host}:{port}/"));
    thread.join().unwrap();
    result
}

#[test]
fn a_server_with_a_certificate_of_the_configured_ca_is_trusted() {
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(over_tls("good", "ca.pem", host).unwrap().status, 200);
    }
}

#[test]
fn a_file_of_roots_that_is_replaced_counts_at_the_next_request() {
    let file = CaFile::new("replaced", &certificate("constrained-ca.pem"), 0o600);
    let client = UreqClient::with_ca_file(&file.0).unwrap();
    let ask = || {
        let (port, thread) = tls_server("good");
        let result = post(&client, &format!("https://127.0.0.1:{port}/")).map(|answer| answer.status);
        thread.join().unwrap();
        result
    };
    assert_eq!(ask(), Err(HttpError::Tls(PeerFault::UnknownIssuer)));
    std::fs::write(&file.0, certificate("ca.pem")).unwrap();
    assert_eq!(ask(), Ok(200));
}

#[test]
fn bad_inputs_211_212_a_certificate_that_is_wrong_in_one_way_is_refused_for_it() {
    let refused = |name, root, host| match over_tls(name, root, host).unwrap_err() {
        HttpError::Tls(fault) => fault,
        other => panic!("{other:?}"),
    };
    let here = "127.0.0.1";
    assert_eq!(refused("good", "constrained-ca.pem", here), PeerFault::UnknownIssuer);
    assert_eq!(refused("wrong-host", "ca.pem", here), PeerFault::WrongName);
    assert_eq!(refused("expired", "ca.pem", here), PeerFault::OutsideValidity);
    assert_eq!(refused("future", "ca.pem", here), PeerFault::OutsideValidity);
    assert_eq!(refused("wrong-usage", "ca.pem", here), PeerFault::Certificate);
    assert_eq!(refused("constrained", "constrained-ca.pem", "localhost"), PeerFault::Certificate);
    assert_eq!(refused("self-signed", "ca.pem", here), PeerFault::UnknownIssuer);
}

#[test]
fn bad_inputs_214_215_a_peer_without_a_common_version_or_without_tls_is_refused() {
    // TLS record: alert, version 3.1, two bytes: fatal, protocol_version (RFC 8446, section 6.2).
    let old: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    for bytes in [old, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let thread = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(bytes).unwrap();
            let mut rest = Vec::new();
            let _ = peer.read_to_end(&mut rest);
            rest
        });
        assert_eq!(
            post(&UreqClient::new(Roots::Compiled).unwrap(), &url).unwrap_err(),
            HttpError::Tls(PeerFault::Handshake)
        );
        let seen = thread.join().unwrap();
        assert!(!seen.windows(5).any(|window| window == b"token"), "the token went out in clear");
    }
}

#[test]
fn bad_input_213_a_file_of_roots_gives_whole_certificates_or_an_error_that_names_it() {
    let made = |name: &str, content: &[u8], mode| {
        let file = CaFile::new(name, content, mode);
        let error = UreqClient::with_ca_file(&file.0).map(|client| client.roots().clone()).unwrap_err();
        assert!(error.to_string().contains(file.0.to_str().unwrap()), "{error}");
        (error, file.0.clone())
    };
    let good = certificate("ca.pem");
    assert_eq!(certificates_from_pem(b""), Err(CertificatesError::None));
    let none = |path| HttpError::Roots { path, reason: CertificatesError::None };
    let broken = |path, position| HttpError::Roots { path, reason: CertificatesError::Broken { position } };
    let (error, path) = made("empty", b"", 0o600);
    assert_eq!(error, none(path));
    assert_eq!(error.facts().code, "TLS_ROOTS");
    let (error, path) = made("garbage", b"\x00\xff not PEM", 0o600);
    assert_eq!(error, none(path));
    let (error, path) = made("key", &certificate("good.key"), 0o600);
    assert_eq!(error, none(path));
    let half = [&good[..], &good[..good.len() / 2]].concat();
    let (error, path) = made("half", &half, 0o600);
    assert_eq!(error, broken(path, 1));
    // Well-formed PEM (base64 of "not DER") around something that is no certificate.
    let odd = [&good[..], b"-----BEGIN CERTIFICATE-----\nbm90IERFUg==\n-----END CERTIFICATE-----\n"].concat();
    let (error, path) = made("odd", &odd, 0o600);
    assert_eq!(error, broken(path, 1));
    let (error, path) = made("writable", &good, 0o620);
    assert_eq!(error, HttpError::RootsFile(FileError::WritableByOthers { path, mode: 0o620 }));
    let missing = UreqClient::with_ca_file("/nonexistent/ca.pem".as_ref()).unwrap_err();
    assert_eq!(missing.facts().code, "FILE_NOT_FOUND");
}

#[test]
fn the_default_roots_are_the_systems_or_the_compiled_in_ones() {
    let client = UreqClient::with_default_roots().unwrap();
    assert!(matches!(client.roots(), Roots::System(_) | Roots::Compiled));
}
