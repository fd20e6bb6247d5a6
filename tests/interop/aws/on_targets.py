"""Named targets as profiles: unmodified boto3 and the AWS CLI take one by its name, and none is made up for by another."""

import json
import sys
from pathlib import Path

from checks import equal, holds
from jobs import Job
from services import BUCKET
from sts_proxy import StsProxy

ALICE = "alice@example.com"

# What a session without a profile, and one with each name, signs with; then an object by one of them.
CLIENT = """
import boto3, json, sys
def key(name):
    try:
        return boto3.Session(profile_name=name).get_credentials().access_key
    except Exception as why:
        return type(why).__name__
found = {str(name): key(name) for name in (None, "logs", "raw", "other")}
s3 = boto3.Session(profile_name="logs").client("s3")
s3.put_object(Bucket=sys.argv[1], Key="targets/1", Body=b"by logs")
found["read"] = s3.get_object(Bucket=sys.argv[1], Key="targets/1")["Body"].read().decode()
found["region"] = boto3.Session(profile_name="raw").region_name
print(json.dumps(found))
"""

# One session for all of it: whose keys each of its requests was signed with, until there were three.
LONG_CLIENT = """
import boto3, json, sys, time
session = boto3.Session(profile_name="logs")
s3, keys, end = session.client("s3"), [], time.monotonic() + 150
while len(keys) < 3 and time.monotonic() < end:
    key = session.get_credentials().get_frozen_credentials().access_key
    s3.put_object(Bucket=sys.argv[1], Key="targets/2", Body=b"by logs")
    keys += [] if key in keys else [key]
    time.sleep(0.5)
print(json.dumps(keys))
"""


def profiles_of_named_targets(checks, bench):
    minio = bench.minio
    for kind, unnamed in (("with", minio.role), ("without", None)):
        proxy = StsProxy(minio.url)
        volume = bench.volume(f"targets-{kind}", ALICE)
        job = Job(bench.root, f"targets-{kind}", bench.issuer.url, volume.file, proxy.url, role=unnamed, s3=minio.url,
                  aws_target_logs_roleArn=minio.role, aws_target_raw_roleArn=minio.role)
        sink = {"sink_credentialsFile": "true", "aws_target_raw_region": "eu-central-1"}
        # The region of the environment would win over the profile's.
        plain = ["env", "-u", "AWS_DEFAULT_REGION"]
        with checks.that(f"boto3 signs for MinIO with the profile that it names, {kind} an unnamed role"):
            job.start_driver()
            client = job.executor("boto3", *plain, sys.executable, "-c", CLIENT, BUCKET, **sink).process
            equal(client.wait(60), 0, f"exit status, with {client.errors()[-500:]}")
            by_role = {line.get("target"): line["credential_id"] for line in job.audit()}
            equal(len(set(by_role.values())), 3 if unnamed else 2, "different access key ids in the audit trail")
            expected = {"logs": by_role["logs"], "raw": by_role["raw"], "other": "ProfileNotFound", "read": "by logs",
                        "region": "eu-central-1"}
            expected["None"] = by_role[None] if unnamed else "CredentialRetrievalError"
            equal(json.loads(client.output()), expected, "access key ids")
        with checks.that(f"the AWS CLI lists the bucket with --profile, {kind} an unnamed role"):
            aws = (Path(sys.executable).parent / "aws", "--profile", "raw", "s3", "ls", f"s3://{BUCKET}/targets/")
            cli = job.executor("cli", *aws, **sink).process
            equal(cli.wait(60), 0, f"exit status, with {cli.errors()[-500:]}")
            holds(cli.output().strip().endswith(" 1"), cli.output())
        job.stop()
        proxy.stop()


def profiles_that_name_a_command(checks, bench):
    minio = bench.minio
    # Renewal is due at 24 to 30 s of 60 s of life, and executors hear of it within 5 s.
    proxy = StsProxy(minio.url, life=60)
    job = Job(bench.root, "targets-process", bench.issuer.url, bench.volume("targets-process", ALICE).file, proxy.url,
              role=None, s3=minio.url, aws_target_logs_roleArn=minio.role)
    with checks.that("one session of boto3 goes on signing for MinIO over two renewals of its profile"):
        job.start_driver()
        client = job.executor("boto3", sys.executable, "-c", LONG_CLIENT, BUCKET, sink_credentialsFile="process").process
        equal(client.wait(180), 0, f"exit status, with {client.errors()[-500:]}")
        equal(json.loads(client.output()), proxy.keys()[:3], "access key ids in their order")
    with checks.that("the AWS CLI lists the bucket with a profile that names a command"):
        aws = (Path(sys.executable).parent / "aws", "--profile", "logs", "s3", "ls", f"s3://{BUCKET}/targets/2")
        cli = job.executor("cli", *aws, sink_credentialsFile="process").process
        equal(cli.wait(60), 0, f"exit status, with {cli.errors()[-500:]}")
    job.stop()
    proxy.stop()


SCENARIOS = [profiles_of_named_targets, profiles_that_name_a_command]
