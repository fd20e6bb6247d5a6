//! What goes wrong, drawn from the seed: what, to whom, for how long.

use super::cluster::{Cluster, Event};
use super::outside::{File, HOUR, MINUTE, SECOND, Service, Time};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    StsDown,
    StsThrottles,
    StsSlow,
    TokenNotRotated,
    TokenBad,
    OtherPrincipal,
    DriverClock,
    ExecutorClock,
    Cut,
    Loss,
    Delay,
    Reordering,
    DriverRestart,
    ExecutorRestart,
}

pub(super) const FAULTS: [Fault; 14] = [
    Fault::StsDown,
    Fault::StsThrottles,
    Fault::StsSlow,
    Fault::TokenNotRotated,
    Fault::TokenBad,
    Fault::OtherPrincipal,
    Fault::DriverClock,
    Fault::ExecutorClock,
    Fault::Cut,
    Fault::Loss,
    Fault::Delay,
    Fault::Reordering,
    Fault::DriverRestart,
    Fault::ExecutorRestart,
];

/// Faults of one service: one at a time.
const OF_THE_STS: [Fault; 3] = [Fault::StsDown, Fault::StsThrottles, Fault::StsSlow];
const OF_THE_FILE: [Fault; 3] = [Fault::TokenNotRotated, Fault::TokenBad, Fault::OtherPrincipal];

/// The longest fault: longer than the shortest credentials live by far.
const LONGEST: Time = HOUR;

/// The driver looks at its clock every 30 s. A shorter error it may not notice: who asked meanwhile holds a bundle whose
/// life is too short until the next renewal.
const NOTICED: Time = 31 * SECOND;

impl Cluster {
    /// Draws a fault and when the next one comes.
    pub(super) fn fault_begins(&mut self) {
        let (fault, lasts, pause) = {
            let chance = &mut self.outside.world().chance;
            (chance.one_of(&FAULTS), chance.spread(SECOND, LONGEST), chance.spread(10 * MINUTE, 4 * HOUR))
        };
        self.after(pause, Event::FaultBegins);
        let neighbours = |of: &[Fault]| of.contains(&fault) && of.iter().any(|other| self.faults.contains(other));
        if self.faults.contains(&fault) || neighbours(&OF_THE_STS) || neighbours(&OF_THE_FILE) {
            return;
        }
        *self.tally.faults.entry(fault).or_default() += 1;
        self.faults.insert(fault);
        let lasts = self.apply(fault, lasts);
        self.trace(|| format!("{fault:?} for {} s; clocks {:?}", lasts / SECOND, self.clocks()));
        self.after(lasts, Event::FaultEnds(fault));
    }

    /// How wrong all clocks are, the driver's first.
    fn clocks(&self) -> Vec<i64> {
        let own = self.outside.world().driver_clock;
        std::iter::once(own).chain(self.executors.iter().map(|executor| executor.clock)).collect()
    }

    /// Applies it and says how long it really lasts.
    fn apply(&mut self, fault: Fault, lasts: Time) -> Time {
        let mut world = self.outside.world();
        match fault {
            Fault::StsDown => world.service = Service::Down,
            Fault::StsThrottles => world.service = Service::Throttled,
            Fault::StsSlow => world.service = Service::Slow,
            Fault::TokenNotRotated => {}
            Fault::TokenBad => {
                let file = world.chance.one_of(&[File::Missing, File::Empty, File::Foreign, File::Older]);
                world.write_token(file);
            }
            Fault::OtherPrincipal => world.change_principal(),
            Fault::DriverClock => {
                world.driver_clock = wrong_by(&mut world.chance);
                world.calls.clock_set();
                return lasts.max(NOTICED);
            }
            Fault::DriverRestart => {
                drop(world);
                self.driver_stops();
                return lasts.min(10 * MINUTE);
            }
            Fault::ExecutorClock
            | Fault::Cut
            | Fault::Loss
            | Fault::Delay
            | Fault::Reordering
            | Fault::ExecutorRestart => {
                drop(world);
                return self.apply_to_executors(fault, lasts);
            }
        }
        lasts
    }

    /// To each with an even chance, and to one at least.
    fn apply_to_executors(&mut self, fault: Fault, lasts: Time) -> Time {
        let mut world = self.outside.world();
        let certain = world.chance.between(0, self.executors.len() as u64 - 1) as usize;
        for (number, executor) in self.executors.iter_mut().enumerate() {
            if number != certain && world.chance.percent(50) {
                continue;
            }
            match fault {
                Fault::ExecutorClock => executor.clock = wrong_by(&mut world.chance),
                Fault::Cut => executor.link.cut = true,
                Fault::Loss => executor.link.loses = world.chance.between(1, 90),
                Fault::Delay => executor.link.slow = world.chance.spread(10, 20 * SECOND),
                Fault::Reordering => executor.link.reorders = true,
                _ => executor.up = false,
            }
        }
        if fault == Fault::ExecutorRestart { lasts.min(10 * MINUTE) } else { lasts }
    }

    pub(super) fn fault_ends(&mut self, fault: Fault) {
        self.trace(|| format!("{fault:?} is over"));
        self.faults.remove(&fault);
        let mut world = self.outside.world();
        match fault {
            Fault::StsDown | Fault::StsThrottles | Fault::StsSlow => world.service = Service::Up,
            Fault::TokenNotRotated | Fault::TokenBad => world.write_token(File::Good),
            Fault::OtherPrincipal => {}
            Fault::DriverClock => {
                world.driver_clock = 0;
                world.calls.clock_set();
            }
            Fault::DriverRestart => {
                drop(world);
                self.driver_starts();
            }
            Fault::ExecutorClock | Fault::Cut | Fault::Loss | Fault::Delay | Fault::Reordering => {
                drop(world);
                for executor in &mut self.executors {
                    match fault {
                        Fault::ExecutorClock => executor.clock = 0,
                        Fault::Cut => executor.link.cut = false,
                        Fault::Loss => executor.link.loses = 0,
                        Fault::Delay => executor.link.slow = 0,
                        _ => executor.link.reorders = false,
                    }
                }
            }
            Fault::ExecutorRestart => {
                drop(world);
                self.executors_start();
            }
        }
    }
}

/// A wrong clock: some seconds to some hours off, to either side.
fn wrong_by(chance: &mut super::chance::Chance) -> i64 {
    let seconds = chance.spread(1, 6 * HOUR / SECOND) as i64;
    if chance.percent(50) { seconds } else { -seconds }
}
