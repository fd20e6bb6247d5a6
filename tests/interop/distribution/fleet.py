"""A job with many executors, its STS and its sampler: starts, kills, watches."""

import time
from pathlib import Path

import judge
from checks import equal, holds, until
from job import Job
from leaks import hay_of_files, hay_of_process, search
from place import Loopback
from sampler import Sampler
from scale import START
from sts import Sts


class Fleet:
    """`count` executors of one job. `ours` are settings of the driver, `theirs` of each executor, by its name."""

    def __init__(self, bench, name, count, life, place=None, command=(), theirs=lambda name: {}, **ours):
        self.sts = Sts(life)
        self.place = place or Loopback()
        self.names = [f"{n:03}" for n in range(count)]
        self.executors = {}
        self._tokens = bench.issuer.minted
        volume = bench.volume(name)
        self.job = Job(bench.root, name, bench.issuer.url, volume.file, self.sts.url, **ours)
        self._command, self._theirs = command, theirs
        self._sampler = None

    def start_driver(self):
        with self.place.inside():
            self.job.start_driver()

    def start(self, name):
        """Starts this executor, in place of one that has ended."""
        self.executors[name] = self.job.executor(name, *self._command, start_timeout=f"{START}s", **self._theirs(name))

    def start_all(self):
        for name in self.names:
            self.start(name)
        self._sampler = Sampler({name: self.executors[name].directory for name in self.names})

    def stop(self):
        self._sampler.stop()
        self.job.stop()
        self.sts.stop()

    @property
    def samples(self):
        return self._sampler.samples

    def expiry(self):
        """When each credential truly ends, by its access key id."""
        return {call.key: call.expires for call in self.sts.calls}

    def latest(self, name):
        return self._sampler.latest.get(name)

    def behind(self, mark):
        """Executors whose last answer was no credential, or one of the first `mark` that the STS gave out."""
        news = {call.key for call in self.sts.calls[mark:]}
        return [name for name in self.names
                if not (last := self.latest(name)) or last.status != 200 or last.key not in news]

    def all_have(self, mark, seconds):
        """Waits until every executor serves a credential later than the first `mark`."""
        try:
            until("news", lambda: not self.behind(mark), seconds)
        except TimeoutError:
            behind = self.behind(mark)
            holds(not behind, f"after {seconds} s {len(behind)} of {len(self.names)} have no news, such as "
                              f"{self.latest(behind[0]) if behind else ''}")

    def renewed(self, mark, seconds):
        """Waits for a call of the STS after the first `mark`."""
        until("a renewal", lambda: len(self.sts.calls) > mark, seconds)

    def lost_nothing(self, since, but=()):
        """Fails if anybody, except for whom `but` names, was without credentials since then."""
        names = [name for name in self.names if name not in but]
        equal(judge.lost(list(self.samples), names, since, time.time()), [], "lost")

    def renewals(self):
        """The credentials of the audit trail, as (epoch, version)."""
        return [(line["epoch"], line["version"]) for line in self.job.audit() if line["outcome"] == "credential"]

    def leaks(self):
        """Where an identity token or a credential's secret stands in what executors leave or show."""
        hay = hay_of_files(self.job.log, *(executor.directory for executor in self.executors.values()))
        for executor in self.executors.values():
            for pid in (executor.process.pid, *_children(executor.process.pid)):
                hay |= hay_of_process(pid)
        secrets = [(place, "secret key") for place, content in hay.items() if b"secret-ASIA" in content]
        return search(self._tokens, hay) + secrets, len(hay)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
