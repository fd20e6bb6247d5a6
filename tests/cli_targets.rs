//! Named targets over the whole way: driver and executor as programs, an STS on loopback, endpoint and files at the end.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use folder::Folder;
use requests::Request;
use safe_conduct::identity::Algorithm;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");

/// What the settings of both roles say of targets.
const TARGETS: [&str; 4] = [
    "aws.target.logs.roleArn=arn:aws:iam::123456789012:role/LOGS",
    "aws.target.raw-2.roleArn=arn:aws:iam::123456789012:role/RAW",
    "aws.target.raw-2.region=us-east-1",
    "aws.region=eu-central-1",
];

struct Job {
    folder: Folder,
    settings: Vec<String>,
}

impl Job {
    /// A job with these settings besides the usual ones.
    fn new(more: &[&str]) -> Self {
        let folder = Folder::new();
        assert!(
            Command::new(PROGRAM).args(["keys", "new"]).arg(folder.path("keys")).output().unwrap().status.success()
        );
        folder.write("jwks.json", tokens::jwks().as_bytes());
        let now = SystemClock::new().moment().wall.unix_seconds();
        let (from, until) = (now - 1, now + 600);
        let claims =
            format!(r#"{{"iss":"https://issuer.example","sub":"alice","aud":["sts"],"iat":{from},"exp":{until}}}"#);
        folder.write("token", tokens::signed(Algorithm::Es256, &claims).as_bytes());
        let path = |name: &str| folder.path(name).display().to_string();
        let mut settings = vec![
            format!("identityToken.file={}", path("token")),
            "identityToken.issuer=https://issuer.example".to_owned(),
            "identityToken.audience=sts".to_owned(),
            format!("jwks.file={}", path("jwks.json")),
            format!("aws.stsEndpoint={}", sts()),
            format!("audit.file={}", path("audit.jsonl")),
            "sink.credentialsFile=true".to_owned(),
            "startTimeout=20s".to_owned(),
        ];
        settings.extend(more.iter().map(|setting| (*setting).to_owned()));
        Self { folder, settings }
    }

    fn command(&self, role: &str, own: &[String]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(role);
        for setting in self.settings.iter().chain(own) {
            command.arg("--conf").arg(format!("spark.security.oidc.{setting}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.path(name).display().to_string()
    }

    /// A driver at work, and where it answers executors.
    fn driver(&self) -> (Running, String) {
        let own = [
            format!("distribution.keyFile={}", self.path("keys/driver.pem")),
            "distribution.listen=127.0.0.1:0".to_owned(),
            format!("endpoint.directory={}", self.path("run-driver")),
        ];
        let mut driver = Running::start(self.command("driver", &own));
        let at = driver.word_after("answering executors at ");
        driver.word_after("serving credentials at ");
        (driver, at)
    }

    fn executor(&self, driver: &str) -> Command {
        let own = [
            format!("distribution.keyFile={}", self.path("keys/executors.pem")),
            format!("distribution.driver={driver}"),
            format!("endpoint.directory={}", self.path("run")),
        ];
        self.command("executor", &own)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path(name)).unwrap_or_else(|error| error.kind().to_string())
    }

    /// Status and body of a path below the executor's endpoint.
    fn get(&self, below: &str) -> (u16, String) {
        let (url, token) = (self.read("run/endpoint.url"), self.read("run/endpoint.token"));
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!("GET /{path}{below} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        stream.write_all(format!("{head}Authorization: {token}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer["HTTP/1.1 ".len()..][..3].parse().unwrap(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn is_ready(&self) -> bool {
        let ready = Command::new(PROGRAM).args(["ready", "--directory", &self.path("run")]).output().unwrap();
        ready.status.success()
    }
}

struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, said: String::new() }
    }

    /// Reads the log until it has said `what`, and gives the word behind it.
    fn word_after(&mut self, what: &str) -> String {
        while !self.said.lines().any(|line| line.contains(what)) || !self.said.ends_with('\n') {
            assert!(self.log.read_line(&mut self.said).unwrap() > 0, "{}", self.said);
        }
        self.said.split(what).nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    }

    fn end(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives each role a credential whose key id ends in the role's name; ends with the test's process. Returns its URL.
fn sts() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = Request::read(&mut stream).body;
            let action = body.strip_prefix("Action=").unwrap().split('&').next().unwrap();
            let role = body.split("role%2F").nth(1).unwrap().split('&').next().unwrap();
            // What a policy of the session allows is only seen in the key's name.
            let narrowed = if body.contains("&Policy=") { "NARROWED" } else { "" };
            let answer = credentials(action, &format!("{role}{narrowed}"));
            requests::answer(&mut stream, 200, "", &answer);
        }
    });
    url
}

fn credentials(action: &str, role: &str) -> String {
    let expires_at = SystemClock::new().moment().wall.plus(Duration::from_secs(3600));
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <{action}Result><Credentials><AccessKeyId>ASIAEXAMPLE0000{role}</AccessKeyId>\
         <SecretAccessKey>PLANTED-{role}</SecretAccessKey><SessionToken>PLANTED-session-{role}</SessionToken>\
         <Expiration>{expires_at}</Expiration></Credentials></{action}Result>\
         <ResponseMetadata><RequestId>request-{role}</RequestId></ResponseMetadata></{action}Response>"
    )
}

#[test]
fn each_target_travels_to_its_own_path_and_profile_and_its_exchange_is_in_the_audit_trail() {
    let role = "aws.roleArn=arn:aws:iam::123456789012:role/MAIN";
    let job = Job::new(&[&TARGETS[..], &[role]].concat());
    let (driver, at) = job.driver();
    let mut executor = Running::start(job.executor(&at));
    executor.word_after("serving credentials at ");
    for (below, role) in [("", "MAIN"), ("/logs", "LOGS"), ("/raw-2", "RAW")] {
        let (status, body) = job.get(below);
        assert!(status == 200 && body.contains(&format!("\"ASIAEXAMPLE0000{role}\"")), "{below}: {status} {body}");
    }
    assert_eq!(job.get("/other").0, 404);
    assert!(job.is_ready());
    for directory in ["run", "run-driver"] {
        let (credentials, config) =
            (job.read(&format!("{directory}/aws-credentials")), job.read(&format!("{directory}/aws-config")));
        let keys: Vec<_> =
            credentials.lines().filter(|line| line.starts_with(['[', 'a']) && !line.contains("token")).collect();
        let expected = [
            "[logs]",
            "aws_access_key_id = ASIAEXAMPLE0000LOGS",
            "aws_secret_access_key = PLANTED-LOGS",
            "[raw-2]",
            "aws_access_key_id = ASIAEXAMPLE0000RAW",
            "aws_secret_access_key = PLANTED-RAW",
        ];
        assert_eq!(keys, expected);
        assert_eq!(config, "[profile logs]\nregion = eu-central-1\n[profile raw-2]\nregion = us-east-1\n");
    }
    let audit = job.read("audit.jsonl");
    for (named, role) in
        [("\"s3a\",", "MAIN"), ("\"s3a\",\"target\":\"logs\",", "LOGS"), ("\"s3a\",\"target\":\"raw-2\",", "RAW")]
    {
        let of_role = format!("\"role\":\"arn:aws:iam::123456789012:role/{role}\"");
        let lines: Vec<_> = audit.lines().filter(|line| line.contains(&of_role)).collect();
        assert_eq!(lines.len(), 1, "{audit}");
        assert!(lines[0].contains(&format!("\"scheme\":{named}")), "{}", lines[0]);
        assert!(lines[0].contains(&format!("\"request_id\":\"request-{role}\"")), "{}", lines[0]);
    }
    assert!(!audit.contains("PLANTED") && !executor.said.contains("PLANTED") && !driver.said.contains("PLANTED"));
    executor.end();
    driver.end();
    for name in ["run/aws-credentials", "run/aws-config", "run-driver/aws-credentials", "run-driver/aws-config"] {
        assert_eq!(job.read(name), "entity not found", "{name}");
    }
}

#[test]
fn a_chain_and_a_policy_of_one_target_are_that_targets_alone() {
    let policy = Folder::new();
    let text = br#"{"Version":"2012-10-17","Statement":[]}"#;
    let file = format!("aws.target.raw-2.policyFile={}", policy.write("policy.json", text).display());
    let chain = "aws.target.logs.chain.1.roleArn=arn:aws:iam::210987654321:role/LAKE";
    let role = "aws.roleArn=arn:aws:iam::123456789012:role/MAIN";
    let job = Job::new(&[&TARGETS[..], &[role, chain, &file]].concat());
    let (driver, at) = job.driver();
    let mut executor = Running::start(job.executor(&at));
    executor.word_after("serving credentials at ");
    for (below, key) in [("", "MAIN"), ("/logs", "LAKE"), ("/raw-2", "RAWNARROWED")] {
        let (status, body) = job.get(below);
        assert!(status == 200 && body.contains(&format!("\"ASIAEXAMPLE0000{key}\"")), "{below}: {status} {body}");
    }
    let audit = job.read("audit.jsonl");
    let chained: Vec<&str> = audit.lines().filter(|line| line.contains("\"via\":")).collect();
    let [chained] = chained.as_slice() else { panic!("{audit}") };
    for part in [
        "\"target\":\"logs\"",
        "\"role\":\"arn:aws:iam::210987654321:role/LAKE\"",
        "\"via\":[{\"role\":\"arn:aws:iam::123456789012:role/LOGS\",\"credential_id\":\"ASIAEXAMPLE0000LOGS\"",
    ] {
        assert!(chained.contains(part), "{part}: {chained}");
    }
    executor.end();
    driver.end();
}

#[test]
fn a_command_is_given_the_profiles_and_without_an_unnamed_role_it_has_no_unnamed_credentials() {
    let job = Job::new(&TARGETS);
    let (_driver, at) = job.driver();
    let mut command = job.executor(&at);
    command.env("AWS_CONFIG_FILE", "/elsewhere").args(["--", "sh", "-c"]);
    command.arg("echo \"$AWS_CONTAINER_CREDENTIALS_FULL_URI\"; cat \"$AWS_SHARED_CREDENTIALS_FILE\" \"$AWS_CONFIG_FILE\"; exit 5");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(5), "{error}");
    // The endpoint stays where SDKs look: without it they would go on to other sources.
    assert!(out.lines().next().unwrap().ends_with("/v1/credentials"), "{out}");
    assert!(
        out.contains("[logs]\naws_access_key_id = ASIAEXAMPLE0000LOGS\n") && out.contains("\n[profile raw-2]\n"),
        "{out}"
    );
    assert_eq!(job.read("run/aws-credentials"), "entity not found");

    let mut executor = Running::start(job.executor(&at));
    executor.word_after("serving credentials at ");
    let (status, body) = job.get("");
    assert!(status == 404 && body.contains("NO_UNNAMED_CREDENTIALS"), "{status} {body}");
    assert_eq!(job.get("/logs").0, 200);
    assert!(job.is_ready(), "there are credentials in hand");
    executor.end();
    let resolve = job.command("resolve", &[]).output().unwrap();
    let error = String::from_utf8(resolve.stderr).unwrap();
    assert!(
        resolve.status.code() == Some(78) && error.contains("spark.security.oidc.aws.roleArn is not set"),
        "{error}"
    );
}

#[test]
fn a_profiles_command_gives_the_targets_credential_to_whoever_runs_it_with_or_without_a_shell() {
    let job = Job::new(&[&TARGETS[..], &["sink.credentialsFile=process"]].concat());
    let (driver, at) = job.driver();
    let mut executor = Running::start(job.executor(&at));
    executor.word_after("serving credentials at ");
    let credentials = job.read("run/aws-credentials");
    assert!(!credentials.contains("PLANTED"), "{credentials}");
    let line = credentials.lines().skip_while(|line| *line != "[raw-2]").nth(1).unwrap();
    let command = line.strip_prefix("credential_process = ").unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    let run = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).output().unwrap();
    for ran in [run("sh", &["-c", command]), run(words[0], &words[1..])] {
        let printed = String::from_utf8(ran.stdout).unwrap();
        for part in ["{\"Version\":1,", "\"ASIAEXAMPLE0000RAW\"", "\"PLANTED-RAW\"", "\"Expiration\":\"20"] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    }
    executor.end();
    driver.end();
    let ran = run("sh", &["-c", command]);
    assert!(!ran.status.success() && ran.stdout.is_empty());
}

#[test]
fn without_the_sink_no_file_is_written_and_a_folder_that_cannot_be_written_ends_the_start_with_a_code() {
    let job = Job::new(&[&TARGETS[..], &["sink.credentialsFile=false"]].concat());
    let (driver, _) = job.driver();
    assert_eq!(
        (job.read("run-driver/aws-credentials"), job.read("run-driver/aws-config")),
        ("entity not found".to_owned(), "entity not found".to_owned())
    );
    driver.end();
    let job = Job::new(&TARGETS);
    let (_driver, at) = job.driver();
    // In place of the file, something that nothing can be renamed to.
    std::fs::create_dir_all(job.folder.path("run/aws-credentials/in-the-way")).unwrap();
    let output = job.executor(&at).args(["--", "true"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && error.contains("error[FILE_"), "{error}");
}
