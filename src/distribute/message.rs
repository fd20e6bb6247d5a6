//! What the frames mean: asks and answers to bytes and back. No sockets, no clock; the form is in the module's words.

use std::fmt;
use std::time::Duration;

use crate::codec::frame::{FieldReader, FieldWriter, FrameError, HEADER_LENGTH, Header};
use crate::codec::jwt::MAX_TOKEN;
use crate::credential::{AcceptedProperties, CredentialError, UserCredentials};
use crate::distribute::PROTOCOL;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::{ExecutorName, NameError};
use crate::secret::{Secret, WipedBuffer};
use crate::store::{Epoch, Version, VersionedCredentials};
use crate::time::{Moment, Timestamp};

/// The kinds of frames.
mod kind {
    pub(super) const ASK: u8 = 1;
    pub(super) const BUNDLE: u8 = 2;
    pub(super) const UNCHANGED: u8 = 3;
    pub(super) const REFUSED: u8 = 4;
    pub(super) const ASK_WITH_TOKEN: u8 = 5;
}

/// Longest body of an ask. The longest of this protocol has 156 bytes; the rest is for the next one.
pub const MAX_ASK: usize = 256;

/// Longest body of an ask with a token.
pub const MAX_ASK_WITH_TOKEN: usize = MAX_ASK + 2 + MAX_TOKEN;

/// An executor's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What the executor calls itself.
    pub executor: ExecutorName,
    /// The bundle that it has.
    pub have: Option<Version>,
}

impl Ask {
    /// The whole frame.
    ///
    /// # Errors
    /// [`FrameError`] if it does not fit, which no name of an executor's length can cause.
    pub fn encode(&self) -> Result<WipedBuffer, FrameError> {
        frame(kind::ASK, &self.body()?)
    }

    /// The whole frame, with the executor's own token in it: for a driver that has proved itself.
    ///
    /// # Errors
    /// [`FrameError`] if it does not fit.
    pub fn encode_with_token(&self, token: &Secret) -> Result<WipedBuffer, FrameError> {
        let mut body = self.body()?;
        body.secret(token)?;
        frame(kind::ASK_WITH_TOKEN, &body)
    }

    fn body(&self) -> Result<FieldWriter, FrameError> {
        let mut body = FieldWriter::new();
        body.fixed(&PROTOCOL.to_be_bytes())?;
        body.text(self.executor.as_str())?;
        match self.have {
            None => body.u8(0)?,
            Some(version) => {
                body.u8(1)?;
                write_version(&mut body, version)?;
            }
        }
        Ok(body)
    }

    /// Reads an ask. The protocol's number is looked at first: what follows it is only known for our own.
    ///
    /// # Errors
    /// [`MessageError`]; with [`MessageError::Protocol`] the asker can still be told so.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, MessageError> {
        if kind != kind::ASK {
            return Err(MessageError::Kind { kind });
        }
        let mut fields = FieldReader::new(body);
        let ask = Self::read(&mut fields)?;
        fields.end()?;
        Ok(ask)
    }

    /// As [`Ask::decode`], for an ask with the executor's token, and for one without.
    ///
    /// # Errors
    /// As [`Ask::decode`].
    pub fn decode_with_token(kind: u8, body: &[u8]) -> Result<(Self, Option<Secret>), MessageError> {
        if kind != kind::ASK_WITH_TOKEN {
            return Self::decode(kind, body).map(|ask| (ask, None));
        }
        let mut fields = FieldReader::new(body);
        let ask = Self::read(&mut fields)?;
        let token = fields.secret(MAX_TOKEN)?;
        fields.end()?;
        Ok((ask, Some(token)))
    }

    fn read(fields: &mut FieldReader<'_>) -> Result<Self, MessageError> {
        let protocol = u16::from_be_bytes(fields.fixed()?);
        if protocol != PROTOCOL {
            return Err(MessageError::Protocol { protocol });
        }
        let executor = ExecutorName::new(fields.text()?).map_err(MessageError::Name)?;
        let have = match fields.u8()? {
            0 => None,
            1 => Some(read_version(fields)?),
            flag => return Err(MessageError::Flag { flag }),
        };
        Ok(Self { executor, have })
    }
}

/// What every answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The driver's wall clock.
    pub now: Timestamp,
    /// When the executor is to ask again, in whole milliseconds from now.
    pub next_ask: Duration,
}

/// The driver's answer.
#[derive(Debug)]
pub enum Reply {
    /// The newest bundle.
    Bundle(VersionedCredentials),
    /// The executor has it already.
    Unchanged,
    /// There is nothing for the executor.
    Refused(Refusal),
}

impl Reply {
    /// Which of [`ASK_OUTCOMES`](crate::distribute::ASK_OUTCOMES) it is.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "bundle",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
        }
    }

    /// The whole frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if the bundle does not fit.
    pub fn encode(&self, timing: Timing) -> Result<WipedBuffer, FrameError> {
        let mut body = FieldWriter::new();
        body.u64(timing.now.unix_seconds())?;
        body.u64(u64::try_from(timing.next_ask.as_millis()).unwrap_or(u64::MAX))?;
        let kind = match self {
            Self::Bundle(bundle) => {
                write_version(&mut body, bundle.version)?;
                bundle.credentials.encode(&mut body)?;
                kind::BUNDLE
            }
            Self::Unchanged => kind::UNCHANGED,
            Self::Refused(refusal) => {
                body.u8(refusal.number())?;
                kind::REFUSED
            }
        };
        frame(kind, &body)
    }

    /// Reads an answer to an ask that was sent at `asked_at` by our monotonic clock. From then on the credentials age
    /// by our own clock too; that the answer came a little later makes their life shorter, never longer.
    ///
    /// # Errors
    /// [`MessageError`] names the rule; nothing of a value is in it.
    pub fn decode(
        kind: u8,
        body: &[u8],
        accepted: &AcceptedProperties,
        asked_at: Duration,
    ) -> Result<(Self, Timing), MessageError> {
        if !matches!(kind, kind::BUNDLE | kind::UNCHANGED | kind::REFUSED) {
            return Err(MessageError::Kind { kind });
        }
        let mut fields = FieldReader::new(body);
        let now = Timestamp::from_unix_seconds(fields.u64()?).ok_or(MessageError::Time)?;
        let timing = Timing { now, next_ask: Duration::from_millis(fields.u64()?) };
        let reply = match kind {
            kind::BUNDLE => {
                let version = read_version(&mut fields)?;
                let learned = Moment { wall: now, monotonic: asked_at };
                let credentials =
                    UserCredentials::decode(&mut fields, accepted, learned).map_err(MessageError::Bundle)?;
                Self::Bundle(VersionedCredentials { version, credentials })
            }
            kind::REFUSED => Self::Refused(Refusal::of(fields.u8()?)),
            _ => Self::Unchanged,
        };
        fields.end()?;
        Ok((reply, timing))
    }
}

fn frame(kind: u8, body: &FieldWriter) -> Result<WipedBuffer, FrameError> {
    let header = Header::encode(kind, body.body())?;
    let mut whole = WipedBuffer::with_capacity(HEADER_LENGTH.saturating_add(body.body().len()));
    let filled = whole.push(&header).and_then(|()| whole.push(body.body()));
    filled.map(|()| whole).map_err(|_| FrameError::TooLong)
}

fn write_version(to: &mut FieldWriter, version: Version) -> Result<(), FrameError> {
    to.fixed(&version.epoch.0)?;
    to.u64(version.number)
}

fn read_version(from: &mut FieldReader<'_>) -> Result<Version, FrameError> {
    Ok(Version { epoch: Epoch(from.fixed()?), number: from.u64()? })
}

/// Why a driver that knows us has nothing for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no credential that may be served now.
    NothingYet,
    /// It does not speak our protocol's version.
    Protocol,
    /// It wants the executor's own token, and the ask had none.
    TokenRequired,
    /// The executor's token is refused.
    TokenRefused,
    /// The executor's token cannot be checked now.
    TokenUnchecked,
    /// A reason that a newer driver knows.
    Other {
        /// Its number.
        reason: u8,
    },
}

impl Refusal {
    fn number(self) -> u8 {
        match self {
            Self::NothingYet => 1,
            Self::Protocol => 2,
            Self::TokenRequired => 3,
            Self::TokenRefused => 4,
            Self::TokenUnchecked => 5,
            Self::Other { reason } => reason,
        }
    }

    fn of(reason: u8) -> Self {
        match reason {
            1 => Self::NothingYet,
            2 => Self::Protocol,
            3 => Self::TokenRequired,
            4 => Self::TokenRefused,
            5 => Self::TokenUnchecked,
            reason => Self::Other { reason },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingYet => f.write_str("the driver has no credentials to give now"),
            Self::Protocol => write!(f, "the driver does not speak version {PROTOCOL} of the protocol"),
            Self::TokenRequired => f.write_str("the driver wants this executor's own token"),
            Self::TokenRefused => f.write_str("the driver refuses this executor's token"),
            Self::TokenUnchecked => f.write_str("the driver cannot check this executor's token now"),
            Self::Other { reason } => write!(f, "the driver refuses, with reason {reason}, which is not known here"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Actionable for Refusal {
    fn facts(&self) -> Facts {
        match self {
            Self::NothingYet => Facts::new(
                "REFUSED_NOTHING_YET",
                Fault::Service,
                Retry::Backoff,
                "Look at the driver's log: it has not exchanged its identity token yet, or can no longer do so.",
            ),
            Self::Protocol => Facts::new(
                "REFUSED_PROTOCOL",
                Fault::Configuration,
                Retry::Never,
                "Run the same version of safe-conduct on the driver and on the executors.",
            ),
            Self::TokenRequired => Facts::new(
                "REFUSED_TOKEN_REQUIRED",
                Fault::Configuration,
                Retry::Never,
                "Set distribution.executorToken.file on the executors: a projected service account token.",
            ),
            Self::TokenRefused => Facts::new(
                "REFUSED_TOKEN",
                Fault::Identity,
                Retry::Backoff,
                "Look at the driver's log for the rule that the token breaks; safe-conduct inspect shows the token's claims.",
            ),
            Self::TokenUnchecked => Facts::new(
                "REFUSED_TOKEN_UNCHECKED",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait; if it stays so, look at the driver's log for why it does not get the issuer's keys.",
            ),
            Self::Other { .. } => Facts::new(
                "REFUSED_OTHER",
                Fault::Service,
                Retry::Backoff,
                "Run the driver's version of safe-conduct on the executors too; it will say what the reason means.",
            ),
        }
    }
}

/// Why a frame is not a message of ours. Nothing of a value is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes are not of a frame's or a field's form.
    Frame(FrameError),
    /// A kind that must not come here.
    Kind {
        /// Which.
        kind: u8,
    },
    /// Another version of the protocol.
    Protocol {
        /// Which.
        protocol: u16,
    },
    /// The executor's name is malformed.
    Name(NameError),
    /// A flag that is neither 0 nor 1.
    Flag {
        /// What it is.
        flag: u8,
    },
    /// The driver's clock is beyond the year 9999.
    Time,
    /// The bundle is refused.
    Bundle(CredentialError),
}

impl From<FrameError> for MessageError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Kind { kind } => write!(f, "the peer sent a frame of kind {kind}, which is not expected"),
            Self::Protocol { protocol } => {
                write!(f, "the peer speaks version {protocol} of the protocol, not {PROTOCOL}")
            }
            Self::Name(error) => error.fmt(f),
            Self::Flag { flag } => write!(f, "a flag is {flag}, not 0 or 1"),
            Self::Time => f.write_str("the driver's clock is beyond the year 9999"),
            Self::Bundle(error) => write!(f, "the bundle is refused: {error}"),
        }
    }
}

impl std::error::Error for MessageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            Self::Name(error) => Some(error),
            Self::Bundle(error) => Some(error),
            Self::Kind { .. } | Self::Protocol { .. } | Self::Flag { .. } | Self::Time => None,
        }
    }
}

impl Actionable for MessageError {
    fn facts(&self) -> Facts {
        match self {
            Self::Frame(_) | Self::Kind { .. } | Self::Name(_) | Self::Flag { .. } => Facts::new(
                "MESSAGE_MALFORMED",
                Fault::Unreachable,
                Retry::Backoff,
                "Run the same version of safe-conduct on the driver and on the executors.",
            ),
            Self::Protocol { .. } => Facts::new(
                "MESSAGE_PROTOCOL",
                Fault::Configuration,
                Retry::Never,
                "Run the same version of safe-conduct on both sides of the connection.",
            ),
            Self::Time => Facts::new(
                "MESSAGE_DRIVER_CLOCK",
                Fault::Configuration,
                Retry::Backoff,
                "Set the clock of the driver's node, by NTP.",
            ),
            Self::Bundle(CredentialError::NotAccepted { .. }) => Facts::new(
                "BUNDLE_NOT_ACCEPTED",
                Fault::Configuration,
                Retry::Backoff,
                "Configure on the driver only schemes that the executors' version knows, or upgrade the executors.",
            ),
            Self::Bundle(CredentialError::Expired { .. }) => Facts::new(
                "BUNDLE_EXPIRED",
                Fault::Service,
                Retry::Backoff,
                "Set the clock of the driver's node, by NTP, and look at the driver's log for failed renewals.",
            ),
            Self::Bundle(
                CredentialError::PropertyCount { .. }
                | CredentialError::ValueLength { .. }
                | CredentialError::ExpiryRange
                | CredentialError::Duplicate { .. }
                | CredentialError::Name(_)
                | CredentialError::Frame(_),
            ) => Facts::new(
                "BUNDLE_MALFORMED",
                Fault::Unreachable,
                Retry::Backoff,
                "Run the driver's version of safe-conduct on the executors too.",
            ),
        }
    }
}
