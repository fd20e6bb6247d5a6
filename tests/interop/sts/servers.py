"""The servers of the table: what each is, what it cannot do, and why."""

import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from front import Answer, Front
from job import AWS_ROLE
from services import Minio, Moto

RECORDED = Path(__file__).resolve().parents[3] / "fuzz/corpus/sts_xml"
CEPH_ROLE = "arn:aws:iam:::role/spark"
# In the recorded answers; nobody's secret.
CEPH_KEYS = {"AssumeRoleWithWebIdentity": "MADEUPKEY0000000", "AssumeRole": "MADEUPKEY0000001"}

NO_LOOK = "it looks at no token"
NO_STORE = "there is no store behind recorded answers"


class MotoServer:
    """moto: STS and S3 in one server."""

    name = "moto"
    role = AWS_ROLE
    other_role = "arn:aws:iam::210987654321:role/second"
    refuses = {"no role": (69, "STS_GATEWAY"), "unknown action": (78, "STS_ANSWER_MALFORMED")}
    cannot = {
        "refused chain": "it refuses none",
        "policy": "every key may read and write everything",
        "expired": NO_LOOK, "audience": NO_LOOK, "forged": NO_LOOK, "no expiry": NO_LOOK,
        "role": "it takes any role", "duration": "it takes any duration",
        "managed policies": "it says that it applied them, whatever they are",
    }

    def __init__(self, bench):
        self._server = Moto(bench.root / "services", "moto")
        self._server.make_bucket()
        self.url = self.store = self._server.url

    def front(self, **more):
        return Front(self.url, **more)


class MinioServer:
    """MinIO in role mode: tokens, roles and signatures are checked."""

    name = "MinIO"
    other_role = "arn:minio:iam:::role/no-such-role-anywhere"
    refuses = {
        "expired": (77, "STS_EXPIRED_TOKEN"), "audience": (76, "STS_AUDIENCE"), "forged": (76, "STS_TOKEN_SIGNATURE"),
        "role": (76, "STS_UNKNOWN_ROLE"), "duration": (76, "STS_DURATION_REFUSED"),
        "no expiry": (76, "STS_INVALID_PARAMETER"), "no role": (76, "STS_UNKNOWN_ROLE"),
        "unknown action": (76, "STS_INVALID_PARAMETER"),
    }
    cannot = {"chain": "it refuses AssumeRole to a credential of a web identity"}

    def __init__(self, bench):
        self._server = Minio(Path(os.environ["TOOLS"]) / "minio", bench.root / "services", bench.root / "minio-data",
                             bench.issuer)
        self.url = self.store = self._server.url
        self.role = self._server.role

    def front(self, **more):
        return Front(self.url, **more)


class CephServer:
    """Ceph RGW as it was recorded: no namespace, nanoseconds, AssumeRoleId, Error as the root. Its answers do not depend
    on what they are asked, so a refusal is chosen by its code, as Ceph has them."""

    name = "Ceph"
    role = CEPH_ROLE
    other_role = "arn:aws:iam:::role/second"
    store = None
    refuses = {
        "expired": (76, "STS_ACCESS_DENIED"), "audience": (76, "STS_ACCESS_DENIED"), "forged": (76, "STS_ACCESS_DENIED"),
        "role": (76, "STS_UNKNOWN_ROLE"), "duration": (76, "STS_CONFIGURATION"),
    }
    _sends = {
        "expired": ("AccessDenied", 403), "audience": ("AccessDenied", 403), "forged": ("AccessDenied", 403),
        "role": ("NoSuchEntity", 404), "duration": ("InvalidArgument", 400),
    }
    cannot = {"policy": NO_STORE, "named targets": NO_STORE} | dict.fromkeys(
        ("refused chain", "managed policies", "no expiry", "no role", "unknown action"), "no such answer was recorded")

    def __init__(self, bench):
        self._issuer = bench.issuer

    def front(self, refuses=None, subject="", **more):
        """Answers with credentials for `subject`, or with the refusal of this case."""
        def answer(form):
            if refuses:
                code, status = self._sends[refuses]
                return Answer(status, _recorded("ceph-error").replace(b"AccessDenied", code.encode()))
            name = {"AssumeRoleWithWebIdentity": "ceph", "AssumeRole": "ceph-assume-role"}[form["Action"]]
            body = _recorded(name).replace(b"system:serviceaccount:spark:driver", subject.encode())
            body = body.replace(b"https://issuer.example/realms/spark", self._issuer.url.encode())
            return Answer(200, re.sub(rb"<Expiration>[^<.]*", b"<Expiration>" + self.expiry.encode(), body))
        # An hour from now, with the recorded fraction of nine digits behind it.
        self.expiry = f"{datetime.now(timezone.utc) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
        return Front(answer, **more)


def _recorded(name):
    return (RECORDED / f"{name}.xml").read_bytes()


def started(bench):
    return MotoServer(bench), MinioServer(bench), CephServer(bench)
