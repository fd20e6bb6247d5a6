"""Runs the real binary between real services and unmodified clients: moto and MinIO, boto3 and the AWS CLI.

SAFE_CONDUCT names the binary, TOOLS the folder with `minio`, WORK a folder of this run's own. Arguments are names of
scenarios; without any, all run.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import doctor
import on_minio
import on_moto
import on_targets
import refusals
from checks import Checks
from issuer import Issuer
from services import Moto, Minio
from volume import TokenVolume

MOST_SECONDS = 1200


class Bench:
    """What the scenarios share: a folder, an issuer and the services."""

    def __init__(self, root):
        self.root = root
        self.issuer = Issuer()
        log = root / "services"
        log.mkdir(parents=True)
        self.moto_sts, self.moto_s3 = Moto(log, "moto-sts"), Moto(log, "moto-s3")
        self.moto_s3.make_bucket()
        self.minio = Minio(Path(os.environ["TOOLS"]) / "minio", log, root / "minio-data", self.issuer)

    def volume(self, name, subject, **token):
        """A token volume that holds a fresh token for `subject`."""
        return TokenVolume(self.root / f"volume-{name}", self.issuer.mint(subject, **token))


def _stop(number, _):
    raise SystemExit(f"aws: stopped by signal {number}")


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("aws")
    with checks.that("moto and MinIO start"):
        bench = Bench(root)
    if checks.failed:
        checks.finish()
    scenarios = [*on_moto.SCENARIOS, *refusals.SCENARIOS, *on_minio.SCENARIOS, *on_targets.SCENARIOS,
                 *doctor.SCENARIOS]
    wanted = sys.argv[1:]
    for scenario in scenarios:
        if wanted and scenario.__name__ not in wanted:
            continue
        try:
            scenario(checks, bench)
        except Exception:
            traceback.print_exc()
            with checks.that(f"the scenario {scenario.__name__} runs to its end"):
                raise
    checks.finish()


if __name__ == "__main__":
    main()
