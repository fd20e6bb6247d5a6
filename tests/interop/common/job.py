"""One job: its keys, its driver and its executors, each a process of the release binary with settings as users write them."""

import http.client
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from checks import until
from processes import Process, clean_environment
from web import free_port

BINARY = Path(os.environ["SAFE_CONDUCT"])
PREFIX = "spark.security.oidc."
AUDIENCE = "sts.amazonaws.com"
AWS_ROLE = "arn:aws:iam::123456789012:role/spark"


class Job:
    """A folder, a pair of key files and the driver's address. `settings` are added to the driver's (None removes one)."""

    def __init__(self, root, name, issuer, token_file, sts, role=AWS_ROLE, s3=None, **settings):
        self.root = Path(root) / name
        self.log = self.root / "log"
        self.log.mkdir(parents=True)
        self.name, self.s3, self.port = name, s3, free_port()
        self.keys = self.root / "keys"
        subprocess.run([BINARY, "keys", "new", self.keys], check=True, capture_output=True, timeout=30)
        self.audit_file = self.root / "audit.json"
        self.driver_directory = self.root / "driver"
        self.settings = {
            "identityToken.file": token_file, "identityToken.issuer": issuer, "identityToken.audience": AUDIENCE,
            "aws.roleArn": role, "aws.stsEndpoint": sts, "renewal.minInterval": "1s", "startTimeout": "20s",
            "distribution.listen": f"127.0.0.1:{self.port}", "distribution.keyFile": self.keys / "driver.pem",
            "endpoint.directory": self.driver_directory, "audit.file": self.audit_file,
        } | _dotted(settings)
        self._started = 0
        self.executors = []

    def properties(self):
        """The driver's settings as a Spark properties file, with a key of Spark's own among them."""
        file = self.root / "spark.properties"
        lines = [f"{PREFIX}{key}={value}" for key, value in self.settings.items() if value is not None]
        file.write_text("\n".join(["spark.app.name=interop", *lines, ""]))
        file.chmod(0o600)
        return file

    def start_driver(self, wait=True):
        """Starts the driver; with `wait`, until `safe-conduct ready` says that credentials are in hand."""
        self._started += 1
        self.driver = Process([BINARY, "driver", "--properties-file", self.properties()], self.log,
                              clean_environment(), f"driver-{self._started}")
        if wait:
            until("the driver is ready", self._driver_ready, 25)
        return self.driver

    def _driver_ready(self):
        if self.driver.ended() is not None:
            raise RuntimeError(f"the driver ended with {self.driver.ended()}: {self.driver.errors()[-2000:]}")
        return is_ready(self.driver_directory)

    def executor(self, name, *command, key_file=None, start_timeout="20s", environment=None, **settings):
        """Starts an executor around `command`, which finds S3 in its environment and its credentials by itself.
        `settings` are added to the executor's (None removes one)."""
        executor = Executor(self, name, command, key_file or self.keys / "executors.pem", start_timeout,
                            environment or {}, _dotted(settings))
        self.executors.append(executor)
        return executor

    def audit(self, event="exchange"):
        """The driver's audit lines of one kind of event."""
        if not self.audit_file.exists():
            return []
        lines = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def stop(self):
        for executor in self.executors:
            executor.process.stop()
        if self.driver.ended() is None:
            self.driver.stop()


class Executor:
    """A running executor and what its command says of itself."""

    def __init__(self, job, name, command, key_file, start_timeout, environment, others):
        self.directory = job.root / f"executor-{name}"
        settings = {
            "distribution.driver": f"127.0.0.1:{job.port}", "distribution.keyFile": key_file,
            "endpoint.directory": self.directory, "distribution.pollInterval": "5s", "startTimeout": start_timeout,
        } | others
        arguments = [part for key, value in settings.items() if value is not None
                     for part in ("--conf", f"{PREFIX}{key}={value}")]
        around = ["--", *command] if command else []
        s3 = {"AWS_ENDPOINT_URL_S3": job.s3, "AWS_DEFAULT_REGION": "us-east-1"} if job.s3 else {}
        self.process = Process([BINARY, "executor", *arguments, *around], job.log,
                               clean_environment() | s3 | environment, f"executor-{name}")

    def rounds(self):
        """What the workload said, one entry a round: n, key, ok, error."""
        whole = self.process.output().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def keys(self):
        """Access key ids that the workload used, in order, without repetition."""
        return list(dict.fromkeys(entry["key"] for entry in self.rounds() if entry["key"]))

    def failures(self):
        return [entry for entry in self.rounds() if not entry["ok"]]

    def pid(self):
        """The command's process id, as it says itself."""
        return until("the command speaks", self.rounds, 25)[0]["pid"]

    def asked(self):
        """What the endpoint answers now: (status, JSON)."""
        return ask_endpoint(self.directory)


def _dotted(settings):
    return {key.replace("_", "."): value for key, value in settings.items()}


def is_ready(directory):
    ready = subprocess.run([BINARY, "ready", "--directory", directory], capture_output=True, timeout=10)
    return ready.returncode == 0


def ask_endpoint(directory):
    """Asks the endpoint whose files are in `directory`, as an SDK would."""
    url = urlsplit((Path(directory) / "endpoint.url").read_text())
    token = (Path(directory) / "endpoint.token").read_text()
    link = http.client.HTTPConnection(url.netloc, timeout=5)
    try:
        link.request("GET", url.path, headers={"Authorization": token, "Accept": "application/json"})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


def code_of(process):
    """The code in the binary's line `error[CODE]: ...`, or nothing."""
    found = re.search(r"^error\[([A-Z0-9_]+)\]", process.errors(), re.MULTILINE)
    return found.group(1) if found else ""


def has_hint(process):
    return re.search(r"^hint: \S", process.errors(), re.MULTILINE) is not None
