//! What to do next, decided without doing it: a function of what was seen and of the moment. Holds no token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::RESOLVE_LIMIT;
use super::schedule::{RenewalSettings, backoff_delay, recheck_delay, renewal_delay};
use crate::codec::hash::Sha256;
use crate::credential::{ServiceCredential, UserCredentials};
use crate::error::{Facts, Retry};
use crate::identity::MAX_CLOCK_SKEW;
use crate::name::{CredentialName, Issuer, Principal};
use crate::time::{Fraction, Moment, Timestamp};

/// The longest time between two looks at the token file: half of what kubelet leaves between the rotation of a
/// 10-minute token and its expiry.
pub(super) const POLL: Duration = Duration::from_secs(30);

/// The time between two looks at a token file that cannot be read: looking costs nothing, and a job may wait for it.
pub(super) const POLL_MISSING: Duration = Duration::from_secs(5);

/// A token with less life left than this is not exchanged any more: it could expire on the way.
pub(super) const LEAST_TOKEN_LIFE: Duration = Duration::from_secs(10);

/// How long before its token lapses an exchange is made early, if no new token was seen: enough for two retries, and
/// late enough that a punctual kubelet has rotated.
pub(super) const LAPSE_LEAD: Duration = Duration::from_secs(30);

/// A wall clock that has moved by more than this against the monotonic one was set: less is lost in the margin with
/// which credentials are served, and reading whole seconds alone gives one.
const CLOCK_SET: Duration = Duration::from_secs(5);

/// What is remembered of a good token: its digest, whom it speaks for and its times. Never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) fingerprint: Sha256,
    pub(super) principal: Principal,
    pub(super) issuer: Issuer,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// What a look at a good token showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The same principal as before, or the first.
    Same,
    /// Somebody else: everything is exchanged at once.
    Another { from: Principal },
    /// Somebody else, which is forbidden by `identityToken.pinPrincipal`.
    Pinned,
    /// The same principal's, but issued before the one that was there and is still good.
    Older {
        /// When the one that was there was issued.
        than: Timestamp,
    },
}

/// The state of renewal.
#[derive(Debug)]
pub(super) struct Cycle {
    renewal: RenewalSettings,
    pin_principal: bool,
    credentials: BTreeMap<CredentialName, CredentialState>,
    fingerprint: Option<Sha256>,
    identity: Option<Identity>,
    next_look: Duration,
    /// What the wall clock showed when the monotonic one began, when it was last reckoned with.
    origin: Timestamp,
    lapse_exchange_made: bool,
    /// Grows with each change of principal: an exchange that was begun for somebody else is not used.
    generation: u64,
}

#[derive(Debug)]
struct CredentialState {
    held: Option<Arc<ServiceCredential>>,
    due: Due,
    failures: u32,
    running: Option<Running>,
}

#[derive(Debug, Clone, Copy)]
enum Due {
    At(Duration),
    OnNewToken,
}

#[derive(Debug)]
struct Running {
    since: Duration,
    overdue: bool,
    /// The token that is exchanged.
    token: Option<Sha256>,
}

impl Cycle {
    /// Everything is due at once.
    pub(super) fn new(
        names: impl Iterator<Item = CredentialName>,
        renewal: RenewalSettings,
        pin_principal: bool,
        at: Moment,
    ) -> Self {
        let state = || CredentialState { held: None, due: Due::At(at.monotonic), failures: 0, running: None };
        Self {
            renewal,
            pin_principal,
            credentials: names.map(|name| (name, state())).collect(),
            fingerprint: None,
            identity: None,
            next_look: at.monotonic,
            origin: at.wall.minus(at.monotonic),
            lapse_exchange_made: false,
            generation: 0,
        }
    }

    /// Whether the wall clock was set. What was reckoned by it is then reckoned anew: when to renew, and what a token is.
    pub(super) fn clock_was_set(&mut self, at: Moment, jitter: Fraction) -> bool {
        let origin = at.wall.minus(at.monotonic);
        if origin.until(self.origin).max(self.origin.until(origin)) <= CLOCK_SET {
            return false;
        }
        self.origin = origin;
        self.fingerprint = None;
        self.next_look = at.monotonic;
        for state in self.credentials.values_mut() {
            if let (Some(held), Due::At(when), 0) = (&state.held, state.due, state.failures) {
                let delay = renewal_delay(held.remaining(at), &self.renewal, jitter);
                state.due = Due::At(when.min(at.monotonic.saturating_add(delay)));
            }
        }
        true
    }

    /// Asks for a look at the token at the next step.
    pub(super) fn look_now(&mut self) {
        self.next_look = Duration::ZERO;
    }

    /// Whether it is time to look at the token file.
    pub(super) fn looks(&self, at: Moment) -> bool {
        at.monotonic >= self.next_look || !self.due(at).is_empty()
    }

    /// Whether the token file has to be read and verified, or its fingerprint says all: it is the one that was seen
    /// last, and nothing is due.
    pub(super) fn must_load(&mut self, fingerprint: Sha256, at: Moment) -> bool {
        if self.fingerprint != Some(fingerprint) {
            return true;
        }
        self.next_look = self.look_after(at);
        self.exchange_before_lapse(at);
        !self.due(at).is_empty()
    }

    /// The last good token; `None` until there was one.
    pub(super) fn last_good(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// A token was read and verified.
    pub(super) fn token_seen(&mut self, identity: Identity, at: Moment) -> Seen {
        let held = self.identity.as_ref();
        let before = held.filter(|held| held.principal != identity.principal || held.issuer != identity.issuer);
        let another = before.map(|held| held.principal.clone());
        if another.is_some() && self.pin_principal {
            return Seen::Pinned;
        }
        // Rule: while a token is good, an older one of the same principal does not replace it: what was granted or
        // taken away meanwhile would be undone. Issuers' own clocks may differ as much as theirs and ours.
        let newer = held.filter(|held| another.is_none() && at.wall < held.expires_at);
        if let Some(held) = newer.filter(|held| identity.issued_at.plus(MAX_CLOCK_SKEW) < held.issued_at) {
            return Seen::Older { than: held.issued_at };
        }
        let changed = self.fingerprint != Some(identity.fingerprint);
        self.fingerprint = Some(identity.fingerprint);
        self.identity = Some(identity);
        if changed {
            self.lapse_exchange_made = false;
        }
        if another.is_some() {
            self.generation = self.generation.saturating_add(1);
        }
        for state in self.credentials.values_mut() {
            // Rule: a changed token of the same principal causes no exchange, unless the last one failed.
            let failed = state.failures > 0 && changed;
            if another.is_some() || failed || matches!(state.due, Due::OnNewToken) && changed {
                state.due = Due::At(at.monotonic);
            }
        }
        self.next_look = self.look_after(at);
        match another {
            Some(from) => Seen::Another { from },
            None => Seen::Same,
        }
    }

    /// There is no good token: what is due has failed with it; what is not due is not touched.
    pub(super) fn token_failed(&mut self, fingerprint: Option<Sha256>, facts: Facts, at: Moment, jitter: Fraction) {
        self.next_look = at.monotonic.saturating_add(if fingerprint.is_some() { POLL } else { POLL_MISSING });
        for name in self.due(at) {
            self.failed(&name, facts.retry, None, at, jitter);
        }
        // A file that passes may do so although it did not change: the keys may have come, or the time.
        self.fingerprint = if facts.retry == Retry::Backoff { None } else { fingerprint };
    }

    /// What is to be exchanged now.
    pub(super) fn due(&self, at: Moment) -> Vec<CredentialName> {
        let due = self.credentials.iter().filter(|(_, state)| match state.due {
            Due::At(when) => state.running.is_none() && at.monotonic >= when,
            Due::OnNewToken => false,
        });
        due.map(|(name, _)| name.clone()).collect()
    }

    /// An exchange begins; its result comes back with the number returned here.
    pub(super) fn begun(&mut self, name: &CredentialName, at: Moment) -> u64 {
        let token = self.identity.as_ref().map(|identity| identity.fingerprint);
        if let Some(state) = self.credentials.get_mut(name) {
            state.running = Some(Running { since: at.monotonic, overdue: false, token });
        }
        self.generation
    }

    /// Exchanges that have just passed their time limit. They stay begun: no second one joins one that hangs.
    pub(super) fn newly_overdue(&mut self, at: Moment) -> Vec<CredentialName> {
        let mut overdue = Vec::new();
        for (name, state) in &mut self.credentials {
            if let Some(running) = &mut state.running
                && !running.overdue
                && at.monotonic.saturating_sub(running.since) >= RESOLVE_LIMIT
            {
                running.overdue = true;
                overdue.push(name.clone());
            }
        }
        overdue
    }

    /// An exchange gave a credential. Returns whether it is used: not if it was begun for another principal.
    pub(super) fn succeeded(
        &mut self,
        name: &CredentialName,
        generation: u64,
        credential: Arc<ServiceCredential>,
        at: Moment,
        jitter: Fraction,
    ) -> bool {
        let (current, renewal) = (self.generation, self.renewal);
        let Some(state) = self.credentials.get_mut(name) else { return false };
        state.running = None;
        if generation != current {
            state.due = Due::At(at.monotonic);
            return false;
        }
        let delay = renewal_delay(credential.remaining(at), &renewal, jitter);
        state.due = Due::At(at.monotonic.saturating_add(delay));
        state.failures = 0;
        state.held = Some(credential);
        true
    }

    /// An exchange failed: what is held stays held.
    pub(super) fn exchange_failed(
        &mut self,
        name: &CredentialName,
        generation: u64,
        facts: Facts,
        retry_after: Option<Duration>,
        at: Moment,
        jitter: Fraction,
    ) {
        let stale = generation != self.generation;
        let newest = self.identity.as_ref().map(|identity| identity.fingerprint);
        let Some(state) = self.credentials.get_mut(name) else { return };
        let exchanged = state.running.take().and_then(|running| running.token);
        if stale {
            state.due = Due::At(at.monotonic);
            return;
        }
        // Rule: what a new token mends is tried again with the one that has come meanwhile.
        let has_come = facts.retry == Retry::OnNewToken && exchanged != newest;
        self.failed(name, if has_come { Retry::Backoff } else { facts.retry }, retry_after, at, jitter);
    }

    /// Everything that is held; `None` until there was one of each name.
    pub(super) fn bundle(&self) -> Option<UserCredentials> {
        self.credentials.iter().try_fold(UserCredentials::new(), |bundle, (name, state)| {
            Some(bundle.with(name.clone(), Arc::clone(state.held.as_ref()?)))
        })
    }

    /// How long nothing has to be done, unless something happens.
    pub(super) fn wait(&self, at: Moment) -> Duration {
        let next = self.credentials.values().filter_map(|state| match (&state.running, state.due) {
            (Some(running), _) if running.overdue => None,
            (Some(running), _) => Some(running.since.saturating_add(RESOLVE_LIMIT)),
            (None, Due::At(when)) => Some(when),
            (None, Due::OnNewToken) => None,
        });
        next.fold(self.next_look, Duration::min).saturating_sub(at.monotonic)
    }

    fn failed(
        &mut self,
        name: &CredentialName,
        retry: Retry,
        retry_after: Option<Duration>,
        at: Moment,
        jitter: Fraction,
    ) {
        let Some(state) = self.credentials.get_mut(name) else { return };
        state.failures = state.failures.saturating_add(1);
        let remaining = state.held.as_ref().map(|held| held.remaining(at));
        state.due = match retry {
            Retry::Backoff => {
                let delay = backoff_delay(state.failures, remaining, retry_after, jitter);
                Due::At(at.monotonic.saturating_add(delay))
            }
            Retry::Never => Due::At(at.monotonic.saturating_add(recheck_delay(jitter))),
            Retry::OnNewToken => Due::OnNewToken,
        };
    }

    /// Rule: one exchange is made early when the token is about to lapse and no new one is seen.
    fn exchange_before_lapse(&mut self, at: Moment) {
        let Some(identity) = &self.identity else { return };
        let left = at.wall.until(identity.expires_at);
        if self.lapse_exchange_made || left > LAPSE_LEAD || left < LEAST_TOKEN_LIFE {
            return;
        }
        self.lapse_exchange_made = true;
        for state in self.credentials.values_mut() {
            let fresh = state.held.as_ref().is_some_and(|held| held.age(at) < self.renewal.min_interval);
            if !fresh {
                state.due = Due::At(at.monotonic);
            }
        }
    }

    /// The next look: at the usual time, or just when the token is about to lapse.
    fn look_after(&self, at: Moment) -> Duration {
        let until_lapse = self.identity.as_ref().filter(|_| !self.lapse_exchange_made).and_then(|identity| {
            let left = at.wall.until(identity.expires_at);
            left.checked_sub(LAPSE_LEAD).filter(|wait| !wait.is_zero())
        });
        at.monotonic.saturating_add(until_lapse.map_or(POLL, |wait| wait.min(POLL)))
    }
}
