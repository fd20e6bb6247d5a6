"""What the binary takes for the STS: it passes each call to a real server, and does to connection, request or answer what
a fault says. It speaks TLS with the certificates of tests/certs."""

import http.client
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

CERTIFICATES = Path(__file__).resolve().parents[2] / "certs"
OLD_TLS = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
LONGEST = 40


@dataclass(frozen=True)
class Answer:
    """A server's answer, or what is made of it."""

    status: int
    body: bytes
    content_type: str = "text/xml"


@dataclass
class Call:
    """One connection, and what came over it."""

    at: float
    form: dict = field(default_factory=dict)
    path: str = ""
    key: str = ""
    """The access key id that the server gave out, or nothing."""
    ended: float = 0.0

    @property
    def action(self):
        return self.form.get("Action", "")


class Link:
    """The side of a connection that a fault works on."""

    def __init__(self, stream):
        self._stream = stream

    def send(self, data):
        self._stream.sendall(data)

    def drip(self, data, pause):
        """A byte at a time, until all is said or the peer has gone."""
        for position in range(len(data)):
            self._stream.sendall(data[position:position + 1])
            time.sleep(pause)

    def hold(self):
        """Says nothing more until the peer has gone."""
        self._stream.settimeout(LONGEST)
        while self._stream.recv(4096):
            pass

    def end(self):
        """An orderly end: with TLS, its own farewell before the connection's."""
        if isinstance(self._stream, ssl.SSLSocket):
            self._stream.settimeout(2)
            self._stream.unwrap()
        self._stream.shutdown(socket.SHUT_WR)

    def cut(self):
        """The connection ends without TLS's farewell, as anybody on the way could end it."""
        self._stream.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST: what is on the way is lost."""
        reset(self._stream)


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def whole(answer, status=None, head="", body=None):
    """An answer's bytes as HTTP/1.1, with another status, more headers or another body."""
    body = answer.body if body is None else body
    status = answer.status if status is None else status
    lines = f"HTTP/1.1 {status} X\r\nContent-Type: {answer.content_type}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    return lines.encode() + body


class Front:
    """Stands before `upstream` (or, where that is a function, lets it answer: (form) -> Answer). With `life` (seconds)
    each credential's `Expiration` is now + life. `edit` changes a call's form before it is passed on. While `fault` is
    set, connections meet it and are listed in `met`; all are in `calls`. What came without TLS is in `in_clear`, what
    went wrong in the front itself in `broken`."""

    def __init__(self, upstream, tls=True, life=None, edit=None):
        self.upstream, self._tls, self._life, self.edit = upstream, tls, life, edit
        self.calls, self.met, self.secrets = [], [], set()
        self.in_clear, self.broken = [], []
        self._lock = threading.Lock()
        self.fault = None
        self._contexts = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self._listener.getsockname()[1]
        self.url = self.url_by("127.0.0.1")
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def url_by(self, host):
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def keys(self):
        """Access key ids in the order in which they were given out."""
        return [call.key for call in self.calls if call.key]

    def stop(self):
        """From here on the port refuses connections."""
        if self._listener:
            # Closing alone does not wake the thread that waits in accept.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[raw], daemon=True).start()

    def _serve(self, raw):
        fault, call = self.fault, Call(time.monotonic())
        with self._lock:
            self.calls.append(call)
            if fault:
                self.met.append(call)
        raw.settimeout(LONGEST)
        # Whoever has read or seen enough hangs up: that ends the connection and nothing else.
        try:
            with raw:
                if fault and fault.door:
                    fault.door(raw, self)
                    return
                stream = raw
                if self._tls:
                    stream = self._context(fault.certificate if fault else "good").wrap_socket(raw, server_side=True)
                with stream:
                    self._converse(Link(stream), stream, call, fault)
        except (OSError, ValueError):
            pass
        except Exception as why:
            # A fault that was not played as it is written.
            self.broken.append(why)
        finally:
            call.ended = time.monotonic()

    def _context(self, certificate):
        with self._lock:
            if certificate not in self._contexts:
                self._contexts[certificate] = context(certificate)
            return self._contexts[certificate]

    def _converse(self, link, stream, call, fault):
        head, headers, body = _request(stream)
        call.path = head.split(" ")[1]
        call.form = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True))
        at_step = fault and (fault.action is None or fault.action == call.action)
        edit = (fault.edit if at_step else None) or self.edit
        if edit:
            body = urlencode(edit(dict(call.form))).encode()
        answer = self._asked(call, headers, body)
        if at_step and fault.answer:
            fault.answer(link, answer, call)
        else:
            link.send(whole(answer))
        link.end()

    def _asked(self, call, headers, body):
        if callable(self.upstream):
            answer = self.upstream(call.form)
        else:
            try:
                answer = _passed_on(self.upstream, call.path, headers, body)
            except OSError as why:
                raise RuntimeError(f"the real server did not answer: {why}") from why
        found = {name: re.search(rf"<{name}>([^<]+)</{name}>".encode(), answer.body)
                 for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        if found["AccessKeyId"]:
            call.key = found["AccessKeyId"].group(1).decode()
            self.secrets |= {found[name].group(1).decode() for name in ("SecretAccessKey", "SessionToken")}
        if self._life:
            expires = datetime.fromtimestamp(time.time() + self._life, timezone.utc)
            text = f"<Expiration>{expires:%Y-%m-%dT%H:%M:%S}.{expires.microsecond // 1000:03}Z</Expiration>"
            answer = replace(answer, body=re.sub(rb"<Expiration>[^<]*</Expiration>", text.encode(), answer.body))
        return answer


def context(certificate):
    """A TLS server's context: a certificate of tests/certs, or an old version of TLS with the good one."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate in OLD_TLS:
        # OpenSSL has them at its lowest level only.
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = OLD_TLS[certificate]
        certificate = "good"
    made.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")
    return made


def _request(stream):
    """The request's first line, its headers and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    length = next(int(value) for name, value in headers if name.lower() == "content-length")
    while len(body) < length:
        body += _more(stream)
    return first, headers, body


def _more(stream):
    data = stream.recv(65536)
    if not data:
        raise OSError("the peer has gone")
    return data


def _passed_on(upstream, path, headers, body):
    link = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=20)
    try:
        # Host too: a signature stands for it.
        link.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection"):
                link.putheader(name, value)
        link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        answer = link.getresponse()
        return Answer(answer.status, answer.read(), answer.headers.get("Content-Type", "text/xml"))
    finally:
        link.close()
