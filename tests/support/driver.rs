//! The binary's driver with a token, a key set and an STS on loopback, and roles that are watched while they run.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use safe_conduct::identity::Algorithm;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

use crate::folder::Folder;
use crate::requests::{self, Request};
use crate::tokens;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");
pub const ISSUER: &str = "https://issuer.example";

/// A folder with keys, a token and settings, and an STS that answers every request in the same way.
pub struct Job {
    pub folder: Folder,
}

impl Job {
    pub fn new(status: u16, answer: &str) -> Self {
        let job = Self { folder: Folder::new() };
        let keys = job.folder.path("keys");
        assert!(Command::new(PROGRAM).args(["keys", "new"]).arg(&keys).output().unwrap().status.success());
        job.folder.write("jwks.json", tokens::jwks().as_bytes());
        job.write_token("alice", 600);
        let sts = sts(status, answer.to_owned());
        let path = |name: &str| job.folder.path(name).display().to_string();
        let settings = [
            ("identityToken.file", path("token")),
            ("identityToken.issuer", ISSUER.to_owned()),
            ("identityToken.audience", "sts".to_owned()),
            ("jwks.file", path("jwks.json")),
            ("aws.roleArn", "arn:aws:iam::123456789012:role/spark".to_owned()),
            ("aws.stsEndpoint", sts),
            ("distribution.keyFile", path("keys/driver.pem")),
            ("distribution.listen", "127.0.0.1:0".to_owned()),
            ("endpoint.directory", path("run")),
            ("audit.file", path("audit.jsonl")),
            ("startTimeout", "2s".to_owned()),
        ];
        // As Spark writes a properties file: escaped colons, and settings of its own that are none of our business.
        let lines = settings.map(|(key, value)| format!("spark.security.oidc.{key}={}\n", value.replace(':', "\\:")));
        let text = format!("# a comment\nspark.executor.instances=2\n{}", lines.concat());
        job.folder.write("spark.properties", text.as_bytes());
        job
    }

    pub fn write_token(&self, user: &str, life: i64) -> String {
        let now = i64::try_from(SystemClock::new().moment().wall.unix_seconds()).unwrap();
        let issued = now.min(now + life) - 1;
        let claims =
            format!(r#"{{"iss":"{ISSUER}","sub":"{user}","aud":["sts"],"iat":{issued},"exp":{}}}"#, now + life);
        let token = tokens::signed(Algorithm::Es256, &claims);
        self.folder.write("token", token.as_bytes());
        token
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (role, rest) = arguments.split_first().unwrap();
        command.arg(role).arg("--properties-file").arg(self.folder.path("spark.properties")).args(rest);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> (Output, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        (output, out, error)
    }

    pub fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.path("audit.jsonl")).unwrap_or_default()
    }
}

/// Answers each connection with `answer`; ends with the test's process. Returns its URL.
pub fn sts(status: u16, answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = Request::read(&mut stream);
            requests::answer(&mut stream, status, "", &answer);
        }
    });
    url
}

pub fn credentials() -> String {
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
     <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE000000000</AccessKeyId>\
     <SecretAccessKey>PLANTED-secret</SecretAccessKey><SessionToken>PLANTED-session</SessionToken>\
     <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
     <Arn>arn:aws:sts::123456789012:assumed-role/spark/alice</Arn></AssumedRoleUser>\
     </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata>\
     </AssumeRoleWithWebIdentityResponse>"
        .replace(
            "2099-01-01T00:00:00Z",
            &SystemClock::new().moment().wall.plus(std::time::Duration::from_secs(3600)).to_string(),
        )
}

pub fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>PLANTED-message</Message></Error><RequestId>request-2</RequestId></ErrorResponse>"
    )
}

/// A role of the binary with a status listener, ended with the test.
pub struct Watched {
    pub child: Child,
    pub log: BufReader<ChildStderr>,
    pub said: String,
}

impl Watched {
    pub fn start(mut command: Command) -> Self {
        command.args(["--conf", "spark.security.oidc.status.listen=127.0.0.1:0"]);
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, said: String::new() }
    }

    /// Reads the log until it has said `what`, and gives the word behind it.
    pub fn word_after(&mut self, what: &str) -> String {
        while !self.said.lines().any(|line| line.contains(what)) || !self.said.ends_with('\n') {
            assert!(self.log.read_line(&mut self.said).unwrap() > 0, "{}", self.said);
        }
        let rest = self.said.split(what).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    pub fn status_address(&mut self) -> String {
        self.word_after("status at http://").trim_end_matches("/readyz").to_owned()
    }

    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The driver of `job` and an executor that has its credentials, with the addresses of their status listeners.
pub fn driver_and_executor(job: &Job) -> [(Watched, String); 2] {
    let mut driver = Watched::start(job.command(&["driver"]));
    let at = driver.word_after("answering executors at ");
    let settings = [
        ("distribution.driver", at),
        ("distribution.keyFile", job.folder.path("keys/executors.pem").display().to_string()),
        ("endpoint.directory", job.folder.path("run-executor").display().to_string()),
        ("startTimeout", "60s".to_owned()),
    ];
    let mut command = job.command(&["executor"]);
    command.env("HOSTNAME", "exec-77");
    for (key, value) in settings {
        command.arg("--conf").arg(format!("spark.security.oidc.{key}={value}"));
    }
    let mut executor = Watched::start(command);
    let addresses = [driver.status_address(), executor.status_address()];
    driver.word_after("serving credentials at ");
    executor.word_after("serving credentials at ");
    let [of_driver, of_executor] = addresses;
    [(driver, of_driver), (executor, of_executor)]
}
