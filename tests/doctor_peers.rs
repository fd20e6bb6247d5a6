//! `safe-conduct doctor` against peers that prove themselves: an STS with a certificate, and a driver that is asked.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use folder::Folder;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use safe_conduct::audit::NoAudit;
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::distribute::{DriverProof, DriverServer, ListenAddress, RunningServer, ServerSettings};
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::secret::Secret;
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::SystemRandomness;
use safe_conduct::time::Clock;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");

/// Exit status, and name to verdict, code and sentence, in the order of the document.
struct Said {
    status: i32,
    side: String,
    checks: Vec<(String, String, String, String)>,
}

impl Said {
    fn verdicts(&self) -> Vec<&str> {
        self.checks.iter().map(|check| check.1.as_str()).collect()
    }

    fn of(&self, name: &str) -> (&str, &str, &str) {
        let (_, verdict, code, sentence) = self.checks.iter().find(|check| check.0 == name).unwrap();
        (verdict, code, sentence)
    }
}

fn doctor(arguments: &[&str], settings: &[(&str, String)]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(["doctor", "--json"]).args(arguments).env_remove("SPARK_DRIVER_URL");
    for (key, value) in settings {
        command.arg("--conf").arg(format!("spark.security.oidc.{key}={value}"));
    }
    let output = command.output().unwrap();
    let (json, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!json.contains("PLANTED") && !error.contains("PLANTED"), "{json}{error}");
    let document: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}{error}"));
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = document["checks"].as_array().unwrap().iter();
    let checks =
        checks.map(|check| (word(check, "check"), word(check, "verdict"), word(check, "code"), word(check, "found")));
    Said { status: output.status.code().unwrap(), side: word(&document, "side"), checks: checks.collect() }
}

/// A TLS server that shows the certificate `name` to one client, and answers with a redirect as AWS does.
fn tls_server(name: &str) -> (u16, JoinHandle<()>) {
    let file = |ending: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/certs/{name}.{ending}"))).unwrap()
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&file("pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&file("key")).unwrap();
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
            let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.flush();
        }
    });
    (port, thread)
}

#[test]
fn an_sts_is_trusted_by_the_roots_that_are_named_and_a_certificate_that_is_wrong_says_in_which_way() {
    let folder = Folder::new();
    let authority = include_bytes!("certs/ca.pem");
    let ca = folder.write("ca.pem", authority).display().to_string();
    for (certificate, code, status) in [
        ("good", "", 78),
        ("wrong-host", "TLS_WRONG_NAME", 78),
        ("self-signed", "TLS_UNKNOWN_ISSUER", 78),
        ("expired", "TLS_OUTSIDE_VALIDITY", 78),
        ("wrong-usage", "TLS_CERTIFICATE", 78),
    ] {
        let (port, thread) = tls_server(certificate);
        let said = doctor(
            &["driver"],
            &[
                ("identityToken.file", "/nowhere".to_owned()),
                ("identityToken.issuer", "https://issuer.example".to_owned()),
                ("identityToken.audience", "sts".to_owned()),
                ("jwks.file", "/nowhere".to_owned()),
                ("aws.roleArn", "arn:aws:iam::123456789012:role/spark".to_owned()),
                ("aws.stsEndpoint", format!("https://127.0.0.1:{port}")),
                ("aws.caFile", ca.clone()),
            ],
        );
        thread.join().unwrap();
        let (verdict, found, sentence) = said.of("STS");
        assert_eq!((verdict, found), (if code.is_empty() { "ok" } else { "fail" }, code), "{certificate}: {sentence}");
        // The missing token file is the worse failure.
        assert_eq!(said.status, status);
        if code.is_empty() {
            assert!(sentence.ends_with(&format!("vouched for by the root certificates in {ca}")), "{sentence}");
        } else {
            assert_eq!(said.of("exchange").2, "needs: STS");
        }
    }
}

/// A driver within the test, which hands out one credential, or has none yet.
struct Driver {
    folder: Folder,
    server: RunningServer,
}

impl Driver {
    fn start(with_credential: bool) -> Self {
        let folder = Folder::new();
        let (driver, executors) = new_job_keys(&SystemRandomness::new()).unwrap();
        folder.write("driver.pem", driver.as_slice());
        folder.write("executors.pem", executors.as_slice());
        let (clock, store) = (Arc::new(SystemClock::new()), Arc::new(CredentialStore::new()));
        if with_credential {
            let at = clock.moment();
            let values = [s3a::ACCESS_KEY, s3a::SECRET_KEY, s3a::SESSION_TOKEN]
                .map(|name| (PropertyName::new(name).unwrap(), Secret::from_text(&format!("PLANTED-{name}"))));
            let expires_at = at.wall.plus(Duration::from_secs(3600));
            let credential = ServiceCredential::new(values.into(), expires_at, at).unwrap();
            store.publish(Epoch([1; 16]), UserCredentials::new().with(Scheme::s3a(), Arc::new(credential)));
        }
        let settings = ServerSettings {
            listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
            proof: DriverProof::KeyFile(folder.path("driver.pem")),
            poll_interval: Duration::from_secs(60),
        };
        let (random, audit) = (Arc::new(SystemRandomness::new()), Arc::new(NoAudit));
        let server = DriverServer::start(settings, store, clock, random, audit).unwrap();
        Self { folder, server }
    }

    /// What an executor's doctor says with this key file, asking there.
    fn seen_with(&self, key_file: &Path, driver: &str) -> Said {
        let keys = key_file.display().to_string();
        doctor(&[], &[("distribution.driver", driver.to_owned()), ("distribution.keyFile", keys)])
    }

    fn seen(&self) -> Said {
        self.seen_with(&self.folder.path("executors.pem"), &self.server.local_addr().to_string())
    }
}

const OF_AN_EXECUTOR: [&str; 6] =
    ["settings", "executor's files", "driver's name", "driver's port", "driver and executor", "credentials"];

#[test]
fn an_executor_that_is_set_up_well_has_only_ok_and_sees_version_and_expiry() {
    let said = Driver::start(true).seen();
    let names: Vec<&str> = said.checks.iter().map(|check| check.0.as_str()).collect();
    assert_eq!((said.side.as_str(), names), ("executor", OF_AN_EXECUTOR.to_vec()));
    assert_eq!((said.status, said.verdicts()), (0, vec!["ok"; 6]));
    let (_, _, sentence) = said.of("credentials");
    assert!(sentence.starts_with(&format!("version 1 of the driver's run {}: s3a until 20", "01".repeat(16))));
    assert!(sentence.ends_with(" s)"), "{sentence}");
}

#[test]
fn an_executor_is_told_where_its_ask_ended_and_what_comes_behind_needs_that() {
    let driver = Driver::start(true);
    let here = driver.server.local_addr().to_string();
    let key_file = driver.folder.path("executors.pem");
    let other = Driver::start(true);
    // A label of 64 characters cannot exist (RFC 1035, section 2.3.4): refused without asking the network.
    let no_name = format!("{}:7443", "a".repeat(64));
    for (file, address, check, code, status) in [
        (Path::new("/nowhere"), here.as_str(), "executor's files", "FILE_NOT_FOUND", 78),
        (&key_file, &no_name, "driver's name", "ASK_DRIVER_NAME", 69),
        (&key_file, "127.0.0.1:1", "driver's port", "ASK_UNREACHABLE", 69),
        (&other.folder.path("executors.pem"), &here, "driver and executor", "ASK_DRIVER_UNKNOWN", 78),
    ] {
        let said = driver.seen_with(file, address);
        assert_eq!((said.of(check).0, said.of(check).1, said.status), ("fail", code, status), "{}", said.of(check).2);
        let place = OF_AN_EXECUTOR.iter().position(|name| *name == check).unwrap();
        for (position, (name, verdict, _, sentence)) in said.checks.iter().enumerate() {
            let expected = if position < place { "ok" } else { "skip" };
            assert!(position == place || verdict == expected, "{check}: {name} is {verdict}");
            assert!(position <= place || *sentence == format!("needs: {check}"), "{sentence}");
        }
    }
}

#[test]
fn a_driver_without_credentials_yet_is_a_failure_behind_a_proof_that_is_ok() {
    let said = Driver::start(false).seen();
    assert_eq!(said.verdicts(), ["ok", "ok", "ok", "ok", "ok", "fail"]);
    assert_eq!((said.of("credentials").1, said.status), ("REFUSED_NOTHING_YET", 76));
}

#[test]
fn the_side_is_that_of_the_settings_unless_it_is_named() {
    let keys = ("distribution.keyFile", "/nowhere".to_owned());
    let driver = ("distribution.driver", "127.0.0.1:1".to_owned());
    let token = ("identityToken.file", "/nowhere".to_owned());
    assert_eq!(doctor(&[], &[keys.clone(), driver.clone()]).side, "executor");
    assert_eq!(doctor(&[], &[keys.clone(), driver.clone(), token.clone()]).side, "driver");
    assert_eq!(doctor(&[], &[]).side, "driver");
    assert_eq!(doctor(&["executor"], &[token]).side, "executor");
    let said = doctor(&["driver"], &[keys, driver]);
    assert_eq!((said.side.as_str(), said.of("settings").1, said.status), ("driver", "CONFIG_MISSING_KEY", 78));
    let said = doctor(&["executor"], &[]);
    assert_eq!((said.of("settings").1, said.verdicts().len(), said.status), ("CONFIG_MISSING_KEY", 6, 78));
}
