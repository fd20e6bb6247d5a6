"""Where the driver runs: in a network namespace behind a veth pair that can be cut, or on loopback."""

import contextlib
import ctypes
import os
import random
import socket
import subprocess

from checks import until
from processes import Process, clean_environment

_CLONE_NEWNET = 0x4000_0000


class Loopback:
    """Nothing can be cut here."""

    address = "127.0.0.1"
    can_be_cut = False

    def inside(self):
        return contextlib.nullcontext()

    def _socket(self):
        # A socket stays in the namespace in which it was made, whoever uses it.
        with self.inside():
            return socket.socket()

    def listen(self, address, port):
        """A socket that listens here."""
        listener = self._socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(256)
        return listener

    def connect(self, address, port):
        """A connection from here."""
        link = self._socket()
        link.settimeout(5)
        link.connect((address, port))
        link.settimeout(None)
        return link


class Namespace(Loopback):
    """It ends with the process that holds it, and its veth pair with it; whatever happens, nothing is left."""

    can_be_cut = True

    def __init__(self, log):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._holder = Process(["unshare", "--net", "sleep", "infinity"], log, clean_environment(), "namespace")
        until("the namespace is made", self._is_made, 10)
        self._there = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY)
        # 198.18.0.0/15 is for benchmarks (RFC 2544); several runs at a time must not meet.
        net = f"198.18.{random.randrange(256)}.{4 * random.randrange(64)}".rpartition(".")
        near, self.address = (f"{net[0]}.{int(net[2]) + n}" for n in (1, 2))
        outer, self._inner = f"sc{os.getpid()}a", f"sc{os.getpid()}b"
        _ip("link", "add", outer, "type", "veth", "peer", "name", self._inner, "netns", str(self._holder.pid))
        _ip("address", "add", f"{near}/30", "dev", outer)
        _ip("link", "set", outer, "up")
        with self.inside():
            _ip("link", "set", "lo", "up")
            _ip("address", "add", f"{self.address}/30", "dev", self._inner)
        self.mend()

    def _is_made(self):
        if self._holder.ended() is not None:
            raise OSError(self._holder.errors())
        made = os.readlink(f"/proc/{self._holder.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        return made and "sleep" in open(f"/proc/{self._holder.pid}/comm").read()

    @contextlib.contextmanager
    def inside(self):
        """This thread, and processes that it starts, are in the namespace."""
        self._enter(self._there)
        try:
            yield
        finally:
            self._enter(self._home)

    def _enter(self, descriptor):
        if self._libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def cut(self):
        """From here on nothing gets through and nobody is told."""
        with self.inside():
            _ip("link", "set", self._inner, "down")

    def mend(self):
        with self.inside():
            _ip("link", "set", self._inner, "up")


def _ip(*arguments):
    made = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=10)
    if made.returncode != 0:
        raise OSError(made.stderr.strip())


def place(log):
    """A namespace, or loopback and why."""
    try:
        return Namespace(log), ""
    except OSError as why:
        return Loopback(), str(why)
