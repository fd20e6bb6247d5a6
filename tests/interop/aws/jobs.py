"""A job whose executors run unmodified AWS clients."""

import sys
from pathlib import Path

import job
from services import BUCKET

HERE = Path(__file__).resolve().parent


class Job(job.Job):
    """A job of the release binary, with the clients that its executors run."""

    def workload(self, name):
        """Starts an executor around unmodified boto3, which writes and reads one object again and again."""
        return self.executor(name, sys.executable, HERE / "workload.py", BUCKET, f"{self.name}-{name}")

    def aws(self, name, *arguments):
        """Starts an executor around the AWS CLI."""
        return self.executor(name, Path(sys.executable).parent / "aws", *arguments)
