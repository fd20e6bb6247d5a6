"""Unmodified clients in five languages read and write on MinIO inside `executor --`, while their credential expires."""

import os
import re
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import leaks
from checks import equal, holds, until
from job import ask_endpoint
from jobs import Job
from services import BUCKET, ROOT, client
from sts_proxy import StsProxy
from web import free_port

ALICE = "alice@example.com"
INSTALLED = Path(os.environ["TOOLS"]) / "clients"

# What each credential is said to live, and how many rounds of a second each client makes: it sees the first one's end.
LIFE = 40
ROUNDS = 45

# The address of S3, its region and leave to speak plain HTTP: nothing that says where credentials are.
SETTINGS = {"AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}


class Client(NamedTuple):
    """A client's folder in clients/, the command that is run from what was installed of it, and the name it gives itself
    to S3."""

    folder: str
    command: tuple
    agent: str


CLIENTS = {
    "AWS SDK for Go v2": Client("go", ("go/client",), "aws-sdk-go-v2/"),
    "AWS SDK for Java v2": Client("java", ("java", "-cp", "java/jars/*", "java/Client.java"), "aws-sdk-java/2"),
    "AWS SDK for JavaScript v3": Client("javascript", ("node", "javascript/client.js"), "aws-sdk-js/3"),
    "pyarrow": Client("pyarrow", ("pyarrow/venv/bin/python", "pyarrow/client.py"), "aws-sdk-cpp/"),
    "aws-sdk-rust": Client("rust", ("rust/aws-sdk-rust",), "aws-sdk-rust/"),
    "object_store": Client("rust", ("rust/object-store",), "object_store/"),
}


def _wanted():
    """The clients to run. Of `all`, those that were not installed are said; whatever else was named must be there."""
    named = os.environ.get("CLIENTS", "go pyarrow").split()
    chosen = {}
    for name, it in CLIENTS.items():
        if named == ["all"] and not (INSTALLED / it.folder).exists():
            print(f"not run: {name}: its tool chain is not here", flush=True)
        elif named == ["all"] or it.folder in named:
            chosen[name] = it
    return chosen


class Running:
    """One client at work in an executor of its own."""

    def __init__(self, job, name, kind):
        self.name, self.kind = name, kind
        self.folder = f"{job.name}-{name.replace(' ', '-')}"
        self.content = f"an object for {name}, {time.time_ns()}"
        self.root = client(job.s3, *ROOT)
        self.root.put_object(Bucket=BUCKET, Key=f"{self.folder}/in", Body=self.content.encode())
        status = free_port()
        self._metrics = f"http://127.0.0.1:{status}/metrics"
        command = [INSTALLED / part if "/" in part else part for part in kind.command]
        self.executor = job.executor(self.folder, *command, BUCKET, self.folder, ROUNDS, environment=SETTINGS,
                                     status_listen=f"127.0.0.1:{status}")
        self.process = self.executor.process
        self.answered = 0
        self.token = None

    def look(self):
        """Notes how many credentials its endpoint has given out by now, and whether it has ended. Its token is gone then."""
        try:
            with urllib.request.urlopen(self._metrics, timeout=2) as answer:
                text = answer.read().decode()
            self.token = (self.executor.directory / "endpoint.token").read_text()
        except OSError:
            return self.process.ended() is not None
        found = re.search(r'^safe_conduct_endpoint_requests_total\{status="200"\} (\d+)$', text, re.MULTILINE)
        self.answered = int(found.group(1)) if found else 0
        return False


def unmodified_clients(checks, bench):
    minio = bench.minio
    proxy = StsProxy(minio.url, LIFE)
    job = Job(bench.root, "clients", bench.issuer.url, bench.volume("clients", ALICE).file, proxy.url, role=minio.role,
              s3=minio.url)
    wanted = _wanted()
    secrets = {}
    with checks.that(f"{len(wanted)} unmodified clients run to their end while credentials of {LIFE} s are renewed"):
        holds(wanted, "no client was asked for")
        job.start_driver()
        running = [Running(job, name, kind) for name, kind in wanted.items()]

        def all_ended():
            # The driver's own endpoint: the executors' requests are counted.
            answer = ask_endpoint(job.driver_directory)[1]
            secrets[answer["AccessKeyId"]] = (answer["SecretAccessKey"], answer["Token"])
            return all([it.look() for it in running])

        until("all have ended", all_ended, 5 * ROUNDS, pause=0.5)
        equal({it.name: it.process.ended() for it in running if it.process.ended() != 0}, {}, "exit statuses")
    used = {key for it in running for key in _one_client(checks, bench, proxy, it)}
    with checks.that("no identity token, secret key, session token or endpoint token is in what a client said"):
        holds(used and used <= set(secrets), f"used: {used}, and known here: {set(secrets)}")
        hay = {place: text for it in running for place, text in _said(it).items()}
        equal(leaks.search(bench.issuer.minted, hay), [], "identity tokens")
        shown = {part for pair in secrets.values() for part in pair}
        equal([it.name for it in running if not it.token], [], "clients whose endpoint's token was not seen")
        shown |= {it.token for it in running}
        equal([place for place, text in hay.items() if any(part.encode() in text for part in shown)], [], "secrets")
    job.stop()
    proxy.stop()


def _said(it):
    return leaks.hay_of_files(it.process.stdout, it.process.stderr)


def _one_client(checks, bench, proxy, it):
    """Checks what it did, and returns the access key ids that it used."""
    keys = []
    with checks.that(f"{it.name} reads an object and writes it {ROUNDS} times, each time the very same"):
        lines = it.process.output().splitlines()
        equal((set(lines), len(lines)), ({it.content}, ROUNDS), "what it read, and how often")
        for n in (0, ROUNDS // 2, ROUNDS - 1):
            written = it.root.get_object(Bucket=BUCKET, Key=f"{it.folder}/out-{n}")["Body"].read().decode()
            equal(written, it.content, f"what it wrote in round {n}")
        equal(it.root.list_objects_v2(Bucket=BUCKET, Prefix=f"{it.folder}/")["KeyCount"], ROUNDS + 1, "objects")
    with checks.that(f"{it.name} signed with what its endpoint gave out, and went on with the next before the end"):
        calls = until("MinIO's log is whole", lambda: _whole(bench.minio.calls_by(it.kind.agent, it.folder)), 10)
        keys = list(dict.fromkeys(call.key for call in calls))
        equal(keys, [key for key in proxy.keys() if key in keys], "access key ids, in the order of the exchanges")
        holds(len(keys) >= 2, "only one credential was used")
        ends = {call.key: call.at + LIFE for call in proxy.calls}
        equal([call for call in calls if call.at > ends[call.key]], [], "calls with what had run out")
        holds(it.answered >= len(keys), f"its endpoint gave out {it.answered} by its own count, for {len(keys)} keys")
    return keys


def _whole(calls):
    """The calls in their order once no writing is missing, else nothing. pyarrow writes each object in parts."""
    written = {call.name for call in calls if call.api in ("PutObject", "CompleteMultipartUpload")}
    return sorted(calls, key=lambda call: call.at) if len(written) >= ROUNDS else []


SCENARIOS = [unmodified_clients]
