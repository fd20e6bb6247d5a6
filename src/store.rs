//! The one cell where both sides meet: who writes credentials and who reads them know only this.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::credential::UserCredentials;
use crate::time::Moment;

/// One run of a driver: 128 random bits, made anew at every start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// Which bundle: the driver's run, and a number that only grows within it, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The driver's run.
    pub epoch: Epoch,
    /// The bundle's number in that run.
    pub number: u64,
}

/// A bundle and which one it is. Cheap to clone: the credentials themselves are shared.
#[derive(Debug, Clone)]
pub struct VersionedCredentials {
    /// Which bundle.
    pub version: Version,
    /// The credentials.
    pub credentials: UserCredentials,
}

/// What became of a bundle that an executor received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Applied {
    /// It is now the newest.
    Newer,
    /// The store holds this version or a later one of the same driver.
    NotNewer,
    /// Everything in it has expired, and the store holds something that has not.
    Expired,
}

/// Holds the newest bundle. The only state that threads share.
pub struct CredentialStore {
    newest: Mutex<Option<VersionedCredentials>>,
    news: Condvar,
}

impl CredentialStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { newest: Mutex::new(None), news: Condvar::new() }
    }

    /// Makes `credentials` the newest bundle of this driver's run and returns its version.
    pub fn publish(&self, epoch: Epoch, credentials: UserCredentials) -> Version {
        let mut newest = self.lock();
        let before = newest.as_ref().filter(|held| held.version.epoch == epoch).map_or(0, |held| held.version.number);
        let version = Version { epoch, number: before.saturating_add(1) };
        *newest = Some(VersionedCredentials { version, credentials });
        self.news.notify_all();
        version
    }

    /// Takes over a bundle that a driver sent, unless that would be a step back.
    ///
    /// Another epoch replaces, since only a driver that proved itself can send one; within an epoch only a greater
    /// number does; and a bundle of which nothing may be served never replaces one of which something may.
    pub fn apply(&self, received: VersionedCredentials, at: Moment) -> Applied {
        let mut newest = self.lock();
        if let Some(held) = newest.as_ref() {
            if held.version.epoch == received.version.epoch && received.version.number <= held.version.number {
                return Applied::NotNewer;
            }
            if !is_live(&received.credentials, at) && is_live(&held.credentials, at) {
                return Applied::Expired;
            }
        }
        *newest = Some(received);
        self.news.notify_all();
        Applied::Newer
    }

    /// The newest bundle, if there has been one.
    #[must_use]
    pub fn newest(&self) -> Option<VersionedCredentials> {
        self.lock().clone()
    }

    /// Waits until there is a bundle other than `seen`, at most for `timeout`.
    #[must_use]
    pub fn wait_newer(&self, seen: Option<Version>, timeout: Duration) -> Option<VersionedCredentials> {
        let same = |newest: &mut Option<VersionedCredentials>| newest.as_ref().map(|held| held.version) == seen;
        let waited = self.news.wait_timeout_while(self.lock(), timeout, same);
        let (newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        newest.clone().filter(|held| Some(held.version) != seen)
    }

    /// Waits until there is a bundle other than `seen`, at most for `timeout`, and not after `stopped` has become true,
    /// which [`CredentialStore::wake`] is to be told of.
    pub fn wait_change(&self, seen: Option<Version>, timeout: Duration, stopped: &AtomicBool) {
        let quiet = |newest: &mut Option<VersionedCredentials>| {
            !stopped.load(Ordering::Acquire) && newest.as_ref().map(|held| held.version) == seen
        };
        drop(self.news.wait_timeout_while(self.lock(), timeout, quiet));
    }

    /// Has everybody who waits look at whether to go on.
    pub fn wake(&self) {
        // Whoever has just looked and is not asleep yet holds the lock.
        drop(self.lock());
        self.news.notify_all();
    }

    /// A writer replaces the whole value in one assignment: a panic elsewhere cannot leave half of one here, so a
    /// poisoned lock still holds a whole bundle.
    fn lock(&self) -> MutexGuard<'_, Option<VersionedCredentials>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CredentialStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialStore({:?})", self.lock().as_ref().map(|held| held.version))
    }
}

fn is_live(credentials: &UserCredentials, at: Moment) -> bool {
    credentials.iter().any(|(_, credential)| !credential.servable_for(at).is_zero())
}
