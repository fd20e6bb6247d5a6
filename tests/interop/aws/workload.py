"""Runs as an executor's command: unmodified boto3 writes and reads one object a second and says how each round went."""

import json
import os
import sys
import time

import boto3

bucket, prefix = sys.argv[1:]
parent = os.getppid()
s3 = boto3.client("s3")
# One session as a job would have it: boto3 finds, keeps and renews the credentials by itself.
credentials = s3._request_signer._credentials

for n in range(600):
    if os.getppid() != parent:
        break
    entry = {"pid": os.getpid(), "n": n, "at": time.time(), "ok": False, "key": "", "error": ""}
    try:
        body = f"round {n} of {prefix}".encode()
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{n}", Body=body)
        entry["ok"] = s3.get_object(Bucket=bucket, Key=f"{prefix}/{n}")["Body"].read() == body
        entry["key"] = credentials.access_key
    except Exception as why:  # every failure is the answer that the harness wants
        entry["error"] = f"{type(why).__name__}: {why}"[:500]
    print(json.dumps(entry), flush=True)
    time.sleep(1)
