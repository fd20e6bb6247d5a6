"""The pods of the examples, run: our containers with their volumes, user and arguments as the API server has them, in
each of the three ways. Spark's container runs a program that asks for credentials as an SDK does."""

import json
import os
import subprocess
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

import spark
from authority import Authority
from checks import equal, holds, until
from cluster import EXAMPLES, JOB, NAMESPACE, objects
from job import BINARY, code_of
from kubelet import USER, Pod
from on_manifests import SPARK_3_5
from sts import Sts

CORE = f"/api/v1/namespaces/{NAMESPACE}"
STS_LIFE = 3600
USAGES = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}

# What stands where Spark's entrypoint would.
WORKLOAD = """#!/usr/bin/python3
import json, os, sys, urllib.request
from pathlib import Path
token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
token = token or Path(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read_text()
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token})
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
    key = json.load(answer)["AccessKeyId"]
seen = sorted(map(str, Path("/var/run").glob("secrets/**/token")))
seen = [path for path in seen if "/.." not in path]  # kubelet's links lead there
print(json.dumps({"arguments": sys.argv[1:], "key": key, "tokens": seen, "user": os.getuid()}), flush=True)
"""


class Run:
    """One way, from its Secrets to its running pods."""

    def __init__(self, bench, way, sts, name=None):
        self.cluster, self.way, self.root = bench.cluster, way, bench.root / "pods" / (name or way)
        self.root.mkdir(parents=True)
        self.driver_template, self.executor_template = bench.templates[way]
        self._sts = sts
        self._files = {
            "safe-conduct": (BINARY, 0o755), "opt/entrypoint.sh": (WORKLOAD, 0o755),
            "etc/hosts": (f"127.0.0.1 localhost {spark.SERVICE}\n", 0o644),
            # The cluster's authority signs the issuer's certificate.
            "etc/ssl/certs/ca-certificates.crt": (self.cluster.plane.ca, 0o644),
        }

    def proofs(self):
        """The Secrets, as the README makes them or as cert-manager would."""
        create = "create", "-n", NAMESPACE
        if self.way == SPARK_3_5:
            self.cluster.kubectl(*create, "secret", "generic", f"{JOB}-endpoint",
                                 f"--from-literal=token={os.urandom(32).hex()}")
        if self.way in ("key-files", SPARK_3_5):
            keys = self.root / "keys"
            subprocess.run([BINARY, "keys", "new", keys], check=True, capture_output=True, timeout=30)
            for side, file in (("driver", "driver.pem"), ("executor", "executors.pem")):
                self.cluster.kubectl(*create, "secret", "generic", f"{JOB}-{side}-key", f"--from-file={keys / file}")
            return
        authority = Authority("spark-authority")
        ca = self.root / "ca.crt"
        ca.write_bytes(authority.pem())
        for side in ("driver", "executor") if self.way == "certificates" else ("driver",):
            wanted, = objects((EXAMPLES / "certificates" / f"{side}.yaml").read_text())
            usage, = (USAGES[name] for name in wanted["spec"]["usages"] if name in USAGES)
            authority.issue(self.root / side, side, usage, names=wanted["spec"]["dnsNames"])
            self.cluster.kubectl(*create, "secret", "generic", wanted["spec"]["secretName"], f"--from-file=ca.crt={ca}",
                                 f"--from-file=tls.crt={self.root / side}.pem", f"--from-file=tls.key={self.root / side}.key")
        if self.way == "executor-tokens":
            self.cluster.kubectl(*create, "configmap", f"{JOB}-authority", f"--from-file={ca}")

    def driver(self, **changes):
        """Makes the driver pod with the settings of the examples, and what is different here: issuer and STS."""
        # "key-files with spark-3.5" is two folders.
        folders = [EXAMPLES / "pods" / name for name in self.way.split(" with ")]
        settings = spark.settings(EXAMPLES / "spark.properties", *(folder / "spark.properties" for folder in folders))
        ours = {"identityToken.issuer": self.cluster.plane.issuer, "aws.stsEndpoint": self._sts.url, "aws.region": ""}
        if self.way == "executor-tokens":
            ours["distribution.executorToken.issuer"] = self.cluster.plane.issuer
        settings |= {f"spark.security.oidc.{key.replace('_', '.')}": value for key, value in (ours | changes).items()}
        self.cluster.wants(201, "POST", f"{CORE}/configmaps", {
            "metadata": {"name": spark.DRIVER_CONF}, "data": {"spark.properties": spark.properties(settings)}})
        return self._pod("spark-submitter", spark.driver_pod(self.driver_template))

    def executor(self, number, driver):
        pod = spark.executor_pod(self.executor_template, number, driver.pod)
        return self._pod(f"{JOB}-driver", pod)

    def _pod(self, account, pod):
        status, made = self.cluster.request(account, "POST", f"{CORE}/pods", pod)
        equal(status, 201, made.get("message"))
        return Pod(self.cluster, made, self.root / pod["metadata"]["name"], self._files)

    def clear(self):
        """Takes away what the next way makes anew."""
        for kind, names in (("pods", [f"{JOB}-driver", f"{JOB}-exec-1"]),
                            ("configmaps", [spark.DRIVER_CONF, spark.EXECUTOR_CONF]),
                            ("secrets", [f"{JOB}-driver-key", f"{JOB}-executor-key"])):
            for name in names:
                self.cluster.request(None, "DELETE", f"{CORE}/{kind}/{name}?gracePeriodSeconds=0")


def three_ways(checks, bench):
    cluster = bench.cluster
    with checks.that("this check runs as root, which starting containers takes"):
        equal(os.geteuid(), 0, "user")
    # As the README says, for a cluster whose issuer is not public.
    cluster.kubectl("create", "clusterrolebinding", "oidc-public", "--clusterrole",
                    "system:service-account-issuer-discovery", "--group", "system:unauthenticated")
    sts = Sts(STS_LIFE)
    for way in bench.templates:
        run = Run(bench, way, sts)
        run.clear()
        run.proofs()
        cluster.wants(201, "POST", f"{CORE}/configmaps", {"metadata": {"name": spark.EXECUTOR_CONF}, "data": {"x": "y"}})
        _one_way(checks, run, sts)
        run.clear()
    run = Run(bench, "key-files", sts, "writable")
    run.proofs()
    with checks.that("why the endpoint's folder is below the volume: kubelet lets everybody write to the volume itself"):
        driver = run.driver(endpoint_directory="/var/run/safe-conduct")
        sidecar = driver.start("safe-conduct", ["/safe-conduct"])
        equal((sidecar.wait(20), code_of(sidecar)), (78, "FILE_WRITABLE_BY_OTHERS"), sidecar.errors())
    run.clear()


def _one_way(checks, run, sts):
    way, calls = run.way, len(sts.calls)
    driver = run.driver()
    probe = driver.container("safe-conduct")["startupProbe"]["exec"]["command"]
    with checks.that(f"{way}: the probe fails before the sidecar runs"):
        equal(driver.run("safe-conduct", command=probe).returncode, 69, "exit status")
    sidecar = driver.start("safe-conduct", ["/safe-conduct"])
    with checks.that(f"{way}: the sidecar gets credentials for the pod's own identity token, and its probe says so"):
        until("the probe succeeds or the sidecar ends", lambda: sidecar.ended() is not None or driver.run(
            "safe-conduct", command=probe).returncode == 0, 25)
        equal(sidecar.ended(), None, sidecar.errors()[-1500:])
        subjects = [call.subject for call in sts.calls[calls:]]
        equal(subjects, [f"system:serviceaccount:{NAMESPACE}:{JOB}-driver"], "who was exchanged")
    key = sts.calls[-1].key
    with checks.that(f"{way}: Spark's container of the driver pod gets them by the template's variables, and sees no "
                     "identity token"):
        ran = driver.run("spark-kubernetes-driver", command=["/opt/entrypoint.sh", "driver"])
        api = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        equal(_said(ran.returncode, ran.stdout, ran.stderr),
              {"arguments": ["driver"], "key": key, "tokens": [api], "user": USER}, "driver")
    with checks.that(f"{way}: an executor gets its binary from the init container and its credentials from the driver"):
        executor = run.executor(1, driver)
        installed = executor.run("safe-conduct", ["/safe-conduct"])
        equal((installed.returncode, installed.stdout), (0, "/opt/safe-conduct/safe-conduct\n"), installed.stderr)
        wrapper = executor.start("spark-kubernetes-executor")
        status = wrapper.wait(25)
        tokens = ["/var/run/secrets/executor/token"] if way == "executor-tokens" else []
        equal(_said(status, wrapper.output(), wrapper.errors()),
              {"arguments": ["executor"], "key": key, "tokens": tokens, "user": USER}, "executor")
    with checks.that(f"{way}: there was one exchange, and the audit trail names the executor"):
        equal(len(sts.calls), calls + 1, "calls of the STS")
        trail = [json.loads(line) for line in sidecar.errors().splitlines() if line.startswith("{")]
        asked = [entry for entry in trail if f"{JOB}-exec-1" in entry.values()]
        holds(asked, f"no line of the executor in {trail}")
    with checks.that(f"{way}: the sidecar's memory stays below what its container requests"):
        peak, now = (_memory(sidecar.pid, field) for field in ("VmHWM", "VmRSS"))
        requested = int(driver.container("safe-conduct")["resources"]["requests"]["memory"].removesuffix("Mi")) * 1024
        holds(peak < requested, f"{peak} kB of {requested}")
        print(f"     now {now} kB, at most {peak} kB", flush=True)
    sidecar.stop()


def _said(status, output, errors):
    """What Spark's stand-in said, if it ended well."""
    equal(status, 0, errors[-1500:])
    return json.loads(output)


def _memory(pid, field):
    status = (Path("/proc") / str(pid) / "status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))


SCENARIOS = [three_ways]
