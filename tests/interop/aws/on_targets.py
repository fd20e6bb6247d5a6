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


SCENARIOS = [profiles_of_named_targets]
