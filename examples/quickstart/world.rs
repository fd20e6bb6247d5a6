//! What surrounds the library in the example: a clock that is moved, a volume, HTTP on loopback, executors, a search.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::codec::frame::FieldWriter;
use safe_conduct::credential::{AcceptedProperties, s3a};
use safe_conduct::distribute::{ClientSettings, DriverAddress, ExecutorClient, ExecutorProof, RunningClient};
use safe_conduct::name::{ExecutorName, PropertyName, Scheme};
use safe_conduct::secret::Secret;
use safe_conduct::sink::{self, EndpointFiles, EndpointSettings, LoopbackEndpoint, RunningEndpoint};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::file;
use safe_conduct::sys::random::{Random, SystemRandomness};
use safe_conduct::time::{Clock, Moment, Timestamp};

/// A step, or the name of what did not happen.
pub type Stepped<T> = Result<T, String>;

/// Longest time that a step may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(5);

/// A clock that starts at the real time and moves when it is told to.
pub struct MovedClock(Mutex<Moment>);

impl MovedClock {
    pub fn new() -> Self {
        Self(Mutex::new(SystemClock::new().moment()))
    }

    pub fn now(&self) -> Timestamp {
        self.moment().wall
    }

    pub fn advance(&self, by: Duration) {
        let mut moment = self.0.lock().unwrap();
        moment.wall = moment.wall.plus(by);
        moment.monotonic += by;
    }
}

impl Clock for MovedClock {
    fn moment(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

/// Looks until `happened` is true.
pub fn within(step: &str, happened: impl Fn() -> bool) -> Stepped<()> {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        if Instant::now() > deadline {
            return Err(step.to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Keeps audit lines, as the binary writes them to a file.
#[derive(Default)]
pub struct AuditTrail(Mutex<Vec<String>>);

impl AuditTrail {
    /// How many lines have `part` in them.
    pub fn count(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }

    /// All lines.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl AuditLog for AuditTrail {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        self.0.lock().unwrap().push(event.to_json(now));
    }
}

/// A folder that is gone when the example ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Stepped<Self> {
        let made = file::temporary_directory(&std::env::temp_dir(), &SystemRandomness::new());
        made.map(Self).map_err(|error| error.to_string())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A volume as kubelet writes it: token -> ..data/token, ..data -> a folder with a time in its name.
pub struct TokenVolume {
    root: PathBuf,
    rotations: u32,
}

impl TokenVolume {
    pub fn new(root: PathBuf) -> Stepped<Self> {
        let made = fs::create_dir(&root).and_then(|()| std::os::unix::fs::symlink("..data/token", root.join("token")));
        made.map_err(|error| error.to_string())?;
        Ok(Self { root, rotations: 0 })
    }

    pub fn token_file(&self) -> PathBuf {
        self.root.join("token")
    }

    /// Writes the token into a new folder and swaps the link `..data` over to it in one rename.
    pub fn rotate(&mut self, token: &str) -> Stepped<()> {
        let old = fs::read_link(self.root.join("..data")).ok();
        self.rotations += 1;
        let name = format!("..2026_11_22_00_00_{:02}.1", self.rotations);
        let swap = || -> std::io::Result<()> {
            fs::create_dir(self.root.join(&name))?;
            file::create_new(&self.root.join(&name).join("token"), token.as_bytes()).map_err(std::io::Error::other)?;
            std::os::unix::fs::symlink(&name, self.root.join("..data_tmp"))?;
            fs::rename(self.root.join("..data_tmp"), self.root.join("..data"))?;
            old.map_or(Ok(()), |old| fs::remove_dir_all(self.root.join(old)))
        };
        swap().map_err(|error| error.to_string())
    }
}

type Handler = Arc<dyn Fn(&str, &str, &[u8]) -> (u16, Vec<u8>) + Send + Sync>;

/// A small HTTP server on loopback: one request a connection.
pub struct HttpServer {
    url: String,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Answers each request with what `handler` makes of (own URL, path, body).
    pub fn start(handler: Handler) -> Stepped<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let url = format!("http://{address}");
        let (own, stopping) = (url.clone(), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let _ = answer(stream, &own, &handler);
            }
        });
        Ok(Self { url, stopping, thread: Some(thread) })
    }

    /// Closes the port: from now on connections are refused.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // One connection wakes whoever accepts.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

fn answer(mut stream: TcpStream, url: &str, handler: &Handler) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        request.extend_from_slice(&chunk[..count]);
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            break (head, end + 4 + length.unwrap_or(0));
        }
        if count == 0 {
            return Ok(());
        }
    };
    while request.len() < length {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&chunk[..count]);
    }
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body_start = head.len() + 4;
    let (status, body) = handler(url, path, &request[body_start..length]);
    let mut out =
        format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(&body);
    stream.write_all(&out)
}

/// One executor: it asks the driver and serves its own pod.
pub struct Executor {
    pub number: u32,
    directory: PathBuf,
    store: Arc<CredentialStore>,
    endpoint: RunningEndpoint,
    client: RunningClient,
    files: EndpointFiles,
    token: Arc<Secret>,
}

/// An answer of an executor's endpoint.
pub struct Answer {
    pub status: u16,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Whether the credential is the user's: the STS of this example writes the name into it.
    pub fn names(&self, user: &str) -> bool {
        String::from_utf8_lossy(&self.bytes).contains(&format!("\"SecretAccessKey\":\"secret-of-{user}\""))
    }
}

impl Executor {
    /// Starts asking, waits for the first credentials, then opens the endpoint.
    pub fn start(
        number: u32,
        folder: &Folder,
        driver: SocketAddr,
        clock: Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Stepped<Self> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let store = Arc::new(CredentialStore::new());
        let properties = s3a::PROPERTIES.iter().filter_map(|name| PropertyName::new(name).ok());
        let settings = ClientSettings {
            driver: DriverAddress::new("127.0.0.1", driver.port()).map_err(|error| text(&error))?,
            proof: ExecutorProof::KeyFile(folder.path("executors.pem")),
            name: ExecutorName::new(&format!("executor-{number}")).map_err(|error| text(&error))?,
            accepted: AcceptedProperties::none().with(Scheme::s3a(), properties),
            poll_interval: Duration::from_secs(60),
        };
        let client = ExecutorClient::new(settings, Arc::clone(&clock)).map_err(|error| text(&error))?;
        let client = client.start(Arc::clone(&store), Arc::clone(random), Box::new(|_| {}));
        let client = client.map_err(|error| text(&error))?;
        store.wait_newer(None, PATIENCE).ok_or("the first bundle at an executor")?;
        let directory = folder.path(&format!("executor-{number}"));
        let (files, token) = EndpointFiles::prepare(&directory, None, random.as_ref()).map_err(|error| text(&error))?;
        let token = Arc::new(token);
        let settings = EndpointSettings { listen: ([127, 0, 0, 1], 0).into(), scheme: Scheme::s3a() };
        let endpoint = LoopbackEndpoint::start(settings, Arc::clone(&token), Arc::clone(&store), clock);
        let endpoint = endpoint.map_err(|error| text(&error))?;
        files.publish_url(&endpoint.url(), random.as_ref()).map_err(|error| text(&error))?;
        Ok(Self { number, directory, store, endpoint, client, files, token })
    }

    pub fn url(&self) -> String {
        self.endpoint.url()
    }

    pub fn version(&self) -> u64 {
        self.store.newest().map_or(0, |newest| newest.version.number)
    }

    pub fn ask_now(&self) {
        self.client.ask_now();
    }

    /// Reads the endpoint as an AWS SDK does: the token from its file, one GET.
    pub fn read_as_an_sdk(&self) -> Stepped<Answer> {
        let token = fs::read_to_string(self.files.token_file()).map_err(|error| error.to_string())?;
        let url = self.url();
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("a URL")?;
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        let exchange = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect(host)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = exchange().map_err(|error| error.to_string())?;
        let status = String::from_utf8_lossy(&bytes).split(' ').nth(1).and_then(|text| text.parse().ok());
        Ok(Answer { status: status.ok_or("an HTTP answer")?, bytes })
    }
}

/// Everything that came near an executor, to be searched for the identity token.
#[derive(Default)]
pub struct Leaks {
    found: Vec<(String, Vec<u8>)>,
}

impl Leaks {
    pub fn add(&mut self, what: &str, bytes: &[u8]) {
        self.found.push((what.to_owned(), bytes.to_vec()));
    }

    pub fn copy(&self) -> Self {
        Self { found: self.found.clone() }
    }

    /// The bundle as it was received, byte for byte as its encoding has it, and the environment that a command gets.
    pub fn add_executor(&mut self, executor: &Executor) -> Stepped<()> {
        let newest = executor.store.newest().ok_or("a bundle")?;
        let mut body = FieldWriter::new();
        newest.credentials.encode(&mut body).map_err(|error| error.to_string())?;
        self.add("bundle received", body.body());
        let environment = sink::child_environment(
            std::iter::empty(),
            &executor.url(),
            executor.files.token_file(),
            &executor.token,
            None,
        );
        for (name, value) in environment.variables() {
            self.add("variable for the command", format!("{}={}", name.display(), value.display()).as_bytes());
        }
        for (name, value) in environment.secrets() {
            self.add("variable for the command", format!("{name}={}", value.expose()).as_bytes());
        }
        Ok(())
    }

    /// Every file below the executor's directory.
    pub fn add_files(&mut self, executor: &Executor) -> Stepped<()> {
        self.add_folder(&executor.directory).map_err(|error| error.to_string())
    }

    fn add_folder(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            self.add("file written", &fs::read(&path)?);
        }
        Ok(())
    }

    /// Where the token stands: whole, or one of its two secret-bearing segments, raw or in base64 at any alignment.
    pub fn search(&self, token: &str) -> Vec<&str> {
        let mut needles = vec![token.as_bytes().to_vec()];
        for segment in token.split('.').skip(1) {
            needles.push(segment.as_bytes().to_vec());
        }
        for needle in needles.clone() {
            for skipped in 0..3 {
                // Whole groups of three bytes look the same wherever they stand at this alignment.
                let whole = (needle.len() - skipped) / 3 * 3;
                let encoded = safe_conduct::codec::base64url::encode(&needle[skipped..skipped + whole]);
                needles.push(encoded.replace('-', "+").replace('_', "/").into_bytes());
                needles.push(encoded.into_bytes());
            }
        }
        let holds =
            |bytes: &[u8]| needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle));
        self.found.iter().filter(|(_, bytes)| holds(bytes)).map(|(what, _)| what.as_str()).collect()
    }

    /// What was searched, counted by kind.
    pub fn summary(&self) -> String {
        let mut kinds: Vec<&str> = self.found.iter().map(|(what, _)| what.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let count = |kind: &str| self.found.iter().filter(|(what, _)| what == kind).count();
        kinds.iter().map(|kind| format!("{kind} ({})", count(kind))).collect::<Vec<_>>().join(", ")
    }
}
