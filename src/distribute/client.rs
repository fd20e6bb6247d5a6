//! The executor's side: one ask on one connection, and the thread that keeps asking.

use std::fmt;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::codec::frame::MAX_BODY;
use crate::credential::AcceptedProperties;
use crate::distribute::asking::{Asking, Notice, Received};
use crate::distribute::message::{Ask, Reply};
use crate::distribute::proof::Rotated;
use crate::distribute::wire::{PeerFault, read_frame};
use crate::distribute::{AskError, AskOutcome, DriverAddress, ExecutorProof, Refusal};
use crate::name::ExecutorName;
use crate::store::{CredentialStore, Version, VersionedCredentials};
use crate::sys::random::Random;
use crate::sys::tls::{Connector, TlsError};
use crate::time::Clock;

/// Most addresses of the driver's name that one ask tries: a headless Service has one, two with IPv4 and IPv6.
const MAX_ADDRESSES: usize = 4;

/// The client's numbers. Not settings: tests make them small.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// For reaching one address: three times what a lost first packet costs would be too long, one retry is enough.
    pub connect: Duration,
    /// For the handshake: as long as the driver gives it.
    pub authenticate: Duration,
    /// For the ask and the answer: as long as the driver gives them.
    pub exchange: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let limit = Duration::from_secs(2);
        Self { connect: limit, authenticate: limit, exchange: limit }
    }
}

/// What an executor's client needs to know.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the driver is.
    pub driver: DriverAddress,
    /// How the two sides prove themselves. Its files are read anew for each ask.
    pub proof: ExecutorProof,
    /// What to call oneself in the driver's audit trail.
    pub name: ExecutorName,
    /// What a bundle may set.
    pub accepted: AcceptedProperties,
    /// Longest time between two asks.
    pub poll_interval: Duration,
}

/// The driver's answer to one ask.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// A bundle that the executor did not have.
    Bundle {
        /// The bundle.
        bundle: VersionedCredentials,
        /// When the driver wants to be asked again.
        next_ask: Duration,
    },
    /// The executor has the newest bundle.
    Unchanged {
        /// When the driver wants to be asked again.
        next_ask: Duration,
    },
    /// There is nothing for the executor.
    Refused {
        /// Why.
        refusal: Refusal,
        /// When the driver wants to be asked again.
        next_ask: Duration,
    },
}

/// Asks the driver for credentials.
pub struct ExecutorClient {
    settings: ClientSettings,
    limits: ClientLimits,
    proof: Rotated<Connector>,
    clock: Arc<dyn Clock>,
}

impl ExecutorClient {
    /// Reads the proof's files; later they are read anew for each ask, and the last good ones stay in use.
    ///
    /// # Errors
    /// [`AskError::Proof`] if they cannot be used.
    pub fn new(settings: ClientSettings, clock: Arc<dyn Clock>) -> Result<Self, AskError> {
        Self::with_limits(settings, ClientLimits::default(), clock)
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`ExecutorClient::new`].
    #[doc(hidden)]
    pub fn with_limits(
        settings: ClientSettings,
        limits: ClientLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AskError> {
        let proof = settings.proof.open().map_err(AskError::Proof)?;
        Ok(Self { settings, limits, proof, clock })
    }

    /// One connection, one answer. `have` is the bundle in hand.
    ///
    /// # Errors
    /// [`AskError`] if there is no answer, or none that may be used.
    pub fn ask(&self, have: Option<Version>) -> Result<Answer, AskError> {
        let Received { reply, timing, .. } = self.exchange(&Ask { executor: self.settings.name.clone(), have })?;
        let next_ask = timing.next_ask;
        Ok(match reply {
            Reply::Bundle(bundle) => Answer::Bundle { bundle, next_ask },
            Reply::Unchanged => Answer::Unchanged { next_ask },
            Reply::Refused(refusal) => Answer::Refused { refusal, next_ask },
        })
    }

    fn exchange(&self, ask: &Ask) -> Result<Received, AskError> {
        let ask = match self.settings.proof.token()? {
            None => ask.encode(),
            Some(token) => ask.encode_with_token(&token),
        };
        let ask = ask.map_err(AskError::Ask)?;
        // Credentials age from before the connection: they were certainly not made later for us.
        let asked = self.clock.moment();
        let socket = self.connect()?;
        let connected = self.proof.current().connect(socket, self.limits.authenticate);
        let mut stream = connected.map_err(|error| self.in_handshake(error))?;
        stream.set_deadline(self.limits.exchange);
        // In TLS 1.3 our handshake is over before the driver has judged our key, so a refusal shows only now. The
        // connection may break while we write, and why it did is then what we read.
        let written = stream.write_all(ask.as_slice());
        let (header, body) = read_frame(&mut stream, MAX_BODY).map_err(|fault| match (fault, written) {
            (PeerFault::Tls(TlsError::RefusedByPeer), _) => AskError::KeyRefused { driver: self.driver() },
            (PeerFault::Tls(error @ TlsError::OtherProof), _)
            | (PeerFault::Tls(_), Err(error))
            | (PeerFault::Tls(error), Ok(())) => self.on_the_wire(error),
            (PeerFault::Message(error), _) => AskError::Answer(error),
        })?;
        let decoded = Reply::decode(header.kind, body.as_slice(), &self.settings.accepted, asked.monotonic);
        let (reply, timing) = decoded.map_err(AskError::Answer)?;
        Ok(Received { reply, timing, asked })
    }

    /// Starts a thread that asks at once, then again and again, and puts what it gets into `store`. `notify` is
    /// called in that thread after each ask.
    ///
    /// # Errors
    /// [`AskError::Thread`] if the operating system gives no thread.
    pub fn start(
        self,
        store: Arc<CredentialStore>,
        random: Arc<dyn Random>,
        notify: Box<dyn Fn(&AskOutcome) + Send>,
    ) -> Result<RunningClient, AskError> {
        let signal = Arc::new(Signal::default());
        let waiting = Arc::clone(&signal);
        let spawned = std::thread::Builder::new().name("ask".to_owned()).spawn(move || {
            let ClientSettings { driver, name, poll_interval, .. } = self.settings.clone();
            let mut asking = Asking::new(driver, name, poll_interval, store);
            while !waiting.is_stopped() {
                let received = self.exchange(&asking.ask());
                let step = asking.heard(received, self.clock.moment(), random.fraction());
                notify(&step.outcome);
                step.notices.iter().for_each(Notice::say);
                waiting.wait(step.wait);
            }
        });
        let thread = spawned.map_err(|error| AskError::Thread { kind: error.kind() })?;
        Ok(RunningClient { signal, thread: Some(thread) })
    }

    /// The name is resolved anew at each ask: a driver that is started again has another address.
    fn connect(&self) -> Result<Arc<TcpStream>, AskError> {
        let driver = &self.settings.driver;
        let resolved = (driver.host(), driver.port()).to_socket_addrs();
        let addresses = resolved.map_err(|_| AskError::DriverName { driver: self.driver() })?;
        let mut last = AskError::DriverName { driver: self.driver() };
        for address in addresses.take(MAX_ADDRESSES) {
            match TcpStream::connect_timeout(&address, self.limits.connect) {
                Ok(socket) => {
                    let _ = socket.set_nodelay(true);
                    return Ok(Arc::new(socket));
                }
                Err(error) => last = AskError::Unreachable { driver: self.driver(), kind: error.kind() },
            }
        }
        Err(last)
    }

    fn in_handshake(&self, error: TlsError) -> AskError {
        match error {
            TlsError::PeerUnknown => AskError::DriverUnknown { driver: self.driver() },
            TlsError::PeerCertificate { fault } => AskError::DriverCertificate { driver: self.driver(), fault },
            TlsError::Handshake | TlsError::RefusedByPeer => AskError::NotADriver { driver: self.driver() },
            TlsError::TimedOut | TlsError::Broken { .. } | TlsError::OtherProof => self.on_the_wire(error),
        }
    }

    fn on_the_wire(&self, error: TlsError) -> AskError {
        let driver = self.driver();
        match error {
            TlsError::TimedOut => AskError::TimedOut { driver },
            TlsError::OtherProof => AskError::OtherProof { driver },
            TlsError::Broken { kind } => AskError::Broken { driver, kind },
            TlsError::PeerUnknown
            | TlsError::PeerCertificate { .. }
            | TlsError::RefusedByPeer
            | TlsError::Handshake => AskError::Broken { driver, kind: ErrorKind::InvalidData },
        }
    }

    fn driver(&self) -> DriverAddress {
        self.settings.driver.clone()
    }
}

impl fmt::Debug for ExecutorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutorClient({})", self.settings.driver)
    }
}

/// A loop that asks until it is dropped. Dropping waits for an ask that is under way: some seconds at most, and the
/// resolver's own time limit where the driver's name does not resolve.
pub struct RunningClient {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl RunningClient {
    /// Makes it ask at once, whenever its next ask was due.
    pub fn ask_now(&self) {
        self.signal.send(Wish::AskNow);
    }
}

impl Drop for RunningClient {
    fn drop(&mut self) {
        self.signal.send(Wish::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for RunningClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningClient")
    }
}

/// What others want of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wish {
    #[default]
    None,
    AskNow,
    Stop,
}

#[derive(Default)]
struct Signal {
    wish: Mutex<Wish>,
    sent: Condvar,
}

impl Signal {
    fn send(&self, wish: Wish) {
        let mut held = self.lock();
        // A stop is never taken back.
        if *held != Wish::Stop {
            *held = wish;
        }
        self.sent.notify_all();
    }

    /// Waits for a wish, at most so long, and takes it up.
    fn wait(&self, timeout: Duration) {
        let waited = self.sent.wait_timeout_while(self.lock(), timeout, |wish| *wish == Wish::None);
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *held == Wish::AskNow {
            *held = Wish::None;
        }
    }

    fn is_stopped(&self) -> bool {
        *self.lock() == Wish::Stop
    }

    /// A wish is one word: there is no half of one.
    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
