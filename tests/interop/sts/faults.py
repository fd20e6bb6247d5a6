"""Every fault that the front can make of a real server's answer, by the numbers of the list of bad inputs: what is done,
the code in which it must end, and whether the same call may be tried again."""

import gzip
import re
import socket
import time
from typing import Callable, NamedTuple, Optional
from urllib.parse import urlsplit

from front import reset, whole

AGAIN, NEVER, NEW_TOKEN = "again", "never", "with a new token"
TAKEN = "taken"

# Nothing of what a service says is repeated; this would be found.
PLANTED = "PLANTED-by-the-service"
QUICK, SLOW = (0, 7), (9, 14)


class Fault(NamedTuple):
    name: str
    numbers: tuple
    code: str
    """The code in which the renewal ends; TAKEN where there is nothing wrong with it."""
    retry: str
    answer: Optional[Callable] = None
    """(Link, Answer, Call): what is sent in place of the answer."""
    door: Optional[Callable] = None
    """(socket, Front): what happens to the connection before TLS. Nothing else does."""
    edit: Optional[Callable] = None
    """(form) -> form: what the real server is asked in place of our question."""
    certificate: str = "good"
    host: str = "127.0.0.1"
    roots: Optional[Callable] = None
    """(bytes) -> bytes: what becomes of the file of roots."""
    closed: bool = False
    """Nobody listens."""
    action: Optional[str] = None
    """The call that it happens to, where a renewal makes several: a chain, at moto."""
    seconds: tuple = QUICK
    """Between the connection and the failure."""
    pause: float = 0
    """Seconds in which it is not asked again, because the service said so."""
    lasts: float = 0
    """Seconds for which it stays."""
    said: bool = True
    """Whether the token may be sent: never to a peer that has not proved itself."""


def _again(number, name, code, answer, **more):
    return Fault(name, _numbers(number), code, AGAIN, answer, **more)


def _never(number, name, code, answer, **more):
    return Fault(name, _numbers(number), code, NEVER, answer, **more)


def _taken(number, name, answer, **more):
    return Fault(name, _numbers(number), TAKEN, AGAIN, answer, **more)


def _numbers(number):
    return number if isinstance(number, tuple) else (number,) if number else ()


# What is sent.

def _as(status=None, head="", body=None):
    """The answer with another status, more headers or another body."""
    body = body.encode() if isinstance(body, str) else body
    return lambda link, answer, call: link.send(whole(answer, status, head, body))


def _framed(head, body=None, first="HTTP/1.1 200 OK\r\n"):
    """The answer's body behind this head and nothing more."""
    return lambda link, answer, call: link.send(
        f"{first}{head}\r\n".encode() + (answer.body if body is None else body))


def _changed(pattern, text, status=None, times=1):
    """The answer with what `pattern` finds replaced by `text`, in which {0} is what was there."""
    def send(link, answer, call):
        found = re.search(pattern.encode(), answer.body)
        if not found:
            raise AssertionError(f"{pattern} is not in the answer")
        there = found.group(0).decode()
        link.send(whole(answer, status, body=answer.body.replace(
            found.group(0), text.replace("{0}", there).encode("utf-8", "surrogateescape"), times)))
    return send


def _before(text):
    """`text` between the XML declaration and the root."""
    return lambda link, answer, call: link.send(whole(answer, body=re.sub(
        rb"^(<\?xml[^>]*\?>)?\s*", lambda found: (found.group(1) or b"") + text.encode(), answer.body, count=1)))


def _remade(function):
    """The answer's text as this function makes it."""
    return lambda link, answer, call: link.send(whole(answer, body=function(answer.body)))


def _without_declaration(body):
    return re.sub(rb"^<\?xml[^>]*\?>\s*", b"", body)


def _refused(code, status, message="m", head="", request_id="r-1"):
    """A refusal in the very form of the real server's: its own error with this code and message."""
    def send(link, answer, call):
        body = re.sub(rb"<Code>[^<]*</Code>", f"<Code>{code}</Code>".encode(), answer.body)
        text = message.replace("{token}", call.form.get("WebIdentityToken", "")).encode()
        body = re.sub(rb"<Message>[^<]*</Message>", lambda _: b"<Message>" + text + b"</Message>", body)
        body = re.sub(rb"<RequestId>[^<]*</RequestId>", lambda _: f"<RequestId>{request_id}</RequestId>".encode(), body)
        if code.encode() not in body:
            raise AssertionError(f"the server did not refuse: status {answer.status}")
        link.send(whole(answer, status, head, body))
    return send


def _garbage(form):
    """What every server refuses that looks at tokens."""
    return form | {"WebIdentityToken": "garbage"}


def _refusal(number, name, code, retry, *how, **more):
    return Fault(name, _numbers(number), code, retry, _refused(*how, **more), edit=_garbage)


# Where it ends.

def _part(share, end):
    """The answer up to a share of its head (under 1) or of its body (1 to 2), then `end` (a method of Link)."""
    def send(link, answer, call):
        data = whole(answer)
        head = data.index(b"\r\n\r\n") + 4
        length = int(head * share) if share < 1 else head + int((len(data) - head) * (share - 1))
        link.send(data[:length])
        # What was sent must arrive before a reset overtakes it.
        time.sleep(0.2)
        getattr(link, end)()
    return send


def _unmarked(share, end):
    """The same without a length: the body ends where the connection does."""
    def send(link, answer, call):
        link.send(b"HTTP/1.1 200 OK\r\n\r\n" + answer.body[:int(len(answer.body) * share)])
        time.sleep(0.2)
        getattr(link, end)()
    return send


def _slowly(start, pause=1.0):
    """The answer's bytes from share `start` on (as in _part) one a second."""
    def send(link, answer, call):
        data = whole(answer)
        head = data.index(b"\r\n\r\n") + 4
        length = int(head * start) if start < 1 else head + int((len(data) - head) * (start - 1))
        link.send(data[:length])
        link.drip(data[length:], pause)
    return send


def _late(seconds):
    def send(link, answer, call):
        time.sleep(seconds)
        link.send(whole(answer))
    return send


def _endless(start, piece, pause=0):
    def send(link, answer, call):
        link.send(start)
        while True:
            link.send(piece)
            time.sleep(pause)
    return send


def _chunked(size):
    return lambda link, answer, call: link.send(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size.format(len(answer.body))}\r\n".encode()
        + answer.body + b"\r\n0\r\n\r\n")


# Before TLS.

def _reset_at_once(raw, front):
    reset(raw)


def _reset_in_handshake(raw, front):
    raw.recv(65536)
    reset(raw)


def _closed_in_handshake(raw, front):
    raw.recv(65536)


def _silent_in_handshake(raw, front):
    while raw.recv(65536):
        pass


def _plain(raw, front):
    """A server without TLS: the real one, to which every byte is passed on."""
    with socket.create_connection(("127.0.0.1", urlsplit(front.upstream).port), timeout=10) as server:
        seen = raw.recv(65536)
        front.in_clear.append(seen)
        server.sendall(seen)
        server.settimeout(3)
        raw.sendall(server.recv(65536))
    raw.shutdown(socket.SHUT_WR)
    while more := raw.recv(65536):
        front.in_clear.append(more)


def connections(trap):
    """Faults that are over before the answer begins, and answers that do not come whole."""
    unproved = {"answer": None, "said": False}
    for_roots = [("empty", lambda roots: b""), ("garbage", lambda roots: b"\0\xff not PEM"),
                 ("half a certificate behind a whole one", lambda roots: roots[:len(roots) * 3 // 4])]
    return [
        Fault("nobody listens", (), "HTTP_CONNECT", AGAIN, closed=True, said=False),
        _again(219, "a reset at the connection", "HTTP_DISCONNECTED", door=_reset_at_once, **unproved),
        _again(219, "a reset in the TLS handshake", "HTTP_DISCONNECTED", door=_reset_in_handshake, **unproved),
        _again(219, "an end in the TLS handshake", "HTTP_DISCONNECTED", door=_closed_in_handshake, **unproved),
        _again(218, "silence in the TLS handshake: 3 s", "HTTP_TIMEOUT", door=_silent_in_handshake, seconds=(2.5, 7),
               **unproved),
        _again(215, "the real server without TLS", "TLS_HANDSHAKE", door=_plain, **unproved),
        _again(214, "a server of TLS 1.1", "TLS_HANDSHAKE", certificate="TLS 1.1", **unproved),
        _again(214, "a server of TLS 1.0", "TLS_HANDSHAKE", certificate="TLS 1.0", **unproved),
        _never(211, "another host's certificate", "TLS_WRONG_NAME", certificate="wrong-host", **unproved),
        _never(212, "an expired certificate", "TLS_OUTSIDE_VALIDITY", certificate="expired", **unproved),
        _never(212, "a certificate of the future", "TLS_OUTSIDE_VALIDITY", certificate="future", **unproved),
        _never(212, "a certificate that vouches for itself", "TLS_UNKNOWN_ISSUER", certificate="self-signed", **unproved),
        _never(212, "a client's certificate", "TLS_CERTIFICATE", certificate="wrong-usage", **unproved),
        _never(212, "a certificate that its authority must not give", "TLS_CERTIFICATE", certificate="constrained",
               host="localhost", **unproved),
        *[_never(213, f"the file of roots is {name}", "TLS_ROOTS", roots=change, **unproved)
          for name, change in for_roots],
        *[_never(210, f"status {status} to somebody else", "STS_REDIRECTED",
                 _as(status, f"Location: {trap}/\r\n")) for status in (300, 301, 302, 303, 307, 308)],
        _taken(None, "an answer after 4 s", _late(4), seconds=(3.5, 9)),
        _again(218, "an answer after 12 s", "HTTP_TIMEOUT", _late(12), seconds=SLOW),
        _again(218, "no answer", "HTTP_TIMEOUT", lambda link, answer, call: link.hold(), seconds=SLOW),
        _again(216, "a head of 1 B/s", "HTTP_TIMEOUT", _slowly(0), seconds=SLOW),
        _again(217, "a body of 1 B/s", "HTTP_TIMEOUT", _slowly(1), seconds=SLOW),
        _again(219, "a reset after the request", "HTTP_DISCONNECTED", _part(0, "reset")),
        _again(219, "a reset after each request for 30 s", "HTTP_DISCONNECTED", _part(0, "reset"), lasts=30),
        _again(219, "a reset in the head", "HTTP_DISCONNECTED", _part(0.5, "reset")),
        _again(219, "a reset in the body", "HTTP_DISCONNECTED", _part(1.5, "reset")),
        _again(227, "an end after the request", "HTTP_DISCONNECTED", _part(0, "end")),
        _again(227, "an end in the head", "HTTP_DISCONNECTED", _part(0.5, "end")),
        _again(227, "an end in the body", "HTTP_DISCONNECTED", _part(1.5, "end")),
        _again(227, "an end in the body without TLS's farewell", "HTTP_DISCONNECTED", _part(1.5, "cut")),
        _again(228, "an end in a body without a length", "STS_ANSWER_CUT", _unmarked(0.6, "end")),
        _again(228, "the same without TLS's farewell", "STS_ANSWER_CUT", _unmarked(0.6, "cut")),
        # Nothing is missing: the document itself says where it ends.
        _taken(228, "a whole body without a length, and without TLS's farewell", _unmarked(1, "cut")),
    ]


def framings():
    """Heads and bodies that are too long, or that can be read in two ways."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    return [
        _again(220, "a head of 2 MB", "HTTP_HEAD_TOO_LONG", _as(head=f"X: {'x' * 2_000_000}\r\n")),
        _again(221, "5,000 headers", "HTTP_PROTOCOL", _as(head="X: y\r\n" * 5000)),
        _again(222, "chunks for ever", "HTTP_BODY_TOO_LONG", _endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n" * 1000)),
        _again(222, "a body for ever", "HTTP_BODY_TOO_LONG", _endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000)),
        _again(260, "a text of 1 MB", "HTTP_BODY_TOO_LONG",
               _changed("</AssumeRoleWithWebIdentityResult>", f"<x>{'x' * 1_000_000}</x>{{0}}")),
        _again(223, "a chunk of size zz", "HTTP_PROTOCOL", _chunked("zz")),
        _again(223, "a chunk of size -1", "HTTP_PROTOCOL", _chunked("-1")),
        _again(223, "a chunk of 2^80 bytes", "HTTP_PROTOCOL", _chunked("f" * 20)),
        _again(224, "a length and chunks", "HTTP_PROTOCOL",
               lambda link, answer, call: link.send(
                   f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: {len(answer.body)}\r\n\r\n"
                   f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n0\r\n\r\n")),
        _again(225, "two lengths", "HTTP_PROTOCOL", _framed("Content-Length: 400\r\nContent-Length: 5\r\n")),
        _again(226, "a length of -1", "HTTP_PROTOCOL", _framed("Content-Length: -1\r\n")),
        _again(226, "a length of 10^20", "HTTP_PROTOCOL", _framed("Content-Length: 100000000000000000000\r\n")),
        _again(229, "HTTP/0.9: a body and nothing else", "HTTP_PROTOCOL",
               lambda link, answer, call: link.send(answer.body)),
        _taken(229, "HTTP/1.0", _framed("", first="HTTP/1.0 200 OK\r\n")),
        _taken(None, "chunks of the right size", _chunked("{:x}")),
        _taken(230, "one interim answer", lambda link, answer, call: link.send(
            b"HTTP/1.1 100 Continue\r\n\r\n" + whole(answer))),
        _again(230, "an interim answer every 0.1 s", "HTTP_TIMEOUT",
               _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.1), seconds=SLOW),
        _again(231, "10 MB in 10 KB of gzip", "HTTP_CONTENT_ENCODING",
               _as(head="Content-Encoding: gzip\r\n", body=bomb)),
    ]


def statuses():
    """Answers whose status and document do not fit, and refusals in the real server's form."""
    busy = "Retry-After: 8\r\n"
    return [
        _never(232, "status 204", "STS_ANSWER_MALFORMED", _framed("", b"", "HTTP/1.1 204 X\r\n")),
        _never(232, "status 304", "STS_REDIRECTED", _framed("", b"", "HTTP/1.1 304 X\r\n")),
        _never(233, "status 401 and a page", "STS_ANSWER_MALFORMED", _as(401, body=f"<html>{PLANTED}</html>")),
        _never(233, "status 403 and a word", "STS_ANSWER_MALFORMED", _as(403, body=f"Forbidden {PLANTED}")),
        _again(234, "status 429, a word, and Retry-After: 8", "STS_GATEWAY", _as(429, busy, PLANTED), pause=8),
        _again(234, "status 503, a page, and Retry-After: 8", "STS_GATEWAY", _as(503, busy, f"<p>{PLANTED}</p>"),
               pause=8),
        Fault("status 503, SlowDown, and Retry-After: 8", (234,), "STS_THROTTLED", AGAIN,
              _refused("SlowDown", 503, head=busy), edit=_garbage, pause=8),
        _refusal(235, "ExpiredToken", "STS_EXPIRED_TOKEN", NEW_TOKEN, "ExpiredToken", 400),
        _refusal(236, "IDPCommunicationError", "STS_IDP_UNREACHABLE", AGAIN, "IDPCommunicationError", 400),
        _refusal(237, "AccessDenied", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403),
        _refusal(238, "a message that holds the token", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403,
                 PLANTED + " {token}"),
        _refusal(238, "a message that holds a script", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403,
                 f"&lt;script&gt;{PLANTED}&lt;/script&gt;"),
        _refusal(238, "a message that holds a line of ours", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403,
                 f"a\nerror[{PLANTED}]: b"),
        _refusal(238, "a message with terminal commands", "STS_ANSWER_MALFORMED", NEVER, "AccessDenied", 403,
                 f"\x1b[31m{PLANTED}"),
        _refusal(238, "a message of 1 MB", "HTTP_BODY_TOO_LONG", AGAIN, "AccessDenied", 403, PLANTED * 50_000),
        _refusal(239, "a request id with line ends", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403,
                 request_id=f"{PLANTED}\r\nX: y"),
        _refusal(239, "a request id with escaped line ends", "STS_ACCESS_DENIED", NEVER, "AccessDenied", 403,
                 request_id=f"{PLANTED}&#13;&#10;X: y"),
        _again(270, "status 500 and a credential", "STS_ANSWER_STATUS", _as(500)),
        _again(270, "status 201 and a credential", "STS_ANSWER_STATUS", _as(201)),
        Fault("status 200 and an error", (270,), "STS_ANSWER_STATUS", AGAIN, _refused("AccessDenied", 200),
              edit=_garbage),
        _never(271, "a document in JSON", "STS_ANSWER_MALFORMED",
               _as(body=f'{{"Credentials":{{"SecretAccessKey":"{PLANTED}"}}}}')),
        _never(271, "an error in JSON", "STS_ANSWER_MALFORMED", _as(400, body='{"__type":"AccessDenied"}')),
    ]


def documents(trap):
    """The real server's XML, changed in one place."""
    secret, session = "(?<=<SecretAccessKey>)[^<]+", "(?<=<SessionToken>)[^<]+"
    key, expires = "(?<=<AccessKeyId>)[^<]+", "(?<=<Expiration>)[^<]+"
    member = "<SecretAccessKey>[^<]+</SecretAccessKey>"
    xmlns = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    result, response = "AssumeRoleWithWebIdentityResult", "AssumeRoleWithWebIdentityResponse"
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))

    def bad(number, name, answer):
        return _never(number, name, "STS_ANSWER_MALFORMED", answer)

    def damaged(number, name, answer):
        return _again(number, name, "STS_ANSWER_CUT", answer)

    return [
        bad(240, "bytes that are not UTF-8", _remade(lambda body: body + b"\xff")),
        bad(241, "UTF-16", _remade(lambda body: _without_declaration(body).decode().encode("utf-16"))),
        bad(242, "a DOCTYPE", _before(f"<!DOCTYPE {response}>")),
        bad(243, "entities that grow", _before(f'<!DOCTYPE l [<!ENTITY l0 "{PLANTED}">{laughs}]>')),
        bad(244, "one long entity", _before(f'<!DOCTYPE l [<!ENTITY a "{PLANTED * 5000}">]>')),
        bad(245, "a file as an entity", _before('<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>')),
        bad(245, "a URL as an entity", _before(f'<!DOCTYPE l [<!ENTITY a SYSTEM "{trap}/">]>')),
        bad(246, "a parameter entity", _before(f'<!DOCTYPE l [<!ENTITY % a SYSTEM "{trap}/"> %a;]>')),
        bad(247, "a processing instruction", _before(f"<?xml-stylesheet href='{PLANTED}'?>")),
        bad(248, "a comment in a value", _changed(key, f"{{0}}<!-- {PLANTED} -->")),
        damaged(249, "CDATA in a value", _changed(secret, "<![CDATA[{0}]]>")),
        bad(250, "an entity that nobody declared", _changed(secret, "&nbsp;{0}")),
        *[bad(251, f"the character {reference}", _changed(secret, f"{reference}{{0}}"))
          for reference in ("&#0;", "&#5;", "&#xD800;", "&#x110000;")],
        bad(252, "two roots", _remade(lambda body: body + _without_declaration(body))),
        bad(253, "something before the root", _before(PLANTED)),
        bad(253, "something behind the root", _remade(lambda body: body + PLANTED.encode())),
        damaged(254, "a root without its end", _changed(f"</{response}>", "")),
        damaged(255, "tags that cross", _changed("</SecretAccessKey>", "</SessionToken>")),
        bad(256, "an attribute twice", _changed(xmlns, "{0}{0}")),
        bad(257, "30,000 attributes", _changed(xmlns, "{0}" + ' a="b"' * 30_000)),
        bad(258, "another namespace's prefix", _changed(xmlns, f'{{0}} xmlns:a="{PLANTED}"')),
        bad(258, "9,000 namespaces", _changed(xmlns, "{0}" + "".join(f' xmlns:n{n}="u"' for n in range(9000)))),
        bad(259, "20,000 elements deep", _changed(f"</{result}>", "<x>" * 20_000 + "{0}")),
        bad(261, "another namespace", _changed(xmlns, ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"')),
        _taken(261, "no namespace", _changed(xmlns, "")),
        bad(261, "an element with a prefix", _changed("Credentials>", "s:{0}", times=2)),
        _never(None, "another user's credential", "STS_ANSWER_SUBJECT",
               _changed("(?<=<SubjectFromWebIdentityToken>)[^<]+", "mallory@example.com")),
        _never(None, "a credential of another issuer's token", "STS_ANSWER_PROVIDER",
               _changed(f"</{result}>", "<Provider>https://other.example</Provider>{0}")),
        bad(262, "two credentials", _changed("<Credentials>.*</Credentials>", "{0}{0}")),
        bad(263, "a secret twice", _changed(member, "{0}{0}")),
        bad(263, "no secret", _changed(member, "")),
        bad(263, "an empty secret", _changed(member, "<SecretAccessKey/>")),
        bad(264, "a credential in another result", _changed(f"{result}>", "AssumeRoleResult>", times=2)),
        bad(264, "a credential in an error", _remade(
            lambda body: b"<Error>" + re.search(rb"<Credentials>.*</Credentials>", body).group(0) + b"</Error>")),
        bad(265, "an element in other letters", _changed("SecretAccessKey>", "secretAccessKey>", times=2)),
        bad(266, "an expiry of no form", _changed(expires, "soon")),
        bad(266, "an expiry without a zone", _changed(expires, "2030-01-15T09:00:00")),
        bad(266, "an expiry in the year 10000", _changed(expires, "10000-01-01T00:00:00Z")),
        _again(266, "an expiry of the past", "STS_ANSWER_EXPIRED", _changed(expires, "2020-01-15T09:00:00Z")),
        _never(266, "an expiry in years", "STS_ANSWER_LIFE", _changed(expires, "2099-01-15T09:00:00Z")),
        bad(267, "an access key id with a space", _changed(key, "A {0}")),
        bad(267, "an access key id of 200 characters", _changed(key, "A" * 200)),
        bad(268, "XML 1.1", _remade(lambda body: b'<?xml version="1.1"?>' + _without_declaration(body))),
        bad(268, "UTF-8 that calls itself UTF-16",
            _remade(lambda body: b'<?xml version="1.0" encoding="UTF-16"?>' + _without_declaration(body))),
        bad(269, "a control character", _changed(secret, "{0}\x01")),
    ]


def chains(skewed):
    """What happens to the second call of a chain. `skewed` is MinIO's recorded answer to a clock that is wrong."""
    return [
        _again(281, "a clock that is 15 minutes off", "STS_CLOCK", _as(403, body=skewed), action="AssumeRole"),
        Fault("a session token with line ends, that would be signed", (283,), "STS_ANSWER_MALFORMED", NEVER,
              _changed("(?<=<SessionToken>)[^<]+", "{0}&#13;&#10;x-amz-acl: public"),
              action="AssumeRoleWithWebIdentity"),
        _never(237, "a role that does not let the role before it in", "STS_CHAIN_DENIED", _as(
            403, body="<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>"),
            action="AssumeRole"),
    ]


def all_faults(trap, skewed):
    return [*connections(trap), *framings(), *statuses(), *documents(trap), *chains(skewed)]
