//! A small HTTP server: a fixed number of threads, deadlines, one answer a request. Knows no paths and no policy.
//!
//! Every thread accepts on the one listener and serves one connection at a time, so the number of threads is the cap.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::codec::http1::{Answer, Head, Http1Error, MAX_HEAD, Status, parse_head, write_answer};
use crate::secret::WipedBuffer;
use crate::time::{Clock, Moment};

/// Stack of a thread: an answer needs under 32 KiB.
const STACK: usize = 128 * 1024;

/// From accept, or from a further request's first byte, to a whole head. Clients send it in one piece.
const HEAD_LIMIT: Duration = Duration::from_secs(2);

/// The same while few threads are free.
const HURRIED_HEAD_LIMIT: Duration = Duration::from_millis(250);

/// How long a connection may say nothing between two requests.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// How long an answer may take to be taken: it fits into a socket's buffer whole.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// How long we listen after a refusal: a close with unread bytes would be a reset, which destroys the answer.
const LINGER_LIMIT: Duration = Duration::from_millis(250);

/// How long a thread rests when the system gives no connection, such as without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What may be asked of the server at a time.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Threads, and so connections that are served at once.
    pub threads: usize,
    /// While fewer threads than this are free, connections are given less time: silent ones must not hold up others.
    pub reserve: usize,
    /// Most requests on one connection, so that no client keeps a thread for itself.
    pub requests: usize,
    /// Whether peers that are not on loopback are closed at once.
    pub loopback_peers_only: bool,
}

/// What is served.
pub trait HttpService: Send + Sync + 'static {
    /// What the log calls it.
    const NAME: &'static str;

    /// The answer to a request, or to bytes that are none.
    fn answer(&self, request: Result<&Head<'_>, Http1Error>, at: Moment) -> Answer;
}

/// A port that is taken and not yet served: whoever connects waits.
pub struct HttpListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpListener {
    /// Takes the port.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn bind(listen: SocketAddr) -> Result<Self, ErrorKind> {
        let listener = TcpListener::bind(listen).map_err(|error| error.kind())?;
        let address = listener.local_addr().map_err(|error| error.kind())?;
        Ok(Self { listener, address })
    }

    /// The address with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves from now on.
    ///
    /// # Errors
    /// What the operating system says, if it gives no thread.
    pub fn serve<S: HttpService>(
        self,
        service: S,
        limits: HttpLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningHttpServer, ErrorKind> {
        let waker = self.listener.try_clone().map_err(|error| error.kind())?;
        let connections = Connections {
            slots: Mutex::new(Slots { stopped: false, open: vec![None; limits.threads] }),
            stop: Condvar::new(),
        };
        let connections = Arc::new(connections);
        let server =
            Arc::new(Server { listener: self.listener, service, limits, clock, connections: Arc::clone(&connections) });
        let mut running = RunningHttpServer {
            name: S::NAME,
            address: self.address,
            waker: TcpStream::from(OwnedFd::from(waker)),
            connections,
            threads: Vec::new(),
        };
        for slot in 0..limits.threads {
            let server = Arc::clone(&server);
            let builder = std::thread::Builder::new().name(S::NAME.to_owned()).stack_size(STACK);
            // On an error, dropping `running` stops the threads that there are.
            let thread = builder.spawn(move || server.work(slot)).map_err(|error| error.kind())?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

/// A server at work. Dropping it closes the port and every connection at once and waits for the threads.
pub struct RunningHttpServer {
    name: &'static str,
    address: SocketAddr,
    /// The listener as a stream: the standard library can shut down only those, and that wakes whoever accepts.
    waker: TcpStream,
    connections: Arc<Connections>,
    threads: Vec<JoinHandle<()>>,
}

impl RunningHttpServer {
    /// The address with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for RunningHttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningHttpServer({} at {})", self.name, self.address)
    }
}

impl Drop for RunningHttpServer {
    fn drop(&mut self) {
        self.connections.stop();
        if let Err(error) = self.waker.shutdown(Shutdown::Both) {
            log::debug!("{}: the listener could not be shut down: {}", self.name, error.kind());
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("{}: a thread ended in a panic", self.name);
            }
        }
    }
}

/// The connections that are being served, so that they can be cut off and counted.
struct Connections {
    slots: Mutex<Slots>,
    stop: Condvar,
}

/// One place a thread.
struct Slots {
    stopped: bool,
    open: Vec<Option<Arc<TcpStream>>>,
}

impl Connections {
    /// Notes which connection a thread serves; false once everything is to stop.
    fn take(&self, slot: usize, stream: Option<Arc<TcpStream>>) -> bool {
        let mut slots = self.lock();
        if let Some(place) = slots.open.get_mut(slot) {
            *place = stream;
        }
        !slots.stopped
    }

    /// How many threads serve nobody.
    fn free(&self) -> usize {
        self.lock().open.iter().filter(|open| open.is_none()).count()
    }

    fn stop(&self) {
        let mut slots = self.lock();
        slots.stopped = true;
        for stream in slots.open.iter().flatten() {
            // It may be closed already, which is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.stop.notify_all();
    }

    /// Rests, unless everything is to stop: without a free file descriptor accept fails at once, again and again.
    fn pause(&self) {
        let waited = self.stop.wait_timeout_while(self.lock(), ACCEPT_PAUSE, |slots| !slots.stopped);
        drop(waited);
    }

    /// Each change is a single assignment, so a poisoned lock still holds whole values.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the threads share.
struct Server<S> {
    listener: TcpListener,
    service: S,
    limits: HttpLimits,
    clock: Arc<dyn Clock>,
    connections: Arc<Connections>,
}

impl<S: HttpService> Server<S> {
    /// A thread's life: accept, serve, until stopped.
    fn work(&self, slot: usize) {
        loop {
            match self.listener.accept() {
                // Where the kernel has route_localnet set (CVE-2020-8558), a neighbour on the network can reach
                // 127.0.0.1 of this machine.
                Ok((_, peer)) if self.limits.loopback_peers_only && !peer.ip().is_loopback() => {
                    log::warn!("{}: closed a connection from {}", S::NAME, peer.ip());
                }
                Ok((stream, _)) => {
                    let stream = Arc::new(stream);
                    if !self.connections.take(slot, Some(Arc::clone(&stream))) {
                        return;
                    }
                    // What a client sends must not cost a thread, whatever it makes us do.
                    if catch_unwind(AssertUnwindSafe(|| self.serve(&stream))).is_err() {
                        log::error!("{}: serving a connection panicked; report this as a bug", S::NAME);
                    }
                    self.connections.take(slot, None);
                }
                Err(_) if self.connections.lock().stopped => return,
                Err(error) => {
                    log::debug!("{}: no connection: {}", S::NAME, error.kind());
                    self.connections.pause();
                }
            }
        }
    }

    /// Answers the requests of one connection, in order.
    fn serve(&self, stream: &TcpStream) {
        // One write an answer makes this matter little; without it the last piece of a long one would wait.
        let _ = stream.set_nodelay(true);
        let mut connection =
            Connection { stream, clock: &*self.clock, buffer: WipedBuffer::zeroed(MAX_HEAD), filled: 0 };
        for request in 1..=self.limits.requests {
            // So few threads are free that nobody may take his time.
            let hurried = self.connections.free() < self.limits.reserve;
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
            let close = !next.keep || hurried || request == self.limits.requests;
            let Ok(bytes) = write_answer(&next.answer, close) else { return };
            if connection.send(bytes.as_slice()).is_none() {
                return;
            }
            connection.consume(next.length);
            if close {
                if !next.last || connection.filled > 0 {
                    connection.linger();
                }
                return;
            }
        }
    }

    /// Reads one whole head and has it judged; `None` if the client is gone or too slow.
    fn next_answer(&self, connection: &mut Connection<'_>, deadline: Duration) -> Option<Next> {
        loop {
            match parse_head(connection.received()) {
                Ok(Some(head)) => {
                    let answer = self.service.answer(Ok(&head), self.clock.moment());
                    // After another method we do not know what the client expects: an answer to HEAD has no body.
                    let keep = head.keeps_alive() && !matches!(answer.status, Status::MethodNotAllowed { .. });
                    return Some(Next { answer, length: head.length(), keep, last: !head.keeps_alive() });
                }
                Ok(None) => connection.fill(deadline)?,
                Err(refused) => {
                    log::debug!("{}: a request was not read: {refused}", S::NAME);
                    let answer = self.service.answer(Err(refused), self.clock.moment());
                    return Some(Next { answer, length: 0, keep: false, last: false });
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
    /// The client itself said that it sends no more (RFC 9112, section 9.6), so a close leaves nothing unread.
    last: bool,
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
