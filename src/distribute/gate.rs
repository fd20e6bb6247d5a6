//! Which connections the driver's threads take: one address must not hold up all others. No clock, no sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// While fewer threads than this are free, addresses with many strangers are turned away: a quarter of 32.
const FEW_FREE: usize = 8;

/// How many connections of one address may be unauthenticated while few threads are free: executors that share a
/// node's address get through, a flood does not.
const MAX_STRANGERS: usize = 4;

/// How much of its time a stranger is given: silent ones from many addresses hold all threads half as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Whole,
    Half,
}

impl Patience {
    /// What is left of `limit`.
    pub(super) fn of(self, limit: Duration) -> Duration {
        match self {
            Self::Whole => limit,
            Self::Half => limit.checked_div(2).unwrap_or(limit),
        }
    }
}

/// Counts the threads that are taken, and the addresses of those who have not proved themselves yet. Its size is
/// bounded by the number of threads.
#[derive(Debug)]
pub(super) struct Gate {
    free: usize,
    strangers: BTreeMap<IpAddr, usize>,
}

impl Gate {
    /// All `threads` are free.
    pub(super) fn new(threads: usize) -> Self {
        Self { free: threads, strangers: BTreeMap::new() }
    }

    /// Takes a thread for a connection from `peer`, which is a stranger from then on; `None` if it is turned away.
    pub(super) fn admit(&mut self, peer: IpAddr) -> Option<Patience> {
        let strangers = self.strangers.get(&peer).copied().unwrap_or(0);
        let few_free = self.free < FEW_FREE;
        if few_free && strangers >= MAX_STRANGERS {
            return None;
        }
        self.free = self.free.saturating_sub(1);
        self.strangers.insert(peer, strangers.saturating_add(1));
        Some(if few_free { Patience::Half } else { Patience::Whole })
    }

    /// One connection of `peer` is a stranger's no more: it proved itself, or it is over.
    pub(super) fn known(&mut self, peer: IpAddr) {
        let left = self.strangers.get(&peer).map_or(0, |strangers| strangers.saturating_sub(1));
        if left == 0 {
            self.strangers.remove(&peer);
        } else {
            self.strangers.insert(peer, left);
        }
    }

    /// A thread is free again.
    pub(super) fn leave(&mut self) {
        self.free = self.free.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const HONEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn one_address_cannot_take_the_last_threads() {
        let mut gate = Gate::new(32);
        let taken = (0..1000).filter(|_| gate.admit(FLOOD).is_some()).count();
        assert_eq!(taken, 25, "as long as 8 are free, everybody is let in");
        for _ in 0..4 {
            assert!(gate.admit(HONEST).is_some(), "another address gets through");
        }
        assert!(gate.admit(HONEST).is_none(), "also for it, a fifth stranger is one too many");
    }

    #[test]
    fn who_has_proved_itself_is_no_stranger() {
        let mut gate = Gate::new(8);
        for _ in 0..5 {
            assert!(gate.admit(HONEST).is_some());
            gate.known(HONEST);
        }
        for _ in 0..3 {
            assert!(gate.admit(HONEST).is_some());
        }
        assert_eq!(gate.free, 0);
    }

    #[test]
    fn what_is_over_leaves_nothing_behind() {
        let mut gate = Gate::new(4);
        for _ in 0..4 {
            assert!(gate.admit(FLOOD).is_some());
        }
        assert!(gate.admit(FLOOD).is_none());
        for _ in 0..4 {
            gate.known(FLOOD);
            gate.leave();
        }
        assert_eq!((gate.free, gate.strangers.len()), (4, 0));
        assert!(gate.admit(FLOOD).is_some());
    }

    #[test]
    fn a_stranger_has_half_the_time_once_fewer_than_8_threads_are_free() {
        let mut gate = Gate::new(9);
        let given: Vec<_> = (0..4).map(|_| gate.admit(FLOOD)).collect();
        assert_eq!(given, [Patience::Whole, Patience::Whole, Patience::Half, Patience::Half].map(Some));
        let limit = Duration::from_secs(2);
        assert_eq!((Patience::Whole.of(limit), Patience::Half.of(limit)), (limit, Duration::from_secs(1)));
    }
}
