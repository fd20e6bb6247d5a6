"""The same job twice: each executor calls the STS itself, and with safe-conduct; with an STS that throttles, and without."""

import statistics
import time

from bench import ALICE, Proxy
from cluster import Application, s3a
from processes import Process, clean_environment
from services import BUCKET
from volume import TokenVolume
from web import Reply

EXECUTORS, CORES = 8, 2
PER_SECOND = 5
DIRECT = "software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider"
REFUSAL = (b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
           b"<Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>interop</RequestId></ErrorResponse>")


class Throttled(Proxy):
    """Lets so many calls through in each second, all of an account's together, as STS does; the others are refused."""

    def __init__(self, upstream, most=None):
        self.arrived, self.refused, self._most = [], 0, most
        super().__init__(upstream)

    def _answer(self, request):
        now = time.time()
        self.arrived.append(now)
        let_through = [at for at in self._let_through if at > now - 1] if self._most else []
        if self._most and len(let_through) >= self._most:
            self.refused += 1
            return Reply(400, REFUSAL, {"Content-Type": "text/xml"})
        self._let_through = [*let_through, now]
        return super()._answer(request)

    _let_through = ()


class Direct(Application):
    """The application without safe-conduct: the identity token's file is given to every executor."""

    def configure(self, more):
        variables = {"AWS_ROLE_ARN": self._settings["aws.roleArn"], "AWS_ROLE_SESSION_NAME": "job",
                     "AWS_WEB_IDENTITY_TOKEN_FILE": str(self._settings["identityToken.file"]),
                     "AWS_ENDPOINT_URL_STS": self._settings["aws.stsEndpoint"], "AWS_REGION": "us-east-1",
                     "AWS_EC2_METADATA_DISABLED": "true"}
        file = self.root / "spark-submit.properties"
        settings = self.own_settings(more) | {"spark.hadoop.fs.s3a.aws.credentials.provider": DIRECT}
        settings |= {f"spark.executorEnv.{name}": value for name, value in variables.items()}
        file.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        self.variables = variables
        return file

    def executor(self, name, *command, environment=None, **_):
        """Nothing stands around Spark's driver."""
        started = type("Started", (), {})()
        started.process = Process(command, self.log, clean_environment() | environment | self.variables, name)
        self.executors.append(started)
        return started


def compared(bench, cluster):
    """One row of figures a combination."""
    rows = []
    for most in (None, PER_SECOND):
        for kind in (Direct, Application):
            rows.append(_measured(bench, cluster, kind, most))
            print("     " + ", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    return rows


def _measured(bench, cluster, kind, most):
    name = f"compare-{kind.__name__.lower()}-{most or 'free'}"
    proxy = Throttled(bench.minio.url, most)
    volume = TokenVolume(bench.root / f"volume-{name}", bench.issuer.mint(ALICE))
    application = kind(cluster, bench.root, name, bench.issuer.url, volume.file, proxy.url, role=bench.minio.role,
                       s3=bench.minio.url)
    if kind is Application:
        application.start_driver()
    application.submit(executors=EXECUTORS * CORES, **{"spark.executor.cores": str(CORES), "spark.task.maxFailures": "4"})
    tasks = EXECUTORS * CORES
    # Every executor and every Python worker is there and has done something else before the clock starts.
    application.ask("wait", tasks=tasks * 2, each=3)
    s3 = application.asked("both", path=s3a(name), files=tasks, seconds=900)
    first = application.asked("first_bytes", bucket=BUCKET, prefix=name, tasks=tasks, seconds=900)
    waits = [one["seconds"] for one in first["value"] or []]
    failed = [one["error"] for one in first["value"] or [] if one["error"]]
    row = {
        "who": "each executor" if kind is Direct else "safe-conduct", "throttled at": most or "-",
        "STS calls": len(proxy.arrived), "refused": proxy.refused,
        "S3A's first write and read": "failed" if s3["error"] else f"{s3['seconds']:.1f} s",
        "boto3's first byte, median": f"{statistics.median(waits):.2f} s" if waits else "failed",
        "slowest": f"{max(waits):.2f} s" if waits else "failed",
        "failed workers": f"{len(failed)} of {len(waits)}" if waits else first["error"][:200],
    }
    application.finish(120)
    for executor in application.executors:
        executor.process.stop()
    if kind is Application:
        application.driver.stop()
    proxy.stop()
    return row
