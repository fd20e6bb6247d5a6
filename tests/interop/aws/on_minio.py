"""The same with MinIO, which checks tokens, roles and signatures: what it lets through is real, what it refuses too."""

import shlex

import boto3
import botocore.session
from botocore.exceptions import ClientError

from checks import equal, holds, until
from job import BINARY, code_of
from jobs import Job
from on_moto import no_token_reached_the_executors
from refused import nothing_served, refused
from services import BUCKET, client
from sts_proxy import StsProxy

ALICE, BOB = "alice@example.com", "bob@example.com"
SERVICE_REFUSED = 76


def signed_with_real_credentials(checks, bench):
    minio, before = bench.minio, bench.minio.calls()
    life = 40
    proxy = StsProxy(minio.url, life)
    volume = bench.volume("minio", ALICE)
    job = Job(bench.root, "minio", bench.issuer.url, volume.file, proxy.url, role=minio.role, s3=minio.url)
    with checks.that("MinIO accepts what boto3 signs with the delivered credential"):
        job.start_driver()
        worker = job.workload("1")
        until("a round is through", worker.keys, 30)
        equal(worker.keys(), proxy.keys()[:1], "access key ids")
    with checks.that("MinIO refuses the same credential with one character of the secret changed"):
        _, answer = worker.asked()
        key, secret, token = answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"]
        client(minio.url, key, secret, token).list_objects_v2(Bucket=BUCKET)
        try:
            changed = secret[:-1] + ("a" if secret[-1] != "a" else "b")
            client(minio.url, key, changed, token).list_objects_v2(Bucket=BUCKET)
        except ClientError as refusal:
            equal(refusal.response["Error"]["Code"], "SignatureDoesNotMatch", "MinIO's code")
        else:
            raise AssertionError("MinIO does not check signatures")
    with checks.that("the unmodified AWS CLI lists the bucket on MinIO"):
        cli = job.aws("cli", "s3", "ls", f"s3://{BUCKET}/").process
        equal(cli.wait(60), 0, "exit status")
        holds(f"PRE {job.name}-1/" in cli.output(), "the workload's folder is not in the listing")
    with checks.that("boto3 reads MinIO with `resolve` as its credential_process"):
        holds(_objects_by_credential_process(job, minio) > 0, "no objects")
    with checks.that("another user's token mid-run: MinIO's own audit log shows the other user's session"):
        until("Alice's", lambda: ALICE in minio.users_of("PutObject"), 10)
        volume.rotate(bench.issuer.mint(BOB))
        until("Bob's", lambda: BOB in minio.users_of("PutObject"), 45)
        # MinIO sends its audit entries from several threads: near the change their order says nothing.
        seen = len(minio.users_of("PutObject")) + 2
        until("three more", lambda: len(minio.users_of("PutObject")) >= seen + 3, 20)
        equal(set(minio.users_of("PutObject")[seen:]), {BOB}, "users from then on")
        equal(worker.failures(), [], "failed rounds")
    with checks.that("a renewal is one STS call, by MinIO's own audit log"):
        start = len(proxy.calls)
        until("a renewal", lambda: len(proxy.calls) > start, life)
        until("MinIO's log and the proxy agree", lambda: minio.calls() - before == len(proxy.calls), 5)
    no_token_reached_the_executors(checks, bench, job, [worker])
    job.stop()
    proxy.stop()


def _objects_by_credential_process(job, minio):
    profile = job.root / "aws.config"
    command = shlex.join([str(BINARY), "resolve", "--properties-file", str(job.properties())])
    profile.write_text(f"[profile interop]\nregion = us-east-1\ncredential_process = {command}\n")
    core = botocore.session.Session(profile="interop")
    core.set_config_variable("config_file", str(profile))
    session = boto3.Session(botocore_session=core)
    s3 = session.client("s3", endpoint_url=minio.url)
    return s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]


def refused_by_minio(checks, bench):
    minio = bench.minio
    cases = {
        "a role that MinIO does not have": ({"role": "arn:minio:iam:::role/no-such-role-anywhere"}, {}),
        "an audience that MinIO does not know": ({"identityToken_audience": "somebody-else"},
                                                 {"audience": "somebody-else"}),
        "a forged token, let through by dangerouslySkipSignature": (
            {"identityToken_dangerouslySkipSignature": "true"}, {"forged": True}),
    }
    for n, (name, (settings, token)) in enumerate(cases.items()):
        proxy = StsProxy(minio.url)
        volume = bench.volume(f"minio-{n}", ALICE, **token)
        job = Job(bench.root, f"minio-{n}", bench.issuer.url, volume.file, proxy.url,
                  **{"role": minio.role, "s3": minio.url} | settings)
        with checks.that(f"{name}: MinIO itself refuses, after one call, and nothing is served"):
            process = job.start_driver(wait=False)
            equal(process.wait(40), SERVICE_REFUSED, f"exit status, with {code_of(process)}")
            refused(process, SERVICE_REFUSED, code_of(process))
            holds(code_of(process).startswith("STS_"), f"code: {code_of(process)}")
            equal([call.status for call in proxy.calls], [400], "MinIO's answers")
            nothing_served(job)
        proxy.stop()


SCENARIOS = [signed_with_real_credentials, refused_by_minio]
