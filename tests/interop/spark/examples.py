"""examples/standalone as a user would run it: from a folder of its own, for each way to start executors."""

import os
import shutil
import time
from pathlib import Path

import job
from bench import ALICE, Asked, Proxy, equal, holds
from cluster import command_lines, s3a
from processes import Process
from volume import TokenVolume
from web import free_port

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "standalone"
AS_WRITTEN = ("spark.security.oidc.identityToken.file=", "spark.security.oidc.identityToken.issuer=",
              "spark.security.oidc.aws.roleArn=", "spark.security.oidc.aws.region=",
              "spark.security.oidc.distribution.listen=", "spark.jars.packages=")


def each_way_to_start(checks, bench, cluster):
    version = cluster.spark.version
    ways = {"standalone": (cluster.url, 2), "local-cluster": ("local-cluster[2,1,1024]", 2), "local": ("local[2]", 0)}
    for way, (master, executors) in ways.items():
        with checks.that(f"{version}: examples/standalone/run.sh works with {way}, with one STS call"):
            folder, driver, proxy = _folder(bench, cluster, f"example-{way}")
            asked = Asked(bench.minio)
            path = f"{Path(job.BINARY).parent}:{cluster.spark.home / 'bin'}:{os.environ['PATH']}"
            environment = cluster.spark.environment() | {"PATH": path, "DRIVER": driver}
            run = Process(["sh", "-c", 'cd "$0" && exec ./run.sh "$@"', folder, version, master, "job.py",
                           s3a(f"example-{way}")], folder, environment, "run")
            wrapped = set()
            while run.ended() is None:
                for line in command_lines().values():
                    # The folder's keys say whose executor it is; its id, which one: while it starts, there are two of it.
                    ours = line[:2] == [str(job.BINARY), "executor"] and f"{folder}/" in " ".join(line)
                    if ours and "--executor-id" in line:
                        wrapped.add(line[line.index("--executor-id") + 1])
                time.sleep(0.2)
            equal(run.ended(), 0, f"exit status; {run.errors()[-1500:]}")
            equal(run.output().splitlines()[-1], "rows: 1000", "what the job printed")
            equal(len(wrapped), executors, "safe-conduct executors around executors")
            equal((len(proxy.calls), asked.users(), asked.refused()), (1, {ALICE}, []), "STS calls, users, refused")
            left = [str(file) for name in ("run", "run-spark") for file in (folder / name).glob("*")]
            equal(left, [], "files of endpoints")
            holds(not [line for line in command_lines().values() if f"{folder}/" in " ".join(line)], "a process is left")
        proxy.stop()


CASES = [each_way_to_start]


def _folder(bench, cluster, name):
    """A copy of the example, adapted where it says so."""
    folder = bench.root / name
    shutil.copytree(EXAMPLE, folder)
    proxy = Proxy(bench.minio.url)
    volume = TokenVolume(bench.root / f"volume-{name}", bench.issuer.mint(ALICE))
    driver = f"127.0.0.1:{free_port()}"
    _adapt(folder / "driver.properties", [
        f"spark.security.oidc.identityToken.file={volume.file}",
        f"spark.security.oidc.identityToken.issuer={bench.issuer.url}",
        f"spark.security.oidc.aws.roleArn={bench.minio.role}", f"spark.security.oidc.aws.stsEndpoint={proxy.url}",
        f"spark.security.oidc.distribution.listen={driver}"])
    jars = cluster.spark.jars
    _adapt(folder / "spark.properties", [
        f"spark.hadoop.fs.s3a.endpoint={bench.minio.url}", "spark.hadoop.fs.s3a.path.style.access=true",
        f"spark.driver.extraClassPath={jars}", f"spark.executor.extraClassPath={jars}", "spark.ui.enabled=false",
        "spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1", "spark.cores.max=2",
        "spark.executor.cores=1", "spark.executor.memory=512m"])
    return folder, driver, proxy


def _adapt(file, lines):
    kept = [line for line in file.read_text().splitlines() if not line.startswith(AS_WRITTEN)]
    file.write_text("\n".join([*kept, *lines, ""]))
