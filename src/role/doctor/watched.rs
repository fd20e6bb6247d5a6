//! An HTTP client that remembers what came of its last request, and what time it was for the other side.

use std::sync::{Mutex, PoisonError};

use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http::{HttpClient, HttpError, HttpRequest, HttpResponse, Roots, UreqClient};
use safe_conduct::time::{Clock, Timestamp};

/// The client of one service.
pub(super) struct Watched {
    client: UreqClient,
    clock: SystemClock,
    last: Mutex<Option<Heard>>,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// The answer's status, if there was one.
    pub(super) outcome: Result<u16, HttpError>,
    /// The answer's `Date`, and our time when it was there.
    pub(super) dates: Option<Dates>,
}

/// One moment by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) theirs: Timestamp,
    pub(super) ours: Timestamp,
}

impl Watched {
    pub(super) fn new(client: UreqClient) -> Self {
        Self { client, clock: SystemClock::new(), last: Mutex::new(None) }
    }

    /// What came of the last request; `None` if there was none.
    pub(super) fn heard(&self) -> Option<Heard> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which roots it trusts.
    pub(super) fn roots(&self) -> &Roots {
        self.client.roots()
    }
}

impl HttpClient for Watched {
    fn send(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
        let answer = self.client.send(request);
        let ours = self.clock.moment().wall;
        let dates = answer.as_ref().ok().and_then(|answer| answer.date).map(|theirs| Dates { theirs, ours });
        let outcome = answer.as_ref().map(|answer| answer.status).map_err(Clone::clone);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Heard { outcome, dates });
        answer
    }
}
