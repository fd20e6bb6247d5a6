"""Applies the manifests of examples/kubernetes to a real API server, attacks the boundary that they draw, and runs the
binary as the pods would. There is no kubelet: no container engine starts anything here.

SAFE_CONDUCT names the binary, TOOLS the folder with what `install` put there, WORK a folder of this run's own.
Arguments are names of scenarios; without any, all run.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import on_manifests
import on_pods
import on_policy
import on_spark
from checks import Checks
from cluster import Cluster

MOST_SECONDS = 1400
SCENARIOS = [*on_manifests.SCENARIOS, *on_policy.SCENARIOS, *on_pods.SCENARIOS, *on_spark.SCENARIOS]


class Bench:
    """What the scenarios share: a folder, the cluster and the pod templates."""

    def __init__(self, root):
        self.root = root
        self.cluster = Cluster(root)
        self.cluster.define()
        on_manifests.prepare(self)


def _stop(number, _):
    raise SystemExit(f"kubernetes: stopped by signal {number}")


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("kubernetes")
    with checks.that("kube-apiserver starts and takes the definitions of the operator's and cert-manager's objects"):
        bench = Bench(root)
    if checks.failed:
        checks.finish()
    wanted = sys.argv[1:]
    for scenario in SCENARIOS:
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
