"""A standalone Spark cluster on loopback, and applications on it: unmodified Spark, started as users start it."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import job
from checks import until
from processes import Process, clean_environment
from services import BUCKET
from web import free_port

HERE = Path(__file__).resolve().parent

FRUGAL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Jobs are short and the JVMs many: most of their time would be the optimising compiler's."""


class Spark:
    """An installed version."""

    def __init__(self, work, version):
        self.version = version
        self.home = work / f"pyspark-{version}" / "pyspark"
        self.jars = (work / f"jars-{version}").read_text().strip()

    def environment(self):
        return clean_environment() | {"SPARK_HOME": str(self.home), "SPARK_LOCAL_IP": "127.0.0.1",
                                      "PYSPARK_PYTHON": sys.executable}


class Cluster:
    """A master and a worker, with the environment that any Spark daemon has: they know nothing of safe-conduct."""

    def __init__(self, spark, root, cores=8):
        self.spark, self.work = spark, root / "work"
        log = root / "log"
        log.mkdir(parents=True)
        port, self.master_ui, self.worker_ui = free_port(), free_port(), free_port()
        self.url = f"spark://127.0.0.1:{port}"
        environment = spark.environment() | {"SPARK_DAEMON_MEMORY": "384m", "SPARK_DAEMON_JAVA_OPTS": FRUGAL}
        run = [spark.home / "bin" / "spark-class"]
        self.master = Process([*run, "org.apache.spark.deploy.master.Master", "-h", "127.0.0.1", "-p", port,
                               "--webui-port", self.master_ui], log, environment, "master")
        self.worker = Process([*run, "org.apache.spark.deploy.worker.Worker", "-h", "127.0.0.1", "--webui-port",
                               self.worker_ui, "-c", cores, "-m", "12g", "-d", self.work, self.url],
                              log, environment, "worker")
        until("the worker is registered", lambda: "Successfully registered with master" in self.worker.errors(), 240)

    def stop(self):
        self.worker.stop(15)
        self.master.stop(15)


class Application(job.Job):
    """A job with a Spark application in it. Three parties prove themselves by the job's keys: the driver of
    safe-conduct, which alone has the token; `safe-conduct executor` around spark-submit; and one around each executor."""

    def __init__(self, cluster, *arguments, master=None, **settings):
        super().__init__(*arguments, distribution_pollInterval="5s", **settings)
        self.cluster, self.spark = cluster, cluster.spark
        self.master = master or cluster.url
        self.wrapped = self.root / "java"
        self.events = self.root / "events"
        self.events.mkdir()

    def own_settings(self, more):
        """What a user would set anyway: where S3 is, which jars. Nothing about credentials."""
        return {
            "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraClassPath": self.spark.jars, "spark.executor.extraClassPath": self.spark.jars,
            "spark.driver.extraJavaOptions": FRUGAL, "spark.executor.extraJavaOptions": FRUGAL,
            "spark.driver.memory": "512m", "spark.executor.memory": "512m", "spark.executor.cores": "1",
            "spark.ui.port": str(free_port()), "spark.sql.shuffle.partitions": "2",
            "spark.eventLog.enabled": "true", "spark.eventLog.compress": "false",
            "spark.eventLog.dir": self.events.as_uri(),
            "spark.hadoop.fs.s3a.endpoint": self.s3, "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
            # So that a failure is seen in seconds: S3A's own default is minutes.
            "spark.hadoop.fs.s3a.retry.limit": "1", "spark.hadoop.fs.s3a.attempts.maximum": "1",
            # S3A of Spark 3.5 takes 503 for throttling, and waits twice as long each of 20 times.
            "spark.hadoop.fs.s3a.retry.throttle.limit": "2",
            "spark.task.maxFailures": "1",
            "spark.executorEnv.AWS_ENDPOINT_URL_S3": self.s3, "spark.executorEnv.AWS_DEFAULT_REGION": "us-east-1",
        } | more

    def configure(self, more):
        """The user's settings, with what `safe-conduct spark` says is missing appended."""
        file = self.root / "spark-submit.properties"
        file.write_text("".join(f"{key} {value}\n" for key, value in self.own_settings(more).items()))
        file.chmod(0o600)
        made = subprocess.run(
            [job.BINARY, "spark", "--spark-version", self.spark.version, "--java-home", self.wrapped,
             "--properties-file", file, "--conf", f"{job.PREFIX}distribution.driver=127.0.0.1:{self.port}",
             "--conf", f"{job.PREFIX}distribution.keyFile={self.keys / 'executors.pem'}",
             "--conf", f"{job.PREFIX}distribution.pollInterval=5s"],
            check=True, capture_output=True, timeout=30, text=True)
        if made.stderr:
            raise RuntimeError(f"safe-conduct spark warns: {made.stderr}")
        with file.open("a") as settings:
            settings.write(made.stdout)
        return file

    def submit(self, executors=2, environment=None, **more):
        """Starts the application around which `safe-conduct executor` stands, and waits until it listens to us.
        `more` are Spark settings with `_` for the dots."""
        more = {key.replace("_", "."): value for key, value in more.items()}
        more = {"spark.cores.max": str(executors)} | more
        file = self.configure(more)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(600)
            self.submitted = self.executor(
                "spark", self.spark.home / "bin" / "spark-submit", "--master", self.master, "--properties-file", file,
                "--py-files", HERE / "in_executor.py", HERE / "application.py", server.getsockname()[1],
                environment=self.spark.environment() | (environment or {}))
            self._link, _ = server.accept()
        self._lines = self._link.makefile("rw")
        self.id = self.ask("where")["application"]
        return self

    def asked(self, action, seconds=900, **arguments):
        """What the application answers: value, error, seconds."""
        self._link.settimeout(seconds)
        self._lines.write(json.dumps({"action": action} | arguments) + "\n")
        self._lines.flush()
        line = self._lines.readline()
        if not line:
            raise RuntimeError(f"the application has ended: {self.submitted.process.errors()[-2000:]}")
        return json.loads(line)

    def ask(self, action, seconds=900, **arguments):
        """The value of an action that must not fail."""
        answer = self.asked(action, seconds, **arguments)
        if answer["error"]:
            raise RuntimeError(f"{action}: {answer['error'][:1500]}")
        return answer["value"]

    def finish(self, seconds=240):
        """Lets the application come to its end and returns its exit status."""
        self._link.shutdown(socket.SHUT_WR)
        status = self.submitted.process.wait(seconds)
        self._link.close()
        return status

    def work_folders(self):
        """The work folder of each of its executors."""
        return sorted((self.cluster.work / self.id).iterdir())

    def executor_logs(self):
        """What each executor's safe-conduct and JVM said."""
        return {folder.name: (folder / "stderr").read_text(errors="replace") for folder in self.work_folders()}

    def wrappers(self):
        """The process ids of `safe-conduct executor` around this application's executors."""
        return [pid for pid, line in command_lines().items()
                if line[:2] == [str(job.BINARY), "executor"] and str(self.cluster.work / self.id) in " ".join(line)]

    def jvms(self):
        """The process ids of this application's executors' JVMs."""
        return [pid for pid, line in command_lines().items()
                if "CoarseGrainedExecutorBackend" in " ".join(line) and self.id in line
                and "java" in os.path.basename(line[0])]

    def driver_jvm(self):
        """The process id of Spark's driver."""
        port = str(self._link.getsockname()[1])
        found = [pid for pid, line in command_lines().items()
                 if "org.apache.spark.deploy.SparkSubmit" in line and port in line and "java" in os.path.basename(line[0])]
        return found[0]

    def pages(self):
        """Every page of Spark's that shows settings, environments or logs, by its address."""
        ui = self.ask("where")["ui"]
        base = f"{ui}/api/v1/applications/{self.id}"
        addresses = [f"{ui}/{page}/" for page in ("environment", "executors", "jobs", "stages", "SQL", "storage")]
        addresses += [f"{base}/environment", f"{base}/allexecutors", f"{base}/jobs"]
        for port in (self.cluster.master_ui, self.cluster.worker_ui):
            addresses += [f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/json/"]
        for folder in self.work_folders():
            logs = f"http://127.0.0.1:{self.cluster.worker_ui}/logPage/?appId={self.id}&executorId={folder.name}"
            addresses += [f"{logs}&logType={kind}&byteLength=1000000" for kind in ("stdout", "stderr")]
        return {address: _get(address) for address in addresses}


def command_lines():
    """Every process's command line, by its id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            except OSError:
                continue
            if words:
                found[int(entry.name)] = words
    return found


def parent(pid):
    """The id of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _get(address):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=20) as answer:
        return answer.read()


def s3a(path):
    return f"s3a://{BUCKET}/{path}"
