//! The driver's side of the binary, with a token, a key set and an STS on loopback: what it does and what it refuses.

#![cfg(feature = "cli")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use driver::{ISSUER, Job, PROGRAM, Watched, credentials, driver_and_executor, get, refusal};
use safe_conduct::identity::Algorithm;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

#[test]
fn resolve_prints_credential_process_json_and_leaves_one_audit_line() {
    let job = Job::new(200, &credentials());
    let (output, out, error) = job.run(&["resolve"]);
    assert_eq!(output.status.code(), Some(0), "{error}");
    let expected = "{\"Version\":1,\"AccessKeyId\":\"ASIAEXAMPLE000000000\",\"SecretAccessKey\":\"PLANTED-secret\",\
                    \"SessionToken\":\"PLANTED-session\",\"AccountId\":\"123456789012\",\"Expiration\":\"20";
    assert!(out.starts_with(expected) && out.ends_with("Z\"}\n"), "{out}");
    let audit = job.audit();
    assert_eq!(audit.lines().count(), 1, "{audit}");
    for part in [
        "\"event\":\"exchange\"",
        "\"principal\":\"alice\"",
        "\"issuer\":\"https://issuer.example\"",
        "\"signature_checked\":true",
        "\"session_name\":\"alice\"",
        "\"credential_id\":\"ASIAEXAMPLE000000000\"",
        "\"request_id\":\"request-1\"",
    ] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    assert!(!format!("{audit}{error}").contains("PLANTED"));
}

#[test]
fn an_audit_line_that_a_full_disk_takes_half_of_is_not_in_the_file() {
    let job = Job::new(200, &credentials());
    let older = format!("{}\n", "x".repeat(450));
    job.folder.write("audit.jsonl", older.as_bytes());
    // A file may have 512 bytes (POSIX: that is what 1 means), so a part of the line is written before it fails.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" resolve --properties-file \"$1\"";
    let settings = job.folder.path("spark.properties");
    let output = Command::new("sh").args(["-c", limited, PROGRAM]).arg(settings).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "the credential is given out all the same: {error}");
    assert!(error.contains("audit lines cannot be written [FILE_IO]"), "{error}");
    assert_eq!(job.audit(), older);
}

#[test]
fn a_refusal_of_the_service_exits_with_76_and_shows_no_message_of_it() {
    let job = Job::new(403, &refusal("AccessDenied"));
    for role in ["resolve", "driver"] {
        let (output, out, error) = job.run(&[role]);
        assert_eq!(output.status.code(), Some(76), "{role}: {error}");
        assert!(
            error.contains("error[STS_ACCESS_DENIED]: ") && error.contains("hint: Let the role's trust policy"),
            "{error}"
        );
        assert!(!error.contains("PLANTED") && out.is_empty());
    }
    assert_eq!(job.audit().matches("\"code\":\"STS_ACCESS_DENIED\"").count(), 2);
}

#[test]
fn an_expired_token_exits_with_77_before_the_service_is_asked() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", -120);
    let (output, _, error) = job.run(&["driver"]);
    assert_eq!(output.status.code(), Some(77), "{error}");
    assert!(error.contains("error[TOKEN_EXPIRED]: "), "{error}");
    assert!(!error.contains(token.rsplit('.').next().unwrap()));
    assert_eq!(job.audit(), "", "nothing was exchanged");
}

#[test]
fn a_token_file_that_never_comes_is_waited_for_until_the_start_timeout() {
    let job = Job::new(200, &credentials());
    std::fs::remove_file(job.folder.path("token")).unwrap();
    let (output, _, error) = job.run(&["driver"]);
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("error[FILE_NOT_FOUND]: gave up after 2 s: "), "{error}");
}

#[test]
fn the_driver_runs_a_command_with_its_own_endpoint_and_says_that_it_can_read_the_token() {
    let job = Job::new(200, &credentials());
    let (output, out, error) =
        job.run(&["driver", "--", "sh", "-c", "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI; exit 5"]);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(out.starts_with("http://127.0.0.1:") && out.ends_with("/v1/credentials\n"), "{out}");
    assert!(error.contains("the command runs in the container that holds the identity token"), "{error}");
    assert!(job.audit().contains("\"event\":\"token_and_command_share_a_container\""), "{}", job.audit());
    assert!(!format!("{error}{}", job.audit()).contains("PLANTED"));
}

#[test]
fn a_driver_ends_in_order_when_it_is_told_to() {
    let job = Job::new(200, &credentials());
    let mut child = job.command(&["driver"]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("serving credentials at") {
        assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let directory = job.folder.path("run");
    assert!(Command::new(PROGRAM).args(["ready", "--directory"]).arg(directory).status().unwrap().success());
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn both_roles_show_their_status_and_nothing_secret_and_no_name_is_in_it() {
    let job = Job::new(200, &credentials());
    let token = job.write_token("alice", 600);
    let roles = driver_and_executor(&job);
    let file = |name: &str| std::fs::read_to_string(job.folder.path(name)).unwrap();
    let secrets = [
        "PLANTED".to_owned(),
        "ASIAEXAMPLE".to_owned(),
        "alice".to_owned(),
        "exec-77".to_owned(),
        "127.0.0.1".to_owned(),
        file("run/endpoint.token"),
        file("run-executor/endpoint.token"),
    ];
    for (number, (_, address)) in roles.iter().enumerate() {
        assert!(get(address, "/livez").ends_with("\r\n\r\nalive\n"));
        assert!(get(address, "/readyz").ends_with("\r\n\r\nready\n"));
        let metrics = get(address, "/metrics");
        for line in [
            "safe_conduct_ready 1",
            "safe_conduct_credential_version 1",
            "safe_conduct_credential_expiry_seconds{scheme=\"s3a\"} 3",
            "safe_conduct_last_success_timestamp_seconds{scheme=\"s3a\"} 1",
            "safe_conduct_asks_total{outcome=\"refused\"} ",
            "safe_conduct_endpoint_requests_total{status=\"200\"} 0",
        ] {
            assert!(metrics.contains(&format!("\n{line}")), "{line}: {metrics}");
        }
        assert_eq!(metrics.contains("\nsafe_conduct_token_worse_total 0\n"), number == 0, "{metrics}");
        for path in ["/livez", "/readyz", "/metrics", "/", "/v1/credentials", "/debug/pprof", "/metrics?x=1"] {
            let answer = get(address, path);
            assert!(token.split('.').all(|part| !answer.contains(part)), "{path}: {answer}");
            assert!(secrets.iter().all(|secret| !answer.contains(secret.as_str())), "{path}: {answer}");
        }
    }
    assert!(get(&roles[1].1, "/metrics").contains("\nsafe_conduct_asks_total{outcome=\"bundle\"} 1\n"));
}

#[test]
fn scrapes_and_hostile_requests_leave_the_drivers_memory_as_it_was() {
    let job = Job::new(200, &credentials());
    let mut driver = Watched::start(job.command(&["driver"]));
    let address = driver.status_address();
    driver.word_after("serving credentials at ");
    let rounds = |from: u32| {
        for number in from..from + 500 {
            get(&address, "/metrics");
            get(&address, &format!("/{number}{}", "x".repeat(1_500)));
            get(&address, &"y".repeat(3_000));
            drop(TcpStream::connect(&address).unwrap());
        }
    };
    rounds(0);
    let before = driver.resident();
    rounds(500);
    assert!(driver.resident() <= before + 256, "KiB: {before} before, {} after", driver.resident());
}

#[test]
fn a_role_that_still_waits_for_credentials_is_alive_and_not_ready() {
    let job = Job::new(200, &credentials());
    std::fs::remove_file(job.folder.path("token")).unwrap();
    let long = ["--conf", "spark.security.oidc.startTimeout=1h"];
    let nobody = ["--conf", "spark.security.oidc.distribution.driver=127.0.0.1:1"];
    for role in ["driver", "executor"] {
        let mut command = job.command(&[role]);
        command.args(long).args(nobody);
        let mut waiting = Watched::start(command);
        let address = waiting.status_address();
        assert!(get(&address, "/livez").starts_with("HTTP/1.1 200 OK\r\n"), "{role}");
        let answer = get(&address, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{role}: {answer}");
        assert!(answer.ends_with("\r\n\r\nnot ready: NO_CREDENTIALS_YET\n"), "{role}: {answer}");
        assert!(!get(&address, "/metrics").contains("safe_conduct_endpoint_requests_total"), "{role}");
    }
}

#[test]
fn a_status_address_that_is_taken_ends_the_start_before_anything_is_exchanged() {
    let job = Job::new(200, &credentials());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("spark.security.oidc.status.listen={}", taken.local_addr().unwrap());
    let (output, _, error) = job.run(&["driver", "--conf", &setting]);
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("error[STATUS_BIND]: ") && error.contains("status.listen"), "{error}");
    assert_eq!(job.audit(), "");
    let (output, _, error) = job.run(&["driver", "--conf", "spark.security.oidc.status.listen=on"]);
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("error[CONFIG_INVALID_VALUE]: spark.security.oidc.status.listen must be address:port"));
}

#[test]
fn there_is_no_status_listener_unless_one_is_wanted() {
    let job = Job::new(200, &credentials());
    let (output, _, error) = job.run(&["driver", "--", "true"]);
    assert_eq!((output.status.code(), error.contains("status at")), (Some(0), false), "{error}");
}

/// Starts a driver with these settings and runs an executor with those; the executor's status and what both said.
fn meet(job: &Job, driver: &[String], executor: &[String]) -> (Option<i32>, String) {
    let confs = |settings: &[String]| -> Vec<String> {
        settings.iter().flat_map(|text| ["--conf".to_owned(), format!("spark.security.oidc.{text}")]).collect()
    };
    let mut child = job.command(&["driver"]).args(confs(driver)).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("serving credentials at") {
        assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let address = said.split("answering executors at ").nth(1).unwrap().lines().next().unwrap();
    let mut asking = Command::new(PROGRAM);
    asking.arg("executor").args(confs(executor));
    asking.args(confs(&[format!("distribution.driver={address}"), "startTimeout=20s".to_owned()]));
    let run = job.folder.path("executor");
    let output = asking.args(confs(&[format!("endpoint.directory={}", run.display())])).args(["--", "true"]).output();
    let output = output.unwrap();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    log.read_to_string(&mut said).unwrap();
    (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn driver_and_executor_meet_over_certificates_and_over_an_executors_own_token() {
    let job = Job::new(200, &credentials());
    let peers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs/peers");
    let copy = |name: &str| job.folder.write(name, &std::fs::read(peers.join(name)).unwrap()).display().to_string();
    let own = |name: &str| {
        let files = [copy(&format!("{name}.pem")), copy(&format!("{name}.key"))];
        [format!("distribution.tls.certFile={}", files[0]), format!("distribution.tls.keyFile={}", files[1])].to_vec()
    };
    let peer = |name: &str| {
        [format!("distribution.tls.caFile={}", copy("ca.pem")), format!("distribution.tls.peerName={name}.job.test")]
            .to_vec()
    };
    let no_key_file = ["distribution.keyFile=".to_owned()].to_vec();
    let driver = [no_key_file.clone(), own("driver"), peer("executor")].concat();
    let (status, said) = meet(&job, &driver, &[own("executor"), peer("driver")].concat());
    assert_eq!(status, Some(0), "{said}");

    let now = SystemClock::new().moment().wall.unix_seconds();
    let claims = format!(
        r#"{{"iss":"{ISSUER}","sub":"system:serviceaccount:spark:etl-exec","aud":["safe-conduct"],"iat":{now},
        "exp":{},"kubernetes.io":{{"namespace":"spark","pod":{{"name":"etl-1-exec-7"}},
        "serviceaccount":{{"name":"etl-exec"}}}}}}"#,
        now + 600
    );
    let token = tokens::signed(Algorithm::Es256, &claims);
    let token_file = job.folder.write("executor-token", token.as_bytes()).display().to_string();
    let rules = ["audience=safe-conduct", "namespace=spark", "serviceAccount=etl-exec", "podPrefix=etl-1-exec-"];
    let rules = rules.map(|rule| format!("distribution.executorToken.{rule}"));
    let issuer = [format!("distribution.executorToken.issuer={ISSUER}")];
    let executor = [peer("driver"), [format!("distribution.executorToken.file={token_file}")].to_vec()].concat();
    let (status, said) = meet(&job, &[no_key_file, own("driver"), issuer.to_vec(), rules.to_vec()].concat(), &executor);
    assert_eq!(status, Some(0), "{said}");
    assert!(job.audit().contains("\"pod\":\"etl-1-exec-7\""), "{}", job.audit());
    assert!(token.split('.').all(|part| !format!("{said}{}", job.audit()).contains(part)), "the token is nowhere");
}
