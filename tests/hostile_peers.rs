//! What reaches the driver's port and is no executor, and what an executor that was let in may not do.

#[expect(dead_code, reason = "each test file uses its part of the helpers")]
#[path = "support/job.rs"]
mod job;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use job::{EPOCH, Job};
use rustls::DigitallySignedStruct;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use safe_conduct::codec::frame::Header;
use safe_conduct::codec::pem;
use safe_conduct::distribute::message::{Ask, MAX_ASK, Reply};
use safe_conduct::distribute::{Answer, AskError, ClientLimits, Refusal, ServerLimits};
use safe_conduct::name::ExecutorName;
use safe_conduct::sys::job_keys::JobKeys;
use safe_conduct::sys::tls::{TlsError, TlsStream};

/// Long enough for an honest peer on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// A deadline that no test lives to see.
const FAR_OFF: Duration = Duration::from_secs(3600);

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);

fn limits(threads: usize, limit: Duration) -> ServerLimits {
    ServerLimits { threads, authenticate: limit, exchange: limit }
}

fn served(limits: ServerLimits) -> (Job, safe_conduct::distribute::RunningServer, SocketAddr) {
    let job = Job::new();
    job.publish("value", 3600);
    let server = job.serve_with(&job.file("driver.pem"), limits);
    let address = server.local_addr();
    (job, server, address)
}

/// An executor that is let in and then says what it likes.
fn admitted(job: &Job, address: SocketAddr) -> TlsStream {
    let keys = JobKeys::from_pem(&std::fs::read(job.file("executors.pem")).unwrap()).unwrap();
    let mut stream = keys.connector().connect(Arc::new(TcpStream::connect(address).unwrap()), LONG).unwrap();
    stream.set_deadline(LONG);
    stream
}

/// What comes back from a peer that is expected to close: all of it.
fn rest_of(mut socket: TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut all = Vec::new();
    match socket.read_to_end(&mut all) {
        Ok(_) => all,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => all,
        Err(error) => panic!("it was not closed: {error}"),
    }
}

#[test]
fn bytes_that_are_no_tls_are_answered_with_a_close() {
    let (job, _server, address) = served(limits(4, LONG));
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], b"SC\x01\x01\0\0\0\0", b"\x16\x03\x01\xff\xff\x01"] {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(garbage).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let answer = rest_of(socket);
        assert!(answer.len() < 16, "an alert at most, not {} bytes", answer.len());
    }
    assert!(job.executor(address.port()).ask(None).is_ok());
}

#[test]
fn a_close_in_the_middle_of_the_handshake_ends_it() {
    // Bad input 320, the shape of RUSTSEC-2024-0336: a close_notify alert (RFC 8446, section 6.1) in plain.
    // It neither spins nor outlives its deadline.
    let (job, _server, address) = served(limits(1, SHORT));
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&[0x15, 3, 3, 0, 2, 1, 0]).unwrap();
    rest_of(socket);
    assert!(job.executor(address.port()).ask(None).is_ok(), "the one thread is free again");
}

/// What a client that is no executor gets, with a key of nobody or with none.
fn refused_by_driver(address: SocketAddr, version: &'static rustls::SupportedProtocolVersion) -> Option<rustls::Error> {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("driver").unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let error = tls.complete_io(&mut socket).unwrap_err();
    let in_words = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    // A driver that has closed already resets what still comes.
    let closed = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof);
    assert!(in_words.is_some() || closed, "{error:?}");
    in_words
}

#[test]
fn tls_1_2_is_refused() {
    // Bad input 317.
    let (_job, _server, address) = served(limits(4, LONG));
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion);
    assert_eq!(refused_by_driver(address, &rustls::version::TLS12), Some(alert));
}

#[test]
fn a_client_without_a_raw_public_key_is_refused() {
    // Bad input 315. It offers no certificate types (RFC 7250, section 4.1), so the handshake fails at the hello.
    let (job, _server, address) = served(limits(4, LONG));
    let refused = refused_by_driver(address, &rustls::version::TLS13);
    assert!(matches!(refused, None | Some(rustls::Error::AlertReceived(_))), "{refused:?}");
    assert!(job.audit.0.lock().unwrap().is_empty(), "it never gets to ask");
}

#[test]
fn an_executor_says_what_a_port_that_is_no_driver_is() {
    let (job, server, _) = served(limits(1, LONG));
    server.stop();
    let answer = |with: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(with).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            rest_of(socket);
        });
        let refused = job.executor(port).ask(None).unwrap_err();
        thread.join().unwrap();
        refused
    };
    assert!(matches!(answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), AskError::NotADriver { .. }));
    // A fatal handshake_failure alert (RFC 8446, section 6.2), as another TLS server sends it.
    assert!(matches!(answer(&[0x15, 3, 3, 0, 2, 2, 40]), AskError::NotADriver { .. }));
    assert!(matches!(answer(b""), AskError::Broken { kind: ErrorKind::UnexpectedEof, .. }));
}

#[test]
fn a_silent_or_dripping_driver_is_left_after_the_deadline() {
    let (job, server, _) = served(limits(1, LONG));
    server.stop();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = ClientLimits { connect: LONG, authenticate: SHORT, exchange: SHORT };
    let executor = job.executor_with(listener.local_addr().unwrap().port(), &job.file("executors.pem"), limits);
    assert!(matches!(executor.ask(None), Err(AskError::TimedOut { .. })));
}

#[test]
fn silent_and_dripping_peers_do_not_hold_up_an_honest_ask() {
    // Bad inputs 313 and 314, with the free threads nearly used up by one address.
    let (job, server, address) = served(limits(16, FAR_OFF));
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    for mut socket in &silent {
        socket.write_all(&[0x16]).unwrap();
    }
    assert!(job.executor(address.port()).ask(None).is_ok());
    // Stopping waits for none of them: their deadline is far off.
    server.stop();
    for socket in silent {
        rest_of(socket);
    }
}

#[test]
fn one_address_cannot_take_the_last_threads() {
    // Of 12 threads, 5 connections leave fewer than 8 free, and one address then has its share of 4 strangers.
    let (_job, server, address) = served(limits(12, FAR_OFF));
    let mut open: Vec<TcpStream> = (0..9).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in 0..1000 {
        open.retain_mut(|socket| {
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            matches!(socket.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
        });
        if open.len() <= 5 {
            break;
        }
    }
    assert_eq!(open.len(), 5);
    server.stop();
}

#[test]
fn a_dripping_peer_is_closed_at_the_deadline_however_often_it_drips() {
    let (_job, _server, address) = served(limits(1, SHORT));
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // A handshake record that announces 16,384 bytes and never has them: each byte would start a read's time limit anew.
    socket.write_all(&[0x16, 3, 1, 0x40, 0]).unwrap();
    let closed = (0..200).any(|_| {
        let gone = socket.write_all(&[1]).is_err();
        gone || matches!(socket.read(&mut [0; 64]), Ok(0))
            || matches!(socket.read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
    });
    assert!(closed);
}

#[test]
fn an_executor_that_was_let_in_and_breaks_the_protocol_is_closed() {
    // Bad inputs 309 to 312: every header and body that is not an ask gets a close and no answer.
    let (job, _server, address) = served(limits(4, SHORT));
    let ask = Ask { executor: ExecutorName::new("e").unwrap(), have: None }.encode().unwrap();
    let good = ask.as_slice().to_vec();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good.clone();
        change(&mut frame);
        frame
    };
    let frames = [
        ("length 0", changed(&|f| f.splice(4.., [0, 0, 0, 0]).for_each(drop))),
        ("length u32::MAX", changed(&|f| f.splice(4..8, [0xff; 4]).for_each(drop))),
        ("another magic", changed(&|f| f[0] = b'X')),
        ("another framing", changed(&|f| f[2] = 2)),
        ("an answer's kind", changed(&|f| f[3] = 2)),
        ("an unknown kind", changed(&|f| f[3] = 99)),
        ("an unknown flag", changed(&|f| f[12] = 2)),
        ("a bad name", changed(&|f| f[11] = b'/')),
        (
            "a trailing byte",
            changed(&|f| {
                f.push(0);
                f[7] += 1;
            }),
        ),
        ("truncated", changed(&|f| f.truncate(10))),
    ];
    for (what, frame) in frames {
        let mut stream = admitted(&job, address);
        let _ = stream.write_all(&frame);
        let closed = stream.read_exact(&mut [0; 1]).unwrap_err();
        assert!(matches!(closed, TlsError::Broken { .. }), "{what}: {closed:?}");
    }
    assert!(job.audit.0.lock().unwrap().is_empty());
    assert!(job.executor(address.port()).ask(None).is_ok());
}

#[test]
fn an_ask_has_at_most_256_bytes() {
    // The driver does not wait for the 257th: its own deadline is far off.
    let (job, _server, address) = served(limits(4, FAR_OFF));
    let mut stream = admitted(&job, address);
    stream.write_all(b"SC\x01\x01\0\0\x01\x01").unwrap();
    assert!(matches!(stream.read_exact(&mut [0; 1]), Err(TlsError::Broken { .. })));
    // 256 are taken: here it waits for the body, and the connection stays.
    let mut stream = admitted(&job, address);
    stream.set_deadline(SHORT);
    stream.write_all(b"SC\x01\x01\0\0\x01\0").unwrap();
    assert_eq!(stream.read_exact(&mut [0; 1]), Err(TlsError::TimedOut));
}

#[test]
fn a_newer_protocol_is_refused_in_words_that_it_understands() {
    let (job, _server, address) = served(limits(4, LONG));
    let mut stream = admitted(&job, address);
    let body = [&2u16.to_be_bytes()[..], &[0xff; MAX_ASK - 2]].concat();
    stream.write_all(&Header::encode(1, &body).unwrap()).unwrap();
    stream.write_all(&body).unwrap();
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    let header = Header::decode(header).unwrap();
    let mut body = vec![0; header.length];
    stream.read_exact(&mut body).unwrap();
    let (reply, _) = Reply::decode(header.kind, &body, &job::accepted(), Duration::ZERO).unwrap();
    assert!(matches!(reply, Reply::Refused(Refusal::Protocol)));
}

/// Passes bytes on, one at a time, with the byte at `flip` of what the executor sends changed.
fn relay(to: SocketAddr, flip: Option<usize>) -> (u16, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut executor, _) = listener.accept().unwrap();
        let mut driver = TcpStream::connect(to).unwrap();
        driver.set_nodelay(true).unwrap();
        let (mut back_from, mut back_to) = (driver.try_clone().unwrap(), executor.try_clone().unwrap());
        let back = std::thread::spawn(move || {
            let _ = std::io::copy(&mut back_from, &mut back_to);
            let _ = back_to.shutdown(Shutdown::Both);
        });
        let (mut count, mut buffer) = (0, [0; 1024]);
        while let Ok(read @ 1..) = executor.read(&mut buffer) {
            for byte in &buffer[..read] {
                let _ = driver.write_all(&[byte ^ u8::from(flip == Some(count))]);
                count += 1;
            }
        }
        let _ = driver.shutdown(Shutdown::Both);
        back.join().unwrap();
        count
    });
    (port, thread)
}

#[test]
fn a_hello_in_pieces_of_one_byte_is_understood() {
    // Bad input 321.
    let (job, _server, address) = served(limits(4, LONG));
    let (port, thread) = relay(address, None);
    let executor = job.executor_with(port, &job.file("executors.pem"), patient());
    assert!(matches!(executor.ask(None), Ok(Answer::Bundle { .. })));
    assert!(thread.join().unwrap() > 300);
}

#[test]
fn a_flipped_bit_anywhere_in_a_session_never_gets_an_answer() {
    // Bad input 323: every seventh byte of what an executor sends.
    let (job, _server, address) = served(limits(4, SHORT));
    let (port, thread) = relay(address, None);
    let have = Some(safe_conduct::store::Version { epoch: EPOCH, number: 1 });
    let ask = |port| job.executor_with(port, &job.file("executors.pem"), patient()).ask(have);
    assert!(matches!(ask(port), Ok(Answer::Unchanged { .. })));
    let length = thread.join().unwrap();
    for flip in (0..length).step_by(7) {
        let (port, thread) = relay(address, Some(flip));
        let answered = ask(port);
        // TLS ignores the version in a record's header (RFC 8446, section 5.1): in that of the hello, which has 215
        // bytes, and in that of the dummy ChangeCipherSpec behind it.
        let ignored = matches!(flip, 1 | 2 | 216 | 217);
        assert!(ignored || answered.is_err(), "byte {flip}: {answered:?}");
        thread.join().unwrap();
    }
}

fn patient() -> ClientLimits {
    ClientLimits { connect: LONG, authenticate: LONG, exchange: LONG }
}

/// Takes any driver: what is tested is what the driver makes of its peer.
#[derive(Debug)]
struct AnyDriver;

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

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A handshake with `public` as one's own key, signed with the private key in `private`; what the driver says to it.
fn handshake_as(address: SocketAddr, public: &[u8], private: &[u8], protocol: &[u8]) -> std::io::Result<()> {
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(private)).unwrap();
    let own = CertifiedKey::new(vec![CertificateDer::from(public.to_vec())], key);
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyDriver))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(own))));
    config.alpn_protocols = vec![protocol.to_vec()];
    config.alpn_protocols.retain(|name| !name.is_empty());
    let mut tls = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("driver").unwrap()).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    let ask = Ask { executor: ExecutorName::new("e").unwrap(), have: None }.encode().unwrap();
    stream.write_all(ask.as_slice())?;
    stream.read_exact(&mut [0; 8])
}

#[test]
fn a_pinned_public_key_without_its_private_key_is_refused() {
    let (job, _server, address) = served(limits(4, LONG));
    let keys = |name| pem::decode(&std::fs::read(job.file(name)).unwrap()).unwrap();
    let (driver, executors) = (keys("driver.pem"), keys("executors.pem"));
    // In each file, the private key comes first; the driver's file has the executors' public key.
    let (public, private, stolen) = (driver[1].1.as_slice(), executors[0].1.as_slice(), driver[0].1.as_slice());
    handshake_as(address, public, private, b"safe-conduct/1").unwrap();
    assert_eq!(job.audit.0.lock().unwrap().len(), 1, "with the right private key, it is let in");
    let refused = handshake_as(address, public, stolen, b"safe-conduct/1").unwrap_err();
    assert!(refused.to_string().contains("alert") || refused.kind() == ErrorKind::ConnectionReset, "{refused}");
    for protocol in [&b"h2"[..], b""] {
        assert!(handshake_as(address, public, private, protocol).is_err(), "another protocol, or none, is refused");
    }
    assert_eq!(job.audit.0.lock().unwrap().len(), 1);
}
