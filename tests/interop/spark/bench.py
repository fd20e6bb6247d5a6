"""What the cases share: an issuer, MinIO as STS and S3, its own log of who asked what, and a proxy before the STS."""

import os
import re
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "aws"))  # its issuer, its MinIO and its STS proxy

from checks import equal, holds, until
from cluster import Application, Cluster, Spark
from issuer import Issuer
from services import Minio
from sts_proxy import StsProxy
from volume import TokenVolume

ALICE, BOB = "alice@example.com", "bob@example.com"


class Proxy(StsProxy):
    """Also remembers until when each key was said to live, and holds calls back while `held` is set."""

    def __init__(self, upstream, life=None):
        self.expiries = {}
        self.held = False
        self.holding = threading.Event()
        super().__init__(upstream, life)

    def _answer(self, request):
        if self.held:
            self.holding.set()
            end = time.monotonic() + 60
            while self.held and time.monotonic() < end:
                time.sleep(0.05)
        reply = super()._answer(request)
        key = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", reply.body)
        until_when = re.search(rb"<Expiration>([^<]+)</Expiration>", reply.body)
        if key and until_when:
            text = until_when.group(1).decode().replace("Z", "+00:00")
            self.expiries[key.group(1).decode()] = datetime.fromisoformat(text).timestamp()
        return reply


class Asked:
    """What MinIO's audit log says of S3 requests from a moment on."""

    def __init__(self, minio):
        self._minio, self._start = minio, len(minio.audit)

    def entries(self):
        found = []
        for entry in self._minio.audit[self._start:]:
            api = entry.get("api", {})
            if api.get("bucket") and entry.get("accessKey") != "interop-root":
                found.append({"at": datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp(),
                              "key": entry.get("accessKey", ""), "status": api.get("statusCode"), "api": api.get("name"),
                              "user": (entry.get("requestClaims") or {}).get("sub"), "object": api.get("object", "")})
        return found

    def keys(self):
        return list(dict.fromkeys(entry["key"] for entry in self.entries() if entry["key"]))

    def users(self):
        return {entry["user"] for entry in self.entries() if entry["key"]}

    def refused(self):
        """Requests that the store refused for who asked: 401 and 403."""
        return [entry for entry in self.entries() if entry["status"] in (401, 403)]

    def expired(self, expiries):
        """Requests signed with a key after the time until which it was said to live, or with an unknown key."""
        return [entry for entry in self.entries() if entry["key"] and entry["at"] > expiries.get(entry["key"], 0)]


class Bench:
    """The services, and the cluster of the version that is looked at."""

    def __init__(self, root):
        self.root, self.issuer, self._jobs = root, Issuer(), 0
        log = root / "services"
        log.mkdir(parents=True)
        self.minio = Minio(Path(os.environ["TOOLS"]) / "minio", log, root / "minio-data", self.issuer)

    def cluster(self, version):
        return Cluster(Spark(Path(os.environ["WORK"]), version), self.root / f"cluster-{version}")

    def job(self, cluster, name, life=None, **options):
        """An application of Alice's with its driver, ready to be submitted, and a proxy of its own before the STS."""
        proxy = Proxy(self.minio.url, life)
        volume = TokenVolume(self.root / f"volume-{name}", self.issuer.mint(ALICE))
        application = Application(cluster, self.root, name, self.issuer.url, volume.file, proxy.url,
                                  role=self.minio.role, s3=self.minio.url, **options)
        application.proxy, application.volume = proxy, volume
        application.start_driver()
        return application


def one_call_a_renewal(application):
    """Fails unless the driver's audit lines, the STS's calls and the versions agree: nobody else asked."""
    calls = len(application.proxy.calls)
    lines = application.audit()
    equal(len(lines), calls, "audit lines for exchanges, against calls of the STS")
    return calls


def ended(application):
    """Fails unless nothing of the application is left: no process, no file of the endpoints."""
    until("its processes are gone", lambda: not application.wrappers() and not application.jvms(), 120)
    left = [str(path) for folder in application.work_folders() for path in (folder / "safe-conduct").glob("*")]
    left += [str(path) for path in (application.root / "executor-spark").glob("*")]
    equal(left, [], "files of endpoints")
    equal(application.driver.stop(), 0, "the driver's exit status")
    left = [str(path) for path in application.driver_directory.glob("*")]
    equal(left, [], "files of the driver's endpoint")


__all__ = ["ALICE", "BOB", "Asked", "Bench", "Proxy", "ended", "equal", "holds", "one_call_a_renewal", "until"]
