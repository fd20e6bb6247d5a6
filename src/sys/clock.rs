//! The system's clocks: the only place that asks for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Clock, Moment, Timestamp};

/// The wall clock and the monotonic clock of this machine.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts at zero, now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    /// A wall clock outside 1970 to 9999 reads as the end of 9999: everything has expired then, so nothing is served.
    fn moment(&self) -> Moment {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::from_unix_seconds(since.as_secs()).unwrap_or(Timestamp::MAX),
            Err(_) => Timestamp::MAX,
        };
        Moment { wall, monotonic: self.started.elapsed() }
    }
}
