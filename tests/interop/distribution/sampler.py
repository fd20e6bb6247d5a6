"""Asks every executor's endpoint again and again, as an SDK does, and records each answer. Judges nothing."""

import http.client
import threading
import time
from datetime import datetime
from typing import NamedTuple

from job import ask_endpoint
from scale import SAMPLE

_THREADS = 4


class Sample(NamedTuple):
    """One request. `status` 0: there was no answer."""

    who: str
    sent: float
    received: float
    status: int
    key: str
    says: float
    """The expiry that the answer names."""
    code: str
    """Of a refusal; of no answer, what went wrong."""


class Sampler:
    """Asks each of `directories` (by name) once in `SAMPLE` seconds until it is stopped."""

    def __init__(self, directories):
        self.samples = []
        self.latest = {}
        self._directories = directories
        self._stopping = threading.Event()
        names = list(directories)
        shares = [share for n in range(_THREADS) if (share := names[n::_THREADS])]
        self._threads = [threading.Thread(target=self._ask_all, args=(share,), daemon=True) for share in shares]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask_all(self, names):
        while True:
            started = time.monotonic()
            for n, name in enumerate(names):
                if self._stopping.wait(max(0, started + n * SAMPLE / len(names) - time.monotonic())):
                    return
                sample = self._ask(name)
                self.samples.append(sample)
                self.latest[name] = sample
            if self._stopping.wait(max(0, started + SAMPLE - time.monotonic())):
                return

    def _ask(self, name):
        sent = time.time()
        status, key, says, code = 0, "", 0.0, ""
        try:
            status, answer = ask_endpoint(self._directories[name])
            key, code = answer.get("AccessKeyId", ""), answer.get("Code", "")
            says = datetime.fromisoformat(answer["Expiration"]).timestamp() if status == 200 else 0.0
        except (OSError, ValueError, KeyError, http.client.HTTPException) as why:
            code = f"{type(why).__name__}: {why}"
        return Sample(name, sent, time.time(), status, key, says, code)
