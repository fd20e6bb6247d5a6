"""Counts and prints checks, one line each. Knows nothing of what is checked."""

import contextlib
import sys
import threading
import time
import traceback


class Checks:
    """What was checked so far. A failed check is said and counted, and the next one runs all the same. Several
    threads may check at a time."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def that(self, sentence):
        """Runs the block as one check; anything that it raises is its failure."""
        started = time.monotonic()
        try:
            yield
        except Exception as why:
            where = next((frame for frame in reversed(traceback.extract_tb(why.__traceback__))
                          if frame.filename != __file__))
            place = f"{where.filename.rpartition('/')[2]}, line {where.lineno}"
            with self._lock:
                self.failed += 1
                self._say("FAIL", sentence, started)
                print(f"     {type(why).__name__} at {place}: {_short(str(why))}", flush=True)
        else:
            with self._lock:
                self.passed += 1
                self._say("ok  ", sentence, started)

    def _say(self, verdict, sentence, started):
        print(f"{verdict} {self.name}: {sentence} ({time.monotonic() - started:.1f} s)", flush=True)

    def finish(self):
        """Prints the closing line and ends the program: 1 if a check failed or none ran."""
        print(f"{self.name}: {self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def _short(text):
    return text if len(text) < 1000 else text[:1000] + f"... ({len(text)} characters)"


def equal(found, wanted, what):
    """Fails with both values unless they are equal."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def holds(condition, what):
    """Fails with `what` unless the condition holds. (Unlike `assert`, `python -O` does not remove it.)"""
    if not condition:
        raise AssertionError(what)


def until(what, probe, seconds, pause=0.1):
    """Waits until `probe()` is true and returns its value. After `seconds` it fails, naming `what`."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
