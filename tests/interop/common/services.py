"""The real services: moto as STS and as S3, MinIO as both, and MinIO's own record of who asked what."""

import base64
import hashlib
import http.client
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.exceptions import ClientError

from checks import until
from job import AUDIENCE
from processes import Process, clean_environment
from web import Reply, Server, free_port

BUCKET = "interop"
ROOT = ("interop-root", "interop-root-secret")


def _answers(port, path):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        link.request("GET", path)
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def client(url, key, secret, token=None):
    """An S3 client of the harness itself."""
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token)


class Moto:
    """One moto server. It checks neither tokens nor signatures: it proves the exchange, not the trust."""

    def __init__(self, log, name):
        self._log, self._name = log, name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self._process = Process([Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", self.port],
                                self._log, clean_environment(), self._name)
        until(f"{self._name} answers", lambda: _answers(self.port, "/moto-api/"), 60)

    def kill(self):
        self._process.kill()

    def make_bucket(self):
        client(self.url, "any", "any").create_bucket(Bucket=BUCKET)

    def calls(self):
        """How many STS calls stand in moto's own access log."""
        return len(re.findall(r'"POST / HTTP', self._process.errors()))


class Signed(NamedTuple):
    """One successful call of S3, as MinIO's audit log has it."""

    at: float
    api: str
    name: str
    key: str
    """The access key id that it was signed with."""


class Minio:
    """One MinIO server in role mode: every valid token of `issuer` may read and write. Signatures are checked."""

    def __init__(self, binary, log, data, issuer):
        self.audit = []
        self._sink = Server(self._record)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # MinIO's rule for a role's name: its ARN ends in the unpadded base64url of SHA-1(client id).
        name = base64.urlsafe_b64encode(hashlib.sha1(AUDIENCE.encode()).digest()).rstrip(b"=").decode()
        self.role = f"arn:minio:iam:::role/{name}"
        environment = clean_environment() | {
            "MINIO_ROOT_USER": ROOT[0], "MINIO_ROOT_PASSWORD": ROOT[1], "MINIO_UPDATE": "off", "MINIO_BROWSER": "off",
            "MINIO_IDENTITY_OPENID_CONFIG_URL": issuer.url + "/.well-known/openid-configuration",
            "MINIO_IDENTITY_OPENID_CLIENT_ID": AUDIENCE, "MINIO_IDENTITY_OPENID_ROLE_POLICY": "readwrite",
            "MINIO_AUDIT_WEBHOOK_ENABLE_INTEROP": "on", "MINIO_AUDIT_WEBHOOK_ENDPOINT_INTEROP": self._sink.url + "/",
        }
        self._process = Process([binary, "server", "--quiet", "--address", f"127.0.0.1:{self.port}", data],
                                log, environment, "minio")
        until("MinIO is ready", lambda: _answers(self.port, "/minio/health/ready"), 60)
        until("MinIO makes a bucket", self._make_bucket, 60)

    def _make_bucket(self):
        # On a busy machine it says that it is ready a moment too early.
        try:
            client(self.url, *ROOT).create_bucket(Bucket=BUCKET)
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] == "XMinioServerNotInitialized":
                return False
            raise
        return True

    def _record(self, request):
        if request.body:
            self.audit.append(json.loads(request.body))
        return Reply(200)

    def calls(self):
        """How many exchanges of an identity token stand in MinIO's own audit log, refused ones too."""
        return sum(entry.get("api", {}).get("name") == "AssumeRoleSSOCommon" for entry in self.audit)

    def users_of(self, api):
        """Whose session made each successful call of `api`, in order, by MinIO's own audit log: the token's subject."""
        return [entry.get("requestClaims", {}).get("sub") for entry in self.audit
                if entry.get("api", {}).get("name") == api and entry["api"].get("statusCode") == 200]

    def calls_by(self, agent, folder):
        """The successful calls for objects in `folder` by whoever gives itself the name `agent`."""
        return [Signed(datetime.fromisoformat(entry["time"]).timestamp(), entry["api"]["name"], entry["api"]["object"],
                       entry["accessKey"])
                for entry in self.audit
                if entry.get("api", {}).get("object", "").startswith(f"{folder}/")
                and entry["api"].get("statusCode") == 200 and agent in entry.get("userAgent", "")]
