//! What the driver answers to an ask, and when it wants the next one: a function of ask, store and time. No sockets.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{AuditEvent, AuditLog, ExecutorIdentity};
use crate::distribute::Refusal;
use crate::distribute::message::{Ask, Reply, Timing};
use crate::distribute::pace;
use crate::distribute::quota::Quota;
use crate::store::{CredentialStore, Version};
use crate::sys::random::Random;
use crate::time::Moment;

/// Most first asks that are recorded in a second: a job that starts 1,000 executors is, a loop of restarts cannot
/// flood the audit trail.
const AUDIT_QUOTA: u32 = 10;

/// The driver's side of the protocol. It remembers nothing of an executor.
pub(crate) struct Answering {
    poll_interval: Duration,
    store: Arc<CredentialStore>,
    random: Arc<dyn Random>,
    audit: Arc<dyn AuditLog>,
    first_asks: Mutex<Quota>,
}

impl Answering {
    /// Answers from `store`. `poll_interval` is the longest time between two asks of an executor.
    pub(crate) fn new(
        poll_interval: Duration,
        store: Arc<CredentialStore>,
        random: Arc<dyn Random>,
        audit: Arc<dyn AuditLog>,
    ) -> Self {
        let first_asks = Mutex::new(Quota::new(AUDIT_QUOTA, Duration::from_secs(1)));
        Self { poll_interval, store, random, audit, first_asks }
    }

    /// The answer to somebody who may have credentials: what can still be served of the newest bundle, if there is
    /// anything.
    pub(crate) fn reply(
        &self,
        ask: &Ask,
        peer: IpAddr,
        identity: Option<&ExecutorIdentity>,
        at: Moment,
    ) -> (Reply, Timing) {
        let newest = self.store.newest().map(|mut newest| {
            newest.credentials = newest.credentials.servable(at);
            newest
        });
        let newest = newest.filter(|newest| newest.credentials.iter().next().is_some());
        if ask.have.is_none() {
            self.record_first_ask(ask, peer, identity, newest.as_ref().map(|newest| newest.version), at);
        }
        let Some(newest) = newest else { return self.refusal(Refusal::NothingYet, at) };
        let remaining = newest.credentials.servable_for(at);
        let next_ask = pace::next_ask(self.poll_interval, remaining, self.random.fraction());
        let unchanged = ask.have == Some(newest.version);
        (if unchanged { Reply::Unchanged } else { Reply::Bundle(newest) }, Timing { now: at.wall, next_ask })
    }

    /// The answer to somebody for whom there is nothing.
    pub(crate) fn refusal(&self, refusal: Refusal, at: Moment) -> (Reply, Timing) {
        let next_ask = pace::next_ask_when_refused(self.random.fraction());
        (Reply::Refused(refusal), Timing { now: at.wall, next_ask })
    }

    fn record_first_ask(
        &self,
        ask: &Ask,
        peer: IpAddr,
        identity: Option<&ExecutorIdentity>,
        version: Option<Version>,
        at: Moment,
    ) {
        // A quota is whole numbers at any time, so poison says nothing about it.
        let taken = self.first_asks.lock().unwrap_or_else(PoisonError::into_inner).take(at.monotonic);
        let Some(left_out) = taken else { return };
        if left_out > 0 {
            log::warn!("{left_out} first asks were left out of the audit trail: more than {AUDIT_QUOTA} in a second");
        }
        self.audit.record(&AuditEvent::FirstAsk { executor: &ask.executor, peer, identity, version }, at.wall);
    }
}
