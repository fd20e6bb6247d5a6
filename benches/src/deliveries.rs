//! Deliveries a second over mutual TLS 1.3, beside plain TCP exchanges of the same size in the same run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use safe_conduct::audit::NoAudit;
use safe_conduct::credential::{AcceptedProperties, s3a};
use safe_conduct::distribute::{
    Answer, ClientSettings, DriverAddress, DriverProof, DriverServer, ExecutorClient, ExecutorProof, ListenAddress,
    ServerSettings,
};
use safe_conduct::name::{ExecutorName, PropertyName, Scheme};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::file;
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::SystemRandomness;

mod stored;

/// Threads that ask, and threads that serve: the driver has 32.
const CLIENTS: usize = 16;
const SERVERS: usize = 32;

/// Rounds of each kind, in turn, and how long each takes.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);

/// Bytes of a plain question and answer: about what an ask and a bundle have.
const QUESTION: usize = 64;
const ANSWER: usize = 1500;

fn main() {
    let folder = Folder(file::temporary_directory(&std::env::temp_dir(), &SystemRandomness::new()).unwrap());
    let (driver, executors) = new_job_keys(&SystemRandomness::new()).unwrap();
    file::create_new(&folder.0.join("driver.pem"), driver.as_slice()).unwrap();
    file::create_new(&folder.0.join("executors.pem"), executors.as_slice()).unwrap();
    let clock = Arc::new(SystemClock::new());
    let settings = ServerSettings {
        listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
        proof: DriverProof::KeyFile(folder.0.join("driver.pem")),
        poll_interval: Duration::from_secs(60),
    };
    let random = Arc::new(SystemRandomness::new());
    let server =
        DriverServer::start(settings, stored::store(&*clock), clock.clone(), random, Arc::new(NoAudit)).unwrap();
    let client = ClientSettings {
        driver: DriverAddress::new("127.0.0.1", server.local_addr().port()).unwrap(),
        proof: ExecutorProof::KeyFile(folder.0.join("executors.pem")),
        name: ExecutorName::new("bench").unwrap(),
        accepted: AcceptedProperties::none()
            .with(Scheme::s3a(), s3a::PROPERTIES.map(|name| PropertyName::new(name).unwrap())),
        poll_interval: Duration::from_secs(60),
    };
    let plain = plain_server();

    let (mut deliveries, mut exchanges, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let clients = || ExecutorClient::new(client.clone(), clock.clone()).unwrap();
        let delivered = round(|| {
            let client = clients();
            move || matches!(client.ask(None), Ok(Answer::Bundle { .. }))
        });
        deliveries.push(delivered.len());
        times.extend(delivered);
        exchanges.push(round(|| move || plain_exchange(plain).is_ok()).len());
    }
    times.sort();
    let a_second = |mut counts: Vec<usize>| {
        counts.sort_unstable();
        counts[counts.len() / 2] as f64 / ROUND.as_secs_f64()
    };
    let (deliveries, exchanges) = (a_second(deliveries), a_second(exchanges));
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("deliveries a second (mutual TLS 1.3, raw keys, 16 clients, median of {ROUNDS}): {deliveries:.0}");
    println!("a delivery takes p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99));
    println!("plain TCP exchanges a second (32 threads, same run): {exchanges:.0}");
    println!("ratio deliveries / plain exchanges: {:.3}", deliveries / exchanges);
    println!("peak resident memory of both ends: {}", peak());
}

/// Holds private keys, so it goes also when an exchange fails.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs clients for one round; each calls its closure again and again, and every call must succeed. The times taken.
fn round<F: FnMut() -> bool + Send>(mut client: impl FnMut() -> F) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (mut call, over) = (client(), &over);
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        assert!(call(), "an exchange failed");
                        times.push(start.elapsed());
                    }
                    times
                })
            })
            .collect();
        std::thread::sleep(ROUND);
        over.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Threads that accept on one listener, as the driver's do, and answer without TLS. They end with the process.
fn plain_server() -> SocketAddr {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    for _ in 0..SERVERS {
        let listener = Arc::clone(&listener);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if stream.read_exact(&mut [0; QUESTION]).is_ok() {
                    let _ = stream.write_all(&[b'x'; ANSWER]);
                }
            }
        });
    }
    address
}

fn plain_exchange(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&[b'x'; QUESTION])?;
    stream.read_exact(&mut [0; ANSWER])
}

/// VmHWM of this process, as the kernel says it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}
