"""A TCP proxy that delays, stalls, resets and truncates. Knows nothing of what passes through."""

import contextlib
import select
import socket
import struct
import threading
import time


class Cut(Exception):
    """The connection ends here: what still passes, and whether it ends with a reset."""

    def __init__(self, last=b"", reset=False):
        self.last, self.reset = last, reset


class Pass:
    """Everything passes. The base of all faults."""

    def accepted(self, number):
        """Called with each connection's number before the other side is reached."""

    def through(self, data, number, from_server, chunks, before):
        """What passes of `data`, after so many chunks and bytes of its direction."""
        return data


class Delay(Pass):
    """Everything comes so many seconds late, in either direction."""

    def __init__(self, seconds):
        self._seconds = seconds

    def through(self, data, *_):
        time.sleep(self._seconds)
        return data


class Stall(Pass):
    """Connections are accepted and nothing ever comes; the client has to give up."""

    def accepted(self, number):
        raise Cut


class Reset(Pass):
    """A reset, in turn: at once, at the client's first bytes, at the server's first, at the client's second."""

    def accepted(self, number):
        if number % 4 == 0:
            raise Cut(reset=True)

    def through(self, data, number, from_server, chunks, before):
        if (number % 4, from_server, chunks) in ((1, False, 0), (2, True, 0), (3, False, 1)):
            raise Cut(reset=True)
        return data


class Truncate(Pass):
    """Of what the server sends so many bytes pass, in turn; then both sides see the end."""

    def __init__(self, lengths):
        self._lengths = lengths

    def through(self, data, number, from_server, chunks, before):
        left = self._lengths[number % len(self._lengths)] - before
        if from_server and len(data) > left:
            raise Cut(data[:left])
        return data


class Proxy:
    """Passes what comes to `listener` on to where `reach()` connects. `fault` is for connections from now on."""

    def __init__(self, listener, reach):
        self.fault = Pass()
        self.accepted = 0
        self.cut = 0
        self._listener, self._reach = listener, reach
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Accepts nothing any more; what passes, passes on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            number, self.accepted = self.accepted, self.accepted + 1
            threading.Thread(target=self._serve, args=(client, number, self.fault), daemon=True).start()

    def _serve(self, client, number, fault):
        try:
            fault.accepted(number)
            server = self._reach()
        except Cut as cut:
            self.cut += 1
            if not cut.reset:
                _until_it_ends(client)
            _end(client, cut.reset)
            return
        except OSError:
            _end(client, reset=True)  # as if the driver itself refused
            return
        back = threading.Thread(target=self._pump, args=(server, client, number, fault, True), daemon=True)
        back.start()
        self._pump(client, server, number, fault, False)
        back.join()
        client.close()
        server.close()

    def _pump(self, source, sink, number, fault, from_server):
        chunks = passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                try:
                    sink.sendall(fault.through(data, number, from_server, chunks, passed))
                except Cut as cut:
                    self.cut += 1
                    sink.sendall(cut.last)
                    _end(sink, cut.reset)
                    _end(source, cut.reset)
                    return
                chunks, passed = chunks + 1, passed + len(data)
            sink.shutdown(socket.SHUT_WR)


def _until_it_ends(client):
    """Reads nothing and waits until the peer has closed its side."""
    watch = select.poll()
    watch.register(client, select.POLLRDHUP)
    watch.poll(30_000)


def _end(link, reset):
    with contextlib.suppress(OSError):
        if reset:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes whoever reads from it here; a reset must not be preceded by an orderly end.
        link.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        link.close()
