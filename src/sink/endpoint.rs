//! The AWS container credentials endpoint on loopback: sockets, threads and their limits. What it says is `answer`'s.
//!
//! Every thread accepts on the one listener and serves one connection at a time, so the number of threads is the cap.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::codec::http1::{MAX_HEAD, Status, parse_head, write_answer};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::Scheme;
use crate::secret::{Secret, WipedBuffer};
use crate::store::CredentialStore;
use crate::time::Clock;

use super::answer::{Answer, Responder, error};

/// The one path that is answered.
pub const PATH: &str = "/v1/credentials";

/// Threads, and so connections that are served at once: a JVM, its Python workers and a probe need a handful.
const THREADS: usize = 64;

/// While fewer threads than this are free, connections are given less time: silent ones must not hold up others.
const RESERVE: usize = 8;

/// Stack of a thread: an answer needs under 32 KiB.
const STACK: usize = 128 * 1024;

/// From accept, or from a further request's first byte, to a whole head. SDKs send it in one piece.
const HEAD_LIMIT: Duration = Duration::from_secs(2);

/// The same while few threads are free.
const HURRIED_HEAD_LIMIT: Duration = Duration::from_millis(250);

/// How long a connection may say nothing between two requests.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// How long an answer may take to be taken: it fits into a socket's buffer whole.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// How long we listen after a refusal: a close with unread bytes would be a reset, which destroys the answer.
const LINGER_LIMIT: Duration = Duration::from_millis(250);

/// Most requests on one connection, so that no client keeps a thread for itself.
const MAX_REQUESTS: usize = 100;

/// How long a thread rests when the system gives no connection, such as without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen and what to serve.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// A loopback address; port 0 takes a free one (`endpoint.listen`).
    pub listen: SocketAddr,
    /// Whose credential is served, as AWS keys.
    pub scheme: Scheme,
}

/// The AWS container credentials endpoint.
#[derive(Debug)]
pub struct LoopbackEndpoint;

impl LoopbackEndpoint {
    /// Opens the port and serves what `store` holds to whoever shows `token`.
    ///
    /// Call it once the store holds something: SDKs give up on an endpoint that answers 5xx in under half a second,
    /// and some never ask again.
    ///
    /// # Errors
    /// [`EndpointError`] if the address is not loopback's or cannot be had, or there are no threads.
    pub fn start(
        settings: EndpointSettings,
        token: Arc<Secret>,
        store: Arc<CredentialStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningEndpoint, EndpointError> {
        let EndpointSettings { listen, scheme } = settings;
        // Rule: never reachable from outside the pod.
        if !listen.ip().is_loopback() {
            return Err(EndpointError::NotLoopback { listen });
        }
        let bind = |error: std::io::Error| EndpointError::Bind { listen, kind: error.kind() };
        let listener = TcpListener::bind(listen).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let waker = listener.try_clone().map_err(bind)?;
        let responder = Responder::new(address, token, scheme, store);
        let connections = Mutex::new(Connections { stopped: false, open: vec![None; THREADS] });
        let shared = Arc::new(Shared { listener, responder, clock, connections, stop: Condvar::new() });
        let mut running =
            RunningEndpoint { address, waker: TcpStream::from(OwnedFd::from(waker)), shared, threads: Vec::new() };
        for slot in 0..THREADS {
            let shared = Arc::clone(&running.shared);
            let builder = std::thread::Builder::new().name("endpoint".to_owned()).stack_size(STACK);
            // On an error, dropping `running` stops the threads that there are.
            let thread = builder.spawn(move || shared.work(slot)).map_err(|_| EndpointError::NoThread)?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

/// An endpoint at work. Dropping it closes the port and every connection at once and waits for the threads.
pub struct RunningEndpoint {
    address: SocketAddr,
    /// The listener as a stream: the standard library can shut down only those, and that wakes whoever accepts.
    waker: TcpStream,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl RunningEndpoint {
    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// The address with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for RunningEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningEndpoint({})", self.address)
    }
}

impl Drop for RunningEndpoint {
    fn drop(&mut self) {
        self.shared.stop();
        if let Err(error) = self.waker.shutdown(Shutdown::Both) {
            log::debug!("the endpoint's listener could not be shut down: {}", error.kind());
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the credentials endpoint ended in a panic");
            }
        }
    }
}

/// What the threads share.
struct Shared {
    listener: TcpListener,
    responder: Responder,
    clock: Arc<dyn Clock>,
    connections: Mutex<Connections>,
    stop: Condvar,
}

/// The connections that are being served, one place a thread, so that they can be cut off and counted.
struct Connections {
    stopped: bool,
    open: Vec<Option<Arc<TcpStream>>>,
}

impl Shared {
    /// A thread's life: accept, serve, until stopped.
    fn work(&self, slot: usize) {
        loop {
            match self.listener.accept() {
                // Rule: only peers on loopback. Where the kernel has route_localnet set (CVE-2020-8558), a neighbour
                // on the network can reach 127.0.0.1 of this machine.
                Ok((stream, peer)) if peer.ip().is_loopback() => {
                    let stream = Arc::new(stream);
                    if !self.take(slot, Some(Arc::clone(&stream))) {
                        return;
                    }
                    self.serve(&stream);
                    self.take(slot, None);
                }
                Ok((_, peer)) => log::warn!("closed a connection to the loopback endpoint from {}", peer.ip()),
                Err(_) if self.lock().stopped => return,
                Err(error) => {
                    log::debug!("the credentials endpoint got no connection: {}", error.kind());
                    // Without a free file descriptor accept fails at once, again and again.
                    let waited = self.stop.wait_timeout_while(self.lock(), ACCEPT_PAUSE, |state| !state.stopped);
                    drop(waited);
                }
            }
        }
    }

    /// Notes which connection a thread serves; false once everything is to stop.
    fn take(&self, slot: usize, stream: Option<Arc<TcpStream>>) -> bool {
        let mut connections = self.lock();
        if let Some(place) = connections.open.get_mut(slot) {
            *place = stream;
        }
        !connections.stopped
    }

    /// Whether so few threads are free that nobody may take his time.
    fn is_hurried(&self) -> bool {
        self.lock().open.iter().filter(|open| open.is_none()).count() < RESERVE
    }

    fn stop(&self) {
        let mut connections = self.lock();
        connections.stopped = true;
        for stream in connections.open.iter().flatten() {
            // It may be closed already, which is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.stop.notify_all();
    }

    /// Each change is a single assignment, so a poisoned lock still holds whole values.
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of one connection, in order.
    fn serve(&self, stream: &TcpStream) {
        // One write an answer makes this matter little; without it the last piece of a long one would wait.
        let _ = stream.set_nodelay(true);
        let mut connection =
            Connection { stream, clock: &*self.clock, buffer: WipedBuffer::zeroed(MAX_HEAD), filled: 0 };
        for request in 1..=MAX_REQUESTS {
            let hurried = self.is_hurried();
            let head_limit = if hurried { HURRIED_HEAD_LIMIT } else { HEAD_LIMIT };
            let mut deadline = connection.deadline(head_limit);
            if request > 1 && connection.filled == 0 {
                let idle = connection.deadline(IDLE_LIMIT);
                if connection.fill(idle).is_none() {
                    return;
                }
                deadline = connection.deadline(head_limit);
            }
            let Some(next) = self.next_answer(&mut connection, deadline) else { return };
            let close = !next.keep || hurried || request == MAX_REQUESTS;
            let Ok(bytes) = write_answer(next.answer.status, next.answer.body.as_slice(), close) else { return };
            if connection.send(bytes.as_slice()).is_none() {
                return;
            }
            if close {
                connection.linger();
                return;
            }
            connection.consume(next.length);
        }
    }

    /// Reads one whole head and judges it; `None` if the client is gone or too slow.
    fn next_answer(&self, connection: &mut Connection<'_>, deadline: Duration) -> Option<Next> {
        loop {
            match parse_head(connection.received()) {
                Ok(Some(head)) => {
                    let answer = self.responder.answer(&head, self.clock.moment());
                    // After another method we do not know what the client expects: an answer to HEAD has no body.
                    let keep = head.keeps_alive() && answer.status != Status::MethodNotAllowed;
                    return Some(Next { answer, length: head.length(), keep });
                }
                Ok(None) => connection.fill(deadline)?,
                Err(refused) => {
                    log::debug!("a request to the credentials endpoint was not read: {refused}");
                    let answer = error(Status::BadRequest, "BAD_REQUEST", "This is not a request that an SDK sends.");
                    return Some(Next { answer, length: 0, keep: false });
                }
            }
        }
    }
}

/// What is to be sent, and where the next request starts.
struct Next {
    answer: Answer,
    length: usize,
    keep: bool,
}

/// A connection with what was read from it and not yet answered. Its limits are deadlines: with a limit a read, a
/// client that drips bytes would stay.
struct Connection<'a> {
    stream: &'a TcpStream,
    clock: &'a dyn Clock,
    buffer: WipedBuffer,
    filled: usize,
}

impl Connection<'_> {
    fn deadline(&self, limit: Duration) -> Duration {
        self.clock.moment().monotonic.saturating_add(limit)
    }

    fn time_left(&self, deadline: Duration) -> Option<Duration> {
        deadline.checked_sub(self.clock.moment().monotonic).filter(|left| !left.is_zero())
    }

    fn received(&self) -> &[u8] {
        self.buffer.as_slice().get(..self.filled).unwrap_or_default()
    }

    /// Reads what has arrived, or waits for it; `None` at the deadline, at the end and on errors.
    fn fill(&mut self, deadline: Duration) -> Option<()> {
        loop {
            self.stream.set_read_timeout(Some(self.time_left(deadline)?)).ok()?;
            let room = self.buffer.as_mut_slice().get_mut(self.filled..)?;
            match (&mut &*self.stream).read(room) {
                Ok(0) => return None,
                Ok(count) => {
                    self.filled = self.filled.saturating_add(count);
                    return Some(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Writes an answer; one call unless the client does not read.
    fn send(&self, mut bytes: &[u8]) -> Option<()> {
        let deadline = self.deadline(WRITE_LIMIT);
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.time_left(deadline)?)).ok()?;
            match (&mut &*self.stream).write(bytes) {
                Ok(count) => bytes = bytes.get(count..).filter(|_| count > 0)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// Moves what follows an answered request to the front.
    fn consume(&mut self, length: usize) {
        let length = length.min(self.filled);
        self.buffer.as_mut_slice().copy_within(length..self.filled, 0);
        self.filled = self.filled.saturating_sub(length);
    }

    /// Says that nothing more comes, and reads on for a moment without a look at it.
    fn linger(&mut self) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = self.deadline(LINGER_LIMIT);
        self.filled = 0;
        while self.fill(deadline).is_some() {
            self.filled = 0;
        }
    }
}

/// Why there is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// Others could reach the address.
    NotLoopback {
        /// Which address.
        listen: SocketAddr,
    },
    /// The address cannot be had.
    Bind {
        /// Which address.
        listen: SocketAddr,
        /// What the operating system says.
        kind: ErrorKind,
    },
    /// The operating system gave no thread.
    NoThread,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback { listen } => write!(f, "the endpoint may not listen on {listen}: it is not loopback"),
            Self::Bind { listen, kind } => write!(f, "the endpoint cannot listen on {listen}: {kind}"),
            Self::NoThread => f.write_str("the operating system gave no thread for the endpoint"),
        }
    }
}

impl std::error::Error for EndpointError {}

impl Actionable for EndpointError {
    fn facts(&self) -> Facts {
        match self {
            Self::NotLoopback { .. } => Facts::new(
                "ENDPOINT_NOT_LOOPBACK",
                Fault::Configuration,
                Retry::Never,
                "Set spark.security.oidc.endpoint.listen to 127.0.0.1 or [::1], with a port.",
            ),
            Self::Bind { .. } => Facts::new(
                "ENDPOINT_BIND",
                Fault::Configuration,
                Retry::Backoff,
                "Find out who holds the port (ss -ltnp), or set another one in spark.security.oidc.endpoint.listen.",
            ),
            Self::NoThread => Facts::new(
                "ENDPOINT_NO_THREAD",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes or memory: the endpoint has 64 threads.",
            ),
        }
    }
}
