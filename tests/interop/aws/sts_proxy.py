"""Stands in front of an STS, logs each call, and shortens `Expiration` so that a renewal is due within seconds."""

import hashlib
import http.client
import re
import time
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from web import Reply, Server


class Call(NamedTuple):
    """One call of the STS. The token is kept as its hash only."""

    at: float
    path: str
    content_type: str
    action: str
    session_name: str
    role: str
    token_hash: str
    status: int
    key: str
    """The access key id that was given out, or nothing."""


def token_hash(token):
    return hashlib.sha256(token.encode()).hexdigest()


class StsProxy:
    """`url` is what the driver is told. With `life` (seconds) each answer's `Expiration` is now + life; everything else
    passes unchanged."""

    def __init__(self, upstream, life=None):
        self.calls = []
        self.life = life
        self._upstream = urlsplit(upstream).netloc
        self._server = Server(self._answer)
        self.url = self._server.url

    def stop(self):
        """The STS is gone: its address refuses connections."""
        self._server.stop()

    def start(self):
        self._server.start()

    def keys(self):
        """Access key ids in the order in which they were given out."""
        return [call.key for call in self.calls if call.key]

    def _answer(self, request):
        link = http.client.HTTPConnection(self._upstream, timeout=8)
        try:
            link.request(request.method, request.path, request.body,
                         {"Content-Type": request.headers.get("Content-Type", "")})
            answer = link.getresponse()
            status, body = answer.status, answer.read()
            content_type = answer.headers.get("Content-Type", "text/xml")
        except OSError:
            status, body, content_type = 503, b"", "text/plain"
        finally:
            link.close()
        self._log(request, status, body)
        if self.life is not None and status == 200:
            expires = datetime.fromtimestamp(time.time() + self.life, timezone.utc)
            text = f"<Expiration>{expires:%Y-%m-%dT%H:%M:%S}.{expires.microsecond // 1000:03}Z</Expiration>"
            body = re.sub(rb"<Expiration>[^<]*</Expiration>", text.encode(), body)
        return Reply(status, body, {"Content-Type": content_type})

    def _log(self, request, status, body):
        form = {name: values[0] for name, values in parse_qs(request.body.decode("ascii", "replace")).items()}
        key = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", body)
        self.calls.append(Call(
            time.time(), request.path, request.headers.get("Content-Type", ""), form.get("Action", ""),
            form.get("RoleSessionName", ""), form.get("RoleArn", ""), token_hash(form.get("WebIdentityToken", "")),
            status, key.group(1).decode() if key else ""))
