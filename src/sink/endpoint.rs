//! The AWS container credentials endpoint on loopback: its address, its limits, its errors. What it says is `answer`'s.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::counter::Counts;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::Scheme;
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::sys::http_server::{HttpLimits, HttpListener, RunningHttpServer};
use crate::time::Clock;

use super::answer::{Responder, STATUSES};

/// The path of the unnamed credentials. Those of a target are at its name below it.
pub const PATH: &str = "/v1/credentials";

const LIMITS: HttpLimits = HttpLimits {
    // A JVM, its Python workers and a probe need a handful.
    threads: 64,
    reserve: 8,
    requests: 100,
    // Rule: never reachable from outside the pod.
    loopback_peers_only: true,
};

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
        let listener = HttpListener::bind(listen).map_err(|kind| EndpointError::Bind { listen, kind })?;
        let requests = Counts::of(STATUSES);
        let responder = Responder::new(listener.local_addr(), token, scheme, store, requests.clone());
        let server = listener.serve(responder, LIMITS, clock).map_err(|_| EndpointError::NoThread)?;
        Ok(RunningEndpoint { server, requests })
    }
}

/// An endpoint at work. Dropping it closes the port and every connection at once and waits for the threads.
pub struct RunningEndpoint {
    server: RunningHttpServer,
    requests: Counts<u16>,
}

impl RunningEndpoint {
    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.local_addr())
    }

    /// The address with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// How many requests were answered, by HTTP status.
    #[must_use]
    pub fn requests(&self) -> Counts<u16> {
        self.requests.clone()
    }
}

impl fmt::Debug for RunningEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningEndpoint({})", self.local_addr())
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
