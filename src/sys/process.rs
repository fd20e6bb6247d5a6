//! Processes: signals, the one command and its end, and what a debugger may see of us. The only place that knows them.
//!
//! There is no thread here: a signal's handler writes to a socket pair, and [`Events::next`] reads from it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::error::{Actionable, Facts, Fault, Retry};
use crate::sys::environment::ChildEnvironment;

/// Descriptors that a driver has at most: one for each of its 98 threads that serve (Linux puts one by for whoever waits
/// in accept(2)), one more for each of 32 that read a key file, some 14 of its own, and room to spare. With fewer, those
/// who wait would leave none for a renewal.
const DESCRIPTORS: u64 = 160;

/// The signals that are forwarded to the command: what Kubernetes, a terminal and operators send.
const FORWARDED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// What the main thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal came, for the command or for us.
    Signal(i32),
    /// A child ended: see [`reap`].
    ChildChanged,
    /// Somebody called [`Waker::wake`].
    Woken,
}

/// Signals and wake-ups, one after the other. One to a process.
#[derive(Debug)]
pub struct Events {
    state: Mutex<State>,
    woken: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    queue: VecDeque<Event>,
}

impl Events {
    /// Takes over the signals. To be called before any child is started: the end of one that was started before could
    /// be missed.
    ///
    /// # Errors
    /// [`ProcessError::Signals`] if the operating system refuses.
    pub fn listen() -> Result<(Self, Waker), ProcessError> {
        let failed = |error: std::io::Error| ProcessError::Signals { kind: error.kind() };
        let (read, write) = UnixStream::pair().map_err(failed)?;
        // A pair that is full wakes just as well: nobody may wait to write to it.
        write.set_nonblocking(true).map_err(failed)?;
        let for_waker = write.try_clone().map_err(failed)?;
        let signals = FORWARDED.iter().chain([&SIGCHLD]);
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, signals).map_err(failed)?;
        let woken = Arc::new(AtomicBool::new(false));
        let waker = Waker { write: Arc::new(for_waker), woken: Arc::clone(&woken) };
        Ok((Self { state: Mutex::new(State { delivery, queue: VecDeque::new() }), woken }, waker))
    }

    /// The next event; `None` if there is none within `timeout`. Without a timeout it waits as long as it takes.
    ///
    /// Signals of one kind that come before they are asked for count as one, as they do for the kernel.
    pub fn next(&self, timeout: Option<Duration>) -> Option<Event> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.collect(&mut state);
        while state.queue.is_empty() {
            let read = state.delivery.get_read_mut();
            // A zero timeout would mean "for ever".
            let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
            read.set_read_timeout(timeout).ok()?;
            match read.read(&mut [0; 1]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
            self.collect(&mut state);
        }
        state.queue.pop_front()
    }

    fn collect(&self, state: &mut State) {
        let State { delivery, queue } = state;
        queue.extend(delivery.pending().map(|signal| match signal {
            SIGCHLD => Event::ChildChanged,
            other => Event::Signal(other),
        }));
        if self.woken.swap(false, Ordering::SeqCst) {
            queue.push_back(Event::Woken);
        }
    }
}

/// Wakes whoever waits in [`Events::next`], from any thread.
#[derive(Debug, Clone)]
pub struct Waker {
    write: Arc<UnixStream>,
    woken: Arc<AtomicBool>,
}

impl Waker {
    /// Makes [`Event::Woken`] an event. Several calls before it is asked for count as one.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        // It fails only if the pair is full, which wakes too, or if nobody listens any more.
        let _ = (&*self.write).write(b"w");
    }
}

/// Whether a signal ends a process that does not know it, and so ends us where there is no command to forward it to.
#[must_use]
pub fn ends_us(signal: i32) -> bool {
    FORWARDED.contains(&signal) && signal != SIGWINCH
}

/// The exit status that says "ended by this signal", as shells have it: 128 and the signal's number.
#[must_use]
pub fn status_of_signal(signal: i32) -> u8 {
    u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
}

/// Keeps other users' debuggers and core files away from our memory.
///
/// Not dumpable: no core file of this process, and `/proc/PID/{mem,environ,maps}` is root's. A program that is started
/// afterwards is as usual. The core limit, which a command would inherit, is lowered only where there is none.
///
/// Also makes sure of the descriptors that our threads take.
///
/// # Errors
/// [`ProcessError::Harden`] if the operating system refuses; [`ProcessError::Descriptors`] if there are too few.
pub fn harden(has_command: bool) -> Result<(), ProcessError> {
    let failed = |errno: rustix::io::Errno| ProcessError::Harden { kind: errno.kind() };
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    if !has_command {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(Resource::Core, none).map_err(failed)?;
    }
    let open = rustix::process::getrlimit(Resource::Nofile);
    if open.current.is_some_and(|current| current < DESCRIPTORS) {
        if let Some(most) = open.maximum.filter(|most| *most < DESCRIPTORS) {
            return Err(ProcessError::Descriptors { most });
        }
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..open }).map_err(failed)?;
    }
    Ok(())
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
}

impl CommandLine {
    /// The words behind `--`; `None` if there is none.
    #[must_use]
    pub fn new(words: &[OsString]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec() })
    }
}

/// The command, running or ended.
#[derive(Debug)]
pub struct Child {
    id: Pid,
}

/// Starts `command` with exactly `environment`; a program without a `/` is looked up in that environment's `PATH`.
///
/// # Errors
/// [`SpawnError`] has the exit status that shells have for it.
pub fn spawn(command: &CommandLine, environment: &ChildEnvironment) -> Result<Child, SpawnError> {
    let mut start = Command::new(&command.program);
    start.args(&command.arguments).env_clear();
    start.envs(environment.variables().iter().map(|(name, value)| (name, value)));
    start.envs(environment.secrets().iter().map(|(name, value)| (name, value.expose())));
    let started = start.spawn().map_err(|error| {
        let program = command.program.clone();
        match error.kind() {
            ErrorKind::NotFound => SpawnError::NotFound { program },
            ErrorKind::PermissionDenied => SpawnError::NotExecutable { program },
            kind => SpawnError::NotStarted { program, kind },
        }
    })?;
    // Only the number is kept: waiting for it elsewhere than in `reap` would take its end away from there.
    Ok(Child { id: Pid::from_child(&started) })
}

impl Child {
    /// Sends the command a signal. One that has ended already is none the worse for it.
    pub fn forward(&self, signal: i32) {
        let Some(signal) = Signal::from_named_raw(signal) else { return };
        if let Err(errno) = rustix::process::kill_process(self.id, signal) {
            log::debug!("signal {} was not forwarded: {}", signal.as_raw(), errno.kind());
        }
    }
}

/// Collects every child that has ended, as process 1 must, and says with which status the command ended, if it did:
/// its own, or 128 and the number of the signal that ended it.
///
/// One signal may stand for several children, so it asks until there is none left. Nothing else waits for a child.
#[must_use]
pub fn reap(child: &Child) -> Option<u8> {
    let mut ours = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((id, status))) if id == child.id => {
                let own = status.exit_status().map(|own| u8::try_from(own).unwrap_or(u8::MAX));
                ours = own.or_else(|| status.terminating_signal().map(status_of_signal)).or(ours);
            }
            Ok(Some(_)) => {}
            Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return ours,
        }
    }
}

/// Why this process is not set up as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessError {
    /// Signals cannot be taken over.
    Signals {
        /// What the operating system says.
        kind: ErrorKind,
    },
    /// The memory cannot be kept from debuggers and core files.
    Harden {
        /// What the operating system says.
        kind: ErrorKind,
    },
    /// There are too few descriptors for our threads.
    Descriptors {
        /// How many there may be.
        most: u64,
    },
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals { kind } => write!(f, "signals cannot be taken over: {kind}"),
            Self::Harden { kind } => write!(f, "the memory cannot be kept from debuggers and core files: {kind}"),
            Self::Descriptors { most } => write!(f, "only {most} files may be open, and {DESCRIPTORS} are needed"),
        }
    }
}

impl std::error::Error for ProcessError {}

impl Actionable for ProcessError {
    fn facts(&self) -> Facts {
        match self {
            Self::Signals { .. } => Facts::new(
                "PROCESS_SIGNALS",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of open files.",
            ),
            Self::Harden { .. } => Facts::new(
                "PROCESS_HARDEN",
                Fault::Configuration,
                Retry::Never,
                "Allow prctl and setrlimit in the container's seccomp profile (RuntimeDefault does).",
            ),
            Self::Descriptors { .. } => Facts::new(
                "PROCESS_DESCRIPTORS",
                Fault::Configuration,
                Retry::Never,
                "Raise the hard limit of open files (ulimit -Hn) to 160 or more.",
            ),
        }
    }
}

/// Why the command was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such program.
    NotFound {
        /// As it was asked for.
        program: OsString,
    },
    /// It may not be executed.
    NotExecutable {
        /// As it was asked for.
        program: OsString,
    },
    /// The operating system reports something else.
    NotStarted {
        /// As it was asked for.
        program: OsString,
        /// What.
        kind: ErrorKind,
    },
}

impl SpawnError {
    /// The exit status, as shells have it: 127 for not found, 126 for not executable.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } | Self::NotStarted { .. } => 126,
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program } => write!(f, "command {} not found", program.display()),
            Self::NotExecutable { program } => write!(f, "command {} may not be executed", program.display()),
            Self::NotStarted { program, kind } => {
                write!(f, "command {} cannot be started: {kind}", program.display())
            }
        }
    }
}

impl std::error::Error for SpawnError {}

impl Actionable for SpawnError {
    fn facts(&self) -> Facts {
        match self {
            Self::NotFound { .. } => Facts::new(
                "COMMAND_NOT_FOUND",
                Fault::Configuration,
                Retry::Never,
                "Give the command's whole path; for a script, check that its interpreter is in the image.",
            ),
            Self::NotExecutable { .. } => Facts::new(
                "COMMAND_NOT_EXECUTABLE",
                Fault::Configuration,
                Retry::Never,
                "Make the command executable (chmod +x), and check that its volume is not mounted noexec.",
            ),
            Self::NotStarted { .. } => Facts::new(
                "COMMAND_NOT_STARTED",
                Fault::Configuration,
                Retry::Backoff,
                "Check that it is a program for this machine, and the container's limits of processes and memory.",
            ),
        }
    }
}
