"""Runs unmodified Spark, S3A, boto3 and pyarrow against MinIO, with the real binary between them.

SPARK_VERSIONS names the versions (all three, unless set): the first runs all cases, the others (1), (4) and (7). Arguments
are names of cases, for each of them. FORM=natural leaves 900 s credentials to their natural course instead (16 minutes); FORM=compare makes
the comparison of `benches/run spark`.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import bench as shared
import cases
import compare
import examples
import search
from checks import Checks

MOST_SECONDS = 1440


def _stop(number, _):
    raise SystemExit(f"spark: stopped by signal {number}")


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("spark")
    with checks.that("MinIO starts"):
        bench = shared.Bench(root)
    if checks.failed:
        checks.finish()
    newest, *others = os.environ.get("SPARK_VERSIONS", "4.3.0 4.0.5 3.5.9").split()
    form = os.environ.get("FORM", "cases")
    if form == "compare":
        with checks.that(f"{newest}: the same job with and without safe-conduct"):
            print(*_table(compare.compared(bench, bench.cluster(newest))), sep="\n", flush=True)
        checks.finish()
    plan = [(newest, [*cases.ALL, *search.CASES, *examples.CASES])]
    plan += [(version, cases.EVERY_VERSION) for version in others]
    if form == "natural":
        plan = [(newest, [cases.natural_course])]
    if sys.argv[1:]:
        known = {case.__name__: case for case in [*plan[0][1], *cases.EVERY_VERSION]}
        plan = [(version, [known[name] for name in sys.argv[1:]]) for version in (newest, *others)]
    for version, scenarios in plan:
        _run(checks, bench, version, scenarios)
    checks.finish()


def _table(rows):
    """As README has it."""
    yield f"| {' | '.join(rows[0])} |"
    yield "|" + "---|" * len(rows[0])
    for row in rows:
        yield f"| {' | '.join(str(value) for value in row.values())} |"


def _run(checks, bench, version, scenarios):
    cluster = bench.cluster(version)
    for scenario in scenarios:
        try:
            scenario(checks, bench, cluster)
        except Exception:
            traceback.print_exc()
            with checks.that(f"{version}: {scenario.__name__} runs to its end"):
                raise
    cluster.stop()


if __name__ == "__main__":
    main()
