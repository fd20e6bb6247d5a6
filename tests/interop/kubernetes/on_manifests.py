"""The manifests of the examples, applied to a real API server as the README says: first as a trial, then for good."""

import copy
import json
import os

import spark
from checks import equal, holds
from cluster import EXAMPLES, JOB, NAMESPACE, objects, templates

WAYS = "key-files", "certificates", "executor-tokens"
SPARK_3_5 = "key-files with spark-3.5"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
TRIAL = "?dryRun=All&fieldValidation=Strict"
# What only spark-submit wants to be told; a SparkApplication has fields for it.
SUBMITTED = "namespace", "container.image", "driver.podTemplateFile", "executor.podTemplateFile", \
    "authenticate.driver.serviceAccountName", "authenticate.executor.serviceAccountName", "submission.waitAppCompletion"


def applied(checks, bench):
    cluster = bench.cluster

    def apply(what, *arguments):
        """What the server says of each object: first of the trial, then of the real thing."""
        trial = cluster.kubectl("apply", "--dry-run=server", *arguments)
        holds(all(line.endswith("(server dry run)") for line in trial.splitlines()), trial)
        said = cluster.kubectl("apply", *arguments)
        equal(said.count("\n"), what, "objects")

    with checks.that("the namespace is applied, and then what belongs to it"):
        apply(1, "-f", EXAMPLES / "namespace" / "namespace.yaml")
        cluster.kubectl("apply", "--dry-run=server", "-k", EXAMPLES / "namespace")
        equal(cluster.kubectl("apply", "-k", EXAMPLES / "namespace").count("\n"), 7, "objects")
    # What a controller manager would have made; there is none here.
    for account in ("default", "other", "clicks-executor"):
        cluster.wants(201, "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": account}})
    cluster.wants(201, "POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", {
        "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": cluster.plane.ca.read_text()}})
    with checks.that("a job's accounts and network policies are applied"):
        apply(6, "-k", EXAMPLES / "job")
    with checks.that("cert-manager's objects are applied: an authority and two certificates, by its own definitions"):
        for name, count in (("authority", 3), ("driver", 1), ("executor", 1)):
            apply(count, "-f", EXAMPLES / "certificates" / f"{name}.yaml")
    with checks.that("the SparkApplication is applied, by the Spark Operator's own definition"):
        apply(1, "-k", EXAMPLES / "operator")
    with checks.that("a misspelt field is refused, in an object of Kubernetes and in one of the operator"):
        for file, good, bad in (("job/network.yaml", "policyTypes", "policyTipes"),
                                ("operator/spark-application.yaml", "sparkVersion", "sparkVersoin")):
            text = (EXAMPLES / file).read_text()
            holds(good in text, f"{good} is not in {file}")
            try:
                cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=text.replace(good, bad))
            except RuntimeError as refusal:
                holds(bad in str(refusal) or "Required value" in str(refusal), str(refusal))
            else:
                raise AssertionError(f"{file} is accepted with {bad}")


def same_everywhere(checks, bench):
    """What stands in two files is the same in both."""
    cluster = bench.cluster
    with checks.that("the SparkApplication holds both templates and the settings of the key files' way"):
        application, = objects(cluster.kubectl("kustomize", EXAMPLES / "operator"))
        driver, executor = bench.templates["key-files"]
        for side, template in (("driver", driver), ("executor", executor)):
            equal(application["spec"][side]["template"]["spec"], template["spec"], f"{side}'s template")
            equal(application["spec"][side]["labels"], template["metadata"]["labels"], f"{side}'s labels")
        wanted = spark.settings(EXAMPLES / "spark.properties", EXAMPLES / "pods" / "key-files" / "spark.properties")
        for key in SUBMITTED:
            wanted.pop(f"spark.kubernetes.{key}")
        equal(application["spec"]["sparkConf"], wanted, "settings")
    with checks.that("the identity token is in the sidecar alone, and our containers have nothing that they do not need"):
        for way, (driver, executor) in bench.templates.items():
            _identity_only_in_the_sidecar(driver["spec"])
            for spec in (driver["spec"], executor["spec"]):
                equal(spec["automountServiceAccountToken"], False, f"{way}: API token")
                ours, = spec["initContainers"]
                equal(ours["securityContext"], {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                                "capabilities": {"drop": ["ALL"]}}, f"{way}: our container")
                holds({"identity", "api-token"}.isdisjoint(mount["name"] for mount in executor["spec"]["containers"][0]
                                                           ["volumeMounts"]), f"{way}: a token is in an executor")


def _identity_only_in_the_sidecar(spec):
    tokens = {volume["name"] for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", [])
              if source.get("serviceAccountToken", {}).get("audience") == "sts.amazonaws.com"}
    mounted = [(container["name"], mount["name"]) for container in spec["initContainers"] + spec["containers"]
               for mount in container["volumeMounts"] if mount["name"] in tokens]
    equal(mounted, [("safe-conduct", "identity")], "where the identity token is mounted")


def pods_of_spark(checks, bench):
    """The pods that Spark would make, by the accounts that would make them."""
    cluster = bench.cluster
    for way, (driver, executor) in bench.templates.items():
        with checks.that(f"{way}: the submitter may make the driver pod, and the driver its executors"):
            for account, pod in (("spark-submitter", spark.driver_pod(driver)),
                                 (f"{JOB}-driver", spark.executor_pod(executor, 1))):
                status, answer = cluster.request(account, "POST", PODS + TRIAL, pod)
                equal(status, 201, answer.get("message"))
    with checks.that("the namespace takes no pod that could become root or reach the node"):
        driver, executor = bench.templates["key-files"]
        for template, role, account in ((driver, spark.driver_pod, "spark-submitter"),
                                        (executor, lambda pod: spark.executor_pod(pod, 1), f"{JOB}-driver")):
            for part, field in (("spec", "runAsNonRoot"), ("spec", "seccompProfile"), ("init", "allowPrivilegeEscalation"),
                                ("init", "capabilities"), ("main", "allowPrivilegeEscalation"), ("main", "capabilities")):
                pod = role(copy.deepcopy(template))
                spec = pod["spec"]
                of = {"spec": spec, "init": spec["initContainers"][0], "main": spec["containers"][0]}[part]
                del of["securityContext"][field]
                status, answer = cluster.request(account, "POST", PODS + TRIAL, pod)
                equal((status, 'violates PodSecurity "restricted:latest"' in answer["message"]), (403, True),
                      f"without {field}: {answer['message']}")


def prepare(bench):
    """The templates of all ways, made once; one of them also with the addition for Spark 3.5."""
    pods, to = EXAMPLES / "pods", bench.root / "templates"
    bench.templates = {way: templates(bench.cluster, pods / way, to / way) for way in WAYS}
    added = bench.root / "with-spark-3.5"
    added.mkdir()
    relative = os.path.relpath(pods, added)
    (added / "kustomization.yaml").write_text(json.dumps({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [f"{relative}/key-files"], "components": [f"{relative}/spark-3.5"]}))
    bench.templates[SPARK_3_5] = templates(bench.cluster, added, to / "spark-3.5")


SCENARIOS = [applied, same_everywhere, pods_of_spark]
