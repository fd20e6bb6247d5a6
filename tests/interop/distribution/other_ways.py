"""A small job for each other way to prove oneself: certificates that are rotated while it runs, and executors' tokens."""

import time

import judge
from certificates import CLIENT, SERVER, Authority
from checks import equal, holds
from fleet import Fleet
from refused import no_endpoint, refused
from scale import LIFE, NEWS, SLACK
from volume import TokenVolume, Volume

COUNT = 10
DRIVER, EXECUTOR = "driver.job.test", "executor.job.test"
UNREACHABLE, IDENTITY_REFUSED, CONFIGURATION = 69, 77, 78
POD_AUDIENCE = "safe-conduct.test"
ONE_POLL = 5 + 2
"""`distribution.pollInterval` of a small job, and what an ask takes: by then all have used the files that are there now."""


def other_ways(checks, bench):
    rotated_certificates(checks, bench)
    executors_tokens(checks, bench)


class Certificates:
    """The volumes of a job's driver and executors."""

    def __init__(self, bench):
        self.old, self.new = Authority("old"), Authority("new")
        self._volumes = {host: Volume(bench.root / f"certificates-{host}", self._files(host, self.old, self.old))
                         for host in (DRIVER, EXECUTOR)}

    def _files(self, host, authority, *trusted):
        usage = SERVER if host == DRIVER else CLIENT
        return authority.issue(host, usage) | {"ca.crt": "".join(other.pem for other in trusted)}

    def rotate(self, authority, *trusted):
        """Certificates of one authority, and trust in some, for both sides, as cert-manager and kubelet do it."""
        for host, volume in self._volumes.items():
            volume.replace(self._files(host, authority, *trusted))

    def settings(self, host):
        folder = self._volumes[host].directory
        peer = EXECUTOR if host == DRIVER else DRIVER
        return {"distribution_keyFile": None, "distribution_tls_caFile": folder / "ca.crt",
                "distribution_tls_certFile": folder / "tls.crt", "distribution_tls_keyFile": folder / "tls.key",
                "distribution_tls_peerName": peer}


def rotated_certificates(checks, bench):
    certificates = Certificates(bench)
    fleet = Fleet(bench, "certificates", COUNT, LIFE, theirs=lambda name: certificates.settings(EXECUTOR),
                  command=("sleep", "600"), **certificates.settings(DRIVER))
    with checks.that(f"{COUNT} executors with certificates start and serve"):
        fleet.start_driver()
        fleet.start_all()
        fleet.all_have(0, NEWS)
    # Before the old authority is gone.
    stale = Volume(bench.root / "certificates-stale", certificates.old.issue(EXECUTOR, CLIENT)
                   | {"ca.crt": certificates.old.pem + certificates.new.pem})
    with checks.that("authority and certificates are replaced by others in three rotations of the files: a renewal "
                     "then is with all, and no request is lost"):
        since = time.time()
        certificates.rotate(certificates.old, certificates.old, certificates.new)
        time.sleep(ONE_POLL)
        certificates.rotate(certificates.new, certificates.old, certificates.new)
        time.sleep(ONE_POLL)
        certificates.rotate(certificates.new, certificates.new)
        mark = len(fleet.sts.calls)
        fleet.renewed(mark, LIFE / 2 + SLACK)
        fleet.all_have(mark, NEWS)
        fleet.lost_nothing(since)
    with checks.that("an executor with a certificate of the old authority is refused by now"):
        own = certificates.settings(EXECUTOR) | {
            "distribution_tls_caFile": stale.directory / "ca.crt", "distribution_tls_certFile": stale.directory / "tls.crt",
            "distribution_tls_keyFile": stale.directory / "tls.key"}
        _is_refused(fleet, "stale", CONFIGURATION, "ASK_KEY_REFUSED", **own)
    with checks.that("an executor with the job's key file is refused by a driver with certificates"):
        _is_refused(fleet, "key-file", UNREACHABLE, "ASK_OTHER_PROOF")
    _verdicts(checks, fleet, "certificates")


def executors_tokens(checks, bench):
    authority = Authority("tokens")
    files = Volume(bench.root / "certificates-tokens", authority.issue(DRIVER, SERVER) | {"ca.crt": authority.pem}).directory

    def theirs(pod, namespace="spark"):
        claims = {"namespace": namespace, "serviceaccount": {"name": "etl"}, "pod": {"name": f"etl-1-exec-{pod}"}}
        token = bench.issuer.mint(f"system:serviceaccount:{namespace}:etl", audience=POD_AUDIENCE, life=600,
                                  **{"kubernetes.io": claims})
        bench.issuer.minted.remove(token)  # it is the executor's own, and may be where the executor is
        volume = TokenVolume(bench.root / f"token-{pod}", token)
        return {"distribution_keyFile": None, "distribution_executorToken_file": volume.file,
                "distribution_tls_caFile": files / "ca.crt", "distribution_tls_peerName": DRIVER}

    fleet = Fleet(bench, "tokens", COUNT, LIFE, theirs=theirs, command=("sleep", "600"), distribution_keyFile=None,
                  distribution_tls_certFile=files / "tls.crt", distribution_tls_keyFile=files / "tls.key",
                  distribution_executorToken_issuer=bench.issuer.url,
                  distribution_executorToken_audience=POD_AUDIENCE, distribution_executorToken_namespace="spark",
                  distribution_executorToken_serviceAccount="etl", distribution_executorToken_podPrefix="etl-1-exec-")
    with checks.that(f"{COUNT} executors with tokens of their own start and serve; the audit trail names their pods"):
        fleet.start_driver()
        fleet.start_all()
        fleet.all_have(0, NEWS)
        pods = {line.get("pod") for line in fleet.job.audit("first_ask")}
        equal(pods, {f"etl-1-exec-{name}" for name in fleet.names}, "pods")
    with checks.that("a renewal is with all of them, and no request is lost"):
        since, mark = time.time(), len(fleet.sts.calls)
        fleet.renewed(mark, LIFE / 2 + SLACK)
        fleet.all_have(mark, NEWS)
        fleet.lost_nothing(since)
    with checks.that("an executor of another namespace is refused"):
        _is_refused(fleet, "foreign", IDENTITY_REFUSED, "REFUSED_TOKEN", **theirs("foreign", namespace="other"))
    with checks.that("an executor with the job's key file is refused by a driver that wants tokens"):
        _is_refused(fleet, "key-file", UNREACHABLE, "ASK_OTHER_PROOF")
    _verdicts(checks, fleet, "tokens")


def _is_refused(fleet, name, status, code, **settings):
    executor = fleet.job.executor(name, start_timeout="3s", **settings)
    refused(executor.process, status, code)
    no_endpoint(executor.directory)


def _verdicts(checks, fleet, way):
    with checks.that(f"with {way} no request was answered with a credential in its last 15 s, and nobody's token leaked"):
        samples, expiry = list(fleet.samples), fleet.expiry()
        holds(sum(s.status == 200 for s in samples) > COUNT * 5, "too few for a verdict")
        for verdict in (judge.expired, judge.too_late, judge.overstated):
            equal(verdict(samples, expiry), [], verdict.__name__)
        equal(fleet.leaks()[0], [], "found")
    fleet.stop()
