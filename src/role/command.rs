//! The command that safe-conduct wraps, until it ends.

use safe_conduct::sys::process::{Child, Event, Events, reap};

/// Forwards signals to the command until it has ended, and returns its exit status.
pub(crate) fn run(events: &Events, child: Child) -> u8 {
    loop {
        match events.next(None) {
            Some(Event::Signal(signal)) => child.forward(signal),
            Some(Event::ChildChanged) => {
                if let Some(status) = reap(&child) {
                    return status;
                }
            }
            Some(Event::Woken) | None => {}
        }
    }
}
