//! The binary with an STS on loopback that checks signatures: chained roles, session policies, and where the STS is.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/signature.rs"]
mod signature;
#[path = "support/tokens.rs"]
mod tokens;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use folder::Folder;
use requests::Request;
use safe_conduct::identity::Algorithm;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::{Clock, Timestamp};

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// An STS that answers from a list, and keeps what it was asked. It ends with the test's process.
struct Sts {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Sts {
    fn start(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                kept.lock().unwrap().push(Request::read(&mut stream));
                let (status, body) = answers.next().unwrap_or((500, "no answer is left".to_owned()));
                requests::answer(&mut stream, status, "", &body);
            }
        });
        Self { url, requests }
    }

    fn bodies(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.body.clone()).collect()
    }
}

fn now() -> Timestamp {
    SystemClock::new().moment().wall
}

/// An answer with the `n`th credential, which lives `seconds` long.
fn gives(action: &str, n: usize, seconds: u64, extra: &str) -> (u16, String) {
    let expiration = now().plus(Duration::from_secs(seconds));
    let credentials = format!(
        "<Credentials><AccessKeyId>ASIAEXAMPLE00000000{n}</AccessKeyId>\
         <SecretAccessKey>PLANTED-secret-{n}</SecretAccessKey><SessionToken>PLANTED-session-{n}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials>"
    );
    let result = format!("<{action}Result>{credentials}{extra}</{action}Result>");
    let metadata = format!("<ResponseMetadata><RequestId>request-{n}</RequestId></ResponseMetadata>");
    (200, format!("<{action}Response>{result}{metadata}</{action}Response>"))
}

struct Job {
    folder: Folder,
}

impl Job {
    fn new() -> Self {
        let job = Self { folder: Folder::new() };
        job.folder.write("jwks.json", tokens::jwks().as_bytes());
        let now = now().unix_seconds();
        let claims = format!(
            r#"{{"iss":"https://issuer.example","sub":"alice","aud":["sts"],"iat":{now},"exp":{}}}"#,
            now + 600
        );
        job.folder.write("token", tokens::signed(Algorithm::Es256, &claims).as_bytes());
        job.folder.write("policy.json", POLICY.as_bytes());
        job
    }

    /// `safe-conduct resolve` with these settings below `aws.`.
    fn command(&self, settings: &[&str]) -> Command {
        let path = |name: &str| self.folder.path(name).display().to_string();
        let common = [
            format!("identityToken.file={}", path("token")),
            "identityToken.issuer=https://issuer.example".to_owned(),
            "identityToken.audience=sts".to_owned(),
            format!("jwks.file={}", path("jwks.json")),
            format!("audit.file={}", path("audit.jsonl")),
            "aws.roleArn=arn:aws:iam::123456789012:role/spark".to_owned(),
        ];
        let mut command = Command::new(PROGRAM);
        command.arg("resolve").env_clear();
        let of_aws = settings.iter().map(|setting| format!("aws.{}", setting.replace("POLICY", &path("policy.json"))));
        for setting in common.into_iter().chain(of_aws) {
            command.args(["--conf", &format!("spark.security.oidc.{setting}")]);
        }
        command
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.path("audit.jsonl")).unwrap()
    }
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_chain_gives_one_credential_and_one_audit_line_that_names_each_step() {
    let job = Job::new();
    let sts = Sts::start(vec![
        gives("AssumeRoleWithWebIdentity", 1, 3600, ""),
        gives("AssumeRole", 2, 900, ""),
        gives("AssumeRole", 3, 3600, ""),
    ]);
    let endpoint = format!("stsEndpoint={}/sts", sts.url);
    let settings = [
        endpoint.as_str(),
        "region=eu-central-1",
        "policyFile=POLICY",
        "chain.1.roleArn=arn:aws:iam::210987654321:role/one",
        "chain.1.externalId=ours",
        "chain.2.roleArn=arn:aws:iam::321098765432:role/two",
        "chain.2.durationSeconds=3600",
    ];
    let earliest = now().plus(Duration::from_secs(900));
    let (status, out, error) = text(&job.command(&settings).output().unwrap());
    assert_eq!(status, Some(0), "{error}");
    assert!(out.contains(r#""SecretAccessKey":"PLANTED-secret-3","SessionToken":"PLANTED-session-3""#), "{out}");
    let expiration = out.split("\"Expiration\":\"").nth(1).unwrap().split('"').next().unwrap();
    let expiration = Timestamp::parse_rfc3339(expiration).unwrap();
    assert!(earliest.until(expiration) < Duration::from_secs(60) && expiration >= earliest, "{out}");
    let requests = sts.requests.lock().unwrap();
    assert_eq!(requests.len(), 3);
    assert!(!requests[0].headers.iter().any(|(name, _)| name == "authorization"));
    for (n, request) in [(1, &requests[1]), (2, &requests[2])] {
        let secret = format!("PLANTED-secret-{n}");
        let scope = signature::scope_of(request.path(), &request.headers, request.body.as_bytes(), &secret).unwrap();
        let (day, rest) = scope.split_once('/').unwrap();
        assert_eq!(rest, "eu-central-1/sts/aws4_request");
        assert!(request.headers.contains(&("x-amz-security-token".to_owned(), format!("PLANTED-session-{n}"))));
        let date = request.headers.iter().find(|(name, _)| name == "x-amz-date").unwrap();
        assert!(date.1.starts_with(day));
        assert!(!request.body.contains("WebIdentityToken"));
    }
    assert!(requests[1].body.contains("&ExternalId=ours") && !requests[1].body.contains("Policy"));
    assert!(requests[2].body.contains("&Policy=%7B%22Version%22"));
    let audit = job.audit();
    assert_eq!(audit.lines().count(), 1);
    let expected = "\"role\":\"arn:aws:iam::321098765432:role/two\",\"session_name\":\"alice\",\
                    \"credential_id\":\"ASIAEXAMPLE000000003\",\"request_id\":\"request-3\",\"via\":[\
                    {\"role\":\"arn:aws:iam::123456789012:role/spark\",\"credential_id\":\"ASIAEXAMPLE000000001\",\
                    \"request_id\":\"request-1\"},{\"role\":\"arn:aws:iam::210987654321:role/one\",\
                    \"credential_id\":\"ASIAEXAMPLE000000002\",\"request_id\":\"request-2\"}],\"expires_at\":";
    assert!(audit.contains(expected), "{audit}");
    assert!(!format!("{audit}{error}").contains("PLANTED"));
    assert!(!out.contains("secret-1") && !out.contains("secret-2"));
}

#[test]
fn a_step_that_is_refused_is_said_with_its_number_and_nothing_is_handed_out() {
    let job = Job::new();
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>PLANTED</Message></Error>\
                   <RequestId>r-9</RequestId></ErrorResponse>";
    let sts = Sts::start(vec![gives("AssumeRoleWithWebIdentity", 1, 3600, ""), (403, refusal.to_owned())]);
    let endpoint = format!("stsEndpoint={}", sts.url);
    let chain = [endpoint.as_str(), "chain.1.roleArn=arn:aws:iam::210987654321:role/one"];
    let (status, out, error) = text(&job.command(&chain).output().unwrap());
    assert_eq!((status, out.as_str()), (Some(76), ""));
    let said = "error[STS_CHAIN_DENIED]: step 1 of the chain: the role may not be assumed by the role before it \
                (AccessDenied, status 403, request r-9)";
    assert!(error.contains(said), "{error}");
    assert!(job.audit().contains("\"outcome\":\"failed\",\"code\":\"STS_CHAIN_DENIED\""));
    assert!(!format!("{error}{}", job.audit()).contains("PLANTED"));
}

#[test]
fn the_space_that_policies_take_is_said_from_80_per_cent() {
    let job = Job::new();
    let said = |extra: &str, policy: &str| {
        let sts = Sts::start(vec![gives("AssumeRoleWithWebIdentity", 1, 3600, extra)]);
        let (status, _, error) = text(&job.command(&[&format!("stsEndpoint={}", sts.url), policy]).output().unwrap());
        assert_eq!(status, Some(0), "{error}");
        assert!(sts.bodies()[0].contains("&Policy"));
        error
    };
    let size = |size: u32| format!("<PackedPolicySize>{size}</PackedPolicySize>");
    assert!(!said(&size(79), "policyFile=POLICY").contains("session policies"));
    assert!(said(&size(80), "policyFile=POLICY").contains("session policies and tags take 80 %"));
    said(&size(1), "policyArns=arn:aws:iam::aws:policy/ReadOnlyAccess");
}

#[test]
fn variables_of_the_environment_lead_nowhere_unless_they_are_asked_for() {
    let job = Job::new();
    let give = || vec![gives("AssumeRoleWithWebIdentity", 1, 3600, "")];
    let (ours, theirs) = (Sts::start(give()), Sts::start(give()));
    let endpoint = format!("stsEndpoint={}", ours.url);
    let run = |settings: &[&str]| {
        let mut command = job.command(settings);
        let output = command.env("AWS_ENDPOINT_URL_STS", &theirs.url).env("AWS_REGION", "eu-west-1").output().unwrap();
        text(&output)
    };
    let (status, _, error) = run(&[&endpoint]);
    assert_eq!((status, ours.bodies().len(), theirs.bodies().len()), (Some(0), 1, 0), "{error}");
    assert!(!error.contains("AWS_"), "{error}");
    let (status, _, error) = run(&[]);
    assert_eq!((status, theirs.bodies().len()), (Some(78), 0));
    assert!(error.contains("error[CONFIG_MISSING_KEY]: spark.security.oidc.aws.region is not set"), "{error}");
    let (status, _, error) = run(&["fromEnvironment=true"]);
    assert_eq!((status, theirs.bodies().len()), (Some(0), 1), "{error}");
    for (variable, key) in [("AWS_ENDPOINT_URL_STS", "stsEndpoint"), ("AWS_REGION", "region")] {
        let line = format!("{variable} in the environment counts for spark.security.oidc.aws.{key}");
        assert!(error.contains(&line), "{error}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent_also_bad_inputs_207_208() {
    let job = Job::new();
    job.folder.write("no-version.json", br#"{"Statement":[],"Id":"PLANTED"}"#);
    let missing = format!("policyFile={}", job.folder.path("missing.json").display());
    let no_version = format!("policyFile={}", job.folder.path("no-version.json").display());
    let shared = job.folder.write("shared.json", POLICY.as_bytes());
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o620)).unwrap();
    let shared = format!("policyFile={}", shared.display());
    let region = "region=eu-central-1";
    let conflict = |key: &str| {
        format!(
            "error[CONFIG_CONFLICT]: spark.security.oidc.aws.{key} and spark.security.oidc.aws.stsEndpoint exclude each other"
        )
    };
    for (settings, said) in [
        (["stsEndpoint=https://sts.test", "fips=true"], conflict("fips")),
        (["stsEndpoint=https://sts.test", "partitionDualStack=true"], conflict("partitionDualStack")),
        (["region=aws-global", "fips=true"], "error[STS_GLOBAL_VARIANT]".to_owned()),
        (["region=eu-central", "fips=true"], "error[STS_REGION]".to_owned()),
        (["stsEndpoint=http://sts.test", region], "error[CONFIG_INVALID_VALUE]".to_owned()),
        (["stsEndpoint=https://user:PLANTED@sts.test", region], "error[CONFIG_INVALID_VALUE]".to_owned()),
        (["stsEndpoint=https://sts.test/?a=PLANTED", region], "error[CONFIG_INVALID_VALUE]".to_owned()),
        (["stsEndpoint=https://sts.test/#PLANTED", region], "error[CONFIG_INVALID_VALUE]".to_owned()),
        ([region, &missing], "error[FILE_NOT_FOUND]".to_owned()),
        ([region, &shared], "error[FILE_WRITABLE_BY_OTHERS]".to_owned()),
        ([region, &no_version], "the policy's Version is not 2012-10-17 or 2008-10-17".to_owned()),
        ([region, "policyArns=PLANTED"], "an ARN is not of the form".to_owned()),
        ([region, "chain.2.roleArn=arn:aws:iam::210987654321:role/one"], "aws.chain.1.roleArn is not set".to_owned()),
        ([region, "chain.1.rolearn=x"], "the nearest one is spark.security.oidc.aws.chain.*.roleArn".to_owned()),
    ] {
        let (status, out, error) = text(&job.command(&settings).output().unwrap());
        assert_eq!((status, out.as_str()), (Some(78), ""), "{settings:?} {error}");
        assert!(error.contains(&said), "{settings:?} {error}");
        assert!(!error.contains("PLANTED"), "{error}");
    }
}
