//! Driver and executors over real sockets on loopback: what honest ones get, and which keys are let in.

#[path = "support/job.rs"]
mod job;

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use job::{Always, EPOCH, Job, ManualClock, NOW, bundle, secret_in};
use safe_conduct::credential::CredentialError;
use safe_conduct::distribute::{
    Answer, AskError, AskOutcome, ClientLimits, DriverProof, MessageError, ProofError, Refusal, ServeError,
    ServerLimits,
};
use safe_conduct::error::Actionable;
use safe_conduct::store::{Applied, CredentialStore, Epoch, Version};
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::job_keys::{JobKeys, JobKeysError};
use safe_conduct::time::{Clock, Moment};

#[test]
fn two_executors_get_the_bundle_once_and_the_newer_one_after_it() {
    let job = Job::new();
    job.publish("first", 3600);
    let server = job.serve();
    let executors = [job.executor(server.local_addr().port()), job.executor(server.local_addr().port())];
    for executor in &executors {
        let Ok(Answer::Bundle { bundle, next_ask }) = executor.ask(None) else { panic!() };
        assert_eq!(bundle.version, Version { epoch: EPOCH, number: 1 });
        assert_eq!(secret_in(&bundle.credentials), "first");
        // The whole random half of the poll interval of 60 s.
        assert_eq!(next_ask, Duration::from_secs(60));
        let Ok(Answer::Unchanged { next_ask }) = executor.ask(Some(bundle.version)) else { panic!() };
        assert_eq!(next_ask, Duration::from_secs(60));
    }
    job.publish("second", 3600);
    for executor in &executors {
        let Ok(Answer::Bundle { bundle, .. }) = executor.ask(Some(Version { epoch: EPOCH, number: 1 })) else {
            panic!()
        };
        assert_eq!((bundle.version.number, secret_in(&bundle.credentials).as_str()), (2, "second"));
    }
    server.stop();
}

#[test]
fn a_driver_with_nothing_to_serve_says_so_before_and_after() {
    let job = Job::new();
    let server = job.serve();
    let executor = job.executor(server.local_addr().port());
    let nothing = |have| match executor.ask(have) {
        Ok(Answer::Refused { refusal, next_ask }) => (refusal, next_ask),
        other => panic!("{other:?}"),
    };
    assert_eq!(nothing(None), (Refusal::NothingYet, Duration::from_secs(5)));
    job.publish("first", 100);
    job.clock.advance(Duration::from_secs(84));
    assert!(matches!(executor.ask(None), Ok(Answer::Bundle { next_ask, .. }) if next_ask == Duration::from_secs(1)));
    // 15 s before expiry, it is not given out any more, and an executor that has it is not told that all is well.
    job.clock.advance(Duration::from_secs(1));
    assert_eq!(nothing(Some(Version { epoch: EPOCH, number: 1 })).0, Refusal::NothingYet);
}

#[test]
fn credentials_age_by_the_executors_monotonic_clock_whatever_its_wall_clock_says() {
    let job = Job::new();
    job.publish("value", 3600);
    let server = job.serve();
    let Ok(Answer::Bundle { bundle, .. }) = job.executor(server.local_addr().port()).ask(None) else { panic!() };
    let asked = job.clock.moment();
    let set_back = Moment { wall: asked.wall.minus(Duration::from_secs(86_400)), monotonic: asked.monotonic };
    let later = Moment { monotonic: asked.monotonic + Duration::from_secs(3585), ..set_back };
    assert_eq!(bundle.credentials.servable_for(set_back), Some(Duration::from_secs(3585)));
    assert_eq!(bundle.credentials.servable_for(later), Some(Duration::ZERO));
}

#[test]
fn the_first_asks_are_audited_at_most_ten_a_second() {
    let job = Job::new();
    job.publish("value", 3600);
    let server = job.serve();
    let executor = job.executor(server.local_addr().port());
    for _ in 0..12 {
        let _ = executor.ask(None).unwrap();
    }
    assert_eq!(job.audit.0.lock().unwrap().len(), 10);
    let _ = executor.ask(Some(Version { epoch: EPOCH, number: 1 })).unwrap();
    job.clock.advance(Duration::from_secs(1));
    let _ = executor.ask(None).unwrap();
    let lines = job.audit.0.lock().unwrap();
    assert_eq!(lines.len(), 11, "only asks with nothing in hand are first asks");
    assert!(lines[0].contains(r#""event":"first_ask","executor":"exec-1","peer":"127.0.0.1""#), "{}", lines[0]);
}

/// Runs the loop against servers one after the other; `serve` may replace the driver between two asks.
fn loop_outcomes(
    job: &Job,
    port: u16,
    store: &Arc<CredentialStore>,
    then: impl Fn(usize),
    count: usize,
) -> Vec<String> {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let limits = ClientLimits::default();
    let executor = job.executor_with(port, &job.file("executors.pem"), limits);
    let notify = move |outcome: &AskOutcome| drop(sender.lock().unwrap().send(format!("{outcome:?}")));
    let running = executor.start(store.clone(), Arc::new(Always(0xff)), Box::new(notify)).unwrap();
    (0..count)
        .map(|turn| {
            let outcome = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
            then(turn);
            running.ask_now();
            outcome
        })
        .collect()
}

#[test]
fn within_an_epoch_only_a_greater_version_replaces_and_another_epoch_always_does() {
    let job = Job::new();
    let server = job.serve();
    let store = Arc::new(CredentialStore::new());
    job.publish("one", 3600);
    job.publish("two", 3600);
    let publish_again = |turn| match turn {
        // The same run with a smaller number: a replay (bad input 318).
        1 => {
            let _ = job.store.publish(Epoch([0; 16]), bundle("fs.s3a.secret.key", "x", 3600, job.clock.moment()));
            job.publish("replayed", 3600);
        }
        // A driver that was started again.
        2 => drop(job.store.publish(Epoch([8; 16]), bundle("fs.s3a.secret.key", "new", 3600, job.clock.moment()))),
        _ => {}
    };
    let outcomes = loop_outcomes(&job, server.local_addr().port(), &store, publish_again, 4);
    let said = |epoch: &str, number, applied| {
        let epoch = epoch.repeat(16);
        format!("Bundle {{ version: Version {{ epoch: Epoch({epoch}), number: {number} }}, applied: {applied} }}")
    };
    assert_eq!(outcomes[..2], [said("07", 2, "Newer"), "Unchanged".to_owned()]);
    assert_eq!(outcomes[2..], [said("07", 1, "NotNewer"), said("08", 1, "Newer")]);
    assert_eq!(secret_in(&store.newest().unwrap().credentials), "new");
}

#[test]
fn an_expired_bundle_never_replaces_a_live_one() {
    // By the driver's clock it lives; by this executor's, which is an hour ahead, it does not (bad input 319).
    let job = Job::new();
    let server = job.serve();
    job.publish("soon over", 1800);
    let ahead = ManualClock::at(NOW + 3600);
    let store = CredentialStore::new();
    let _ = store.publish(Epoch([9; 16]), bundle("fs.s3a.secret.key", "live", 7200, ahead.moment()));
    let Ok(Answer::Bundle { bundle, .. }) = job.executor(server.local_addr().port()).ask(None) else { panic!() };
    assert_eq!(store.apply(bundle, ahead.moment()), Applied::Expired);
    assert_eq!(secret_in(&store.newest().unwrap().credentials), "live");
}

#[test]
fn a_bundle_sets_only_what_the_executor_accepts() {
    let job = Job::new();
    let server = job.serve();
    let _ = job.store.publish(EPOCH, bundle("fs.s3a.endpoint", "evil.example", 3600, job.clock.moment()));
    let refused = job.executor(server.local_addr().port()).ask(None).unwrap_err();
    assert!(
        matches!(refused, AskError::Answer(MessageError::Bundle(CredentialError::NotAccepted { .. }))),
        "{refused}"
    );
    assert_eq!(refused.facts().code, "BUNDLE_NOT_ACCEPTED");
}

#[test]
fn another_jobs_keys_are_refused_on_both_sides() {
    let (job, other) = (Job::new(), Job::new());
    job.publish("value", 3600);
    let server = job.serve();
    let port = server.local_addr().port();
    let ask = |name: &str, content: &str| {
        let file = job.folder.write(name, content.as_bytes());
        job.executor_with(port, &file, ClientLimits::default()).ask(None)
    };
    let read = |job: &Job, name| std::fs::read_to_string(job.file(name)).unwrap();
    let (own, peers) = split(&read(&other, "executors.pem"));
    let (right, driver) = split(&read(&job, "executors.pem"));
    // Wholly another job's: this driver is not the one that it knows.
    assert!(matches!(ask("other.pem", &format!("{own}{peers}")), Err(AskError::DriverUnknown { .. })));
    // Another job's private key, but it knows this driver (bad input 316): the driver refuses it.
    let refused = ask("mixed.pem", &format!("{own}{driver}")).unwrap_err();
    assert!(matches!(refused, AskError::KeyRefused { .. }), "{refused:?}");
    // The right one, with a second driver pinned: several peers allow rotation.
    assert!(ask("rotating.pem", &format!("{peers}{right}{driver}")).is_ok());
    assert_eq!(job.audit.0.lock().unwrap().len(), 1, "who is refused never gets to ask");
}

#[test]
fn an_executors_file_cannot_play_the_driver() {
    let job = Job::new();
    job.publish("stolen", 3600);
    let impostor = job.serve_with(&job.file("executors.pem"), ServerLimits::default());
    let refused = job.executor(impostor.local_addr().port()).ask(None);
    assert!(matches!(refused, Err(AskError::DriverUnknown { .. })), "{refused:?}");
}

#[test]
fn a_rotated_key_file_counts_at_the_next_connection_and_a_broken_one_does_not() {
    let (job, next) = (Job::new(), Job::new());
    job.publish("value", 3600);
    let server = job.serve();
    let executor = job.executor(server.local_addr().port());
    job.folder.write("driver.pem", b"half a fi");
    job.folder.write("executors.pem", b"");
    assert!(executor.ask(None).is_ok(), "the last good pair stays in use on both sides");
    for name in ["driver.pem", "executors.pem"] {
        job.folder.write(name, &std::fs::read(next.file(name)).unwrap());
    }
    assert!(executor.ask(None).is_ok(), "both have moved on");
    assert!(next.executor(server.local_addr().port()).ask(None).is_ok());
}

#[test]
fn a_driver_that_is_not_there_is_said_to_be_so() {
    let job = Job::new();
    let server = job.serve();
    let executor = job.executor(server.local_addr().port());
    server.stop();
    let refused = executor.ask(None);
    assert!(matches!(refused, Err(AskError::Unreachable { .. })), "{refused:?}");
    // A label of 64 bytes is no name (RFC 1035, section 2.3.4): no resolver is asked for it.
    let settings = safe_conduct::distribute::ClientSettings {
        driver: safe_conduct::distribute::DriverAddress::new(&"a".repeat(64), 7443).unwrap(),
        proof: safe_conduct::distribute::ExecutorProof::KeyFile(job.file("executors.pem")),
        name: safe_conduct::name::ExecutorName::new("exec-1").unwrap(),
        accepted: job::accepted(),
        poll_interval: Duration::from_secs(60),
    };
    let executor = safe_conduct::distribute::ExecutorClient::new(settings, job.clock.clone()).unwrap();
    let refused = executor.ask(None);
    assert!(matches!(refused, Err(AskError::DriverName { .. })), "{refused:?}");
}

/// The private and the public part of a key file.
fn split(text: &str) -> (String, String) {
    let (own, peers) = text.split_at(text.find("-----BEGIN PUBLIC").unwrap());
    (own.to_owned(), peers.to_owned())
}

// Made for this test with `openssl genrsa 512 | openssl pkcs8 -topk8 -nocrypt` and
// `openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout`; they open nothing.
const RSA: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEAyPdAt1KaPFAJ0Crd\n\
    g2lpZDlV3jcurXbo7b4iItDN/UxBP6wiAx+kiEV5+eSrJsKSCPiaW+WrWn8BTkdV\n\
    z0iOLwIDAQABAkBTlEEd/QSYQNFT+f/WP2jNferwWBLZobKN7Z1UzXJd/TMcwb7j\n\
    09bvlfYTcGKd4GLBan59PNhiF/C+oqOkZLiBAiEA+1UbaM6ER+TW0JLao77YtUdv\n\
    YKvZODsk1GLU+g3pwFcCIQDMsrDsjGtSYyRe7RozwSak6RXP5NcfgJRhwY/xJEAZ\n\
    6QIgPSzqDwi1igpZf0s/jLvXY8iPg6hQpy8+N7QWwwa/7uECIQCXnnf8Dppj4PmM\n\
    snTpBtV36wnz/h31wIiny/axd9dfGQIgdyJbgBBSLaomr6+8AQB69FSK1SrcMR7X\n\
    gOy/P4DJDmQ=\n\
    -----END PRIVATE KEY-----\n";
const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENytlppvy7DMe9aJTJiwSjh37mR4I\n\
    yAFmedRqSshrgIwXu3pHC1bOj6PWo2Z8kze7YxKv/rKwWKoewzYoRtGckQ==\n\
    -----END PUBLIC KEY-----\n";

#[test]
fn keys_of_another_kind_and_files_that_others_may_write_are_refused() {
    let job = Job::new();
    let (own, peers) = split(&std::fs::read_to_string(job.file("driver.pem")).unwrap());
    let refused = |text: String| JobKeys::from_pem(text.as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(refused(format!("{RSA}{peers}")), JobKeysError::PrivateKeyKind);
    assert_eq!(refused(format!("{own}{peers}{P256}")), JobKeysError::PublicKeyKind { position: 1 });
    let path = job.file("driver.pem");
    let refused_file = || {
        let proof = DriverProof::KeyFile(path.clone());
        job.serve_proving(proof, ServerLimits::default()).map(drop).unwrap_err()
    };
    let set_mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o644);
    assert!(job.serve_proving(DriverProof::KeyFile(path.clone()), ServerLimits::default()).is_ok());
    set_mode(0o620);
    let writable = FileError::WritableByOthers { path: path.clone(), mode: 0o620 };
    assert_eq!(refused_file(), ServeError::Proof(ProofError::File(writable)));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(refused_file(), ServeError::Proof(ProofError::File(FileError::NotFound { path: path.clone() })));
    job.folder.write("driver.pem", &b"\n".repeat(16 * 1024 + 1));
    let too_long = FileError::TooLong { path: path.clone(), most: 16_384 };
    assert_eq!(refused_file(), ServeError::Proof(ProofError::File(too_long)));
    job.folder.write("driver.pem", &b"\n".repeat(16 * 1024));
    assert_eq!(refused_file(), ServeError::Proof(ProofError::Keys(JobKeysError::PrivateKeys { count: 0 })));
}
