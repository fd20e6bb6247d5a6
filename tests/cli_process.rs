//! Bad inputs 324 to 338 on the running binary: what its memory, files, environment and log hold, and how it ends.

#![cfg(feature = "cli")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use driver::{Job, Watched, credentials, driver_and_executor, get, refusal};

/// What stands in the answers of the STS and must be in no output: a part of each.
const PLANTED: &str = "PLANTED";

fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap().success());
}

/// Whether `text` has a part of `token`, or anything planted.
fn leaks(text: &str, token: &str) -> bool {
    text.contains(PLANTED) || token.split('.').any(|part| text.contains(part))
}

#[test]
fn bad_inputs_324_337_338_no_variable_and_no_error_path_makes_the_log_tell_a_secret() {
    for (status, answer) in [
        (200, credentials()),
        (403, refusal("AccessDenied")),
        (400, refusal("ExpiredToken")),
        (200, "<PLANTED>".to_owned()),
        (200, credentials().replace("Credentials>", "PLANTED>")),
        (200, format!("<!DOCTYPE PLANTED>{}", credentials())),
        (200, credentials().replace("</SecretAccessKey>", "&PLANTED;</SecretAccessKey>")),
        (500, "PLANTED".to_owned()),
    ] {
        let job = Job::new(status, &answer);
        let token = job.write_token("alice", 600);
        let key_log = job.folder.path("key-log");
        let mut command = job.command(&["driver", "--log-level", "debug", "--", "true"]);
        command.env("SSLKEYLOGFILE", &key_log).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(said.contains("answering executors at "), "{said}");
        assert!(!leaks(&said, &token) && !leaks(&job.audit(), &token), "{status}: {said}{}", job.audit());
        assert!(!said.contains("rustls") && !said.contains("ureq"), "records of other crates: {said}");
        assert!(!key_log.exists(), "keys of connections are in nobody's file");
    }
}

#[test]
fn bad_input_329_neither_command_line_nor_environment_hold_a_secret() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    for (role, _) in driver_and_executor(&job) {
        let proc = |name: &str| std::fs::read(format!("/proc/{}/{name}", role.child.id()));
        let line = String::from_utf8_lossy(&proc("cmdline").unwrap()).into_owned();
        assert!(line.contains("safe-conduct") && !leaks(&line, &token), "{line}");
        match proc("environ") {
            Ok(environment) => assert!(!leaks(&String::from_utf8_lossy(&environment), &token)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "it is root's"),
        }
    }
}

#[test]
fn bad_input_330_the_command_inherits_no_descriptor_and_no_identity_token() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    // What a command of the test's own has is what the test itself was given.
    let script = ["-c", "ls /proc/$$/fd"];
    let own = Command::new("sh").args(script).stdin(Stdio::null()).output().unwrap();
    let (output, out, error) = job.run(&["driver", "--", "sh", script[0], script[1]]);
    assert_eq!((output.status.code(), out.as_bytes()), (Some(0), own.stdout.as_slice()), "{error}");
    let (_, out, _) = job.run(&["driver", "--", "env"]);
    assert!(out.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI=") && !leaks(&out, &token), "{out}");
}

#[test]
fn bad_input_332_what_a_kill_leaves_behind_is_private_and_has_no_credential_in_it() {
    let job = Job::new(200, &credentials());
    let mut driver = Watched::start(job.command(&["driver"]));
    driver.word_after("serving credentials at ");
    signal("KILL", driver.child.id());
    driver.child.wait().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(job.folder.path("run")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        assert!(!std::fs::read_to_string(&path).unwrap().contains(PLANTED));
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["endpoint.token", "endpoint.url"], "no temporary file");
    let before = std::fs::read(job.folder.path("run/endpoint.token")).unwrap();
    let mut again = Watched::start(job.command(&["driver"]));
    again.word_after("serving credentials at ");
    assert_ne!(std::fs::read(job.folder.path("run/endpoint.token")).unwrap(), before, "the old token opens nothing");
}

#[test]
fn bad_input_335_without_memory_it_ends_or_serves_and_tells_nothing() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    let mut ends = Vec::new();
    for kibibytes in [8_000, 30_000, 60_000, 120_000, 250_000, 8_000_000] {
        let whole = job.command(&["driver", "--", "true"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"")]);
        limited.arg(whole.get_program()).args(whole.get_args());
        let output = limited.stdin(Stdio::null()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(!leaks(&said, &token), "{kibibytes}: {said}");
        ends.push(output.status.success());
    }
    assert_eq!((ends[0], ends[5]), (false, true), "{ends:?}");
}

#[test]
fn bad_input_336_a_signal_in_the_middle_of_an_exchange_ends_it_at_once() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sts = format!("spark.security.oidc.aws.stsEndpoint=http://{}", silent.local_addr().unwrap());
    let mut child = job.command(&["driver", "--conf", &sts]).spawn().unwrap();
    // The exchange is under way once its request has come.
    let (stream, _) = silent.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("POST / "), "{line}");
    signal("TERM", child.id());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(!leaks(&said, &token), "{said}");
    drop(stream);
}

#[test]
fn the_port_is_closed_until_there_is_something_to_serve() {
    // Clients give up on answers with 5xx in under half a second, and some never ask again.
    let job = Job::new(200, &credentials());
    std::fs::remove_file(job.folder.path("token")).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("spark.security.oidc.endpoint.listen={free}");
    let long = "spark.security.oidc.startTimeout=1h";
    let mut driver = Watched::start(job.command(&["driver", "--conf", &listen, "--conf", long]));
    let status = driver.status_address();
    assert!(get(&status, "/readyz").ends_with("not ready: NO_CREDENTIALS_YET\n"));
    let refused = TcpStream::connect(free).map_err(|error| error.kind()).err();
    assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
    job.write_token("alice", 600);
    driver.word_after("serving credentials at ");
    assert!(get(&free.to_string(), "/").starts_with("HTTP/1.1 403 "));
    drop(driver);
}

/// How often `needle` stands in the process's memory; `None` where only root may read that.
fn copies(id: u32, needle: &[u8]) -> Option<usize> {
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem")).ok()?;
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|flags| flags.starts_with("rw"))) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            found += bytes.windows(needle.len()).filter(|part| part == &needle).count();
        }
    }
    Some(found)
}

#[test]
fn bad_inputs_327_and_328_after_an_exchange_the_identity_token_is_in_no_memory_and_answers_add_no_copies() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    let mut driver = Watched::start(job.command(&["driver"]));
    let status = driver.status_address();
    driver.word_after("serving credentials at ");
    let id = driver.child.id();
    let count = |secret: &str| copies(id, secret.as_bytes());
    let Some(session) = count("PLANTED-session") else {
        eprintln!("not run: only root may read the memory of a process that is not dumpable");
        return;
    };
    assert!(session > 0, "the control: what is served is in memory");
    let signature = token.rsplit('.').next().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    assert_eq!((count(signature), count(payload)), (Some(0), Some(0)));
    // What is handed out again and again is wiped behind each answer.
    let endpoint_token = std::fs::read_to_string(job.folder.path("run/endpoint.token")).unwrap();
    let url = std::fs::read_to_string(job.folder.path("run/endpoint.url")).unwrap();
    let host = url.trim_start_matches("http://").trim_end_matches("/v1/credentials");
    for _ in 0..100 {
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!("GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        write!(stream, "{head}Authorization: {endpoint_token}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("PLANTED-session"));
    }
    let after = count("PLANTED-session");
    assert!(after.is_some_and(|after| after <= session), "{session} copies before, {after:?} after");
    assert!(get(&status, "/livez").ends_with("alive\n"));
}
