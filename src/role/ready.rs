//! `safe-conduct ready`: asks the endpoint of a running safe-conduct whether it has credentials, for probes in images without a shell.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use safe_conduct::config::{ConfigError, EndpointConfig, EndpointDirectory, Settings};
use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sink::{EndpointFiles, EndpointFilesError, PATH};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

use super::Failure;

/// How long the whole question may take: the endpoint answers from memory.
const LIMIT: Duration = Duration::from_secs(2);

/// The beginning of an answer that says everything: the credentials behind it are never read.
const STATUS_LENGTH: usize = "HTTP/1.1 200".len();

/// Asks the endpoint that these settings describe.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let config = EndpointConfig::from_settings(settings)?;
    let EndpointDirectory::Fixed(directory) = &config.directory else { return Err(ConfigError::NoDirectory.into()) };
    ready(directory, config.token_file.as_deref(), &SystemClock::new())?;
    Ok(())
}

/// Whether there are credentials, as clients would get them.
fn ready(directory: &Path, token_file: Option<&Path>, clock: &dyn Clock) -> Result<(), ReadyError> {
    let (url, token) = EndpointFiles::read(directory, token_file)?;
    let address = url.host().trim_matches(['[', ']']).parse::<IpAddr>().ok().zip(url.port());
    let (ip, port) = address.ok_or(EndpointFilesError::NoLoopbackUrl)?;

    let head = format!("GET {PATH} HTTP/1.1\r\nHost: {}:{port}\r\nConnection: close\r\nAuthorization: ", url.host());
    let parts = [head.as_bytes(), token.expose().as_bytes(), b"\r\n\r\n"];
    let mut request = WipedBuffer::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        request.push(part).map_err(|_| ReadyError::NotListening { kind: ErrorKind::WriteZero })?;
    }
    let answer = ask(SocketAddr::new(ip, port), request.as_slice(), clock)
        .map_err(|error| ReadyError::NotListening { kind: error.kind() })?;
    match answer.strip_prefix(b"HTTP/1.1 ") {
        Some(b"200") => Ok(()),
        Some(b"503") => Err(ReadyError::NothingToServe),
        Some(b"403") => Err(ReadyError::Refused),
        _ => Err(ReadyError::NotOurs),
    }
}

fn ask(address: SocketAddr, request: &[u8], clock: &dyn Clock) -> std::io::Result<[u8; STATUS_LENGTH]> {
    let deadline = clock.moment().monotonic.saturating_add(LIMIT);
    let left = || {
        let left = deadline.saturating_sub(clock.moment().monotonic);
        if left.is_zero() { Err(std::io::Error::from(ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(request)?;
    let mut answer = [0; STATUS_LENGTH];
    let mut rest = answer.as_mut_slice();
    while !rest.is_empty() {
        stream.set_read_timeout(Some(left()?))?;
        let count = stream.read(rest)?;
        rest = rest.get_mut(count..).filter(|_| count > 0).ok_or(ErrorKind::UnexpectedEof)?;
    }
    Ok(answer)
}

/// Why the answer is "not ready".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum ReadyError {
    /// The endpoint's files cannot be used.
    Files(EndpointFilesError),
    /// Nobody answers there in time.
    NotListening {
        /// What the operating system says.
        kind: ErrorKind,
    },
    /// It listens, but has no credentials that may be served.
    NothingToServe,
    /// It does not know the token.
    Refused,
    /// What answers is not safe-conduct.
    NotOurs,
}

impl fmt::Display for ReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(error) => error.fmt(f),
            Self::NotListening { kind } => write!(f, "the endpoint does not answer: {kind}"),
            Self::NothingToServe => f.write_str("the endpoint has no credentials to serve"),
            Self::Refused => f.write_str("the endpoint does not know this token"),
            Self::NotOurs => f.write_str("what answers at the endpoint's address is not safe-conduct"),
        }
    }
}

impl std::error::Error for ReadyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Files(error) => Some(error),
            Self::NotListening { .. } | Self::NothingToServe | Self::Refused | Self::NotOurs => None,
        }
    }
}

impl From<EndpointFilesError> for ReadyError {
    fn from(error: EndpointFilesError) -> Self {
        Self::Files(error)
    }
}

impl Actionable for ReadyError {
    fn facts(&self) -> Facts {
        match self {
            Self::Files(error) => error.facts(),
            Self::NotListening { .. } => Facts::new(
                "READY_NOT_LISTENING",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait until safe-conduct has its first credentials; if it takes long, read its log.",
            ),
            Self::NothingToServe => Facts::new(
                "READY_NOTHING_TO_SERVE",
                Fault::Unreachable,
                Retry::Backoff,
                "Read safe-conduct's log: it says why the credentials were not renewed.",
            ),
            Self::Refused => Facts::new(
                "READY_REFUSED",
                Fault::Configuration,
                Retry::Backoff,
                "Give ready the same endpoint.directory and endpoint.tokenFile as the running safe-conduct.",
            ),
            Self::NotOurs => Facts::new(
                "READY_NOT_OURS",
                Fault::Configuration,
                Retry::Backoff,
                "Find out who listens at the address in endpoint.url (ss -ltnp).",
            ),
        }
    }
}
