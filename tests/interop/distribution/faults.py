"""The large job and what happens to it: driver and executors killed, a bad proxy between them, a black hole."""

import time
from pathlib import Path

import judge
from checks import equal, holds, until
from fleet import Fleet
from place import Loopback
from proxy import Delay, Pass, Proxy, Reset, Stall, Truncate
from scale import (BACK, DELAY, EXECUTORS, LIFE, LONG_LIFE, MARGIN, MEMORY, NEWS, POLL, QUICK, RESET, RESTART, SHORT_HOLE,
                   SHORT_LIFE, SLACK, STALL, START, TRUNCATION, TURNED_AWAY)
from web import free_port

LENGTHS = (0, 1, 7, 100, 300, 500)
"""Bytes of the driver's that pass: its handshake alone has more."""

BATCH = max(1, min(25, EXECUTORS // 4))


class Run:
    """The fleet, and the proxy before its driver while there is one."""

    def __init__(self, bench):
        self.place = bench.place
        self.proxy = None
        self._port, self._inner_port = free_port(), free_port()
        at = f"{self.place.address}:{self._port}"
        self.fleet = Fleet(bench, "large", EXECUTORS, LIFE, self.place, distribution_pollInterval=f"{POLL}s",
                           theirs=lambda name: {"distribution_driver": at, "distribution_pollInterval": f"{POLL}s"})
        if self.place.can_be_cut:
            # The issuer and the STS are at loopback addresses, which are others inside a namespace.
            for url in (bench.issuer.url, self.fleet.sts.url):
                self._door(int(url.rpartition(":")[2]))

    def _door(self, port):
        Proxy(self.place.listen("127.0.0.1", port), lambda: Loopback().connect("127.0.0.1", port))

    def start_driver(self, life, behind_proxy=None):
        """Starts the driver at the executors' address, or behind a proxy there that has a fault from the start."""
        self.fleet.sts.life = life
        if self.proxy:
            self.proxy.close()
            self.proxy = None
        if behind_proxy:
            self.proxy = Proxy(self.place.listen(self.place.address, self._port),
                               lambda: self.place.connect("127.0.0.1", self._inner_port))
            self.proxy.fault = behind_proxy
        address = f"127.0.0.1:{self._inner_port}" if behind_proxy else f"{self.place.address}:{self._port}"
        self.fleet.job.settings["distribution.listen"] = address
        self.fleet.start_driver()

    def weight(self):
        """The driver's memory in KiB and its descriptors, in a quiet moment."""
        proc = Path(f"/proc/{self.fleet.job.driver.pid}")
        seen = []
        for _ in range(30):
            resident = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS"))
            seen.append((int(resident.split()[1]), len(list((proc / "fd").iterdir()))))
            time.sleep(0.1)
        return min(memory for memory, _ in seen), min(descriptors for _, descriptors in seen)


def large_job(checks, bench):
    run = Run(bench)
    fleet = run.fleet
    with checks.that(f"{EXECUTORS} executors start at once, and one call of the STS serves all within {START} s"):
        run.start_driver(LIFE)
        fleet.start_all()
        fleet.all_have(0, START)
        equal(len(fleet.sts.calls), 1, "STS calls")
    with checks.that(f"a renewal is one call of the STS and reaches all within {NEWS} s; no request is lost"):
        since, mark = time.time(), len(fleet.sts.calls)
        fleet.renewed(mark, LIFE / 2 + SLACK)
        fleet.all_have(mark, NEWS)
        equal(len(fleet.sts.calls), mark + 1, "STS calls")
        fleet.lost_nothing(since)
    driver_killed(checks, run)
    executors_killed(checks, run)
    bad_proxy(checks, run)
    if run.place.can_be_cut:
        black_hole(checks, run)
    else:
        print("not run: a black hole, for there is no network namespace", flush=True)
    verdicts(checks, run)
    fleet.stop()


def driver_killed(checks, run):
    fleet = run.fleet
    with checks.that(f"the driver is killed with -9 and started again: a new epoch is with all within {NEWS} s, and no "
                     "request is lost"):
        since, mark, before = time.time(), len(fleet.sts.calls), fleet.renewals()
        fleet.job.driver.kill()
        time.sleep(3)
        run.start_driver(LIFE)
        fleet.all_have(mark, NEWS)
        fleet.lost_nothing(since)
        epoch, version = fleet.renewals()[len(before)]
        holds(epoch != before[-1][0] and version == 1, "the driver went on in its old epoch")


def executors_killed(checks, run):
    fleet = run.fleet
    with checks.that(f"each executor is killed with -9 and started again, {BATCH} at a time: each serves within "
                     f"{RESTART} s, and the others lose no request"):
        for first in range(0, EXECUTORS, BATCH):
            batch, since = fleet.names[first:first + BATCH], time.time()
            for name in batch:
                fleet.executors[name].process.kill()
                fleet.start(name)
            started = time.time()
            until(f"executors {batch[0]} to {batch[-1]} serve", lambda: all(
                fleet.latest(name).sent > started and fleet.latest(name).status == 200 for name in batch), RESTART)
            fleet.lost_nothing(since, but=batch)


def bad_proxy(checks, run):
    fleet = run.fleet
    with checks.that(f"through a proxy that delays all by {DELAY * 1000:.0f} ms each way a new epoch is with all within "
                     f"{TURNED_AWAY} s, and no request is lost"):
        since, mark = time.time(), len(fleet.sts.calls)
        fleet.job.driver.kill()
        run.start_driver(LONG_LIFE, behind_proxy=Delay(DELAY))
        fleet.all_have(mark, TURNED_AWAY)
        fleet.lost_nothing(since)
    run.proxy.fault = Pass()
    before = run.weight()
    since, mark = time.time(), len(fleet.sts.calls)
    faults = ((STALL, Stall(), "accepts and never answers"), (RESET, Reset(), "resets at four stages"),
              (TRUNCATION, Truncate(LENGTHS), f"ends after {LENGTHS[0]} to {LENGTHS[-1]} bytes"))
    for seconds, fault, what in faults:
        with checks.that(f"for {seconds} s the proxy {what}: no request is lost"):
            began, hits = time.time(), run.proxy.cut
            run.proxy.fault = fault
            time.sleep(seconds)
            fleet.lost_nothing(began)
            holds(run.proxy.cut - hits >= EXECUTORS / 4, f"only {run.proxy.cut - hits} connections were hit")
    with checks.that(f"once it lets all pass, the next renewal is with all within {BACK} s; no request was lost meanwhile"):
        run.proxy.fault = Pass()
        fleet.renewed(mark, LONG_LIFE / 2 + SLACK)
        fleet.all_have(mark, BACK)
        fleet.lost_nothing(since)
    with checks.that(f"the driver holds as many descriptors as before these faults, and at most {MEMORY} KiB more memory"):
        after = run.weight()
        print(f"     KiB and descriptors: {before} before, {after} after", flush=True)
        holds(after[0] <= before[0] + MEMORY and after[1] <= before[1], f"{before} before, {after} after")


def black_hole(checks, run):
    fleet = run.fleet
    fleet.job.driver.kill()
    mark = len(fleet.sts.calls)
    run.start_driver(SHORT_LIFE)
    if not QUICK:
        with checks.that(f"the driver is in a black hole for {SHORT_HOLE} s: no request is lost, and the next renewal is "
                         f"with all within {BACK} s"):
            fleet.all_have(mark, BACK)
            since, mark = time.time(), len(fleet.sts.calls)
            run.place.cut()
            time.sleep(SHORT_HOLE)
            run.place.mend()
            fleet.renewed(mark, SHORT_LIFE / 2 + SLACK)
            fleet.all_have(mark, BACK)
            fleet.lost_nothing(since)
    with checks.that("in a black hole that lasts, all serve until their credentials are near their end, and then answer 503 "
                     "CREDENTIALS_EXPIRED"):
        fleet.all_have(mark, BACK)
        since, expiry = time.time(), fleet.expiry()
        run.place.cut()
        # 3 s: an executor counts from before it asked, in whole seconds, and an answer takes its time.
        time.sleep(max(0, min(expiry[fleet.latest(name).key] for name in fleet.names) - MARGIN - 3 - time.time()))
        fleet.lost_nothing(since)
        time.sleep(max(0, max(expiry[fleet.latest(name).key] for name in fleet.names) - MARGIN + 1 - time.time()))
        dark = time.time()
        time.sleep(5)
        samples = list(fleet.samples)
        equal(judge.served(samples, dark, time.time()), [], "served")
        equal(set(judge.codes(samples, dark, time.time())), {"CREDENTIALS_EXPIRED"}, "codes")
        unsaid = [name for name in fleet.names if "[ASK_" not in fleet.executors[name].process.errors()]
        equal(unsaid, [], "executors whose log names no code")
    with checks.that(f"when the link is up again, all have credentials within {BACK} s"):
        mark = len(fleet.sts.calls) - 1
        run.place.mend()
        fleet.all_have(mark, BACK)


def verdicts(checks, run):
    fleet = run.fleet
    samples, expiry = list(fleet.samples), fleet.expiry()
    good = sum(s.status == 200 for s in samples)
    with checks.that(f"of {len(samples)} requests, {good} with a credential, none was answered with an expired one"):
        holds(good > EXECUTORS * 20, "too few for a verdict")
        equal(judge.expired(samples, expiry), [], "expired")
    with checks.that(f"none was answered with a credential in its last {MARGIN} s, or with a later end than the STS's"):
        equal(judge.too_late(samples, expiry), [], "too late")
        equal(judge.overstated(samples, expiry), [], "overstated")
    with checks.that("the STS was called once a renewal, whatever the number of executors"):
        equal(len(fleet.sts.calls), len(fleet.renewals()), "STS calls beside the audit trail's credentials")
        for (epoch, version), (then, number), first, second in zip(
                fleet.renewals(), fleet.renewals()[1:], fleet.sts.calls, fleet.sts.calls[1:]):
            apart, life = second.at - first.at, first.expires - first.at
            # Renewed at half of the life less up to a tenth; a start is a new epoch and may come at any time.
            holds(then != epoch or number == version + 1 and apart >= 0.4 * life - 1, f"{apart:.1f} s of {life} s")
    with checks.that("no identity token and no secret key is in any executor's files, log, environment or arguments"):
        hits, places = fleet.leaks()
        holds(places > EXECUTORS * 5, f"only {places} places were searched")
        equal(hits, [], "found")
