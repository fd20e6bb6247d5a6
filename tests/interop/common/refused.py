"""What a refusal must look like: its exit status, its code, its hint, and nothing that serves."""

from checks import equal, holds
from job import code_of, has_hint
from web import listens


def refused(process, status, code, seconds=30):
    """Fails unless the process ends with `status`, says `code` and says what to do."""
    equal((process.wait(seconds), code_of(process)), (status, code), "exit status and code")
    holds(has_hint(process), "no line `hint: ...`")


def no_endpoint(directory):
    """Fails if an endpoint was opened: its address is written once it listens, and emptied before."""
    url = directory / "endpoint.url"
    holds(not url.exists() or not url.read_text(), "there is an endpoint")


def nothing_served(job):
    """Fails if anything is left that would answer."""
    holds(not listens(job.port), "the driver's port is open")
    no_endpoint(job.driver_directory)
