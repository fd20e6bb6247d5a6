"""What runs in the executors' Python workers: unmodified boto3 and pyarrow, without a setting for credentials."""

import os
import time

import boto3
import pyarrow.fs

_clients = {}
"""A worker serves many tasks: as in a job of somebody's, a client is made once and used until the end."""


def who(_):
    """Which executor's worker this is: its own id, the JVM's, and the names of the variables that matter."""
    time.sleep(0.3)
    with open(f"/proc/{os.getppid()}/stat") as stat:
        jvm = int(stat.read().rpartition(")")[2].split()[1])
    yield {"pid": os.getpid(), "jvm": jvm, "aws": sorted(name for name in os.environ if name.startswith("AWS_"))}


def with_boto3(bucket, prefix):
    """Writes and reads an object with boto3."""
    def task(numbers):
        for number in numbers:
            if "boto3" not in _clients:
                _clients["boto3"] = boto3.client("s3")
            s3 = _clients["boto3"]
            body = f"{prefix} {number}".encode()
            s3.put_object(Bucket=bucket, Key=f"{prefix}/{number}", Body=body)
            yield s3.get_object(Bucket=bucket, Key=f"{prefix}/{number}")["Body"].read() == body
    return task


def first_byte(bucket, prefix):
    """How long a worker's new client takes from its making to the first byte that it reads."""
    def task(numbers):
        for number in numbers:
            started, error = time.time(), None
            try:
                s3 = boto3.session.Session().client("s3")
                s3.put_object(Bucket=bucket, Key=f"{prefix}/first-{number}", Body=b"x")
                s3.get_object(Bucket=bucket, Key=f"{prefix}/first-{number}")["Body"].read(1)
            except Exception as why:  # a failure is a figure too
                error = f"{type(why).__name__}: {why}"[:300]
            yield {"seconds": time.time() - started, "error": error, "pid": os.getpid()}
    return task


def with_pyarrow(bucket, prefix):
    """Writes and reads an object with pyarrow's S3FileSystem."""
    def task(numbers):
        for number in numbers:
            if "pyarrow" not in _clients:
                # Where this S3 is, since it is not Amazon's; nothing about credentials.
                _clients["pyarrow"] = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL_S3"])
            files, path = _clients["pyarrow"], f"{bucket}/{prefix}/{number}"
            body = f"{prefix} {number}".encode()
            with files.open_output_stream(path) as out:
                out.write(body)
            with files.open_input_stream(path) as stream:
                yield stream.read() == body
    return task


def waiting(seconds):
    """A task that takes a while."""
    def task(numbers):
        time.sleep(seconds)
        yield from numbers
    return task
