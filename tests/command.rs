//! The command's life with real processes and signals: one test at a time, since signals and children are the process's.
#![cfg(feature = "cli")]

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use safe_conduct::Secret;
use safe_conduct::sys::environment::ChildEnvironment;
use safe_conduct::sys::process::{
    Child, CommandLine, Event, Events, SpawnError, ends_us, harden, reap, spawn, status_of_signal,
};

/// As long as any wait here may take before the test fails; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn environment() -> ChildEnvironment {
    let path = ("PATH".into(), "/usr/bin:/bin".into());
    ChildEnvironment::new(vec![path], vec![("TOKEN", Arc::new(Secret::from_text("PLANTED")))], Vec::new())
}

fn line(words: &[&str]) -> CommandLine {
    CommandLine::new(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
}

fn shell(script: &str) -> Child {
    spawn(&line(&["sh", "-c", script]), &environment()).unwrap()
}

/// Waits for the command's end; signals that come meanwhile are forwarded.
fn status(events: &Events, child: &Child) -> u8 {
    loop {
        match events.next(Some(PATIENCE)).expect("the command ends") {
            Event::Signal(signal) => child.forward(signal),
            Event::ChildChanged => {
                if let Some(status) = reap(child) {
                    return status;
                }
            }
            Event::Woken => {}
        }
    }
}

#[test]
fn the_commands_exit_status_is_returned() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    for expected in [0, 7, 255] {
        assert_eq!(status(&events, &shell(&format!("exit {expected}"))), expected);
    }
}

#[test]
fn a_command_that_a_signal_ends_gives_128_and_its_number() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    assert_eq!(status(&events, &shell("kill -KILL $$")), 137);
    assert_eq!(status(&events, &shell("kill -TERM $$")), 143);
}

#[test]
fn signals_to_us_are_forwarded_to_the_command() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")] {
        // The command says with a signal of its own that its trap is set: no guess at how long that takes.
        // It ends by itself, so that a test that fails leaves nobody behind.
        let wait = "n=0; while [ $n -lt 1000 ]; do sleep 0.01; n=$((n + 1)); done; exit 8";
        let child = shell(&format!("trap 'exit 9' {name}; kill -WINCH $PPID; {wait}"));
        // The end of the child before may be told late.
        let event = std::iter::repeat_with(|| events.next(Some(PATIENCE))).find(|e| *e != Some(Event::ChildChanged));
        assert_eq!(event, Some(Some(Event::Signal(Signal::WINCH.as_raw()))));
        kill_process(own, signal).unwrap();
        assert_eq!(status(&events, &child), 9, "{name}");
    }
}

#[test]
fn a_signal_before_the_start_is_an_event_and_says_whether_it_ends_us() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
    kill_process(own, Signal::TERM).unwrap();
    assert_eq!(events.next(Some(PATIENCE)), Some(Event::Signal(15)));
    assert!(ends_us(15) && ends_us(2) && !ends_us(Signal::WINCH.as_raw()) && !ends_us(Signal::CHILD.as_raw()));
    assert_eq!((status_of_signal(15), status_of_signal(2), status_of_signal(i32::MAX)), (143, 130, 255));
    assert_eq!(events.next(Some(Duration::ZERO)), None);
}

#[test]
fn other_children_are_reaped_too_and_their_status_is_not_taken_for_the_commands() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    let others: Vec<Child> = (0..5).map(|_| shell("exit 3")).collect();
    // The command ends only when all the others have: their standing in the process table is what it looks at.
    let child = shell("while ps -o stat= --ppid $PPID 2>/dev/null | grep -q Z; do sleep 0.01; done; exit 4");
    assert_eq!(status(&events, &child), 4);
    assert!(others.iter().all(|other| reap(other).is_none()), "there is none left to wait for");
}

#[test]
fn the_environment_is_exactly_the_one_given() {
    let _alone = alone();
    let (events, _) = Events::listen().unwrap();
    let script = r#"test "$TOKEN" = PLANTED && test -z "$CARGO_PKG_NAME" && test -z "$HOME" && exit 5"#;
    assert_eq!(status(&events, &shell(script)), 5);
}

#[test]
fn a_command_that_cannot_be_started_gives_127_or_126() {
    let _alone = alone();
    let missing = spawn(&line(&["safe-conduct-no-such-command"]), &environment()).unwrap_err();
    assert_eq!(missing, SpawnError::NotFound { program: "safe-conduct-no-such-command".into() });
    assert_eq!(missing.exit_status(), 127);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let denied = spawn(&CommandLine::new(&[file.clone().into()]).unwrap(), &environment()).unwrap_err();
    assert_eq!(denied, SpawnError::NotExecutable { program: file.into() });
    assert_eq!(denied.exit_status(), 126);
    assert_eq!(CommandLine::new(&[]), None);
}

#[test]
fn another_thread_wakes_whoever_waits_and_once_is_enough() {
    let _alone = alone();
    let (events, waker) = Events::listen().unwrap();
    waker.wake();
    waker.clone().wake();
    assert_eq!(events.next(None), Some(Event::Woken));
    assert_eq!(events.next(Some(Duration::ZERO)), None);
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(events.next(Some(PATIENCE)), Some(Event::Woken));
    thread.join().unwrap();
}

#[test]
fn wake_ups_that_nobody_asks_for_never_block() {
    let _alone = alone();
    let (events, waker) = Events::listen().unwrap();
    (0..100_000).for_each(|_| waker.wake());
    assert_eq!(events.next(None), Some(Event::Woken));
}

#[test]
fn the_process_is_not_dumpable_and_only_without_a_command_is_the_core_limit_lowered() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};
    let _alone = alone();
    let before = getrlimit(Resource::Core);
    harden(true).unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core), before, "a command would inherit it");
    harden(false).unwrap();
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    // A soft limit that is too low for our threads is raised; one that is not is left as it is.
    let open = getrlimit(Resource::Nofile);
    for (current, expected) in [(100, 160), (159, 160), (160, 160), (161, 161)] {
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..open }).unwrap();
        harden(false).unwrap();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: Some(expected), ..open });
    }
    setrlimit(Resource::Nofile, open).unwrap();
    let (events, _) = Events::listen().unwrap();
    assert_eq!(status(&events, &shell("test -r /proc/$$/environ")), 0, "a command is dumpable as usual");
}
