"""Runs the real binary against two real issuers: Keycloak, and the service account issuer of a Kubernetes API server.

SAFE_CONDUCT names the binary, TOOLS the folder with what `install` put there, WORK a folder of this run's own.
Arguments are names of scenarios; without any, all run.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import on_keycloak
import on_kubernetes
from checks import Checks
from control_plane import ControlPlane
from inspection import Inspector
from job import AUDIENCE
from keycloak import Keycloak
from volume import TokenVolume

MOST_SECONDS = 900


class Bench:
    """What the scenarios share: a folder and the issuers."""

    def __init__(self, root):
        self.root = root
        tools = Path(os.environ["TOOLS"])
        self.cluster = ControlPlane(tools, root / "cluster")
        on_kubernetes.populate(self.cluster)
        # Whoever fetches a cluster's keys shows a token of its own, for the API itself.
        self.bearer = TokenVolume(root / "volume-bearer", self.cluster.token(on_kubernetes.NAMESPACE, "reader"))
        self.on_cluster = Inspector(root / "inspect-cluster", self.cluster.issuer, AUDIENCE,
                                    jwks_caFile=self.cluster.ca, jwks_bearerTokenFile=self.bearer.file)
        self.keycloak = Keycloak(next(tools.glob("keycloak-*")), root)
        self.on_keycloak = Inspector(root / "inspect-keycloak", self.keycloak.realm, AUDIENCE)


def _stop(number, _):
    raise SystemExit(f"issuers: stopped by signal {number}")


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("issuers")
    with checks.that("kube-apiserver and Keycloak start"):
        bench = Bench(root)
    if checks.failed:
        checks.finish()
    wanted = sys.argv[1:]
    for scenario in [*on_keycloak.SCENARIOS, *on_kubernetes.SCENARIOS]:
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
