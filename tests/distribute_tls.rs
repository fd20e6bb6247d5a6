//! Driver and executors that prove themselves with certificates: who is let in, which files are refused, and rotation.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

use certificates::{driver, executor, own, own_of, peer, text};
use job::Job;
use job::folder::Folder;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use safe_conduct::distribute::{
    Answer, AskError, ClientLimits, DriverProof, ExecutorProof, OwnFiles, PeerFiles, ProofError, RunningServer,
    ServeError, ServerLimits,
};
use safe_conduct::error::Actionable;
use safe_conduct::sys::certificate_files::CertificateFilesError;
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::tls::{CertificatesError, PeerFault, PeerName};

/// Long enough for an honest peer on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn served() -> (Job, RunningServer, SocketAddr) {
    let job = Job::new();
    job.publish("value", 3600);
    let server = job.serve_proving(driver(&job.folder), ServerLimits::default()).unwrap();
    let address = server.local_addr();
    (job, server, address)
}

fn ask(job: &Job, address: SocketAddr, own: OwnFiles) -> Result<Answer, AskError> {
    let client = job.executor_proving(address.port(), executor(&job.folder, own), ClientLimits::default());
    client.unwrap().ask(None)
}

#[test]
fn executors_with_a_certificate_for_the_name_get_the_bundle_whatever_the_kind_of_key() {
    let (job, _server, address) = served();
    for name in ["executor", "executor-p384", "executor-ed25519", "executor-rsa", "executor-chain"] {
        let answer = ask(&job, address, own(&job.folder, name));
        assert!(matches!(answer, Ok(Answer::Bundle { .. })), "{name}: {answer:?}");
    }
    let sec1 = own_of(&job.folder, &text("executor.pem"), &text("executor-sec1.key"));
    assert!(matches!(ask(&job, address, sec1), Ok(Answer::Bundle { .. })));
}

#[test]
fn bad_input_316_a_certificate_of_another_name_or_authority_is_refused_by_the_driver() {
    let (job, _server, address) = served();
    let names = ["wildcard", "prefix", "other-name", "address", "other-ca", "self-signed"];
    for name in names {
        let refused = ask(&job, address, own(&job.folder, &format!("executor-{name}")));
        assert!(matches!(refused, Err(AskError::KeyRefused { .. })), "{name}: {refused:?}");
    }
    // A hundred certificates, none of which leads anywhere.
    let long = [text("executor-other-ca.pem"), text("other-ca.pem").repeat(99)].concat();
    let refused = ask(&job, address, own_of(&job.folder, &long, &text("executor-other-ca.key")));
    assert!(matches!(refused, Err(AskError::KeyRefused { .. })), "{refused:?}");
    assert!(job.audit.0.lock().unwrap().is_empty(), "who is refused never gets to ask");
}

/// A certificate and a key, whether they belong together or not.
fn certified(certificate: &str, key: &str) -> CertifiedKey {
    let certificate = CertificateDer::from_pem_slice(&text(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&text(&format!("{key}.key"))).unwrap();
    CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap())
}

/// What a client of another make is told, with a certificate or without one.
fn raw_client(
    address: SocketAddr,
    own: Option<&str>,
    version: &'static rustls::SupportedProtocolVersion,
) -> (rustls::ClientConnection, std::io::Result<()>) {
    use std::io::Read;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&text("ca.pem")).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(name) => {
            // `A with B`: the certificate of A, and only B's key.
            let (certificate, key) = name.split_once(" with ").unwrap_or((name, name));
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified(certificate, key))))
        }
    };
    config.alpn_protocols = vec![b"safe-conduct/1".to_vec()];
    config.enable_early_data = true;
    let name = ServerName::try_from("driver.job.test").unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut said = tls.complete_io(&mut socket).map(drop);
    if said.is_ok() {
        // The driver judges after our side of the handshake is over; a byte of it, or its refusal, then follows.
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        use std::io::Write;
        said = stream.write_all(b"SC\x01\x01\0\0\0\x05\0\x01\x01e\0").and_then(|()| stream.read_exact(&mut [0; 1]));
    }
    (tls, said)
}

fn alert(said: &std::io::Result<()>) -> Option<rustls::AlertDescription> {
    match said.as_ref().unwrap_err().get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_inputs_315_to_317_a_client_of_another_make_is_judged_by_the_same_rules() {
    use rustls::AlertDescription::{CertificateExpired, CertificateRequired, ProtocolVersion};
    let (job, _server, address) = served();
    let said = |own, version| raw_client(address, own, version).1;
    let tls13 = &rustls::version::TLS13;
    assert_eq!(alert(&said(None, tls13)), Some(CertificateRequired));
    assert_eq!(alert(&said(Some("executor-expired"), tls13)), Some(CertificateExpired));
    assert_eq!(alert(&said(Some("executor-future"), tls13)), Some(CertificateExpired));
    // rustls has no alert of its own for a purpose: what counts is that each is refused.
    for wrong in ["executor-server", "executor-wildcard", "driver"] {
        assert!(alert(&said(Some(wrong), tls13)).is_some(), "{wrong}");
    }
    assert_eq!(alert(&said(Some("executor"), &rustls::version::TLS12)), Some(ProtocolVersion));
    let stolen = alert(&said(Some("executor with executor-other-name"), tls13));
    assert_eq!(stolen, Some(rustls::AlertDescription::DecryptError), "a certificate is public: its key is the proof");
    assert!(job.audit.0.lock().unwrap().is_empty(), "none of them got to ask");
    assert!(said(Some("executor"), tls13).is_ok());
}

#[test]
fn bad_input_322_no_session_is_resumed_and_no_early_data_is_taken() {
    let (_job, _server, address) = served();
    let (tls, said) = raw_client(address, Some("executor"), &rustls::version::TLS13);
    assert!(said.is_ok(), "{said:?}");
    assert_eq!(tls.tls13_tickets_received(), 0);
    assert!(!tls.is_early_data_accepted());
}

/// What an executor says of a server of another make that has this certificate.
fn said_of_driver(job: &Job, name: &str, peers: PeerFiles) -> AskError {
    let (certificate, key) = name.split_once(" with ").unwrap_or((name, name));
    let own_key = SingleCertAndKey::from(certified(certificate, key));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(own_key));
    config.alpn_protocols = vec![b"safe-conduct/1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let _ = tls.complete_io(&mut socket);
    });
    let proof = ExecutorProof::Certificates { own: own(&job.folder, "executor"), driver: peers };
    let refused = job.executor_proving(port, proof, ClientLimits::default()).unwrap().ask(None).unwrap_err();
    serving.join().unwrap();
    refused
}

#[test]
fn bad_input_316_an_executor_refuses_a_driver_whose_certificate_is_wrong_in_one_way() {
    let job = Job::new();
    let folder = &job.folder;
    for (name, authority, expected_name, why) in [
        ("driver-expired", "ca", "driver.job.test", PeerFault::OutsideValidity),
        ("driver", "other-ca", "driver.job.test", PeerFault::UnknownIssuer),
        ("driver", "ca", "other.job.test", PeerFault::WrongName),
        ("driver", "ca", "river.job.test", PeerFault::WrongName),
        ("driver-wildcard", "ca", "driver.job.test", PeerFault::WrongName),
        // An executor's certificate, were its name the driver's: it is for clientAuth.
        ("executor-p384", "ca", "executor.job.test", PeerFault::Certificate),
    ] {
        let refused = said_of_driver(&job, name, peer(folder, authority, expected_name));
        let is_fault = matches!(&refused, AskError::DriverCertificate { fault, .. } if *fault == why);
        assert!(is_fault, "{name}, {expected_name}: {refused:?}");
    }
    let stolen = said_of_driver(&job, "driver with executor", peer(folder, "ca", "driver.job.test"));
    assert!(matches!(stolen, AskError::DriverUnknown { .. }), "{stolen:?}");
}

#[test]
fn files_that_are_wrong_in_one_way_are_refused_at_start_each_with_its_own_error() {
    use CertificateFilesError as E;
    let folder = Folder::new();
    let job = Job::new();
    let said = |own: OwnFiles, driver: PeerFiles| {
        let proof = ExecutorProof::Certificates { own, driver };
        match job.executor_proving(1, proof, ClientLimits::default()).map(drop) {
            Err(AskError::Proof(ProofError::Certificates(error))) => Some(error),
            Err(other) => panic!("{other:?}"),
            Ok(()) => None,
        }
    };
    let named = |name: &str| said(own(&folder, name), peer(&folder, "ca", "driver.job.test"));
    let of = |certificate: &[u8], key: &[u8]| {
        said(own_of(&folder, certificate, key), peer(&folder, "ca", "driver.job.test"))
    };
    let (certificate, key) = (text("executor.pem"), text("executor.key"));
    let half = |text: &[u8]| text[..text.len() / 2].to_vec();
    // PEM around three zero bytes, which are no DER: by `printf '\0\0\0' | base64`.
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let no_key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec();
    let encrypted = String::from_utf8(key.clone()).unwrap().replace("PRIVATE", "ENCRYPTED PRIVATE").into_bytes();
    for (place, (found, expected)) in [
        (named("executor"), None),
        (named("executor-expired"), Some(E::OutsideValidity)),
        (named("executor-future"), Some(E::OutsideValidity)),
        (named("executor-server"), Some(E::Purpose)),
        (named("executor-both"), Some(E::OwnAsPeer)),
        (named("executor-p521"), Some(E::KeyKind)),
        (named("executor-rsa1024"), Some(E::KeyKind)),
        (of(&certificate, &no_key), Some(E::KeyKind)),
        (of(&certificate, &text("driver.key")), Some(E::Mismatch)),
        (of(&certificate, b""), Some(E::Keys { count: 0 })),
        (of(&certificate, &encrypted), Some(E::Keys { count: 0 })),
        (of(&certificate, &key.repeat(2)), Some(E::Keys { count: 2 })),
        (of(&certificate, &half(&key)), Some(E::KeyBroken)),
        (of(b"", &key), Some(E::Chain(CertificatesError::None))),
        (of(&key, &key), Some(E::Chain(CertificatesError::None))),
        (of(&half(&certificate), &key), Some(E::Chain(CertificatesError::Broken { position: 0 }))),
        (
            of(&[certificate.clone(), half(&certificate)].concat(), &key),
            Some(E::Chain(CertificatesError::Broken { position: 1 })),
        ),
        (of(&no_der, &key), Some(E::CertificateBroken)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(found, expected, "case {place}");
    }
    let authorities = |content: &[u8]| {
        let authorities = folder.write("authorities.pem", content);
        said(own(&folder, "executor"), PeerFiles { authorities, name: PeerName::new("driver.job.test").unwrap() })
    };
    assert_eq!(authorities(b""), Some(E::Authorities(CertificatesError::None)));
    assert_eq!(authorities(&half(&text("ca.pem"))), Some(E::Authorities(CertificatesError::Broken { position: 0 })));
    assert_eq!(authorities(&[text("ca.pem"), no_der].concat()), Some(E::AuthorityBroken { position: 1 }));
}

#[test]
fn the_driver_refuses_its_files_by_the_same_rules_and_others_may_write_none_of_them_340() {
    let job = Job::new();
    let said = |proof| job.serve_proving(proof, ServerLimits::default()).map(drop).unwrap_err();
    let with = |name: &str| DriverProof::Certificates {
        own: own(&job.folder, name),
        executors: peer(&job.folder, "ca", "executor.job.test"),
    };
    let refusal = |error| ServeError::Proof(ProofError::Certificates(error));
    assert_eq!(said(with("driver-expired")), refusal(CertificateFilesError::OutsideValidity));
    assert_eq!(said(with("executor")), refusal(CertificateFilesError::Purpose));
    assert_eq!(said(with("executor-both")), refusal(CertificateFilesError::OwnAsPeer));
    let files = own(&job.folder, "driver");
    let executors = peer(&job.folder, "ca", "executor.job.test");
    for path in [&files.certificate, &files.key, &executors.authorities] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o620)).unwrap();
        let proof = DriverProof::Certificates { own: files.clone(), executors: executors.clone() };
        let writable = FileError::WritableByOthers { path: path.clone(), mode: 0o620 };
        assert_eq!(said(proof.clone()), ServeError::Proof(ProofError::File(writable)));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(job.serve_proving(proof, ServerLimits::default()).is_ok());
    }
}

#[test]
fn rotated_files_count_at_the_next_connection_and_a_torn_pair_does_not() {
    // The layout of kubelet and cert-manager: the files are links through a folder that is swapped as a whole.
    let (job, _server, address) = served();
    let root = job.folder.root();
    let write = |folder: &str, name: &str, key: &str| {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        job.folder.write(&format!("{folder}/tls.crt"), &text(&format!("{name}.pem")));
        job.folder.write(&format!("{folder}/tls.key"), &text(&format!("{key}.key")));
    };
    let swap = |folder: &str| {
        symlink(folder, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    write("..1", "executor", "executor");
    write("..2", "executor-other-name", "executor-other-name");
    write("..3", "executor-p384", "executor");
    swap("..1");
    let files = OwnFiles { certificate: root.join("..data/tls.crt"), key: root.join("..data/tls.key") };
    let proof = executor(&job.folder, files);
    let client = job.executor_proving(address.port(), proof, ClientLimits::default()).unwrap();
    assert!(client.ask(None).is_ok());
    // A certificate of one issuance with the key of another; then a half-written one; then none.
    swap("..3");
    assert!(client.ask(None).is_ok(), "the last good pair stays in use");
    job.folder.write("..3/tls.crt", &text("executor-p384.pem")[..100]);
    assert!(client.ask(None).is_ok());
    std::fs::remove_dir_all(root.join("..3")).unwrap();
    assert!(client.ask(None).is_ok());
    // A good pair counts at once, here seen by its refusal; and so does the next.
    swap("..2");
    assert!(matches!(client.ask(None), Err(AskError::KeyRefused { .. })));
    swap("..1");
    assert!(client.ask(None).is_ok());
}

#[test]
fn an_authority_that_is_replaced_on_the_driver_counts_at_the_next_connection() {
    let (job, _server, address) = served();
    let old = own(&job.folder, "executor");
    let new = own(&job.folder, "executor-other-ca");
    assert!(ask(&job, address, old.clone()).is_ok());
    let client =
        |own| job.executor_proving(address.port(), executor(&job.folder, own), ClientLimits::default()).unwrap();
    let (old, new) = (client(old), client(new));
    // The driver and the executors read the same copy.
    let both = [text("other-ca.pem"), text("ca.pem")].concat();
    job.folder.write("copy-ca.pem", &both);
    assert!(old.ask(None).is_ok() && new.ask(None).is_ok(), "both, while one replaces the other");
    job.folder.write("copy-ca.pem", b"");
    assert!(old.ask(None).is_ok() && new.ask(None).is_ok(), "an empty file is not trust in nobody");
}

#[test]
fn a_peers_name_is_one_dns_name() {
    for name in ["driver.job.test", "driver", "etl-1-driver-svc.spark.svc", "a_b.test"] {
        assert!(PeerName::new(name).is_some(), "{name}");
    }
    for name in
        ["", "*.job.test", "127.0.0.1", "::1", "driver.job.test.", "a b", "https://driver", "driver:7443", "ä.test"]
    {
        assert!(PeerName::new(name).is_none(), "{name}");
    }
    assert!(PeerName::new(&["a"; 150].join(".")).is_none(), "longer than a name may be");
}

#[test]
fn refusals_of_certificates_have_codes_of_their_own() {
    let proof = ProofError::Certificates(CertificateFilesError::Mismatch);
    assert_eq!(AskError::Proof(proof).facts().code, "CERTS_KEY_MISMATCH");
}
