"""Runs the real binary before every STS that is to be had, and through every fault that a bad way to it can have: moto,
MinIO, and what Ceph RGW was recorded to answer.

SAFE_CONDUCT names the binary, TOOLS the folder with `minio`, WORK a folder of this run's own, FAULTS how many of the
faults: `all`, or `few` (one for each number). Arguments are parts of the names of cases or faults; without any, all run.
"""

import os
import shutil
import signal
import socket
import ssl
import sys
import threading
import warnings
from pathlib import Path

import faults
import numbers_of_bad_inputs
import renewals
import servers
import table
from checks import Checks, equal
from front import CERTIFICATES, OLD_TLS, context
from issuer import Issuer
from volume import TokenVolume
from web import Reply, Server

MOST_SECONDS = 1200
REPOSITORY = Path(__file__).resolve().parents[3]


class Bench:
    """What the cases share: a folder, an issuer, the servers, and a trap for whoever goes where a server points."""

    def __init__(self, root):
        self.root = root
        self.issuer = Issuer()
        self.trapped = []
        self.trap = Server(self._trap)
        self.roots = root / "ca.pem"
        (root / "services").mkdir(parents=True)
        # A checkout's own files may be writable by a group.
        self.roots.write_bytes((CERTIFICATES / "ca.pem").read_bytes())
        self.roots.chmod(0o600)
        self.moto, self.minio, self.ceph = self.servers = servers.started(self)

    def _trap(self, request):
        self.trapped.append(request.path)
        return Reply(200)

    def volume(self, name, subject, **token):
        """A token volume that holds a fresh token for `subject`."""
        return TokenVolume(self.root / f"volume-{name}", self.issuer.mint(subject, **token))


def _stop(number, _):
    raise SystemExit(f"sts: stopped by signal {number}")


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    # ssl says of TLS 1.0 and 1.1 that they are old; here they are wanted.
    warnings.simplefilter("ignore", DeprecationWarning)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    checks = Checks("sts")
    with checks.that("moto and MinIO start"):
        bench = Bench(root)
    if checks.failed:
        checks.finish()
    recorded = (REPOSITORY / "fuzz/corpus/sts_xml/minio-skewed.xml").read_text()
    every = faults.all_faults(bench.trap.url, recorded)
    chosen = every if os.environ.get("FAULTS", "all") == "all" else _one_for_each_number(every)
    wanted = sys.argv[1:]
    table.run(checks, bench, wanted)
    with checks.that("the servers of TLS 1.0 and 1.1 are real: a client of theirs is served"):
        old_servers_are_real()
    renewals.run(checks, bench, [fault for fault in chosen if _named(fault.name, wanted)])
    with checks.that("nobody went where a redirect or a document pointed"):
        equal(bench.trapped, [], "requests")
    if not wanted:
        numbers_of_bad_inputs.run(checks, REPOSITORY, every)
    checks.finish()


def old_servers_are_real():
    for name, version in OLD_TLS.items():
        ours, theirs = socket.socketpair()
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(CERTIFICATES / "ca.pem")
        client.set_ciphers("ALL:@SECLEVEL=0")
        client.minimum_version = client.maximum_version = version
        server = threading.Thread(target=lambda: context(name).wrap_socket(theirs, server_side=True).sendall(b"old"))
        server.start()
        with client.wrap_socket(ours, server_hostname="127.0.0.1") as link:
            equal((link.recv(3), link.version()), (b"old", version.name.replace("_", ".")), "what is served, and how")
        server.join()


def _named(name, wanted):
    return not wanted or any(part in name for part in wanted)


def _one_for_each_number(every):
    """The first fault of each number, and all that have none."""
    seen, few = set(), []
    for fault in every:
        if not fault.numbers or not seen.issuperset(fault.numbers):
            few.append(fault)
        seen |= set(fault.numbers)
    return few


if __name__ == "__main__":
    main()
