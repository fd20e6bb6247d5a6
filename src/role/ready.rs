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

/// More than the rest of an answer with an error has.
const REST_LENGTH: usize = 1024;

/// In the answer of an endpoint that serves named targets only.
const NAMED_ONLY: &[u8] = b"\"NO_UNNAMED_CREDENTIALS\"";

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
    let (status, rest) = ask(SocketAddr::new(ip, port), request.as_slice(), clock)
        .map_err(|error| ReadyError::NotListening { kind: error.kind() })?;
    // A job of named targets only has no credentials at this path, and the answer says that there are others.
    let named_only = || rest.windows(NAMED_ONLY.len()).any(|part| part == NAMED_ONLY);
    match status.strip_prefix(b"HTTP/1.1 ") {
        Some(b"200") => Ok(()),
        Some(b"404") if named_only() => Ok(()),
        Some(b"503") => Err(ReadyError::NothingToServe),
        Some(b"403") => Err(ReadyError::Refused),
        _ => Err(ReadyError::NotOurs),
    }
}

/// The beginning of the answer, and what follows it if there can be no credentials in it.
fn ask(
    address: SocketAddr,
    request: &[u8],
    clock: &dyn Clock,
) -> std::io::Result<([u8; STATUS_LENGTH], [u8; REST_LENGTH])> {
    let deadline = clock.moment().monotonic.saturating_add(LIMIT);
    let left = || {
        let left = deadline.saturating_sub(clock.moment().monotonic);
        if left.is_zero() { Err(std::io::Error::from(ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(request)?;
    let mut fill = |mut rest: &mut [u8]| {
        while !rest.is_empty() {
            stream.set_read_timeout(Some(left()?))?;
            let count = stream.read(rest)?;
            rest = rest.get_mut(count..).filter(|_| count > 0).ok_or(ErrorKind::UnexpectedEof)?;
        }
        Ok::<(), std::io::Error>(())
    };
    let (mut status, mut rest) = ([0; STATUS_LENGTH], [0; REST_LENGTH]);
    fill(&mut status)?;
    if status.ends_with(b"404") {
        // It is shorter than that, and whoever sends it closes the connection.
        let _ = fill(&mut rest);
    }
    Ok((status, rest))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::sync::Arc;

    use safe_conduct::Secret;
    use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
    use safe_conduct::name::{PropertyName, Scheme};
    use safe_conduct::sink::{EndpointSettings, LoopbackEndpoint};
    use safe_conduct::store::{CredentialStore, Epoch};
    use safe_conduct::sys::clock::SystemClock;
    use safe_conduct::sys::file::temporary_directory;
    use safe_conduct::sys::random::SystemRandomness;

    use super::*;

    fn prepared() -> (PathBuf, EndpointFiles, Secret) {
        let random = SystemRandomness::new();
        let directory = temporary_directory(&std::env::temp_dir(), &random).unwrap();
        let (files, token) = EndpointFiles::prepare(&directory, None, &random).unwrap();
        (directory, files, token)
    }

    fn bundle(clock: &dyn Clock) -> UserCredentials {
        let at = clock.moment();
        let properties: BTreeMap<_, _> = [s3a::ACCESS_KEY, s3a::SECRET_KEY, s3a::SESSION_TOKEN]
            .map(|name| (PropertyName::new(name).unwrap(), Secret::from_text("x")))
            .into();
        let credential = ServiceCredential::new(properties, at.wall.plus(Duration::from_secs(3600)), at).unwrap();
        UserCredentials::new().with(Scheme::new("s3a").unwrap(), Arc::new(credential))
    }

    #[test]
    fn it_is_ready_only_while_credentials_are_served() {
        let (directory, files, token) = prepared();
        let clock = Arc::new(SystemClock::new());
        let ask = || ready(&directory, None, &*clock);
        assert_eq!(ask(), Err(ReadyError::Files(EndpointFilesError::NotPublished)));

        let store = Arc::new(CredentialStore::new());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = EndpointSettings { listen, scheme: Scheme::new("s3a").unwrap() };
        let endpoint = LoopbackEndpoint::start(settings, Arc::new(token), Arc::clone(&store), clock.clone()).unwrap();
        files.publish_url(&endpoint.url(), &SystemRandomness::new()).unwrap();
        assert_eq!(ask(), Err(ReadyError::NothingToServe));
        store.publish(Epoch([1; 16]), bundle(&*clock));
        assert_eq!(ask(), Ok(()));

        let other = directory.join("other");
        std::fs::write(&other, "0".repeat(64)).unwrap();
        assert_eq!(ready(&directory, Some(&other), &*clock), Err(ReadyError::Refused));
        drop(endpoint);
        assert_eq!(ask(), Err(ReadyError::NotListening { kind: ErrorKind::ConnectionRefused }));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn another_server_is_not_taken_for_ours() {
        let (directory, files, _) = prepared();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
        files.publish_url(&url, &SystemRandomness::new()).unwrap();
        for (answer, expected) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", ReadyError::NotOurs),
            ("HTTP/1.1 404 Not Found\r\n\r\n", ReadyError::NotOurs),
            ("SSH-2.0-OpenSSH_9.6\r\n", ReadyError::NotOurs),
            ("HTTP/1.1", ReadyError::NotListening { kind: ErrorKind::UnexpectedEof }),
        ] {
            let found = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut request = [0; 1024];
                    assert!(stream.read(&mut request).unwrap() > 0);
                    stream.write_all(answer.as_bytes()).unwrap();
                });
                ready(&directory, None, &SystemClock::new())
            });
            assert_eq!(found, Err(expected));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
