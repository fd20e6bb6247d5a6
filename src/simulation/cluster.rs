//! The events of a simulated cluster, in the order of true time: steps, messages, exchanges, rotations, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::chance::Chance;
use super::faults::Fault;
use super::invariants::{self, ASK_TAKES};
use super::outside::{DAY, File, HOUR, MINUTE, Outside, SECOND, Service, Time, World};
use super::parts::{Driver, Endpoint, Executor, Served};
use crate::codec::frame::{HEADER_LENGTH, Header};
use crate::credential::{AcceptedProperties, s3a};
use crate::distribute::asking::Received;
use crate::distribute::message::{Ask, Reply};
use crate::distribute::{AskError, AskOutcome, DriverAddress};
use crate::name::{PropertyName, Scheme};
use crate::secret::WipedBuffer;
use crate::store::Applied;
use crate::time::{Clock, Moment};

/// Each world has one scheme or two.
const MOST_SCHEMES: usize = 2;

/// How long after a driver has given up it is started again.
const DRIVER_PAUSE: Time = 30 * SECOND;

pub(super) enum Event {
    DriverStep {
        due: u64,
    },
    DriverStarts,
    ExchangeEnds(u64),
    Asks {
        executor: usize,
        run: u64,
    },
    AtDriver(Message, WipedBuffer),
    AtExecutor(Message, Answer),
    Rotation,
    FaultBegins,
    FaultEnds(Fault),
    /// A credential ends, or is about to: nothing happens but that everybody is looked at, and asked over HTTP.
    Look {
        asked: bool,
    },
}

/// An ask on its way, and what becomes of its answer.
pub(super) struct Message {
    executor: usize,
    run: u64,
    /// Which ask it is; `None` for one that nobody waits for, whose answer comes late.
    ask: Option<u64>,
    asked: Moment,
    back: Time,
}

pub(super) enum Answer {
    /// By which run of the driver, and how wrong its clock was.
    Bytes {
        bytes: WipedBuffer,
        run: u64,
        driver_clock: i64,
    },
    None,
}

/// What happened in a world, to show that it did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) faults: BTreeMap<Fault, u64>,
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    pub(super) steps: u64,
    pub(super) calls: u64,
    pub(super) looked_at_served: u64,
    pub(super) looked_at_nothing: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        other.faults.into_iter().for_each(|(fault, count)| *self.faults.entry(fault).or_default() += count);
        other.outcomes.into_iter().for_each(|(outcome, count)| *self.outcomes.entry(outcome).or_default() += count);
        self.steps += other.steps;
        self.calls += other.calls;
        self.looked_at_served += other.looked_at_served;
        self.looked_at_nothing += other.looked_at_nothing;
    }
}

pub(super) struct Cluster {
    pub(super) outside: Outside,
    queue: BTreeMap<(Time, u64), Event>,
    serial: u64,
    schemes: Vec<Scheme>,
    accepted: AcceptedProperties,
    poll_interval: Duration,
    driver: Option<Driver>,
    runs: u64,
    pub(super) executors: Vec<Executor>,
    exchanges: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
    pub(super) faults: BTreeSet<Fault>,
    driver_well_since: Option<Time>,
    pub(super) tally: Tally,
    traced: bool,
}

impl Cluster {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let executors = chance.one_of(&[1, 1, 2, 3]);
        let names: &[&str] = if chance.percent(30) { &["gs", "s3a"] } else { &["s3a"] };
        let poll_interval = Duration::from_secs(
            chance.one_of(&[60, 300, 300, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600]),
        );
        let token_life = chance.one_of(&[10 * MINUTE, HOUR, 6 * HOUR, DAY]);
        let credential_life =
            chance.one_of(&[15 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, 4 * HOUR, 12 * HOUR, 12 * HOUR]);
        let schemes: Vec<Scheme> = names.iter().map(|name| Scheme::new(name).unwrap()).collect();
        let properties = || s3a::PROPERTIES.iter().map(|name| PropertyName::new(name).unwrap());
        let accepted =
            schemes.iter().fold(AcceptedProperties::none(), |all, scheme| all.with(scheme.clone(), properties()));
        let mut cluster = Self {
            outside: Outside::new(World::new(chance, token_life, credential_life)),
            queue: BTreeMap::new(),
            serial: 0,
            accepted,
            poll_interval,
            driver: None,
            runs: 0,
            executors: (0..executors).map(|number| Executor::start(number, &schemes, poll_interval)).collect(),
            schemes,
            exchanges: BTreeMap::new(),
            faults: BTreeSet::new(),
            driver_well_since: None,
            tally: Tally::default(),
            traced,
        };
        cluster.trace(|| format!("{executors} executors, {names:?}, poll interval {poll_interval:?}"));
        cluster.trace(|| format!("a token lives {token_life} ms, a credential {credential_life} ms"));
        cluster.driver_starts();
        for executor in 0..cluster.executors.len() {
            cluster.after(1 + executor as u64, Event::Asks { executor, run: 0 });
        }
        cluster.after(token_life / 5 * 4, Event::Rotation);
        cluster.after(5 * MINUTE, Event::FaultBegins);
        cluster
    }

    /// Lets so many days pass.
    pub(super) fn run(mut self, days: u64) -> Tally {
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > days * DAY {
                break;
            }
            self.outside.world().now = time;
            self.tally.steps += 1;
            let look = matches!(event, Event::Look { asked: true });
            self.happen(event);
            self.check(look);
        }
        self.tally.calls = self.outside.world().calls.total();
        self.tally
    }

    pub(super) fn now(&self) -> Time {
        self.outside.world().now
    }

    pub(super) fn trace(&self, what: impl Fn() -> String) {
        if self.traced {
            let now = self.now();
            eprintln!(
                "{:>3} h {:02} min {:06.3} s  {}",
                now / HOUR,
                now / MINUTE % 60,
                (now % MINUTE) as f64 / 1000.0,
                what()
            );
        }
    }

    pub(super) fn after(&mut self, wait: Time, event: Event) {
        self.serial += 1;
        let at = self.now() + wait;
        self.queue.insert((at, self.serial), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::DriverStep { due } if self.driver.as_ref().is_some_and(|driver| driver.due == due) => {
                self.driver_steps()
            }
            Event::DriverStep { .. } | Event::Look { .. } => {}
            Event::DriverStarts => {
                if !self.faults.contains(&Fault::DriverRestart) && self.driver.is_none() {
                    self.driver_starts();
                }
            }
            Event::ExchangeEnds(number) => {
                if let Some(exchange) = self.exchanges.remove(&number) {
                    exchange();
                    self.look_when_it_ends();
                    self.driver_steps();
                }
            }
            Event::Asks { executor, run } => self.asks(executor, run),
            Event::AtDriver(message, frame) => self.at_driver(message, &frame),
            Event::AtExecutor(message, answer) => self.at_executor(&message, answer),
            Event::Rotation => self.rotates(),
            Event::FaultBegins => self.fault_begins(),
            Event::FaultEnds(fault) => self.fault_ends(fault),
        }
    }

    fn rotates(&mut self) {
        let mut world = self.outside.world();
        let life = world.token_life();
        if !self.faults.contains(&Fault::TokenNotRotated) && !self.faults.contains(&Fault::TokenBad) {
            world.write_token(File::Good);
        }
        drop(world);
        self.after(life / 5 * 4, Event::Rotation);
    }

    pub(super) fn driver_starts(&mut self) {
        self.runs += 1;
        let runs = self.runs;
        self.trace(|| format!("driver starts, run {runs}"));
        self.driver = Some(Driver::start(&self.outside, &self.schemes, self.poll_interval, self.runs));
        self.driver_steps();
    }

    /// Its exchanges end with it, and so do the connections that it has.
    pub(super) fn driver_stops(&mut self) {
        self.driver = None;
        self.exchanges.clear();
    }

    fn driver_steps(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        let wait = driver.manager.step(self.outside.moment());
        let newest = driver.store.newest().map(|held| held.version);
        if driver.published.0 != newest {
            driver.published = (newest, self.outside.world().now);
        }
        let begun = std::mem::take(&mut self.outside.world().begun);
        let Some(wait) = wait else {
            self.trace(|| "driver gives up".to_owned());
            self.driver_stops();
            return self.after(DRIVER_PAUSE, Event::DriverStarts);
        };
        self.serial += 1;
        driver.due = self.serial;
        let due = driver.due;
        for (takes, exchange) in begun {
            self.serial += 1;
            let number = self.serial;
            self.exchanges.insert(number, exchange);
            self.after(takes, Event::ExchangeEnds(number));
        }
        // A wait is rounded up: a step before its time would find nothing to do.
        let wait = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap();
        self.after(wait, Event::DriverStep { due });
    }

    /// Everybody is looked at just before and at the true end of what was issued, less the margin and without it.
    fn look_when_it_ends(&mut self) {
        let (now, expires, fourth) = {
            let world = self.outside.world();
            (world.now, world.issued.last().map_or(0, |issued| issued.expires), world.issued.len().is_multiple_of(4))
        };
        for (before, asked) in [(15_001, fourth), (15_000, fourth), (14_000, false), (0, false)] {
            if let Some(wait) = expires.checked_sub(now + before) {
                self.after(wait, Event::Look { asked });
            }
        }
    }

    pub(super) fn executors_start(&mut self) {
        for number in 0..self.executors.len() {
            if self.executors[number].up {
                continue;
            }
            self.executors[number].restart(number as u64, &self.schemes, self.poll_interval);
            let run = self.executors[number].run;
            self.after(0, Event::Asks { executor: number, run });
        }
    }

    fn asks(&mut self, number: usize, run: u64) {
        let now = self.now();
        let executor = &mut self.executors[number];
        if !executor.up || executor.run != run {
            return;
        }
        invariants::asks_are_a_second_apart(executor, now);
        executor.ask += 1;
        let (link, ask) = (executor.link, executor.ask);
        let asked = executor.moment(now);
        let frame = || self.executors[number].asking.ask().encode().unwrap();
        let (frame, extra) = (frame(), link.reorders.then(frame));
        let message = |ask, back| Message { executor: number, run, ask, asked, back };
        let (there, back, late) = {
            let chance = &mut self.outside.world().chance;
            let mut takes = || {
                let lost = link.cut || chance.percent(link.loses);
                let takes = chance.between(1, 30) + if link.slow > 0 { chance.between(0, link.slow) } else { 0 };
                (!lost).then_some(takes)
            };
            (takes(), takes(), chance.between(10, 30 * MINUTE))
        };
        if let Some(frame) = extra {
            self.after(1, Event::AtDriver(message(None, late), frame));
        }
        match (there, back) {
            (Some(there), Some(back)) if there + back <= ASK_TAKES => {
                self.after(there, Event::AtDriver(message(Some(ask), back), frame));
            }
            // A cut is noticed while connecting; what is lost or late at the end of the last time limit.
            _ => {
                let takes = if link.cut { 2 * SECOND } else { ASK_TAKES };
                self.after(takes, Event::AtExecutor(message(Some(ask), 0), Answer::None));
            }
        }
    }

    fn at_driver(&mut self, message: Message, frame: &WipedBuffer) {
        let (header, body) = parts_of(frame);
        let ask = Ask::decode(header.kind, body).unwrap();
        let (back, at, driver_clock) = (message.back, self.outside.moment(), self.outside.world().driver_clock);
        let answer = match &self.driver {
            None => Answer::None,
            Some(driver) => {
                let (reply, timing) = driver.answering.reply(&ask, IpAddr::V4(Ipv4Addr::LOCALHOST), None, at);
                Answer::Bytes { bytes: reply.encode(timing).unwrap(), run: driver.run, driver_clock }
            }
        };
        self.after(back, Event::AtExecutor(message, answer));
    }

    fn at_executor(&mut self, message: &Message, answer: Answer) {
        let now = self.now();
        let executor = &self.executors[message.executor];
        let is_current = message.ask.is_none_or(|ask| ask == executor.ask);
        if !executor.up || executor.run != message.run || !is_current {
            return;
        }
        let alive = self.driver.as_ref().map(|driver| driver.run);
        let received = match answer {
            // A connection ends with the driver's run, and with a cut.
            Answer::Bytes { bytes, run, driver_clock } if Some(run) == alive && !executor.link.cut => {
                let (header, body) = parts_of(&bytes);
                let read = Reply::decode(header.kind, body, &self.accepted, message.asked.monotonic);
                let received = read.map(|(reply, timing)| Received { reply, timing, asked: message.asked });
                (received.map_err(AskError::Answer), Some((run, driver_clock)))
            }
            Answer::Bytes { .. } | Answer::None if message.ask.is_none() => return,
            Answer::Bytes { .. } | Answer::None => {
                let driver = DriverAddress::parse("driver:7443").unwrap();
                (Err(AskError::TimedOut { driver }), None)
            }
        };
        self.hears(message, received, now);
    }

    fn hears(&mut self, message: &Message, received: (Result<Received, AskError>, Option<(u64, i64)>), now: Time) {
        let (received, driver) = received;
        let jitter = {
            use crate::sys::random::Random;
            self.outside.fraction()
        };
        let executor = &mut self.executors[message.executor];
        let at = executor.moment(now);
        let served = executor.serves_anything(now);
        let step = executor.asking.heard(received, at, jitter);
        *self.tally.outcomes.entry(kind_of(&step.outcome)).or_default() += 1;
        invariants::an_expired_bundle_never_replaces_a_live_one(served, executor, now);
        invariants::each_turn_is_said_once(executor, &step.notices);
        if let (AskOutcome::Bundle { applied: Applied::Newer, .. }, Some((run, driver_clock))) = (&step.outcome, driver)
        {
            executor.driver_clock = driver_clock;
            invariants::versions_never_go_back(executor, run);
        }
        if let AskOutcome::Failed(AskError::Answer(error)) = &step.outcome {
            assert!(message.ask.is_none(), "an answer of our own driver is refused: {error}");
        }
        let run = executor.run;
        for notice in &step.notices {
            self.trace(|| format!("executor {}: {notice}", message.executor));
        }
        if message.ask.is_some() {
            let wait = u64::try_from(step.wait.as_nanos().div_ceil(1_000_000)).unwrap();
            self.after(wait, Event::Asks { executor: message.executor, run });
        }
    }

    /// Everything that must hold at every step.
    fn check(&mut self, look: bool) {
        let at = self.outside.moment();
        let world = self.outside.world();
        let (now, driver_clock) = (world.now, world.driver_clock);
        let on_driver = self.driver.as_ref().map_or([None; MOST_SCHEMES], |driver| served_by(&driver.endpoints, at));
        for (number, _) in on_driver.iter().flatten() {
            let issued = world.issued[*number];
            invariants::nothing_expired_is_served(now, issued, driver_clock, issued.driver_clock);
        }
        let poll = u64::try_from(self.poll_interval.as_millis()).unwrap();
        for executor in &mut self.executors {
            let own = executor.moment(now);
            let served = served_by(&executor.endpoints, own);
            for (number, _) in served.iter().flatten() {
                let issued = world.issued[*number];
                invariants::nothing_expired_is_served(now, issued, executor.clock, executor.driver_clock);
            }
            if look {
                self.tally.looked_at_served += served.iter().flatten().count() as u64;
                self.tally.looked_at_nothing += u64::from(served[0].is_none());
                let honest = executor.endpoints.iter().all(|endpoint| endpoint.says_what_it_serves(own));
                assert!(honest, "an endpoint says otherwise at {now} ms");
            }
            invariants::watch_link(&on_driver, driver_clock == 0, executor, now);
            invariants::no_executor_runs_dry_beside_a_driver_that_has_more(executor, &served, now);
            if let Some(driver) = &self.driver {
                invariants::a_reachable_driver_s_credentials_are_had(driver, executor, &served, poll, now);
            }
        }
        let good = world.file == File::Good && world.token_expires() > now + MINUTE;
        let up = self.driver.is_some() && world.service == Service::Up && !world.calls.hangs(now);
        let well = good && up && driver_clock == 0;
        self.driver_well_since = self.driver_well_since.filter(|_| well).or(well.then_some(now));
        invariants::a_driver_that_can_have_credentials_has_them(
            &on_driver[..self.schemes.len()],
            self.driver_well_since,
            now,
        );
    }
}

fn served_by(endpoints: &[Endpoint], at: Moment) -> [Option<Served>; MOST_SCHEMES] {
    std::array::from_fn(|scheme| endpoints.get(scheme)?.serves(at))
}

fn parts_of(frame: &WipedBuffer) -> (Header, &[u8]) {
    let (header, body) = frame.as_slice().split_first_chunk::<HEADER_LENGTH>().unwrap();
    let header = Header::decode(*header).unwrap();
    assert_eq!(header.length, body.len());
    (header, body)
}

fn kind_of(outcome: &AskOutcome) -> &'static str {
    match outcome {
        AskOutcome::Bundle { applied: Applied::Newer, .. } => "newer",
        AskOutcome::Bundle { applied: Applied::NotNewer, .. } => "not newer",
        AskOutcome::Bundle { applied: Applied::Expired, .. } => "expired",
        AskOutcome::Unchanged => "unchanged",
        AskOutcome::Refused(_) => "refused",
        AskOutcome::Failed(AskError::Answer(_)) => "answer refused",
        AskOutcome::Failed(_) => "failed",
    }
}
