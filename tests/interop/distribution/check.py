"""Runs one driver and many executors of the release binary under real faults, and asks every executor all the while.

SAFE_CONDUCT names the binary, WORK a folder of this run's own, EXECUTORS how many (200; fewer than 100 make the quick
form). Arguments are names of scenarios; without any, all run.
"""

import os
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path

import tiny_disk
from checks import Checks
from controls import controls
from faults import large_job
from full_disk import full_disk
from issuer import Issuer
from other_ways import other_ways
from place import place
from volume import TokenVolume

MOST_SECONDS = 1200


class Bench:
    """What the scenarios share: a folder, an issuer, and where the large job's driver runs."""

    def __init__(self, root):
        self.root = root
        self.issuer = Issuer()
        log = root / "log"
        log.mkdir(parents=True)
        self.place, why = place(log)
        if why:
            print(f"there is no network namespace: {why}", flush=True)

    def volume(self, name):
        """A token volume with an identity token."""
        return TokenVolume(self.root / f"volume-{name}", self.issuer.mint("alice@example.com"))


def _stop(number, _):
    raise SystemExit(f"distribution: stopped by signal {number}")


def _run(checks, bench, scenarios):
    for scenario in scenarios:
        try:
            scenario(checks, bench)
        except Exception:
            traceback.print_exc()
            with checks.that(f"the scenario {scenario.__name__} runs to its end"):
                raise


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    tiny_disk.leave(root)
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("distribution")
    bench = Bench(root)
    wanted = sys.argv[1:]
    # The large job mostly waits. What needs little runs beside it.
    large, beside = ([scenario for scenario in scenarios if not wanted or scenario.__name__ in wanted]
                     for scenarios in ([large_job], [controls, full_disk, other_ways]))
    other = threading.Thread(target=_run, args=(checks, bench, beside), daemon=True)
    other.start()
    _run(checks, bench, large)
    other.join()
    checks.finish()


if __name__ == "__main__":
    main()
