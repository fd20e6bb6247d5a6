//! The binary's driver among hostile peers: its memory, descriptors and processor time, and what it gives away.

#![cfg(feature = "cli")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/sockets.rs"]
mod sockets;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use driver::{Job, PROGRAM, Watched, credentials, get};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use safe_conduct::sys::job_keys::JobKeys;

/// As long as any wait here may take before the test fails.
const LONG: Duration = Duration::from_secs(20);

/// A driver that serves, with the addresses of its three ports.
struct Driver {
    role: Watched,
    executors: SocketAddr,
    endpoint: SocketAddr,
    status: String,
}

impl Driver {
    fn start(command: Command) -> Self {
        let mut role = Watched::start(command);
        let executors = role.word_after("answering executors at ").parse().unwrap();
        let status = role.status_address();
        let url = role.word_after("serving credentials at ");
        let endpoint = url.trim_start_matches("http://").trim_end_matches("/v1/credentials").parse().unwrap();
        Self { role, executors, endpoint, status }
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.role.child.id())).unwrap()
    }

    /// How many descriptors it has; `None` where only root may count those of a process that is not dumpable.
    fn descriptors(&self) -> Option<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.role.child.id())).ok().map(Iterator::count)
    }

    fn threads(&self) -> String {
        self.proc("status").lines().find(|line| line.starts_with("Threads:")).unwrap().to_owned()
    }

    /// Processor time that it has used, in ticks: `utime` and `stime` of proc(5), behind the name in brackets.
    fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Looks again and again until it has as many descriptors as it had: the last connections have deadlines of their own.
    fn comes_back_to(&self, before: Option<usize>) -> bool {
        (0..200_000).any(|_| self.descriptors() == before)
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// What comes back, whatever it is and however it ends.
fn said(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

/// One of each kind of bad peer, at all three ports; what they were told.
fn hostile_round(job: &Job, driver: &Driver, number: usize) -> Vec<u8> {
    let mut told = Vec::new();
    let host = driver.endpoint;
    for request in [
        // 284 to 299.
        format!("GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\nAuthorization: {number}\r\n\r\n"),
        format!("GET /v1/credentials?{number} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n"),
        format!("OPTIONS /{number} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "x".repeat(9_000 + number),
        // 308, and a TLS peer's idea of an ask.
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(),
        "SC\u{1}\u{1}\0\0\0\n\0\u{1}\u{6}exec-1\0".to_owned(),
    ] {
        for to in [driver.endpoint, driver.executors, driver.status.parse().unwrap()] {
            let mut stream = connect(to);
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            told.extend(said(stream));
        }
    }
    for to in [driver.endpoint, driver.executors, driver.status.parse().unwrap()] {
        // 303: resets, one with bytes on their way.
        let stream = connect(to);
        sockets::reset(stream);
        let mut stream = sockets::connect_from(Ipv4Addr::new(127, 0, 0, 3), to).unwrap();
        let _ = stream.write_all(b"GET /");
        sockets::reset(stream);
    }
    // 309 to 312 by an executor that was let in.
    let keys = std::fs::read(job.folder.path("keys/executors.pem")).unwrap();
    let ask = b"SC\x01\x01\0\0\0\x0a\0\x01\x06exec-1\0";
    for (place, byte) in [(3, 9), (4, 0xff), (7, 0), (12, 7), (17, 2)] {
        let mut frame = ask.to_vec();
        frame[place] = byte;
        let stream = Arc::new(connect(driver.executors));
        let mut stream = JobKeys::from_pem(&keys).unwrap().connector().connect(stream, LONG).unwrap();
        let _ = stream.write_all(&frame);
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            told.push(byte[0]);
        }
    }
    told
}

#[test]
fn bad_inputs_284_to_323_leave_the_drivers_memory_descriptors_and_threads_as_they_were_and_give_nothing_away() {
    let job = Job::new(200, &credentials());
    let driver = Driver::start(job.command(&["driver"]));
    let secrets = [b"PLANTED".to_vec(), std::fs::read(job.folder.path("run/endpoint.token")).unwrap()];
    let rounds = |from: usize, count: usize| {
        for number in from..from + count {
            let told = hostile_round(&job, &driver, number);
            for secret in &secrets {
                assert!(!told.windows(secret.len()).any(|part| part == secret), "{number}");
            }
        }
    };
    let idle = driver.descriptors();
    rounds(0, 40);
    let (before, threads) = (driver.role.resident(), driver.threads());
    rounds(40, 40);
    // 1,400 peers: if each of them left 1 KiB behind, this would be exceeded.
    assert!(driver.role.resident() <= before + 1024, "KiB: {before} before, {} after", driver.role.resident());
    assert_eq!(driver.threads(), threads);
    match idle {
        Some(_) => assert!(driver.comes_back_to(idle), "{idle:?} before, {:?} after", driver.descriptors()),
        None => eprintln!("not run: only root may count the descriptors of a process that is not dumpable"),
    }
    assert!(serves(&job, &driver));
}

/// Whether the driver serves at all three ports.
fn serves(job: &Job, driver: &Driver) -> bool {
    let ready = Command::new(PROGRAM).args(["ready", "--directory"]).arg(job.folder.path("run")).status().unwrap();
    let live = get(&driver.status, "/livez").ends_with("alive\n");
    let mut asking = Command::new(PROGRAM);
    let settings = [
        format!("distribution.driver={}", driver.executors),
        format!("distribution.keyFile={}", job.folder.path("keys/executors.pem").display()),
        format!("endpoint.directory={}", job.folder.path("run-executor").display()),
        "startTimeout=20s".to_owned(),
    ];
    asking.arg("executor");
    for setting in settings {
        asking.args(["--conf", &format!("spark.security.oidc.{setting}")]);
    }
    let asked = asking.args(["--", "true"]).stderr(Stdio::null()).status().unwrap();
    ready.success() && live && asked.success()
}

/// `job`'s driver with these limits of descriptors: a soft and a hard one.
fn limited(job: &Job, soft: u64, hard: u64) -> Command {
    let whole = job.command(&["driver"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"")]);
    command.arg(whole.get_program()).args(whole.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn with_too_few_descriptors_it_does_not_start_and_says_how_many_it_needs() {
    let job = Job::new(200, &credentials());
    let output = limited(&job, 100, 159).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("error[PROCESS_DESCRIPTORS]: only 159 files may be open, and 160 are needed\n"), "{error}");
}

/// Fills all three ports with silent peers, more than there are descriptors, and waits until each has been closed: after
/// 2 s at the latest, where there is a thread for it.
fn flood(driver: &Driver, control: impl Fn()) {
    let to = [driver.endpoint, driver.executors, driver.status.parse().unwrap()];
    let crowd: Vec<TcpStream> = (0..160).map(|number| connect(to[usize::from(number % 8 > 6)])).collect();
    let waiting = to.map(connect);
    control();
    for stream in crowd.into_iter().chain(waiting) {
        said(stream);
    }
}

#[test]
fn the_fewest_descriptors_are_enough_for_every_thread_at_work() {
    let job = Job::new(200, &credentials());
    let driver = Driver::start(limited(&job, 100, 160));
    flood(&driver, || {
        let taken = driver.descriptors();
        assert!(taken.is_none_or(|taken| taken < 150), "{taken:?}");
    });
    assert!(serves(&job, &driver));
}

#[test]
fn bad_input_306_running_out_of_descriptors_neither_spins_nor_ends_the_process_and_it_serves_again() {
    let job = Job::new(200, &credentials());
    let mut driver = Driver::start(job.command(&["driver"]));
    assert!(serves(&job, &driver), "before");
    let id = Pid::from_raw(i32::try_from(driver.role.child.id()).unwrap()).unwrap();
    // What it has stays; from now on it gets no more, also not what it gives back.
    let before =
        prlimit(Some(id), Resource::Nofile, Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) }).unwrap();
    let ticks = driver.ticks();
    let to = [driver.endpoint, driver.executors, driver.status.parse().unwrap()];
    let crowd: Vec<TcpStream> = (0..160).map(|number| connect(to[usize::from(number % 8 > 6)])).collect();
    let waiting = to.map(connect);
    // Some are served with what each thread had put by, the others wait and hear nothing. The reads are the pace.
    for mut stream in crowd.iter().chain(&waiting) {
        stream.set_read_timeout(Some(Duration::from_millis(40))).unwrap();
        let _ = stream.read(&mut [0; 1]);
    }
    // The control: it really ran out. The status listener's two threads had two put by.
    let unanswered = (0..5).any(|_| {
        let mut probe = connect(to[2]);
        probe.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        probe.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        matches!(probe.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(unanswered);
    // Those were some 4 s, of which one spinning thread would have taken 400 ticks of 10 ms.
    let used = driver.ticks() - ticks;
    assert!(used < 150, "{used} ticks");
    assert!(driver.role.child.try_wait().unwrap().is_none(), "it lives");
    prlimit(Some(id), Resource::Nofile, before).unwrap();
    drop((crowd, waiting));
    assert!(serves(&job, &driver), "again");
}
