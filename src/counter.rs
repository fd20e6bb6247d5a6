//! Counts by kind: one handle for whoever counts, another for whoever reads. Knows nothing of what is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often each kind of thing happened. It has one number a kind, so kinds are few: codes of ours, never names that
/// somebody sends.
#[derive(Debug, Clone)]
pub struct Counts<K>(Arc<Mutex<BTreeMap<K, u64>>>);

impl<K: Ord + Clone> Counts<K> {
    /// Each of these kinds at zero, so that a reader knows them before they happen.
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = K>) -> Self {
        Self(Arc::new(Mutex::new(kinds.into_iter().map(|kind| (kind, 0)).collect())))
    }

    /// One more.
    pub fn add(&self, kind: K) {
        let mut counts = self.lock();
        let count = counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// All of them, now.
    #[must_use]
    pub fn read(&self) -> BTreeMap<K, u64> {
        self.lock().clone()
    }

    /// Plain numbers: a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_handles_count_together_and_known_kinds_start_at_zero() {
        let counts = Counts::of(["a", "b"]);
        let other = counts.clone();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| other.add("b")));
            }
        });
        other.add("c");
        assert_eq!(counts.read(), BTreeMap::from([("a", 0), ("b", 400), ("c", 1)]));
    }
}
