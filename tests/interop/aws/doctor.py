"""`safe-conduct doctor` beside a running job: with moto every line is ok, with MinIO all but the one that it cannot answer."""

import json
import subprocess

from checks import equal, holds
from job import BINARY, PREFIX
from jobs import Job

ALICE = "alice@example.com"


def _doctor(job, *arguments):
    """What doctor says: (exit status, check to verdict, check to sentence)."""
    run = subprocess.run([BINARY, "doctor", "--json", *arguments], capture_output=True, timeout=60, check=False)
    document = json.loads(run.stdout)
    text = run.stdout.decode() + run.stderr.decode()
    for secret in (job.token(), (job.keys / "driver.pem").read_text().splitlines()[1]):
        holds(secret not in text, "doctor shows a secret")
    checks = document["checks"]
    return (run.returncode, {check["check"]: check["verdict"] for check in checks},
            {check["check"]: check["found"] for check in checks})


def _job(bench, name, **settings):
    volume = bench.volume(name, ALICE)
    job = Job(bench.root, name, bench.issuer.url, volume.file, **settings)
    job.token = volume.file.read_text
    job.start_driver()
    return job


def _on_the_driver(job, *skipped):
    # The harness's own issuer sends no Date.
    skipped = {"issuer's clock", *skipped}
    status, verdicts, found = _doctor(job, "driver", "--properties-file", job.properties())
    wanted = {check: "skip" if check in skipped else "ok" for check in verdicts}
    equal((status, verdicts, len(verdicts)), (0, wanted, 13), f"verdicts, with {found}")
    return found


def doctor_beside_moto(checks, bench):
    with checks.that("doctor on the driver of a job with moto: every check is ok, and moto says whose credential it is"):
        job = _job(bench, "doctor-moto", sts=bench.moto_sts.url)
        found = _on_the_driver(job)
        holds(found["caller identity"].startswith("account 123456789012, arn:aws:"), found["caller identity"])
    with checks.that("doctor on an executor of it: one real ask, every check is ok"):
        settings = {"distribution.driver": f"127.0.0.1:{job.port}", "distribution.keyFile": job.keys / "executors.pem"}
        arguments = [part for key, value in settings.items() for part in ("--conf", f"{PREFIX}{key}={value}")]
        status, verdicts, found = _doctor(job, *arguments)
        equal((status, set(verdicts.values()), len(verdicts)), (0, {"ok"}, 6), f"verdicts, with {found}")
        holds(found["credentials"].startswith("version 1 of"), found["credentials"])
    job.stop()


def doctor_beside_minio(checks, bench):
    with checks.that("doctor on the driver of a job with MinIO: ok, but for GetCallerIdentity, which MinIO does not have"):
        job = _job(bench, "doctor-minio", sts=bench.minio.url, role=bench.minio.role)
        found = _on_the_driver(job, "caller identity")
        holds("no GetCallerIdentity" in found["caller identity"], found["caller identity"])
    job.stop()


SCENARIOS = [doctor_beside_moto, doctor_beside_minio]
