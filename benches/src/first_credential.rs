//! Time to the first credential, and peak memory on the way: `safe-conduct resolve` beside the AWS CLI and AWS's own SDK.
//!
//! Arguments: the product's binary, the SDK's program, the AWS CLI. All three ask one STS on loopback.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use safe_conduct::identity::Algorithm;
use safe_conduct::sys::file;
use safe_conduct::sys::random::SystemRandomness;

#[path = "first_credential/service.rs"]
mod service;
#[path = "../../tests/support/tokens.rs"]
mod tokens;

use service::{AUDIENCE, KEY_ID, ROLE, Service, claims};

/// What is aimed at: times faster than the CLI, the SDK's time at most, and this much memory at most.
const FASTER_THAN_CLI: f64 = 20.0;
const MOST_OF_SDK: f64 = 1.0;
const MOST_KIB: i64 = 6 * 1024;

/// Pairs of ours and the SDK's; every so often the CLI runs too.
const PAIRS: usize = 200;
const CLI_EVERY: usize = 20;

/// Runs of which the highest peak is taken.
const PEAKS: usize = 5;

/// The argument by which this program runs another one and says how much memory that took.
const PEAK: &str = "--peak-of";

/// A program with its arguments, and with its environment beside what is inherited.
struct Program {
    line: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, line @ ..] = arguments.as_slice()
        && first == PEAK
    {
        return print_peak(line);
    }
    let [ours, sdk, cli] = arguments.as_slice() else { panic!("the paths of three programs are needed") };
    let folder = file::temporary_directory(&std::env::temp_dir(), &SystemRandomness::new()).unwrap();
    let service = Service::start();
    let (token, token_file) = (tokens::signed(Algorithm::Rs256, &claims(&service.url)), folder.join("token"));
    file::create_new(&token_file, token.as_bytes()).unwrap();
    let met = compare(&[
        resolve(ours, &service.url, &token_file),
        by_sdk(sdk, &service.url, &token_file),
        by_cli(cli, &service.url, &token_file),
    ]);
    std::fs::remove_dir_all(&folder).unwrap();
    std::process::exit(i32::from(!met));
}

fn compare(programs: &[Program; 3]) -> bool {
    let [ours, sdk, cli] = programs;
    let (mut best, mut ratios) = ([Duration::MAX; 3], Vec::new());
    for round in 0..PAIRS {
        let (our_time, sdk_time) = (ours.timed(), sdk.timed());
        ratios.push(our_time.as_secs_f64() / sdk_time.as_secs_f64());
        let cli_time = if round % CLI_EVERY == 0 { cli.timed() } else { Duration::MAX };
        best = [best[0].min(our_time), best[1].min(sdk_time), best[2].min(cli_time)];
    }
    ratios.sort_by(f64::total_cmp);
    let [our_time, sdk_time, cli_time] = best.map(|time| time.as_secs_f64() * 1000.0);
    println!("best of {PAIRS} pairs: resolve {our_time:.1} ms, aws-config {sdk_time:.1} ms, AWS CLI {cli_time:.0} ms");
    let [our_peak, sdk_peak, cli_peak] = programs.each_ref().map(Program::peak);
    println!("peak memory: resolve {our_peak} KiB, aws-config {sdk_peak} KiB, AWS CLI {cli_peak} KiB");
    println!("binary: resolve {:.1} MB, aws-config {:.1} MB", ours.megabytes(), sdk.megabytes());

    let (faster, of_sdk) = (cli_time / our_time, our_time / sdk_time);
    let median = ratios[ratios.len() / 2];
    let met = [faster >= FASTER_THAN_CLI, of_sdk <= MOST_OF_SDK, our_peak <= MOST_KIB];
    let [fast, as_sdk, small] = met.map(|met| if met { "met" } else { "MISSED" });
    println!("times faster than the AWS CLI: {faster:.1} (aim: at least {FASTER_THAN_CLI}): {fast}");
    println!("ratio to aws-config: {of_sdk:.2}, median of pairs {median:.2} (aim: at most {MOST_OF_SDK}): {as_sdk}");
    println!("peak memory of resolve: {our_peak} KiB (aim: at most {MOST_KIB}): {small}");
    met.iter().all(|met| *met)
}

impl Program {
    fn command(&self, line: &[String]) -> Command {
        let mut command = Command::new(&line[0]);
        // Nothing of the caller's own: an SDK reads some forty variables.
        command.args(&line[1..]).env_clear().env("PATH", "/usr/bin:/bin").envs(self.environment.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    /// From the start to the end of the process; it must have said the credential.
    fn timed(&self) -> Duration {
        let start = Instant::now();
        let output = self.command(&self.line).output().unwrap();
        let time = start.elapsed();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(KEY_ID), "{}: {}", self.line[0], String::from_utf8_lossy(&output.stderr));
        time
    }

    /// The highest peak of several runs in KiB. A process knows only the highest of all that it has waited for, so each
    /// run is waited for by a fresh one.
    fn peak(&self) -> i64 {
        let this = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let line = [[this, PEAK.to_owned()].as_slice(), &self.line].concat();
        let run = || String::from_utf8(self.command(&line).output().unwrap().stdout).unwrap().trim().parse().unwrap();
        (0..PEAKS).map(|_| run()).max().unwrap()
    }

    fn megabytes(&self) -> f64 {
        std::fs::metadata(&self.line[0]).unwrap().len() as f64 / 1e6
    }
}

/// Runs a program and prints the highest resident memory that it had, in KiB. Before the program starts, the process is a
/// copy of this one: its few pages are what can be told apart at least.
fn print_peak(line: &[String]) {
    let output = Command::new(&line[0]).args(&line[1..]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss());
}

/// As users run it: the token is verified too, with keys that discovery finds.
fn resolve(program: &str, url: &str, token: &Path) -> Program {
    let settings = [
        ("identityToken.file", token.to_str().unwrap()),
        ("identityToken.issuer", url),
        ("identityToken.audience", AUDIENCE),
        ("aws.roleArn", ROLE),
        ("aws.stsEndpoint", url),
    ];
    let settings = settings.map(|(key, value)| ["--conf".to_owned(), format!("spark.security.oidc.{key}={value}")]);
    let line = [[program.to_owned(), "resolve".to_owned()].as_slice(), &settings.concat()].concat();
    Program { line, environment: Vec::new() }
}

/// By the variables from which the SDK takes a web identity.
fn by_sdk(program: &str, url: &str, token: &Path) -> Program {
    let environment = vec![
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ROLE_ARN", ROLE.to_owned()),
        ("AWS_ROLE_SESSION_NAME", "alice".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
        ("AWS_ENDPOINT_URL_STS", url.to_owned()),
    ];
    Program { line: vec![program.to_owned()], environment }
}

fn by_cli(program: &str, url: &str, token: &Path) -> Program {
    let token = format!("file://{}", token.display());
    let line = [
        program,
        "sts",
        "assume-role-with-web-identity",
        "--region",
        "us-east-1",
        "--endpoint-url",
        url,
        "--role-arn",
        ROLE,
        "--role-session-name",
        "alice",
        "--web-identity-token",
        &token,
    ];
    Program { line: line.map(str::to_owned).to_vec(), environment: Vec::new() }
}
