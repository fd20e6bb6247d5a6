//! The whole propagation under a simulated clock and network: token file, STS, driver, executors and their endpoints.

mod calls;
mod chance;
mod cluster;
mod faults;
mod invariants;
mod outside;
mod parts;

use cluster::{Cluster, Tally};
use faults::FAULTS;

/// How many days pass in each world.
const DAYS: u64 = 2;

/// How many worlds there are unless `SAFE_CONDUCT_SEEDS` says otherwise.
const SEEDS: u64 = 20;

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Says how to repeat a world, if something in it fails.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "repeat with: SAFE_CONDUCT_SEED={} cargo test --locked --lib simulated_cluster -- --nocapture",
                self.0
            );
        }
    }
}

fn run(seed: u64, traced: bool) -> Tally {
    let _repeat = Repeat(seed);
    Cluster::new(seed, traced).run(DAYS)
}

#[test]
fn a_simulated_cluster_keeps_what_it_promises_whatever_fails() {
    if let Some(seed) = number_in("SAFE_CONDUCT_SEED") {
        println!("{:#?}", run(seed, true));
        return;
    }
    let seeds = number_in("SAFE_CONDUCT_SEEDS").unwrap_or(SEEDS);
    let mut all = Tally::default();
    for seed in 0..seeds {
        all.add(run(seed, false));
    }
    println!("simulated_cluster: {} days in {seeds} worlds: {all:?}", seeds * DAYS);
    // What never happened proves nothing.
    if seeds >= SEEDS {
        let missing: Vec<_> = FAULTS.iter().filter(|fault| !all.faults.contains_key(fault)).collect();
        assert!(missing.is_empty(), "never drawn: {missing:?}");
        for outcome in ["newer", "not newer", "unchanged", "refused", "failed"] {
            assert!(all.outcomes.contains_key(outcome), "no ask came to: {outcome}");
        }
        assert!(all.looked_at_served > 0 && all.looked_at_nothing > 0, "{all:?}");
    }
}
