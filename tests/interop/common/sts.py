"""A small STS on loopback that believes every token and remembers what it was sent. It proves the exchange, not the
trust: the tokens' verifier is the driver."""

import time
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import tokens
from web import Reply, Server

_ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-{key}\
</SecretAccessKey><SessionToken>session-{key}</SessionToken><Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration>\
</Credentials><SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
"""


class Call(NamedTuple):
    """One exchange. Of the token only its header and its subject are kept."""

    at: float
    header: dict
    subject: str
    key: str
    """The access key id that was given out."""
    expires: float
    """When that ends."""


class Sts:
    """Gives out credentials that live for `life` seconds, which may be changed: a renewal is due within half of that. With
    `tls`, a context, it speaks https."""

    def __init__(self, life, tls=None):
        self.calls = []
        self.life = life
        self._server = Server(self._answer, tls)
        self.url = self._server.url
        self.stop = self._server.stop

    def key_ids(self):
        """The keys that the tokens were signed with, in order, without repetition."""
        return list(dict.fromkeys(call.header.get("kid") for call in self.calls))

    def _answer(self, request):
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.method != "POST" or form.get("Action") != "AssumeRoleWithWebIdentity":
            return Reply(400)
        token, now = form["WebIdentityToken"], time.time()
        key, subject = f"ASIA{len(self.calls):016}", tokens.claims(token)["sub"]
        self.calls.append(Call(now, tokens.header(token), subject, key, now + self.life))
        expires = datetime.fromtimestamp(now + self.life, timezone.utc)
        body = _ANSWER.format(key=key, expires=expires, subject=escape(subject))
        return Reply(200, body.encode(), {"Content-Type": "text/xml"})
