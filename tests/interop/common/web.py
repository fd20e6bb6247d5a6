"""A small HTTP server on loopback that answers by a function, and that can be stopped and started on one port."""

import http.server
import socket
import threading
from typing import NamedTuple


class Request(NamedTuple):
    method: str
    path: str
    headers: object
    body: bytes


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    headers: dict = {}


class Server:
    """Serves `answer(Request) -> Reply` at `url` on a port that the system chose; with `tls`, a context, by https."""

    def __init__(self, answer, tls=None):
        self._answer, self._tls = answer, tls
        self._server = None
        self.port = free_port()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        answer = self._answer

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = answer(Request(self.command, self.path, self.headers, body))
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = _serve

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls:
            # The handshake is made by the thread of its connection, so that a client that hangs up harms no other.
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """From here on the port refuses connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody accepts connections at 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
