"""Starts processes and ends exactly those, by their id. Their output goes to files."""

import atexit
import os
import signal
import subprocess
import time
from pathlib import Path

_running = []


def clean_environment():
    """This program's environment without anything that an AWS client or Python would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINIO_", "PYTHONPATH"))}
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


class Process:
    """A started program with its output in `stdout` and `stderr` (paths). It ends with this program, whatever happens."""

    def __init__(self, argv, log, environment, name):
        self.stdout, self.stderr = Path(log) / f"{name}.out", Path(log) / f"{name}.err"
        self.name = name
        # setpriv replaces itself by the program: the id stays, and the kernel ends it if we are killed.
        with open(self.stdout, "ab") as out, open(self.stderr, "ab") as err:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        self.pid = self._popen.pid
        _running.append(self)

    def ended(self):
        """Its exit status, or None while it runs. As a shell says it: 128 + n for signal n."""
        status = self._popen.poll()
        return status if status is None or status >= 0 else 128 - status

    def wait(self, seconds):
        """Waits for its end and returns the exit status."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} has not ended within {seconds} s") from None
        return self.ended()

    def signal(self, number):
        if self.ended() is None:
            self._popen.send_signal(number)

    def stop(self, seconds=5):
        """Asks it to end, insists after `seconds`, and returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.ended()

    def kill(self):
        self.signal(signal.SIGKILL)
        self._popen.wait(5)

    def output(self):
        return self.stdout.read_text(errors="replace")

    def errors(self):
        return self.stderr.read_text(errors="replace")


def stop_all():
    """Ends everything that was started here, last first."""
    for process in reversed(_running):
        process.signal(signal.SIGTERM)
    end = time.monotonic() + 3
    for process in reversed(_running):
        try:
            process._popen.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


atexit.register(stop_all)
