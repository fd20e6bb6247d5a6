//! Driver and executors: one ask, one answer, nobody holds a connection. Knows credentials, not who they are for.
//!
//! # The protocol
//!
//! The executor connects, the sides prove themselves, the executor sends one frame, the driver sends one frame, and
//! both close. First delivery, late join, update, reconnect and a driver's restart are the same ask; the next ask's
//! `have` is the acknowledgement.
//!
//! The proof is TLS 1.3's (ALPN `safe-conduct/1`), in one of three ways: pinned raw public keys on both sides, or
//! certificates on both sides, and then nothing in a frame proves anything; or a certificate of the driver's, and the
//! executor's own token in its ask, which it sends once the driver has proved itself. That token is all that it proves
//! itself with, and until it has been judged the executor is a stranger, with a stranger's deadline.
//!
//! Numbers are big-endian. A text has its length in one byte in front, a secret has it in two.
//!
//! ```text
//! frame       "SC"  framing version u8 = 1  kind u8  length u32  body        at most 65,536 bytes of body
//!
//! ask         kind 1, executor to driver, at most 256 bytes of body
//!             protocol u16 = 1  executor's name text  have u8: 0, or 1 then: epoch 16 bytes  number u64
//!
//! ask with    kind 5, executor to driver, at most 20,258 bytes of body
//! a token     as ask, then: token secret, at most 20,000 bytes
//!
//! bundle      kind 2, driver to executor
//!             now u64  next ask u64  epoch 16 bytes  number u64  count u8  then so many times:
//!                 name text  expires at u64  count u8  then so many times: property's name text  value secret
//!             where a credential's name is SCHEME or SCHEME/TARGET
//! unchanged   kind 3: now u64  next ask u64
//! refused     kind 4: now u64  next ask u64  reason u8: 1 nothing yet, 2 protocol,
//!             3 token required, 4 token refused, 5 token cannot be checked now
//! ```
//!
//! `now` and `expires at` are seconds since 1970 by the driver's clock, `next ask` is in milliseconds from now. An
//! executor counts `expires at` less `now` down by its monotonic clock too, and says when its wall clock is further than
//! 15 s from `now`. A driver whose clock is set gives its bundle a new number, so that it is counted anew.
//!
//! Old and new: a driver answers an ask with another protocol number with `refused`, reason 2, and reads no further,
//! so what follows the number is free to change. An executor takes a reason that it does not know as a refusal. Any
//! other unknown kind, version, flag, length or trailing byte ends the connection: neither side guesses.
//!
//! What is asked and answered is decided in `asking` and `answering`, which know no connection; `client` and `server`
//! hold the connections.
//!
//! # Rates
//!
//! The driver names the time of each executor's next ask, half of it random, so that a renewal is no stampede: at most
//! `distribution.pollInterval`, sooner as expiry nears (a quarter of what remains), never under 1 s. It keeps nothing
//! of an executor: its memory does not grow with their number.

mod address;
pub(crate) mod answering;
pub(crate) mod asking;
mod client;
mod error;
mod gate;
#[doc(hidden)]
pub mod message;
mod pace;
mod peer;
mod proof;
mod quota;
mod server;
mod wire;

pub use address::{AddressError, DEFAULT_PORT, DriverAddress, ListenAddress};
pub use asking::AskOutcome;
#[doc(hidden)]
pub use client::ClientLimits;
pub use client::{Answer, ClientSettings, ExecutorClient, RunningClient};
pub use error::{AskError, ServeError};
pub use message::{MessageError, Refusal};
pub use peer::{PeerRefusal, PeerVerifier};
pub use proof::{DriverProof, ExecutorProof, OwnFiles, PeerFiles, ProofError};
#[doc(hidden)]
pub use server::ServerLimits;
pub use server::{DriverServer, RunningServer, ServerSettings};

/// What becomes of an ask, as both sides count it: one of three answers, or none.
pub const ASK_OUTCOMES: [&str; 4] = ["bundle", "unchanged", "refused", "failed"];

/// The version of what the frames mean. Both sides must say the same.
pub const PROTOCOL: u16 = 1;
