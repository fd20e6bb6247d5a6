//! The binary as people and pods run it: what it prints, what it exits with, what the command gets.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use folder::Folder;
use safe_conduct::audit::NoAudit;
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::distribute::{DriverProof, DriverServer, ListenAddress, RunningServer, ServerSettings};
use safe_conduct::identity::Algorithm;
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::secret::Secret;
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::SystemRandomness;
use safe_conduct::time::Clock;

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");
const NOW: u64 = 1_800_000_000;
const CLAIMS: &str = r#"{"iss":"https://issuer.example","sub":"alice","aud":"sts","iat":1799999900,"exp":1800003500}"#;

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("SPARK_DRIVER_URL").output().unwrap()
}

/// Runs, and asserts exit status and standard error, to the letter.
fn refused(arguments: &[&str], status: i32, error: &str) {
    let output = run(arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), error, "{arguments:?}");
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn a_wrong_command_line_is_refused_with_a_hint() {
    let hint = "hint: Run safe-conduct --help, or safe-conduct COMMAND --help.\n";
    refused(&[], 78, &format!("error[USAGE]: no command is given\n{hint}"));
    refused(&["drive"], 78, &format!("error[USAGE]: there is no such command\n{hint}"));
    refused(&["driver", "--nope"], 78, &format!("error[USAGE]: the option --nope is not one of this command\n{hint}"));
    refused(
        &["executor", "--"],
        78,
        &format!("error[USAGE]: an argument is missing: safe-conduct COMMAND -- PROGRAM\n{hint}"),
    );
}

#[test]
fn a_wrong_setting_is_refused_with_its_key_its_range_and_without_its_value() {
    refused(
        &["driver", "--conf", "spark.security.oidc.aws.rolearn=PLANTED"],
        78,
        "error[CONFIG_UNKNOWN_KEY]: there is no setting spark.security.oidc.aws.rolearn; the nearest one is \
         spark.security.oidc.aws.roleArn\nhint: Correct the key, or remove it; README lists them all.\n",
    );
    refused(
        &["executor", "--conf", "spark.security.oidc.distribution.driver=PLANTED"],
        78,
        "error[CONFIG_INVALID_VALUE]: spark.security.oidc.distribution.driver must be host:port: the driver's port is \
         missing or not 1 to 65535\nhint: Set a value of the range that is named.\n",
    );
    refused(
        &["driver", "--conf", "spark.security.oidc.enabled=false"],
        78,
        "error[CONFIG_SWITCHED_OFF]: spark.security.oidc.enabled is false: propagation is switched off\nhint: Remove \
         spark.security.oidc.enabled, or do not start safe-conduct for this job.\n",
    );
}

#[test]
fn help_and_version_are_given_for_every_command() {
    let version = run(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("safe-conduct {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["driver", "executor", "resolve", "ready", "keys", "install", "inspect", "doctor", "spark"] {
        let output = run(&[command, "--help"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{command}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with(&format!("usage: safe-conduct {command}")), "{text}");
    }
}

#[test]
fn a_closed_pipe_is_an_error_and_no_panic() {
    let mut child = Command::new(PROGRAM).arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let status = child.wait().unwrap();
    // The reader may have been gone in time or not; what must not happen is a panic, which exits with 101.
    assert!(matches!(status.code(), Some(0 | 69)), "{status:?} {error}");
    assert!(!error.contains("panicked"), "{error}");
}

fn inspect(folder: &Folder, token: &str, more: &[&str]) -> Output {
    inspect_with(folder, token, &tokens::jwks(), more)
}

fn inspect_with(folder: &Folder, token: &str, keys: &str, more: &[&str]) -> Output {
    let token = folder.write("token", token.as_bytes());
    let keys = folder.write("jwks.json", keys.as_bytes());
    let (token, keys, now) = (token.to_str().unwrap(), keys.to_str().unwrap(), NOW.to_string());
    let mut arguments = vec!["inspect", token, "--jwks", keys, "--issuer", "https://issuer.example", "--now", &now];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn inspect_exits_with_0_only_for_a_token_that_would_be_accepted_and_hides_who_it_is_for() {
    let folder = Folder::new();
    let good = tokens::signed(Algorithm::Rs256, CLAIMS);
    let output = inspect(&folder, &good, &["--audience", "sts"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("accepted\n") && text.contains("pass  signature") && !text.contains("alice"), "{text}");
    let shown = inspect(&folder, &good, &["--audience", "sts", "--show-claims", "--json"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("alice"));

    let refused = inspect(&folder, &good, &["--audience", "other"]);
    assert_eq!(refused.status.code(), Some(77));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("FAIL  aud: [TOKEN_AUDIENCE]"));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("error[TOKEN_AUDIENCE]: "));
    let forged = tokens::signed_with_other_key(r#"{"alg":"RS256","kid":"rsa"}"#, CLAIMS);
    let forged = inspect(&folder, &forged, &["--audience", "sts"]);
    assert_eq!(forged.status.code(), Some(77));
    assert!(String::from_utf8_lossy(&forged.stderr).starts_with("error[TOKEN_SIGNATURE]: "));
    for output in [&forged, &refused] {
        assert!(String::from_utf8_lossy(&output.stdout).ends_with("refused\n"));
    }
}

#[test]
fn inspect_explains_the_rest_where_there_are_no_keys_and_ends_as_the_driver_would() {
    let folder = Folder::new();
    let good = tokens::signed(Algorithm::Rs256, CLAIMS);
    let output = inspect_with(&folder, &good, "<html></html>", &["--audience", "other"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(77), "{text}");
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part} in {text}"));
    assert!(at("pass  kid\n") < at("FAIL  the issuer's keys: [KEYS_MALFORMED]"));
    assert!(at("FAIL  the issuer's keys: [KEYS_MALFORMED]") < at("FAIL  aud: [TOKEN_AUDIENCE]"));
    assert!(!text.contains("signature") && text.ends_with("refused\n"), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("error[KEYS_MALFORMED]: "));

    let shapeless = inspect_with(&folder, "a.b", "<html></html>", &["--audience", "sts"]);
    let text = String::from_utf8_lossy(&shapeless.stdout).into_owned();
    assert!(text.contains("FAIL  size and shape: [TOKEN_MALFORMED]") && !text.contains("keys: ["), "{text}");
    assert!(String::from_utf8_lossy(&shapeless.stderr).starts_with("error[TOKEN_MALFORMED]: "));
}

#[test]
fn inspect_lists_the_keys_and_a_private_one_among_them_is_said_loudly_133() {
    let folder = Folder::new();
    let good = tokens::signed(Algorithm::Rs256, CLAIMS);
    let (private, encryption) = (r#"{"kty":"RSA","d":"AQAB"}"#, r#"{"kty":"RSA","use":"enc"}"#);
    let keys = tokens::jwks().replacen('[', &format!("[{private},{encryption},"), 1);
    let output = inspect_with(&folder, &good, &keys, &["--audience", "sts", "--log-level", "error"]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}{said}");
    assert!(text.contains("  p256: usable\n") && text.contains("  number 0: it is a private or symm"), "{text}");
    assert!(text.contains("  number 1: it is not for verifying signatures\n"), "{text}");
    assert!(said.contains("[KEY_PRIVATE] key 0 of the set is not used"), "{said}");
    assert!(!said.contains("key 1"), "a key for encryption is nothing to be said: {said}");
}

#[test]
fn inspect_shows_times_as_dates_too() {
    let folder = Folder::new();
    let output = inspect(&folder, &tokens::signed(Algorithm::Rs256, CLAIMS), &["--audience", "sts"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // 1,800,000,000 s since 1970 by `date -u -d @1800000000`.
    assert!(text.contains(" (2027-01-15T0"), "{text}");
}

#[test]
fn install_copies_the_program_and_the_copy_runs() {
    let folder = Folder::new();
    let output = run(&["install", folder.root().to_str().unwrap()]);
    assert!(output.status.success());
    let copy = folder.path("safe-conduct");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", copy.display()));
    assert!(Command::new(copy).arg("--version").output().unwrap().status.success());
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

    /// The executor of this driver, with `command` behind `--`.
    fn executor(&self, command: &[&str]) -> Command {
        let mut executor = Command::new(PROGRAM);
        let settings = [
            format!("distribution.driver={}", self.server.local_addr()),
            format!("distribution.keyFile={}", self.folder.path("executors.pem").display()),
            format!("endpoint.directory={}", self.folder.path("run").display()),
        ];
        executor.arg("executor");
        for setting in settings {
            executor.arg("--conf").arg(format!("spark.security.oidc.{setting}"));
        }
        if !command.is_empty() {
            executor.arg("--").args(command);
        }
        executor.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        executor
    }
}

#[test]
fn the_commands_exit_status_is_ours_and_128_and_the_signal_where_one_ended_it() {
    let driver = Driver::start(true);
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let output = driver.executor(&["sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_command_that_is_not_there_or_cannot_be_executed_is_127_or_126() {
    let driver = Driver::start(true);
    let plain = driver.folder.write("plain", b"no program");
    let not_found = driver.executor(&["/nowhere/program"]).output().unwrap();
    let error = String::from_utf8_lossy(&not_found.stderr).into_owned();
    assert_eq!(not_found.status.code(), Some(127), "{error}");
    assert!(error.contains("error[COMMAND_NOT_FOUND]: command /nowhere/program not found\n"), "{error}");
    let not_executable = driver.executor(&[plain.to_str().unwrap()]).output().unwrap();
    assert_eq!(not_executable.status.code(), Some(126), "{}", String::from_utf8_lossy(&not_executable.stderr));
}

#[test]
fn the_command_finds_our_endpoint_and_nothing_wider_and_one_warning_names_what_was_removed() {
    let driver = Driver::start(true);
    let shown = r#"printf 'CONTENT=%s\0' "$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")"; env -0"#;
    let mut executor = driver.executor(&["sh", "-c", shown]);
    executor.env("AWS_ACCESS_KEY_ID", "PLANTED-KEY").env("AWS_PROFILE", "admin").env("NO_PROXY", "example.com");
    let output = executor.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let variable = |name: &str| text.split('\0').find_map(|line| line.strip_prefix(&format!("{name}=")));
    let url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/v1/credentials"), "{url}");
    assert_eq!(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap().len(), 64);
    assert_eq!(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), variable("CONTENT"));
    assert!(!Path::new(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").unwrap()).exists(), "it ends with us");
    assert_eq!(variable("AWS_EC2_METADATA_DISABLED"), Some("true"));
    assert!(variable("NO_PROXY").unwrap().starts_with("example.com,127.0.0.1,"));
    assert_eq!((variable("AWS_ACCESS_KEY_ID"), variable("AWS_PROFILE")), (None, None));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(log.matches("AWS_ACCESS_KEY_ID, AWS_PROFILE").count(), 1, "{log}");
    assert!(!log.contains("PLANTED"), "{log}");
}

/// Reads lines of `child`'s output until one has `wanted` in it.
fn until_said(reader: &mut impl BufRead, wanted: &str) -> String {
    let mut said = String::new();
    while !said.contains(wanted) {
        let before = said.len();
        assert!(reader.read_line(&mut said).unwrap() > 0, "ended without {wanted}: {said}");
        if said[before..].contains(wanted) {
            break;
        }
    }
    said
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_is_forwarded_to_the_command_which_may_take_its_time() {
    let driver = Driver::start(true);
    let script = "trap 'echo caught; kill $!; exit 9' TERM; sleep 60 & echo ready; wait";
    let mut child = driver.executor(&["sh", "-c", script]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    until_said(&mut output, "ready");
    signal(&child, "TERM");
    until_said(&mut output, "caught");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_signal_while_waiting_for_credentials_is_128_and_the_signal_and_the_command_never_starts() {
    let driver = Driver::start(false);
    let mut child = driver.executor(&["sh", "-c", "echo started"]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    // The first answer is that there is nothing yet; then it waits.
    until_said(&mut log, "REFUSED_NOTHING_YET");
    signal(&child, "TERM");
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, "", "the command was never started");
}

#[test]
fn another_jobs_key_file_is_refused_at_once_and_nothing_is_served() {
    let (driver, other) = (Driver::start(true), Driver::start(true));
    let keys = format!("spark.security.oidc.distribution.keyFile={}", other.folder.path("executors.pem").display());
    let output = driver.executor(&[]).args(["--conf", &keys]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("error[ASK_DRIVER_UNKNOWN]: "), "{error}");
    assert!(!error.contains("gave up after"), "at once, and not at the end of the start timeout: {error}");
    assert_eq!(output.status.code(), Some(78));
    assert!(!driver.folder.path("run/endpoint.url").exists(), "no endpoint is left");
}

#[test]
fn ready_says_whether_credentials_are_in_hand() {
    let driver = Driver::start(true);
    let directory = driver.folder.path("run");
    let ready = |directory: &Path| run(&["ready", "--directory", directory.to_str().unwrap()]);
    assert_eq!(ready(&directory).status.code(), Some(69), "nothing has been started there");
    let mut child = driver.executor(&[]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    until_said(&mut log, "serving credentials at");
    let answer = ready(&directory);
    assert_eq!(answer.status.code(), Some(0), "{}", String::from_utf8_lossy(&answer.stderr));
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0), "it ends in order when it is told to");
    assert_eq!(ready(&directory).status.code(), Some(69));
}

#[test]
fn a_driver_that_nobody_answers_for_is_given_up_after_the_start_timeout() {
    // A port that was free a moment ago: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let driver = Driver::start(true);
    let address = format!("spark.security.oidc.distribution.driver=127.0.0.1:{port}");
    let timeout = "spark.security.oidc.startTimeout=1s";
    let mut executor = Command::new(PROGRAM);
    executor.args(["executor", "--conf", &address, "--conf", timeout, "--conf"]);
    executor.arg(format!("spark.security.oidc.distribution.keyFile={}", driver.folder.path("executors.pem").display()));
    executor
        .arg("--conf")
        .arg(format!("spark.security.oidc.endpoint.directory={}", driver.folder.path("run").display()));
    let output = executor.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("error[ASK_UNREACHABLE]: gave up after 1 s: "), "{error}");
    assert_eq!(output.status.code(), Some(69));
}
