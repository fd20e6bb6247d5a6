//! How our credentials endpoint does beside Go's net/http with the same answer, under wrk.
//!
//! `benches/run endpoint` provides wrk and the Go program, and names them in `WRK` and `GO_ENDPOINT`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use safe_conduct::Secret;
use safe_conduct::name::Scheme;
use safe_conduct::sink::{EndpointSettings, LoopbackEndpoint, PATH};
use safe_conduct::sys::clock::SystemClock;

mod child;
mod stored;

/// As in the binary: wiping is part of what an answer costs.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Rounds; the servers take turns in each, so that a busy moment meets both. The best of each counts.
const ROUNDS: usize = 5;
const SECONDS: &str = "2s";

/// What wrk does, and how many times Go's requests we aim at.
const LOADS: [Load; 4] = [
    Load { kept: false, connections: 2, least: 1.3 },
    Load { kept: false, connections: 32, least: 1.3 },
    Load { kept: true, connections: 2, least: 1.5 },
    Load { kept: true, connections: 32, least: 1.5 },
];

/// Most memory, as a share of Go's.
const MOST_MEMORY: f64 = 0.25;

struct Load {
    kept: bool,
    connections: usize,
    least: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => std::process::exit(compare()),
        ["endpoint"] => serve(),
        _ => std::process::exit(2),
    }
}

/// The exit status: how many aims were missed.
fn compare() -> i32 {
    let tool = |name| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name}: see benches/run")));
    let wrk = tool("WRK");
    let ours = child::Server::of_this_bench(&["endpoint"]);
    let theirs = child::Server::start(Command::new(tool("GO_ENDPOINT")).arg(TOKEN));
    let mut missed = 0;
    let mut aim = |what: String, met: bool| {
        missed += i32::from(!met);
        println!("{what}: {}", if met { "met" } else { "MISSED" });
    };
    for load in &LOADS {
        let (mut us, mut go) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            us.push(Seen::of(&wrk, load, &ours));
            go.push(Seen::of(&wrk, load, &theirs));
        }
        let (us, go) = (best(us), best(go));
        let kind = if load.kept { "kept-alive" } else { "a new connection a request" };
        println!("{kind}, {} connections: ours {us}; Go {go}", load.connections);
        let ratio = us.a_second / go.a_second;
        aim(format!("  requests, ratio to Go {ratio:.2} (aim: at least {})", load.least), ratio >= load.least);
        let slower = us.p99 / go.p99;
        aim(format!("  p99, ratio to Go {slower:.2} (aim: at most 1)"), slower <= 1.0);
    }
    let (us, go) = (ours.peak(), theirs.peak());
    let share = us as f64 / go as f64;
    aim(
        format!("peak memory {us} KiB, Go {go} KiB, ratio {share:.2} (aim: at most {MOST_MEMORY})"),
        share <= MOST_MEMORY,
    );
    missed
}

/// What wrk saw in one round.
struct Seen {
    a_second: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
}

impl Seen {
    fn of(wrk: &PathBuf, load: &Load, server: &child::Server) -> Self {
        let before = server.cpu();
        let mut command = Command::new(wrk);
        command.args(["-t1", "-d", SECONDS, "-s", concat!(env!("CARGO_MANIFEST_DIR"), "/src/endpoint.lua")]);
        command.args(["-c", &load.connections.to_string(), "-H", &format!("Authorization: {TOKEN}")]);
        if !load.kept {
            command.args(["-H", "Connection: close"]);
        }
        let output = command.arg(format!("http://{}{PATH}", server.address)).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let line = output.lines().find_map(|line| line.strip_prefix("seen ")).expect(&output);
        let figures: Vec<f64> = line.split(' ').map(|figure| figure.parse().unwrap()).collect();
        let [requests, duration, p50, p99, errors] = figures[..] else { panic!("{output}") };
        assert!(errors == 0.0 && requests > 0.0, "{output}");
        let cpu = (server.cpu() - before).as_secs_f64() * 1e6 / requests;
        Self { a_second: requests * 1e6 / duration, p50, p99, cpu }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { a_second, p50, p99, cpu } = self;
        write!(f, "{a_second:.0} a second, p50 {p50} us, p99 {p99} us, CPU {cpu:.0} us each")
    }
}

/// Each figure of the round in which it was disturbed least.
fn best(rounds: Vec<Seen>) -> Seen {
    let least = |figure: fn(&Seen) -> f64| rounds.iter().map(figure).fold(f64::INFINITY, f64::min);
    let a_second = rounds.iter().map(|seen| seen.a_second).fold(0.0, f64::max);
    Seen { a_second, p50: least(|seen| seen.p50), p99: least(|seen| seen.p99), cpu: least(|seen| seen.cpu) }
}

/// The endpoint's process.
fn serve() {
    let clock = Arc::new(SystemClock::new());
    let settings = EndpointSettings { listen: ([127, 0, 0, 1], 0).into(), scheme: Scheme::s3a() };
    let token = Arc::new(Secret::from_text(TOKEN));
    let endpoint = LoopbackEndpoint::start(settings, token, stored::store(&*clock), clock).unwrap();
    child::serve(endpoint.local_addr());
}
