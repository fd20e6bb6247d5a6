"""The pods that Spark makes of the templates. Knows their shape (seen with Spark 3.5 and 4.3), and runs no Spark."""

import copy

from cluster import JOB, NAMESPACE

SELECTOR = "spark-0123456789abcdef"
SERVICE = f"{JOB}-driver-svc.{NAMESPACE}.svc"
DRIVER_CONF = "spark-drv-0123456789abcdef-conf-map"
EXECUTOR_CONF = "spark-exec-0123456789abcdef-conf-map"


def _pod(template, name, role):
    pod = copy.deepcopy(template)
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {"spark-role": role, "spark-app-selector": SELECTOR, "spark-app-name": JOB}
    pod["spec"]["restartPolicy"] = "Never"
    return pod, pod["spec"], pod["spec"]["containers"][0]


def _mount(spec, container, name, path, **source):
    spec["volumes"].append({"name": name, **source})
    container["volumeMounts"].append({"name": name, "mountPath": path})


def driver_pod(template):
    """As spark-submit makes it in cluster mode."""
    pod, spec, container = _pod(template, f"{JOB}-driver", "driver")
    container["args"] = ["driver", "--properties-file", "/opt/spark/conf/spark.properties", "--class", "Etl"]
    container["ports"] = [{"name": "driver-rpc-port", "containerPort": 7078}, {"name": "blockmanager", "containerPort": 7079}]
    container.setdefault("env", []).append({"name": "SPARK_CONF_DIR", "value": "/opt/spark/conf"})
    _mount(spec, container, "spark-local-dir-1", "/var/data/spark-1", emptyDir={})
    _mount(spec, container, "spark-conf-volume-driver", "/opt/spark/conf",
           configMap={"name": DRIVER_CONF, "defaultMode": 0o644})
    return pod


def executor_pod(template, number, driver=None):
    """As a driver makes it; `driver` is its own pod, which owns the new one."""
    pod, spec, container = _pod(template, f"{JOB}-exec-{number}", "executor")
    pod["metadata"]["labels"]["spark-exec-id"] = str(number)
    if driver:
        pod["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "controller": True,
                                               "name": driver["metadata"]["name"], "uid": driver["metadata"]["uid"]}]
    spec["hostname"] = pod["metadata"]["name"]
    container["args"] = ["executor"]
    container["ports"] = [{"name": "blockmanager", "containerPort": 7079}]
    container.setdefault("env", []).extend([
        {"name": "SPARK_DRIVER_URL", "value": f"spark://CoarseGrainedScheduler@{SERVICE}:7078"},
        {"name": "SPARK_EXECUTOR_ID", "value": str(number)},
        {"name": "SPARK_EXECUTOR_POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        {"name": "SPARK_EXECUTOR_POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
    ])
    container["resources"] = {"requests": {"cpu": "1", "memory": "1408Mi"}, "limits": {"memory": "1408Mi"}}
    _mount(spec, container, "spark-local-dir-1", "/var/data/spark-1", emptyDir={})
    _mount(spec, container, "spark-conf-volume-exec", "/opt/spark/conf",
           configMap={"name": EXECUTOR_CONF, "defaultMode": 0o644})
    return pod


def properties(settings):
    """Spark's properties file as Java writes it: a comment, and `:` and `=` escaped in values."""
    escaped = (f"{key}={value.replace(':', chr(92) + ':').replace('=', chr(92) + '=')}" for key, value in settings.items())
    return "\n".join(["#Java properties built from Kubernetes config map", "#Mon Nov 23 08:00:00 UTC 2026", *escaped, ""])


def settings(*files):
    """The settings of properties files as the examples write them, the last one wins."""
    lines = [line for file in files for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
