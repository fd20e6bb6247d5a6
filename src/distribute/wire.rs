//! Frames off a connection, and what can go wrong with a peer. Knows no message.

use std::fmt;

use crate::codec::frame::{FrameError, HEADER_LENGTH, Header};
use crate::distribute::MessageError;
use crate::secret::WipedBuffer;
use crate::sys::tls::{TlsError, TlsStream};

/// Reads a frame of at most `most` bytes of body.
pub(super) fn read_frame(stream: &mut TlsStream, most: usize) -> Result<(Header, WipedBuffer), PeerFault> {
    let mut header = [0; HEADER_LENGTH];
    stream.read_exact(&mut header)?;
    let header = Header::decode(header)?;
    if header.length > most {
        return Err(FrameError::TooLong.into());
    }
    let mut body = WipedBuffer::zeroed(header.length);
    stream.read_exact(body.as_mut_slice())?;
    Ok((header, body))
}

/// What went wrong with a peer.
#[derive(Debug)]
pub(super) enum PeerFault {
    /// On its connection.
    Tls(TlsError),
    /// In its message.
    Message(MessageError),
}

impl From<TlsError> for PeerFault {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<MessageError> for PeerFault {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<FrameError> for PeerFault {
    fn from(error: FrameError) -> Self {
        Self::Message(error.into())
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
        }
    }
}
