//! The status listener: `/livez`, `/readyz` and `/metrics` on an address of their own.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Snapshot, render};
use crate::codec::http1::{Answer, Content, Head, Http1Error, Status};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::secret::WipedBuffer;
use crate::sys::http_server::{HttpLimits, HttpListener, HttpService, RunningHttpServer};
use crate::time::{Clock, Moment};

const LIMITS: HttpLimits = HttpLimits {
    // A kubelet and a Prometheus. Whoever says nothing holds one for 2 s, the other for 250 ms.
    threads: 2,
    reserve: 1,
    requests: 1,
    // Probes and scrapes come from outside the pod.
    loopback_peers_only: false,
};

/// Says how a role fares, to anybody who asks.
///
/// There is no token and no allow-list for `Host`: a web page that reaches it through a rebound DNS name reads what
/// everybody in the network may read, and none of it is secret.
#[derive(Debug)]
pub struct StatusListener;

impl StatusListener {
    /// Opens the port and answers from what `source` shows at that moment.
    ///
    /// # Errors
    /// [`StatusError`] if the address cannot be had, or there are no threads.
    pub fn start(
        listen: SocketAddr,
        source: Box<dyn Fn(Moment) -> Snapshot + Send + Sync>,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningHttpServer, StatusError> {
        let listener = HttpListener::bind(listen).map_err(|kind| StatusError::Bind { listen, kind })?;
        listener.serve(Responder { source }, LIMITS, clock).map_err(|_| StatusError::NoThread)
    }
}

struct Responder {
    source: Box<dyn Fn(Moment) -> Snapshot + Send + Sync>,
}

impl HttpService for Responder {
    const NAME: &'static str = "status";

    fn answer(&self, request: Result<&Head<'_>, Http1Error>, at: Moment) -> Answer {
        let Ok(head) = request else { return text(Status::BadRequest, "bad request\n") };
        let to_head = head.method() == "HEAD";
        if !to_head && head.method() != "GET" {
            return text(Status::MethodNotAllowed { allow: "GET, HEAD" }, "method not allowed\n");
        }
        let answer = match head.path() {
            // Whoever reads this is being served.
            "/livez" => text(Status::Ok, "alive\n"),
            "/readyz" => match (self.source)(at).ready {
                Ok(()) => text(Status::Ok, "ready\n"),
                Err(code) => text(Status::ServiceUnavailable, &format!("not ready: {code}\n")),
            },
            "/metrics" => {
                let body = WipedBuffer::copy_of(render(&(self.source)(at)).as_bytes());
                Answer::new(Status::Ok, Content::Metrics, body)
            }
            _ => text(Status::NotFound, "not found: there are /livez, /readyz and /metrics\n"),
        };
        Answer { to_head, ..answer }
    }
}

fn text(status: Status, body: &str) -> Answer {
    Answer::new(status, Content::Text, WipedBuffer::copy_of(body.as_bytes()))
}

/// Why there is no status listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusError {
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

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { listen, kind } => write!(f, "the status listener cannot listen on {listen}: {kind}"),
            Self::NoThread => f.write_str("the operating system gave no thread for the status listener"),
        }
    }
}

impl std::error::Error for StatusError {}

impl Actionable for StatusError {
    fn facts(&self) -> Facts {
        match self {
            Self::Bind { .. } => Facts::new(
                "STATUS_BIND",
                Fault::Configuration,
                Retry::Backoff,
                "Name a free port and an address of this machine in spark.security.oidc.status.listen, or leave it out.",
            ),
            Self::NoThread => Facts::new(
                "STATUS_NO_THREAD",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes or memory: the status listener has 2 threads.",
            ),
        }
    }
}
