//! How fast and in how much memory a driver serves 100 to 10,000 executors that start at once, beside what a handshake
//! costs without anything of ours.
//!
//! Both ends share this machine's cores, so the plain figure is at most half of what the driver could do alone; the
//! driver's own CPU time a delivery is printed beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use safe_conduct::audit::NoAudit;
use safe_conduct::credential::{AcceptedProperties, s3a};
use safe_conduct::distribute::{
    Answer, AskOutcome, ClientSettings, DriverAddress, DriverProof, DriverServer, ExecutorClient, ExecutorProof,
    ListenAddress, ServerSettings,
};
use safe_conduct::name::{ExecutorName, PropertyName, Scheme};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::file;
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::SystemRandomness;

mod bare;
mod child;
mod stored;

/// As in the binary: wiping is part of what a delivery costs.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// How many executors start at once.
const EXECUTORS: [usize; 3] = [100, 1_000, 10_000];

/// Rounds; the kinds take turns, so that a busy moment meets them all. The best of each counts.
const ROUNDS: usize = 4;

/// How many of the executors are at work at a time. More would only wait for this machine's cores.
const CLIENTS: usize = 16;

/// What is aimed at.
const LEAST_A_SECOND: f64 = 4_000.0;
const LONGEST: Duration = Duration::from_secs(3);
const MOST_MEMORY: u64 = 16 * 1024;

/// What may be added to memory, and to the time of one delivery, between 1,000 and 10,000 executors: noise.
const MOST_GROWTH: u64 = 1024;
const MOST_SLOWER: f64 = 1.25;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => std::process::exit(compare()),
        ["driver", keys] => drive(keys),
        ["tls", keys] => child::serve(bare::serve_tls(keys)),
        ["plain"] => child::serve(bare::serve_plain()),
        _ => std::process::exit(2),
    }
}

/// The exit status: how many aims were missed.
fn compare() -> i32 {
    let folder = Folder(file::temporary_directory(&std::env::temp_dir(), &SystemRandomness::new()).unwrap());
    let (driver, executors) = new_job_keys(&SystemRandomness::new()).unwrap();
    let (driver_keys, executor_keys) = (folder.0.join("driver.pem"), folder.0.join("executors.pem"));
    file::create_new(&driver_keys, driver.as_slice()).unwrap();
    file::create_new(&executor_keys, executors.as_slice()).unwrap();
    let driver_keys = driver_keys.to_str().unwrap();

    let (mut plain, mut tls, mut driver) = (Vec::new(), Vec::new(), EXECUTORS.map(|_| Vec::new()));
    for _ in 0..ROUNDS {
        for (executors, seen) in EXECUTORS.into_iter().zip(&mut driver) {
            seen.push(deliveries(executors, driver_keys, &executor_keys));
        }
        let most = EXECUTORS[EXECUTORS.len() - 1];
        let config = bare::tls_client(executor_keys.to_str().unwrap());
        tls.push(measure(most, &["tls", driver_keys], |server| {
            let (at, config) = (server.address, Arc::clone(&config));
            move || bare::ask_tls(at, &config).unwrap()
        }));
        plain.push(measure(most, &["plain"], |server| {
            let at = server.address;
            move || bare::ask_plain(at).unwrap()
        }));
    }
    let crowd = crowd(EXECUTORS[EXECUTORS.len() - 1], driver_keys, &executor_keys);
    let (plain, tls, driver) = (best(plain), best(tls), driver.map(best));
    println!("{CLIENTS} executors at work at a time, a new connection and a full handshake each; the best of {ROUNDS}");
    for (executors, seen) in EXECUTORS.into_iter().zip(&driver) {
        println!("{executors} executors: {seen}");
    }
    println!("a bare rustls handshake and exchange: {tls}");
    println!("a bare TCP exchange: {plain}");
    println!(
        "{} executors with a thread each: all have credentials after {:.2} s, {} asks were turned away and made again; \
         the driver's peak {} KiB",
        EXECUTORS[EXECUTORS.len() - 1],
        crowd.wall.as_secs_f64(),
        crowd.turned_away,
        crowd.peak,
    );
    judge(&driver, &tls, &plain)
}

fn judge(driver: &[Seen; 3], tls: &Seen, plain: &Seen) -> i32 {
    let [_, thousand, most] = driver;
    println!(
        "ratio of deliveries to bare handshakes {:.3}, to bare TCP exchanges {:.3}; of the driver's CPU to the bare \
         server's {:.3}",
        most.a_second() / tls.a_second(),
        most.a_second() / plain.a_second(),
        most.cpu_each().as_secs_f64() / tls.cpu_each().as_secs_f64(),
    );
    println!(
        "the driver alone spends {:.0} us of CPU a delivery: {:.0} deliveries a second and core, if executors run \
         elsewhere",
        most.cpu_each().as_secs_f64() * 1e6,
        1.0 / most.cpu_each().as_secs_f64(),
    );
    let slower = thousand.a_second() / most.a_second();
    let growth = most.peak.saturating_sub(thousand.peak);
    let memory = driver.iter().map(|seen| seen.peak).max().unwrap();
    let mut missed = 0;
    let mut aim = |what: String, met: bool| {
        missed += i32::from(!met);
        println!("{what}: {}", if met { "met" } else { "MISSED" });
    };
    aim(
        format!("{:.0} deliveries a second (aim: at least {LEAST_A_SECOND})", most.a_second()),
        most.a_second() >= LEAST_A_SECOND,
    );
    aim(format!("10,000 executors in {:.2} s (aim: at most 3)", most.wall.as_secs_f64()), most.wall <= LONGEST);
    aim(format!("the driver has {memory} KiB at most (aim: {MOST_MEMORY})"), memory <= MOST_MEMORY);
    aim(format!("ten times the executors take {growth} KiB more (aim: at most {MOST_GROWTH})"), growth <= MOST_GROWTH);
    aim(
        format!("of ten times the executors, each takes {slower:.2} times as long (aim: at most {MOST_SLOWER})"),
        slower <= MOST_SLOWER,
    );
    missed
}

/// What was seen of executors that start at once.
struct Crowd {
    wall: Duration,
    turned_away: usize,
    peak: u64,
}

/// What was seen of one server.
struct Seen {
    wall: Duration,
    /// Sorted.
    times: Vec<Duration>,
    peak: u64,
    cpu: Duration,
}

impl Seen {
    fn a_second(&self) -> f64 {
        self.times.len() as f64 / self.wall.as_secs_f64()
    }

    fn cpu_each(&self) -> Duration {
        self.cpu / self.times.len() as u32
    }

    fn at(&self, share: f64) -> f64 {
        self.times[((self.times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} a second, p50 {:.2} ms, p99 {:.2} ms, all in {:.3} s; the server's peak {} KiB, its CPU {:.0} us each",
            self.a_second(),
            self.at(0.5),
            self.at(0.99),
            self.wall.as_secs_f64(),
            self.peak,
            self.cpu_each().as_secs_f64() * 1e6,
        )
    }
}

/// The round that was disturbed least, but the most memory of all.
fn best(rounds: Vec<Seen>) -> Seen {
    let peak = rounds.iter().map(|seen| seen.peak).max().unwrap();
    Seen { peak, ..rounds.into_iter().min_by_key(|seen| seen.wall).unwrap() }
}

/// So many exchanges with a server of its own process; each of the threads has a client, and every exchange must succeed.
fn measure<F: FnMut() + Send>(count: usize, arguments: &[&str], client: impl Fn(&child::Server) -> F) -> Seen {
    let server = child::Server::of_this_bench(arguments);
    let clients: Vec<F> = (0..CLIENTS).map(|_| client(&server)).collect();
    let (started, before) = (AtomicUsize::new(0), server.cpu());
    let start = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads = clients.into_iter().map(|mut exchange| {
            let started = &started;
            scope.spawn(move || {
                let mut times = Vec::with_capacity(count / CLIENTS * 2);
                while started.fetch_add(1, Ordering::Relaxed) < count {
                    let start = Instant::now();
                    exchange();
                    times.push(start.elapsed());
                }
                times
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let wall = start.elapsed();
    times.sort_unstable();
    Seen { wall, times, peak: server.peak(), cpu: server.cpu() - before }
}

fn deliveries(executors: usize, driver_keys: &str, executor_keys: &Path) -> Seen {
    measure(executors, &["driver", driver_keys], |server| {
        let client = executor(server, executor_keys);
        move || assert!(matches!(client.ask(None), Ok(Answer::Bundle { .. })), "a delivery failed")
    })
}

/// Executors as they are, each with a thread of its own that asks again when it was turned away: to the driver, they
/// all have one address, and it turns some away while they hold nearly all of its threads.
fn crowd(executors: usize, driver_keys: &str, executor_keys: &Path) -> Crowd {
    let server = child::Server::of_this_bench(&["driver", driver_keys]);
    let clients: Vec<_> = (0..executors).map(|_| executor(&server, executor_keys)).collect();
    let (tell, told) = mpsc::channel();
    let start = Instant::now();
    let running: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let tell = tell.clone();
            let notify = move |outcome: &AskOutcome| tell.send(matches!(outcome, AskOutcome::Bundle { .. })).unwrap();
            client.start(Arc::new(CredentialStore::new()), Arc::new(SystemRandomness::new()), Box::new(notify)).unwrap()
        })
        .collect();
    let (mut served, mut turned_away) = (0, 0);
    while served < executors {
        if told.recv().unwrap() { served += 1 } else { turned_away += 1 }
    }
    let wall = start.elapsed();
    drop(running);
    Crowd { wall, turned_away, peak: server.peak() }
}

fn executor(server: &child::Server, keys: &Path) -> ExecutorClient {
    let settings = ClientSettings {
        driver: DriverAddress::new("127.0.0.1", server.address.port()).unwrap(),
        proof: ExecutorProof::KeyFile(keys.to_owned()),
        name: ExecutorName::new("bench").unwrap(),
        accepted: AcceptedProperties::none()
            .with(Scheme::s3a(), s3a::PROPERTIES.map(|name| PropertyName::new(name).unwrap())),
        poll_interval: Duration::from_secs(60),
    };
    ExecutorClient::new(settings, Arc::new(SystemClock::new())).unwrap()
}

/// The driver's process.
fn drive(keys: &str) {
    let clock = Arc::new(SystemClock::new());
    let settings = ServerSettings {
        listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
        proof: DriverProof::KeyFile(keys.into()),
        poll_interval: Duration::from_secs(60),
    };
    let random = Arc::new(SystemRandomness::new());
    let server = DriverServer::start(settings, stored::store(&*clock), clock, random, Arc::new(NoAudit)).unwrap();
    child::serve(server.local_addr());
}

/// Holds private keys, so it goes also when an exchange fails.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
