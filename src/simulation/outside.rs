//! What surrounds the driver: its clocks, the token file, the STS. Keeps the true times that the invariants judge by.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::calls::Calls;
use super::chance::Chance;
use crate::codec::hash::Sha256;
use crate::credential::{ServiceCredential, s3a};
use crate::error::{Facts, Fault, Retry};
use crate::identity::{ClaimError, UserContext, VerifyError};
use crate::ingest::{IngestError, TokenIngestor};
use crate::name::{PropertyName, Scheme};
use crate::provider::{AwsStsError, CredentialProvider, ResolveError};
use crate::secret::Secret;
use crate::sys::file::FileError;
use crate::sys::random::{Random, RandomError};
use crate::time::{Clock, Moment, Timestamp};

/// The true time at which each world begins, in seconds since 1970.
const START: u64 = 1_800_000_000;

/// How far an issuer's clock may be from ours, as `identityToken.clockSkew` has it by default.
const SKEW: Duration = Duration::from_secs(30);

const DOWN: Facts = Facts::new("TEST_DOWN", Fault::Unreachable, Retry::Backoff, "-");
const EXPIRED: Facts = Facts::new("TEST_EXPIRED", Fault::Identity, Retry::OnNewToken, "-");
const CLOCKS: Facts = Facts::new("TEST_CLOCKS", Fault::Configuration, Retry::Backoff, "-");

/// True time in milliseconds since the world began.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1000;
pub(super) const MINUTE: Time = 60 * SECOND;
pub(super) const HOUR: Time = 60 * MINUTE;
pub(super) const DAY: Time = 24 * HOUR;

/// What the clocks of a machine show whose wall clock is wrong by `wrong` seconds, and which started `uptime` before
/// the world did.
pub(super) fn moment(now: Time, wrong: i64, uptime: Time) -> Moment {
    let wall = (START + now / SECOND).saturating_add_signed(wrong);
    Moment { wall: Timestamp::from_unix_seconds(wall).unwrap(), monotonic: Duration::from_millis(now + uptime) }
}

/// The driver's monotonic clock at the world's beginning.
const DRIVER_UPTIME: Time = 7 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Good,
    Missing,
    Empty,
    /// Of another audience.
    Foreign,
    /// Good, but issued before the one that was there.
    Older,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Up,
    Down,
    Throttled,
    Slow,
}

/// The STS's own record of a credential.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issued {
    pub(super) expires: Time,
    /// How wrong the driver's clock was when it began the exchange, in seconds.
    pub(super) driver_clock: i64,
}

pub(super) struct World {
    pub(super) now: Time,
    pub(super) chance: Chance,
    /// How wrong the driver's wall clock is, in seconds.
    pub(super) driver_clock: i64,
    pub(super) file: File,
    token: (u64, u64),
    principal: usize,
    fingerprint: Sha256,
    pub(super) service: Service,
    pub(super) issued: Vec<Issued>,
    pub(super) calls: Calls,
    /// Exchanges that have begun: how long each takes, and the exchange.
    pub(super) begun: Vec<(Time, Box<dyn FnOnce() + Send>)>,
    token_life: Time,
    credential_life: Time,
}

impl World {
    pub(super) fn new(chance: Chance, token_life: Time, credential_life: Time) -> Self {
        let mut world = Self {
            now: 0,
            chance,
            driver_clock: 0,
            file: File::Good,
            token: (0, 0),
            principal: 0,
            fingerprint: Sha256::of(b""),
            service: Service::Up,
            issued: Vec::new(),
            calls: Calls::new(),
            begun: Vec::new(),
            token_life,
            credential_life,
        };
        world.write_token(File::Good);
        world
    }

    /// Replaces the token file.
    pub(super) fn write_token(&mut self, file: File) {
        let now = START + self.now / SECOND;
        self.file = file;
        match file {
            File::Good => self.token = (now, now + self.token_life / SECOND),
            File::Older => self.token.0 -= self.chance.between(61, 3600),
            File::Missing | File::Empty | File::Foreign => {}
        }
        if file != File::Good {
            self.calls.token_became_worse();
        }
        self.token_changed();
    }

    /// Another principal's token from now on.
    pub(super) fn change_principal(&mut self) {
        self.principal = 1 - self.principal;
        self.write_token(File::Good);
        self.calls.principal_changed();
    }

    fn token_changed(&mut self) {
        let content = format!("{:?} {:?} {}", self.file, self.token, self.principal);
        self.fingerprint = Sha256::of(content.as_bytes());
        self.calls.token_changed();
    }

    /// The last good token, however long it is there: in true time.
    pub(super) fn token_expires(&self) -> Time {
        (self.token.1 - START) * SECOND
    }

    pub(super) fn token_life(&self) -> Time {
        self.token_life
    }

    fn driver_moment(&self) -> Moment {
        moment(self.now, self.driver_clock, DRIVER_UPTIME)
    }

    fn bad_file(&self) -> Option<IngestError> {
        match self.file {
            File::Good | File::Older => None,
            File::Missing => Some(IngestError::File(FileError::NotFound { path: PathBuf::from("token") })),
            File::Empty => Some(IngestError::Empty { path: PathBuf::from("token") }),
            File::Foreign => Some(IngestError::Verify(VerifyError::Claim(ClaimError::Audience))),
        }
    }

    /// One exchange at the STS, which goes by true time.
    fn exchange(&mut self, user: &UserContext, at: Moment) -> Result<(usize, Timestamp), ResolveError> {
        match self.service {
            Service::Down => return Err(ResolveError::Own { facts: DOWN }),
            Service::Throttled => {
                let retry_after = self.chance.percent(50).then(|| Duration::from_secs(self.chance.spread(1, 600)));
                return Err(ResolveError::AwsSts(AwsStsError::Unavailable { status: 503, retry_after }));
            }
            Service::Up | Service::Slow => {}
        }
        if user.expires_at().unix_seconds() <= START + self.now / SECOND {
            return Err(ResolveError::Own { facts: EXPIRED });
        }
        let expires = (self.now + self.credential_life) / SECOND;
        let began = u64::try_from(at.monotonic.as_millis()).unwrap() - DRIVER_UPTIME;
        let driver_clock = at.wall.unix_seconds() as i64 - (START + began / SECOND) as i64;
        self.issued.push(Issued { expires: expires * SECOND, driver_clock });
        Ok((self.issued.len() - 1, Timestamp::from_unix_seconds(START + expires).unwrap()))
    }
}

/// A handle on the world, in every part that the manager works with.
#[derive(Clone)]
pub(super) struct Outside(Arc<Mutex<World>>);

impl Outside {
    pub(super) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Takes the manager's exchanges.
    pub(super) fn begin(&self, name: &str, task: Box<dyn FnOnce() + Send>) {
        let mut world = self.world();
        let takes = match world.service {
            Service::Slow => world.chance.spread(SECOND, 10 * MINUTE),
            Service::Up | Service::Down | Service::Throttled => world.chance.between(20, 500),
        };
        let (now, clock, expires) = (world.now, world.driver_clock, world.token_expires());
        world.calls.begins(name.strip_prefix("resolve-").unwrap(), now, clock, expires);
        world.begun.push((takes, task));
    }
}

impl Clock for Outside {
    fn moment(&self) -> Moment {
        self.world().driver_moment()
    }
}

impl Random for Outside {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        let mut world = self.world();
        for bytes in out.chunks_mut(8) {
            let drawn = world.chance.next().to_be_bytes();
            bytes.copy_from_slice(&drawn[..bytes.len()]);
        }
        Ok(())
    }
}

impl TokenIngestor for Outside {
    fn load(&mut self, at: Moment) -> Result<UserContext, IngestError> {
        let world = self.world();
        if let Some(error) = world.bad_file() {
            return Err(error);
        }
        let (issued, expires) = world.token;
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let refused = |error| Err(IngestError::Verify(VerifyError::Claim(error)));
        if at.wall >= time(expires) {
            return refused(ClaimError::Expired { expired_at: time(expires), now: at.wall });
        }
        if at.wall.plus(SKEW) < time(issued) {
            return refused(ClaimError::IssuedInFuture { issued_at: time(issued), now: at.wall });
        }
        let principal = ["alice", "bob"][world.principal];
        Ok(UserContext::for_tests(principal, "https://issuer", "token", issued, expires))
    }

    fn fingerprint(&mut self) -> Result<Sha256, IngestError> {
        let world = self.world();
        match world.bad_file() {
            Some(error @ (IngestError::File(_) | IngestError::Empty { .. })) => Err(error),
            Some(_) | None => Ok(world.fingerprint),
        }
    }
}

impl CredentialProvider for Outside {
    fn resolve(&self, user: &UserContext, scheme: &Scheme, at: Moment) -> Result<ServiceCredential, ResolveError> {
        let mut world = self.world();
        let exchanged = world.exchange(user, at).and_then(|(number, expires_at)| {
            let values = [
                (s3a::ACCESS_KEY, number.to_string()),
                (s3a::SECRET_KEY, "k".into()),
                (s3a::SESSION_TOKEN, "t".into()),
            ];
            let properties = values.map(|(name, value)| (PropertyName::new(name).unwrap(), Secret::from_text(&value)));
            ServiceCredential::new(properties.into(), expires_at, at).map_err(|_| ResolveError::Own { facts: CLOCKS })
        });
        let left = exchanged.as_ref().ok().map(|credential| credential.remaining(world.driver_moment()));
        let now = world.now;
        world.calls.ended(scheme.as_str(), now, left);
        exchanged
    }
}
