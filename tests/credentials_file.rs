//! Named targets as profiles in files: what stands there, for how long, and what is left when a file cannot be written.

#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use job::folder::Folder;
use job::{EPOCH, ManualClock, NOW};
use safe_conduct::Secret;
use safe_conduct::codec::aws_profiles::{ProfileError, ProfileRule};
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::name::{CredentialName, PropertyName, Region, TargetName};
use safe_conduct::sink::{CredentialsFile, CredentialsFileError, ProfileForm, ProfileRegions, ProfileSettings};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::random::{Random, RandomError, SystemRandomness};
use safe_conduct::time::Clock;

/// As long as any wait here may take before the test fails; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk on which nothing new can be made while it is full: a file is replaced by way of a new one.
#[derive(Default)]
struct Disk(AtomicBool);

impl Disk {
    fn full(&self, full: bool) {
        self.0.store(full, Ordering::SeqCst);
    }
}

impl Random for Disk {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        if self.0.load(Ordering::SeqCst) { Err(RandomError) } else { SystemRandomness::new().fill(out) }
    }
}

struct Fixture {
    folder: Folder,
    disk: Arc<Disk>,
    store: Arc<CredentialStore>,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let (store, clock) = (Arc::new(CredentialStore::new()), ManualClock::at(NOW));
        Self { folder: Folder::new(), disk: Arc::default(), store, clock }
    }

    fn sink(&self) -> CredentialsFile {
        self.prepared(ProfileForm::Keys, self.folder.root()).unwrap()
    }

    fn sink_of_commands(&self) -> CredentialsFile {
        self.prepared(ProfileForm::Process, self.folder.root()).unwrap()
    }

    fn prepared(&self, form: ProfileForm, directory: &Path) -> Result<CredentialsFile, CredentialsFileError> {
        let region = |text: &str| Region::new(text).unwrap();
        let by_target = [(target("raw-2"), region("us-east-1"))].into();
        let regions = ProfileRegions { default: Some(region("eu-central-1")), by_target };
        CredentialsFile::prepare(directory, ProfileSettings { form, regions }, self.disk.clone())
    }

    /// Publishes (name, access key id, session token, seconds that it lives).
    fn publish(&self, credentials: &[(&str, &str, &str, u64)]) {
        let at = self.clock.moment();
        let bundle = credentials.iter().fold(UserCredentials::new(), |bundle, (name, id, token, life)| {
            let values = [(s3a::ACCESS_KEY, *id), (s3a::SECRET_KEY, "a/b+c="), (s3a::SESSION_TOKEN, *token)];
            let values = values.map(|(name, value)| (PropertyName::new(name).unwrap(), Secret::from_text(value)));
            let expires_at = at.wall.plus(Duration::from_secs(*life));
            let credential = ServiceCredential::new(values.into(), expires_at, at).unwrap();
            bundle.with(CredentialName::parse(name).unwrap(), Arc::new(credential))
        });
        self.store.publish(EPOCH, bundle);
    }

    fn publish_two(&self) {
        self.publish(&[
            ("s3a", "UNNAMED", "t", 3600),
            ("s3a/logs", "LOGS", "t1", 1800),
            ("s3a/raw-2", "RAW", "t2", 3600),
        ]);
    }

    fn update(&self, sink: &mut CredentialsFile) -> Result<(), CredentialsFileError> {
        sink.update(&self.store, self.clock.moment())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path(name)).unwrap_or_else(|error| format!("{}", error.kind()))
    }
}

fn target(name: &str) -> TargetName {
    TargetName::new(name).unwrap()
}

// Golden values, written by hand: the form of the AWS SDKs and Tools Reference Guide; the times are NOW and 1,800 and
// 3,600 s, by `date -u`.
const LOGS: &str = "[logs]\naws_access_key_id = LOGS\naws_secret_access_key = a/b+c=\naws_session_token = t1\n\
                    x_security_token_expires = 2026-11-22T20:40:59Z\n";
const RAW: &str = "[raw-2]\naws_access_key_id = RAW\naws_secret_access_key = a/b+c=\naws_session_token = t2\n\
                   x_security_token_expires = 2026-11-22T21:10:59Z\n";
const LOGS_CONFIG: &str = "[profile logs]\nregion = eu-central-1\n";
const RAW_CONFIG: &str = "[profile raw-2]\nregion = us-east-1\n";
const GONE: &str = "entity not found";

#[test]
fn each_target_is_a_profile_for_its_owner_only_and_none_is_the_default_one() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    fixture.publish_two();
    assert_eq!(fixture.update(&mut sink), Ok(()));
    assert_eq!(fixture.read("aws-credentials"), format!("{LOGS}{RAW}"));
    assert_eq!(fixture.read("aws-config"), format!("{LOGS_CONFIG}{RAW_CONFIG}"));
    for name in ["aws-credentials", "aws-config"] {
        let mode = std::fs::metadata(fixture.folder.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!fixture.read(name).contains("default") && !fixture.read(name).contains("UNNAMED"));
    }
    let files = sink.files();
    assert_eq!(
        (files.credentials, files.config),
        (fixture.folder.path("aws-credentials"), fixture.folder.path("aws-config"))
    );
}

// The form of the AWS SDKs and Tools Reference Guide, "Process credential provider".
const LOGS_OUTPUT: &str = r#"{"Version":1,"AccessKeyId":"LOGS","SecretAccessKey":"a/b+c=","SessionToken":"t1","Expiration":"2026-11-22T20:40:59Z"}"#;

#[test]
fn a_profile_may_name_a_command_that_prints_keys_and_their_end_and_then_has_no_keys() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink_of_commands();
    fixture.publish_two();
    assert_eq!(fixture.update(&mut sink), Ok(()));
    let root = fixture.folder.root().display();
    let commands = format!(
        "[logs]\ncredential_process = cat {root}/aws-process-logs.json\n\
         [raw-2]\ncredential_process = cat {root}/aws-process-raw-2.json\n"
    );
    assert_eq!(fixture.read("aws-credentials"), commands);
    assert_eq!(fixture.read("aws-config"), format!("{LOGS_CONFIG}{RAW_CONFIG}"));
    assert_eq!(fixture.read("aws-process-logs.json"), LOGS_OUTPUT);
    let mode = std::fs::metadata(fixture.folder.path("aws-process-logs.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // JSON has a form for each value, also for one that could not stand in a profile.
    fixture.publish(&[("s3a/logs", "LOGS-2", "t\n[default]\nx = y", 1800), ("s3a/raw-2", "RAW", "t2", 3600)]);
    assert_eq!(fixture.update(&mut sink), Ok(()));
    assert_eq!(fixture.read("aws-credentials"), commands);
    let renewed = LOGS_OUTPUT.replace("LOGS", "LOGS-2").replace("t1", r"t\n[default]\nx = y");
    assert_eq!(fixture.read("aws-process-logs.json"), renewed);
}

#[test]
fn what_a_command_prints_is_taken_away_15_s_before_it_expires_also_on_a_full_disk() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink_of_commands();
    fixture.publish_two();
    fixture.update(&mut sink).unwrap();
    fixture.pass(1784);
    fixture.update(&mut sink).unwrap();
    assert_eq!(fixture.read("aws-process-logs.json"), LOGS_OUTPUT, "16 s are left");
    fixture.pass(1);
    fixture.disk.full(true);
    assert!(matches!(fixture.update(&mut sink), Err(CredentialsFileError::File(FileError::NoRandomness { .. }))));
    assert_eq!(fixture.read("aws-process-logs.json"), GONE);
    assert!(fixture.read("aws-credentials").contains("[logs]\n"), "it cannot be replaced now");
    assert_ne!(fixture.read("aws-process-raw-2.json"), GONE);
    fixture.disk.full(false);
    fixture.update(&mut sink).unwrap();
    assert!(fixture.read("aws-credentials").starts_with("[raw-2]\n"));
    assert_eq!(fixture.read("aws-config"), RAW_CONFIG);
}

#[test]
fn what_commands_printed_in_an_older_run_is_taken_away_and_a_directory_that_no_command_can_name_is_refused() {
    let fixture = Fixture::new();
    let elsewhere = fixture.folder.write("elsewhere", b"untouched");
    for form in [ProfileForm::Keys, ProfileForm::Process] {
        fixture.folder.write("aws-process-old.json", b"{}");
        symlink(&elsewhere, fixture.folder.path("aws-process-link.json")).unwrap();
        let mut sink = fixture.prepared(form, fixture.folder.root()).unwrap();
        for name in ["aws-process-old.json", "aws-process-link.json"] {
            assert!(std::fs::symlink_metadata(fixture.folder.path(name)).is_err(), "{name}");
        }
        fixture.publish_two();
        fixture.update(&mut sink).unwrap();
        drop(sink);
        let left: Vec<_> =
            std::fs::read_dir(fixture.folder.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["elsewhere"], "{form:?}");
    }
    assert_eq!(fixture.read("elsewhere"), "untouched");
    let spaced = fixture.folder.path("a b");
    let refused = fixture.prepared(ProfileForm::Process, &spaced).map(|_| ());
    assert_eq!(refused, Err(CredentialsFileError::Path { path: spaced.clone() }));
    assert!(fixture.prepared(ProfileForm::Keys, &spaced).is_ok());
}

#[test]
fn files_are_replaced_at_each_version_and_left_alone_in_between() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    let identity = || std::fs::metadata(fixture.folder.path("aws-credentials")).unwrap().ino();
    fixture.publish_two();
    fixture.update(&mut sink).unwrap();
    let reader = std::fs::File::open(fixture.folder.path("aws-credentials")).unwrap();
    let first = identity();
    fixture.pass(60);
    fixture.update(&mut sink).unwrap();
    assert_eq!(identity(), first, "nothing was to be written");
    fixture.publish(&[("s3a/logs", "LOGS-2", "t1", 1800)]);
    fixture.update(&mut sink).unwrap();
    assert!(fixture.read("aws-credentials").starts_with("[logs]\naws_access_key_id = LOGS-2\n"));
    assert_eq!(fixture.read("aws-config"), LOGS_CONFIG);
    // Whoever had the old file open reads the old one to its end.
    assert_eq!(std::io::read_to_string(reader).unwrap(), format!("{LOGS}{RAW}"));
    let names: Vec<_> =
        std::fs::read_dir(fixture.folder.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_profile_is_taken_out_of_both_files_15_s_before_it_expires_and_the_others_stay() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    fixture.publish_two();
    fixture.update(&mut sink).unwrap();
    fixture.pass(1784);
    fixture.update(&mut sink).unwrap();
    assert_eq!(fixture.read("aws-credentials"), format!("{LOGS}{RAW}"), "16 s are left");
    fixture.pass(1);
    fixture.update(&mut sink).unwrap();
    assert_eq!((fixture.read("aws-credentials"), fixture.read("aws-config")), (RAW.to_owned(), RAW_CONFIG.to_owned()));
    fixture.pass(1800);
    fixture.update(&mut sink).unwrap();
    assert_eq!((fixture.read("aws-credentials"), fixture.read("aws-config")), (String::new(), String::new()));
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_was_and_is_taken_away_once_nothing_in_it_may_be_used() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    fixture.publish_two();
    fixture.update(&mut sink).unwrap();
    fixture.disk.full(true);
    fixture.publish(&[("s3a/logs", "LOGS-2", "t1", 3600)]);
    let failed =
        |name: &str| Err(CredentialsFileError::File(FileError::NoRandomness { path: fixture.folder.path(name) }));
    // It was about to take raw-2 out of the config file first.
    assert_eq!(fixture.update(&mut sink), failed("aws-config"));
    assert_eq!(fixture.read("aws-credentials"), format!("{LOGS}{RAW}"));
    assert_eq!(fixture.read("aws-config"), format!("{LOGS_CONFIG}{RAW_CONFIG}"));
    fixture.disk.full(false);
    assert_eq!(fixture.update(&mut sink), Ok(()));
    assert!(fixture.read("aws-credentials").contains("LOGS-2"));
    fixture.disk.full(true);
    fixture.pass(3585);
    assert_eq!(fixture.update(&mut sink), failed("aws-config"));
    assert_eq!((fixture.read("aws-credentials").as_str(), fixture.read("aws-config").as_str()), (GONE, GONE));
}

#[test]
fn a_profile_is_in_the_config_file_only_while_it_has_keys_in_the_other_one() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    fixture.publish_two();
    // A folder of that name: nothing can be renamed to it.
    let credentials = fixture.folder.path("aws-credentials");
    std::fs::create_dir(&credentials).unwrap();
    assert!(matches!(fixture.update(&mut sink), Err(CredentialsFileError::File(_))));
    assert_eq!(fixture.read("aws-config"), GONE);
    std::fs::remove_dir(&credentials).unwrap();
    fixture.update(&mut sink).unwrap();
    // And what is taken out goes out of the config file first.
    std::fs::remove_file(&credentials).unwrap();
    std::fs::create_dir(&credentials).unwrap();
    fixture.pass(1785);
    assert!(matches!(fixture.update(&mut sink), Err(CredentialsFileError::File(_))));
    assert_eq!(fixture.read("aws-config"), RAW_CONFIG);
    std::fs::remove_dir(&credentials).unwrap();
}

#[test]
fn a_credential_that_cannot_stand_in_a_file_is_left_out_with_a_reason_and_the_others_are_written() {
    let fixture = Fixture::new();
    let mut sink = fixture.sink();
    let planted = "t\n[default]\naws_access_key_id = PLANTED";
    fixture.publish(&[("s3a/logs", "LOGS", planted, 1800), ("s3a/raw-2", "RAW", "t2", 3600)]);
    let error = ProfileError { key: "aws_session_token", rule: ProfileRule::Character { position: 1 } };
    let error = CredentialsFileError::Value { target: target("logs"), error };
    assert!(!format!("{error}{error:?}").contains("PLANTED"));
    for _ in 0..2 {
        assert_eq!(fixture.update(&mut sink), Err(error.clone()), "it lasts as long as the version");
        assert_eq!(
            (fixture.read("aws-credentials"), fixture.read("aws-config")),
            (RAW.to_owned(), RAW_CONFIG.to_owned())
        );
    }
    let at = fixture.clock.moment();
    let other = job::bundle(s3a::SECRET_KEY, "x", 3600, at).get(&job::s3a().into()).unwrap().clone();
    let name = CredentialName::parse("s3a/logs").unwrap();
    fixture.store.publish(EPOCH, UserCredentials::new().with(name, other));
    assert_eq!(fixture.update(&mut sink), Err(CredentialsFileError::Incomplete { target: target("logs") }));
    assert_eq!(fixture.read("aws-credentials"), "");
}

#[test]
fn what_an_older_run_left_is_taken_away_and_a_link_is_replaced_not_followed() {
    let fixture = Fixture::new();
    fixture.folder.write("aws-credentials", b"[logs]\naws_access_key_id = OLD\n");
    fixture.folder.write("aws-config", b"[profile logs]\n");
    let mut sink = fixture.sink();
    assert_eq!((fixture.read("aws-credentials").as_str(), fixture.read("aws-config").as_str()), (GONE, GONE));
    let elsewhere = fixture.folder.write("elsewhere", b"untouched");
    for name in ["aws-credentials", "aws-config"] {
        symlink(&elsewhere, fixture.folder.path(name)).unwrap();
    }
    fixture.publish_two();
    fixture.update(&mut sink).unwrap();
    assert_eq!(
        (fixture.read("elsewhere").as_str(), fixture.read("aws-credentials")),
        ("untouched", format!("{LOGS}{RAW}"))
    );
    drop(sink);
    assert_eq!((fixture.read("aws-credentials").as_str(), fixture.read("aws-config").as_str()), (GONE, GONE));
    assert_eq!(fixture.read("elsewhere"), "untouched");
}

fn wait_until(path: &Path, holds: impl Fn(&str) -> bool) {
    let start = Instant::now();
    while !std::fs::read_to_string(path).is_ok_and(|text| holds(&text)) {
        assert!(start.elapsed() < PATIENCE, "{}", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn running_files_follow_the_store_and_are_gone_at_the_end() {
    let fixture = Fixture::new();
    fixture.publish_two();
    let running = fixture.sink().start(fixture.store.clone(), fixture.clock.clone()).unwrap();
    let path = fixture.folder.path("aws-credentials");
    assert_eq!(fixture.read("aws-credentials"), format!("{LOGS}{RAW}"), "there before anybody could look");
    fixture.publish(&[("s3a/logs", "LOGS-2", "t1", 1800)]);
    wait_until(&path, |text| text.contains("LOGS-2"));
    fixture.disk.full(true);
    fixture.publish(&[("s3a/logs", "LOGS-3", "t1", 1800)]);
    fixture.disk.full(false);
    wait_until(&path, |text| text.contains("LOGS-3"));
    drop(running);
    assert_eq!((fixture.read("aws-credentials").as_str(), fixture.read("aws-config").as_str()), (GONE, GONE));
    fixture.publish(&[("s3a/logs", "LOGS", "t 1", 1800), ("s3a/raw-2", "RAW", "t2", 3600)]);
    let running = fixture.sink().start(fixture.store.clone(), fixture.clock.clone()).unwrap();
    assert_eq!(fixture.read("aws-credentials"), RAW, "one that cannot stand there keeps nobody waiting");
    drop(running);
    fixture.disk.full(true);
    let failed = fixture.sink().start(fixture.store.clone(), fixture.clock.clone());
    assert!(matches!(failed, Err(CredentialsFileError::File(FileError::NoRandomness { .. }))));
}
