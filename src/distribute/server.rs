//! The driver's side: a fixed set of threads that all accept, prove, read one ask and give one answer.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::audit::{AuditLog, ExecutorIdentity};
use crate::counter::Counts;
use crate::distribute::answering::Answering;
use crate::distribute::gate::{Gate, Patience};
use crate::distribute::message::{Ask, MAX_ASK, MAX_ASK_WITH_TOKEN};
use crate::distribute::proof::Rotated;
use crate::distribute::quota::Quota;
use crate::distribute::wire::{PeerFault, read_frame};
use crate::distribute::{
    ASK_OUTCOMES, DriverProof, ListenAddress, MessageError, PeerRefusal, PeerVerifier, Refusal, ServeError,
};
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::sys::random::Random;
use crate::sys::tls::Acceptor;
use crate::time::Clock;

/// Stack of a serving thread: a handshake in a debug build needs under a quarter of it; where executors send tokens, one
/// of these threads fetches the issuer's keys.
const STACK: usize = 512 * 1024;

/// How long a thread waits when the system has no descriptor for a connection: it neither spins nor gives up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server's numbers. Not settings: tests make them small.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Serving threads, and so most connections at a time: 2,000 asks a second pass through them with room to spare.
    pub threads: usize,
    /// From accept to authenticated: a handshake takes milliseconds, a lost packet is sent again within a second.
    pub authenticate: Duration,
    /// For the ask and the answer together, for the same reason.
    pub exchange: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { threads: 32, authenticate: Duration::from_secs(2), exchange: Duration::from_secs(2) }
    }
}

/// What the driver's server needs to know.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where to listen.
    pub listen: ListenAddress,
    /// How the two sides prove themselves. Its files are read anew for each connection.
    pub proof: DriverProof,
    /// Longest time between two asks of an executor.
    pub poll_interval: Duration,
}

/// Serves the newest credentials to executors that prove that they belong to the job.
#[derive(Debug)]
pub struct DriverServer;

impl DriverServer {
    /// Listens and serves from now on, also while `store` is still empty.
    ///
    /// # Errors
    /// [`ServeError`] if the proof's files, the address or the threads cannot be had.
    pub fn start(
        settings: ServerSettings,
        store: Arc<CredentialStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        audit: Arc<dyn AuditLog>,
    ) -> Result<RunningServer, ServeError> {
        Self::start_with(settings, ServerLimits::default(), store, clock, random, audit)
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`DriverServer::start`].
    #[doc(hidden)]
    pub fn start_with(
        settings: ServerSettings,
        limits: ServerLimits,
        store: Arc<CredentialStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        audit: Arc<dyn AuditLog>,
    ) -> Result<RunningServer, ServeError> {
        let verifier = settings.proof.verifier();
        let proof = settings.proof.open().map_err(ServeError::Proof)?;
        let (listener, address) = listen(settings.listen)?;
        let failed = |error: std::io::Error| ServeError::Listen { address, kind: error.kind() };
        let address = listener.local_addr().map_err(failed)?;
        let wake = TcpStream::from(OwnedFd::from(listener.try_clone().map_err(failed)?));
        let server = Arc::new(Server {
            listener,
            proof,
            verifier,
            answering: Answering::new(settings.poll_interval, store, random, audit),
            gate: Mutex::new(Gate::new(limits.threads)),
            open: (0..limits.threads).map(|_| Mutex::new(None)).collect(),
            limits,
            clock,
            asks: Counts::of(ASK_OUTCOMES),
            complaints: Mutex::new(Quota::new(1, Duration::from_secs(10))),
            stopping: Mutex::new(false),
            stop: Condvar::new(),
        });
        // From here on, dropping `running` stops what has been started.
        let mut running = RunningServer { server, address, wake, threads: Vec::with_capacity(limits.threads) };
        for slot in 0..limits.threads {
            let server = Arc::clone(&running.server);
            let named = std::thread::Builder::new().name(format!("serve-{slot}")).stack_size(STACK);
            let spawned = named.spawn(move || server.serve(slot));
            running.threads.push(spawned.map_err(|error| ServeError::Threads { kind: error.kind() })?);
        }
        Ok(running)
    }
}

fn listen(at: ListenAddress) -> Result<(TcpListener, SocketAddr), ServeError> {
    let mut last = ServeError::Listen { address: SocketAddr::from(([0, 0, 0, 0], 0)), kind: ErrorKind::InvalidInput };
    for address in at.candidates() {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok((listener, address)),
            Err(error) => last = ServeError::Listen { address, kind: error.kind() },
        }
    }
    Err(last)
}

/// A server that runs until it is stopped or dropped; either ends its connections at once and waits for its threads.
pub struct RunningServer {
    server: Arc<Server>,
    address: SocketAddr,
    /// The listening socket once more, in a type that can be shut down.
    wake: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl RunningServer {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What became of asks, by [`ASK_OUTCOMES`].
    #[must_use]
    pub fn asks(&self) -> Counts<&'static str> {
        self.server.asks.clone()
    }

    /// Stops it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        *lock(&self.server.stopping) = true;
        self.server.stop.notify_all();
        // Linux wakes all who wait in accept(2) on a socket that is shut down; it takes no descriptor and no network.
        let _ = self.wake.shutdown(Shutdown::Both);
        for slot in &self.server.open {
            if let Some(socket) = lock(slot).as_ref() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningServer({})", self.address)
    }
}

/// What the threads share.
struct Server {
    listener: TcpListener,
    proof: Rotated<Acceptor>,
    /// Judges the tokens of executors, where they send any.
    verifier: Option<Arc<dyn PeerVerifier>>,
    answering: Answering,
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
    gate: Mutex<Gate>,
    /// The connection that each thread has now, so that stopping need not wait for it.
    open: Vec<Mutex<Option<Arc<TcpStream>>>>,
    asks: Counts<&'static str>,
    complaints: Mutex<Quota>,
    stopping: Mutex<bool>,
    stop: Condvar,
}

impl Server {
    fn serve(&self, slot: usize) {
        let Some(open) = self.open.get(slot) else { return };
        while !*lock(&self.stopping) {
            match self.listener.accept() {
                Ok((socket, peer)) => self.receive(socket, peer.ip().to_canonical(), open),
                Err(error) => self.pause(&error),
            }
        }
    }

    /// Out of descriptors, most likely: connections that end give some back.
    fn pause(&self, error: &std::io::Error) {
        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) {
            return;
        }
        let stopping = lock(&self.stopping);
        if !*stopping {
            self.complain(format_args!("no connection can be taken: {}", error.kind()));
        }
        let _ = self.stop.wait_timeout_while(stopping, ACCEPT_PAUSE, |stopping| !*stopping);
    }

    fn receive(&self, socket: TcpStream, peer: IpAddr, open: &Mutex<Option<Arc<TcpStream>>>) {
        // Who is not admitted is closed at once.
        let Some(mut admission) = Admission::ask(&self.gate, peer) else { return self.asks.add("failed") };
        let socket = Arc::new(socket);
        *lock(open) = Some(Arc::clone(&socket));
        // The stop may have come before the line above; it then did not see this connection.
        if !*lock(&self.stopping) {
            // What a peer sends must not cost a thread, whatever it makes us do.
            let served = std::panic::catch_unwind(AssertUnwindSafe(|| self.answer(socket, peer, &mut admission)));
            match served {
                Ok(Ok(outcome)) => self.asks.add(outcome),
                Ok(Err(fault)) => {
                    self.asks.add("failed");
                    self.complain(format_args!("{peer} got no answer: {fault}"));
                }
                Err(_) => {
                    self.asks.add("failed");
                    self.complain(format_args!("{peer} got no answer: serving it panicked; report this as a bug"))
                }
            }
        }
        *lock(open) = None;
    }

    fn answer(
        &self,
        socket: Arc<TcpStream>,
        peer: IpAddr,
        admission: &mut Admission<'_>,
    ) -> Result<&'static str, PeerFault> {
        // Each side writes little and then waits: holding back small packets would only cost time.
        let _ = socket.set_nodelay(true);
        let mut stream = self.proof.current().accept(socket, admission.patience.of(self.limits.authenticate))?;
        let heard = match &self.verifier {
            None => {
                admission.authenticated();
                stream.set_deadline(self.limits.exchange);
                let (header, body) = read_frame(&mut stream, MAX_ASK)?;
                Ask::decode(header.kind, body.as_slice()).map(|ask| Ok((ask, None)))
            }
            // A stranger until its token has been judged: the handshake's deadline goes on, and so does its place in
            // the gate.
            Some(verifier) => {
                let (header, body) = read_frame(&mut stream, MAX_ASK_WITH_TOKEN)?;
                let heard = Ask::decode_with_token(header.kind, body.as_slice());
                let judged = heard.map(|(ask, token)| self.judge(verifier.as_ref(), ask, token, peer));
                if matches!(judged, Ok(Ok(_))) {
                    admission.authenticated();
                    stream.set_deadline(self.limits.exchange);
                }
                judged
            }
        };
        let at = self.clock.moment();
        let (reply, timing) = match heard {
            Ok(Ok((ask, identity))) => self.answering.reply(&ask, peer, identity.as_ref(), at),
            Ok(Err(refusal)) => self.answering.refusal(refusal, at),
            Err(MessageError::Protocol { .. }) => self.answering.refusal(Refusal::Protocol, at),
            Err(error) => return Err(error.into()),
        };
        stream.finish(reply.encode(timing)?.as_slice())?;
        Ok(reply.outcome())
    }

    /// Whether the token lets the asker in, and as whom.
    fn judge(
        &self,
        verifier: &dyn PeerVerifier,
        ask: Ask,
        token: Option<Secret>,
        peer: IpAddr,
    ) -> Result<(Ask, Option<ExecutorIdentity>), Refusal> {
        let token = token.ok_or(Refusal::TokenRequired)?;
        let judged = verifier.verify(token, self.clock.moment());
        judged.map(|identity| (ask, Some(identity))).map_err(|refusal| {
            self.complain(format_args!("{peer} got no credentials: {refusal}"));
            match refusal {
                PeerRefusal::Refused { .. } => Refusal::TokenRefused,
                PeerRefusal::Unchecked { .. } => Refusal::TokenUnchecked,
            }
        })
    }

    /// Says what a peer did; peers cannot make the log grow as they like.
    fn complain(&self, what: fmt::Arguments<'_>) {
        match lock(&self.complaints).take(self.clock.moment().monotonic) {
            None => {}
            Some(0) => log::warn!("{what}"),
            Some(left_out) => log::warn!("{what} ({left_out} more like this since the last line)"),
        }
    }
}

/// A thread that is taken, and given back when this is dropped.
struct Admission<'a> {
    gate: &'a Mutex<Gate>,
    peer: IpAddr,
    patience: Patience,
    stranger: bool,
}

impl<'a> Admission<'a> {
    fn ask(gate: &'a Mutex<Gate>, peer: IpAddr) -> Option<Self> {
        lock(gate).admit(peer).map(|patience| Self { gate, peer, patience, stranger: true })
    }

    fn authenticated(&mut self) {
        if std::mem::replace(&mut self.stranger, false) {
            lock(self.gate).known(self.peer);
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.authenticated();
        lock(self.gate).leave();
    }
}

/// Whoever held one of these locks left a whole value behind, since each is changed in one step; so poison says
/// nothing about the value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
