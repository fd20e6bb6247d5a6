"""spark-submit itself, as the README calls it, with the examples' accounts, templates and policy. What it makes of the
templates is compared with what the other checks take for it. It runs where tests/interop/run spark has installed Spark."""

import spark
from checks import equal, holds, until
from cluster import EXAMPLES, JOB, NAMESPACE, TOOLS
from processes import Process, clean_environment

CORE = f"/api/v1/namespaces/{NAMESPACE}"
# The driver's own part of Spark, until it is told to end.
APPLICATION = """import os, sys, time
from pyspark.sql import SparkSession
session = SparkSession.builder.getOrCreate()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.2)
session.stop()
"""


def by_spark(checks, bench):
    homes = sorted((TOOLS.parent / "spark").glob("pyspark-*/pyspark"))
    if not homes:
        print("not run: spark-submit (tests/interop/run spark installs it)", flush=True)
    for home in homes:
        _one_version(checks, bench, home, home.parent.name.removeprefix("pyspark-"))


def _one_version(checks, bench, home, version):
    cluster, root = bench.cluster, bench.root / f"spark-{version}"
    root.mkdir()
    (root / "templates").symlink_to(bench.root / "templates" / "key-files")
    (root / "etl.properties").write_text("".join(
        (EXAMPLES / folder / "spark.properties").read_text() for folder in (".", "pods/key-files")))
    for account in ("spark-submitter", f"{JOB}-driver"):
        (root / account).write_text(cluster.token(account))
    _clear(cluster)
    started = []

    def submit(name, mode, *arguments):
        started.append(Process(
            ["env", f"--chdir={root}", home / "bin" / "spark-submit", "--master", f"k8s://{cluster.plane.issuer}",
             "--name", JOB, "--properties-file", "etl.properties", "--deploy-mode", mode, *arguments], root,
            clean_environment() | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}, name))
        return started[-1]

    def confs(**settings):
        return [part for key, value in settings.items()
                for part in ("--conf", f"spark.{key.replace('__', '.')}={value}")]

    with checks.that(f"Spark {version}: the submitter's account makes the driver pod, with the sidecar of the template"):
        authenticate = confs(kubernetes__authenticate__submission__caCertFile=cluster.plane.ca,
                             kubernetes__authenticate__submission__oauthTokenFile=root / "spark-submitter")
        submitted = submit("submit", "cluster", *authenticate, "local:///opt/spark/work-dir/etl.py")
        equal(submitted.wait(150), 0, submitted.errors()[-1500:])
        driver, = _pods(cluster, "driver")
        _like(driver, spark.driver_pod(bench.templates["key-files"][0]))
        immutable = {found["metadata"]["name"]: found.get("immutable") for found in _config_maps(cluster)
                     if found["metadata"]["name"].startswith("spark-drv-")}
        equal(list(immutable.values()), [True], "the settings that the sidecar reads cannot be changed")
    with checks.that(f"Spark {version}: the driver's account makes two executors under the policy, and tidies up"):
        (root / "application.py").write_text(APPLICATION)
        running = submit("driver", "client", *confs(
            executor__instances=2, kubernetes__driver__pod__name=driver["metadata"]["name"], driver__host="127.0.0.1",
            kubernetes__authenticate__caCertFile=cluster.plane.ca,
            kubernetes__authenticate__oauthTokenFile=root / f"{JOB}-driver"), root / "application.py", root / "end")
        until("two executors", lambda: len(_pods(cluster, "executor")) == 2 or running.ended() is not None, 120, pause=0.5)
        equal(running.ended(), None, running.errors()[-1500:])
        for number, executor in enumerate(_pods(cluster, "executor"), 1):
            _like(executor, spark.executor_pod(bench.templates["key-files"][1], number))
        (root / "end").touch()
        equal(running.wait(90), 0, running.errors()[-1500:])
        equal(_pods(cluster, "executor"), [], "executors that are left")
        names = [found["metadata"]["name"] for found in _config_maps(cluster)]
        equal([name for name in names if name.startswith("spark-exec-")], [], "executors' settings that are left")
        refused = [line for line in running.errors().splitlines() if "orbidden" in line]
        equal(refused, [], "refusals")
    for process in started:
        process.stop()
    _clear(cluster)


def _like(found, wanted):
    """Account, containers, arguments, mounts and volumes are those that the other checks work with."""
    def seen(pod):
        spec = pod["spec"]
        parts = spec["initContainers"] + spec["containers"]
        return {"account": spec["serviceAccountName"], "user": spec["securityContext"],
                "token": spec["automountServiceAccountToken"],
                "labels": {key: pod["metadata"]["labels"][key] for key in ("spark-role", "safe-conduct/job")},
                "containers": [(part["name"], part.get("command"), part.get("restartPolicy"), part["securityContext"])
                               for part in parts]}

    equal(seen(found), seen(wanted), "pod")
    ours, ours_wanted = (pod["spec"]["initContainers"][0] for pod in (found, wanted))
    equal((ours["args"], ours["volumeMounts"]), (ours_wanted["args"], ours_wanted["volumeMounts"]), "our container")
    main, main_wanted = (pod["spec"]["containers"][0] for pod in (found, wanted))
    equal(main["args"][0], main_wanted["args"][0], "first argument")
    for what, of, of_wanted in (("mounts", main["volumeMounts"], main_wanted["volumeMounts"]),
                                ("variables", main["env"], main_wanted["env"]),
                                ("volumes", found["spec"]["volumes"], wanted["spec"]["volumes"])):
        missing = {entry["name"] for entry in of_wanted} - {entry["name"] for entry in of}
        holds(not missing, f"{what} that Spark does not make: {missing}")


def _pods(cluster, role):
    return cluster.wants(200, "GET", f"{CORE}/pods?labelSelector=spark-role%3D{role}")["items"]


def _config_maps(cluster):
    return cluster.wants(200, "GET", f"{CORE}/configmaps")["items"]


def _clear(cluster):
    """Takes away what other checks, or another version, have left."""
    for role in ("driver", "executor"):
        for pod in _pods(cluster, role):
            cluster.request(None, "DELETE", f"{CORE}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0")
    for found in _config_maps(cluster):
        if found["metadata"]["name"].startswith(("spark-", f"{JOB}-")):
            cluster.request(None, "DELETE", f"{CORE}/configmaps/{found['metadata']['name']}")


SCENARIOS = [by_spark]
