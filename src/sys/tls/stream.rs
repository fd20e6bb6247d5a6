//! A TLS connection whose every read and write ends by a deadline, and what can end it. Knows no key and no name.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Connection, PeerIncompatible};

use super::ALPN;
use super::certificates::{PeerFault, peer_fault};
use crate::sys::clock::SystemClock;
use crate::time::Clock;

/// A connection whose handshake is over. Every read and write ends by a deadline, however slowly the peer drips.
pub struct TlsStream {
    tls: Connection,
    socket: DeadlineSocket,
}

impl TlsStream {
    pub(super) fn handshake(mut tls: Connection, socket: Arc<TcpStream>, limit: Duration) -> Result<Self, TlsError> {
        let mut socket = DeadlineSocket { socket, since: SystemClock::new(), limit };
        tls.complete_io(&mut socket).map_err(|error| match TlsError::alert(&error) {
            // RFC 7250, section 4.2: no certificate type in common. rustls says so with handshake_failure, once its
            // hello is out; a server that speaks no TLS 1.3 says it instead of a hello.
            Some(AlertDescription::HandshakeFailure) if tls.negotiated_cipher_suite().is_some() => TlsError::OtherProof,
            _ => TlsError::of(&error),
        })?;
        // A peer may end its side in the middle (asking again would then go on for ever: RUSTSEC-2024-0336), and
        // RFC 7301 lets it leave the protocol's name out; ours never does.
        if tls.is_handshaking() || tls.alpn_protocol() != Some(ALPN) {
            return Err(TlsError::Handshake);
        }
        // What we send is bounded by our frames, and all of it is to be sent.
        tls.set_buffer_limit(None);
        Ok(Self { tls, socket })
    }

    /// From now on, everything has to be over within `limit`.
    pub fn set_deadline(&mut self, limit: Duration) {
        (self.socket.since, self.socket.limit) = (SystemClock::new(), limit);
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// [`TlsError`] if the peer closes before, or the deadline passes.
    pub fn read_exact(&mut self, out: &mut [u8]) -> Result<(), TlsError> {
        let mut rest = out;
        while !rest.is_empty() {
            match self.tls.reader().read(rest) {
                Ok(0) => return Err(TlsError::Broken { kind: ErrorKind::UnexpectedEof }),
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.tls.complete_io(&mut self.socket).map_err(|error| TlsError::of(&error))?;
                }
                Err(error) => return Err(TlsError::of(&error)),
            }
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// [`TlsError`] if the peer does not take them before the deadline.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let sent = self.tls.writer().write_all(bytes).and_then(|()| self.flush());
        sent.map_err(|error| TlsError::of(&error))
    }

    /// Sends all of `bytes` and says that nothing more will come (RFC 8446, section 6.1), in one piece.
    ///
    /// # Errors
    /// As [`TlsStream::write_all`].
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let sent = self.tls.writer().write_all(bytes).and_then(|()| {
            self.tls.send_close_notify();
            self.flush()
        });
        sent.map_err(|error| TlsError::of(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsStream(hidden)")
    }
}

/// A socket whose every read and write may take what is left until the deadline: a time limit of its own for each
/// would let a peer that drips stay for ever.
struct DeadlineSocket {
    socket: Arc<TcpStream>,
    since: SystemClock,
    limit: Duration,
}

impl DeadlineSocket {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.limit.saturating_sub(self.since.moment().monotonic);
        // Zero would mean "no limit" to the socket.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for DeadlineSocket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        (&*self.socket).read(out).map_err(late)
    }
}

impl Write for DeadlineSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        (&*self.socket).write(bytes).map_err(late)
    }

    /// A flight is several records: one packet, not one each. rustls has one try for a hello and the alert behind it: with
    /// one record a write, the alert would stay here.
    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        (&*self.socket).write_vectored(records).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.socket).flush()
    }
}

/// A blocking socket reports a passed time limit as `WouldBlock`, which rustls takes for "come back later".
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The deadline passed.
    TimedOut,
    /// The peer's key is not a pinned one, or it does not hold the key that it shows.
    PeerUnknown,
    /// The peer's certificate is refused.
    PeerCertificate {
        /// Why.
        fault: PeerFault,
    },
    /// The peer said, in TLS, that it does not want us.
    RefusedByPeer,
    /// The peer proves itself in another way than we expect, or wants us to: keys, certificates and tokens do not mix.
    OtherProof,
    /// There was no common language: no TLS, another version, another protocol, or a damaged record.
    Handshake,
    /// The connection broke.
    Broken {
        /// How.
        kind: ErrorKind,
    },
}

impl TlsError {
    fn alert(error: &io::Error) -> Option<AlertDescription> {
        match error.get_ref()?.downcast_ref()? {
            rustls::Error::AlertReceived(alert) => Some(*alert),
            _ => None,
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure | CertificateError::BadSignature,
            )) => Self::PeerUnknown,
            Some(refused @ rustls::Error::InvalidCertificate(_)) => {
                Self::PeerCertificate { fault: peer_fault(refused) }
            }
            Some(
                rustls::Error::AlertReceived(AlertDescription::CertificateRequired)
                | rustls::Error::PeerIncompatible(PeerIncompatible::IncorrectCertificateTypeExtension)
                | rustls::Error::NoCertificatesPresented,
            ) => Self::OtherProof,
            Some(rustls::Error::AlertReceived(_)) => Self::RefusedByPeer,
            Some(_) => Self::Handshake,
            None => match error.kind() {
                ErrorKind::TimedOut => Self::TimedOut,
                kind => Self::Broken { kind },
            },
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the peer did not finish in time"),
            Self::PeerUnknown => f.write_str("the peer's public key is not one of the pinned ones"),
            Self::PeerCertificate { fault } => write!(f, "the peer's certificate is refused: {fault}"),
            Self::RefusedByPeer => f.write_str("the peer refused us"),
            Self::OtherProof => f.write_str("the peer proves itself in another way than we do"),
            Self::Handshake => f.write_str("the peer does not speak our protocol over TLS 1.3"),
            Self::Broken { kind } => write!(f, "the connection broke: {kind}"),
        }
    }
}

impl std::error::Error for TlsError {}
