"""What a driver's account could try to get at a token, and what the policy says to each. Sends nothing."""

import copy
from typing import NamedTuple

from cluster import JOB, NAMESPACE

CORE = f"/api/v1/namespaces/{NAMESPACE}"
KEY = f"{JOB}-executor-key"

LABELS = f"pods of this Spark driver need the labels spark-role: executor and safe-conduct/job: {JOB}"
SPEC = "a Spark driver may not change the spec of a pod"
ACCOUNT = f"pods of this Spark driver need the service account {JOB}-executor"
AUTOMOUNT = "pods of a Spark driver need automountServiceAccountToken false"
KINDS = ("pods of a Spark driver may only have emptyDir, configMap, downwardAPI, persistentVolumeClaim, secret and "
         "projected volumes")
PROJECTED = "projected volumes of a Spark driver's pods may only hold tokens for the audience safe-conduct"
SECRET = f"pods of this Spark driver may only name the Secret {KEY}"
PULL = "pods of a Spark driver may only name the pull Secret spark-image-pull"
HOST = "pods of a Spark driver may not use the host's namespaces"
CONFIG = "a Spark driver may only create ConfigMaps that are named spark-exec-*"
ELSEWHERE = "a Spark driver may only act in its own namespace"


def verb(operation, kind):
    return f"a Spark driver may not {operation} {kind}"


class Attempt(NamedTuple):
    """A request, what the policy answers, and the status that it gets where nothing stands in its way (None: whatever
    comes after admission, as there is no kubelet)."""

    name: str
    message: str
    method: str
    path: str
    body: object
    opened: object = 201
    headers: dict = {}


def _token(audience=None):
    return {"serviceAccountToken": {"path": "token", **({"audience": audience} if audience else {})}}


def _volumes(*sources):
    return lambda pod: pod["spec"]["volumes"].extend({"name": f"more-{n}", **source} for n, source in enumerate(sources))


def _projected(*sources):
    return _volumes({"projected": {"sources": list(sources)}})


def _set(**fields):
    return lambda pod: pod["spec"].update(fields)


def _account(name):
    return _set(serviceAccountName=name, serviceAccount=name)


def _without(*fields):
    return lambda pod: [pod["spec"].pop(field) for field in fields]


def _labels(**labels):
    return lambda pod: pod["metadata"].update(labels=labels)


def _environment(group, **source):
    """A Secret in the environment of the main container, or of the one before it."""
    return lambda pod: pod["spec"][group][0].update(source)


def _reference(secret):
    return [{"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": "x"}}}]


FOREIGN = "clicks-executor-key"
PODS = [
    ("a projected token for the STS", PROJECTED, _projected(_token("sts.amazonaws.com"))),
    ("a projected token for the API server", PROJECTED, _projected(_token())),
    ("a projected Secret", PROJECTED, _projected({"secret": {"name": FOREIGN}})),
    ("a token for the STS behind an allowed one", PROJECTED,
     _projected(_token("safe-conduct"), _token("sts.amazonaws.com"))),
    ("a volume that names a Secret in a field of its own (CSI)", KINDS,
     _volumes({"csi": {"driver": "csi.example", "nodePublishSecretRef": {"name": FOREIGN}}})),
    ("a volume that names a Secret in a field of its own (CephFS)", KINDS,
     _volumes({"cephfs": {"monitors": ["10.0.0.1"], "secretRef": {"name": FOREIGN}}})),
    ("a volume that names a Secret in a field of its own (Azure)", KINDS,
     _volumes({"azureFile": {"secretName": FOREIGN, "shareName": "x"}})),
    ("a claim made with the pod", KINDS, _volumes({"ephemeral": {"volumeClaimTemplate": {"spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}})),
    ("a path of the node", KINDS, _volumes({"hostPath": {"path": "/var/lib/kubelet"}})),
    ("the driver's own account", ACCOUNT, _account(f"{JOB}-driver")),
    ("another account", ACCOUNT, _account("other")),
    ("another job's executors' account", ACCOUNT, _account("clicks-executor")),
    ("no account, so the default one", ACCOUNT, _without("serviceAccountName", "serviceAccount")),
    ("no automountServiceAccountToken", AUTOMOUNT, _without("automountServiceAccountToken")),
    ("automountServiceAccountToken: true", AUTOMOUNT, _set(automountServiceAccountToken=True)),
    ("another job's Secret as a volume", SECRET, _volumes({"secret": {"secretName": FOREIGN}})),
    ("the driver's Secret as a volume", SECRET, _volumes({"secret": {"secretName": f"{JOB}-driver-key"}})),
    ("a Secret of which one is allowed and one is not", SECRET,
     _volumes({"secret": {"secretName": KEY}}, {"secret": {"secretName": FOREIGN}})),
    *((f"another job's Secret in the environment of {group} ({way})", SECRET, _environment(group, **source))
      for group in ("containers", "initContainers")
      for way, source in (("env", {"env": _reference(FOREIGN)}),
                          ("envFrom", {"envFrom": [{"secretRef": {"name": FOREIGN}}]}))),
    ("a foreign pull Secret", PULL, _set(imagePullSecrets=[{"name": "other"}])),
    *((f"{field}", HOST, _set(**{field: True})) for field in ("hostNetwork", "hostPID", "hostIPC")),
    ("the labels of a driver", LABELS, _labels(**{"spark-role": "driver", "safe-conduct/job": JOB})),
    ("the labels of another job", LABELS, _labels(**{"spark-role": "executor", "safe-conduct/job": "clicks"})),
    ("no labels", LABELS, _labels()),
]

# Kinds that a controller makes pods of, under another name than the driver's.
WORKLOADS = [("batch", "jobs", "Job"), ("apps", "deployments", "Deployment"), ("apps", "replicasets", "ReplicaSet"),
             ("apps", "statefulsets", "StatefulSet"), ("apps", "daemonsets", "DaemonSet")]


def _workload(kind, pod):
    template = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": copy.deepcopy(pod["spec"])}
    template["spec"].pop("hostname")
    selector = {} if kind == "Job" else {"selector": {"matchLabels": pod["metadata"]["labels"]}}
    template["spec"]["restartPolicy"] = "Never" if kind == "Job" else "Always"
    return {"metadata": {"name": "more"}, "spec": {"template": template, **selector}}


def attempts(executor, driver):
    """All of them, made of a good executor pod and of the driver pod that is there."""
    found = []
    for number, (name, message, change) in enumerate(PODS):
        pod = copy.deepcopy(executor)
        pod["metadata"]["name"] = f"{JOB}-exec-a{number}"
        change(pod)
        found.append(Attempt(f"a pod with {name}", message, "POST", f"{CORE}/pods", pod))
    twin = {"metadata": {"name": "twin", "labels": driver["metadata"]["labels"]}, "spec": driver["spec"]}
    relabelled = {**twin, "metadata": {"name": "twin", "labels": executor["metadata"]["labels"]}}
    found += [Attempt("a copy of the driver pod", LABELS, "POST", f"{CORE}/pods", twin),
              Attempt("a copy of the driver pod with an executor's labels", ACCOUNT, "POST", f"{CORE}/pods", relabelled)]
    return found + _changes(executor) + _other_kinds(executor)


def _changes(executor):
    """Changes of pods that are there, and ways into them."""
    driver_pod, own = f"{CORE}/pods/{JOB}-driver", f"{CORE}/pods/{executor['metadata']['name']}"
    merge, strategic = ({"Content-Type": f"application/{kind}-patch+json"} for kind in ("merge", "strategic-merge"))
    image = {"spec": {"containers": [{"name": "spark-kubernetes-executor", "image": "evil.example/x"}]}}
    sidecar = {"spec": {"initContainers": [{"name": "safe-conduct", "image": "evil.example/x"}]}}
    main = {"spec": {"containers": [{"name": "spark-kubernetes-driver", "image": "evil.example/x"}]}}
    guest = {"spec": {"ephemeralContainers": [{"name": "guest", "image": "evil.example/x", "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "identity", "mountPath": "/identity"}]}]}}
    found = [
        Attempt("another image for the driver pod's sidecar", LABELS, "PATCH", driver_pod, sidecar, 200, strategic),
        Attempt("another image for the driver pod's main container", LABELS, "PATCH", driver_pod, main, 200, strategic),
        Attempt("another image for an executor", SPEC, "PATCH", own, image, 200, strategic),
        Attempt("an executor's labels on the driver pod", LABELS, "PATCH", driver_pod,
                {"metadata": {"labels": executor["metadata"]["labels"]}}, 200, strategic),
        Attempt("a guest in the driver pod", verb("UPDATE", "pods/ephemeralcontainers"), "PATCH",
                f"{driver_pod}/ephemeralcontainers", guest, 200, strategic),
        Attempt("another size for the driver pod", verb("UPDATE", "pods/resize"), "PATCH", f"{driver_pod}/resize",
                {"metadata": {"annotations": {"x": "y"}}}, None, merge),
        Attempt("the status of the driver pod", verb("UPDATE", "pods/status"), "PATCH", f"{driver_pod}/status",
                {"status": {"message": "x"}}, 200, merge),
    ]
    # GET is how a WebSocket begins.
    for way, query in (("exec", "?command=id&container=safe-conduct"), ("attach", "?container=safe-conduct"),
                       ("portforward", ""), ("proxy", "/")):
        found += [Attempt(f"pods/{way} of the driver pod by {method}", verb("CONNECT", f"pods/{way}"), method,
                          f"{driver_pod}/{way}{query}", None, None) for method in ("POST", "GET")]
    return found


def _other_kinds(executor):
    found = []
    for account in (f"{JOB}-driver", f"{JOB}-executor"):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"audiences": ["sts.amazonaws.com"]}}
        found.append(Attempt(f"a token of {account} by TokenRequest", verb("CREATE", "serviceaccounts/token"), "POST",
                             f"{CORE}/serviceaccounts/{account}/token", body))
    for group, resource, kind in WORKLOADS:
        found.append(Attempt(f"a {kind} instead of a pod", verb("CREATE", f"{group}/{resource}"), "POST",
                             f"/apis/{group}/v1/namespaces/{NAMESPACE}/{resource}", _workload(kind, executor)))
    legacy = {"metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": f"{JOB}-driver"}},
              "type": "kubernetes.io/service-account-token"}
    binding = {"metadata": {"name": "more"}, "subjects": [{"kind": "ServiceAccount", "name": f"{JOB}-driver"}],
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "spark-submitter"}}
    conf = {"metadata": {"name": "spark-drv-of-a-later-job-conf-map"}, "data": {"spark.properties": "x"}}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    return found + [
        Attempt("a Secret into which the cluster writes a token", verb("CREATE", "secrets"), "POST", f"{CORE}/secrets",
                legacy),
        Attempt("an account", verb("CREATE", "serviceaccounts"), "POST", f"{CORE}/serviceaccounts",
                {"metadata": {"name": "more"}}),
        Attempt("a role binding", verb("CREATE", "rbac.authorization.k8s.io/rolebindings"), "POST",
                f"{rbac}/rolebindings", binding),
        Attempt("settings for the sidecar of a later job", CONFIG, "POST", f"{CORE}/configmaps", conf),
        Attempt("other content for a ConfigMap that is there", verb("UPDATE", "configmaps"), "PATCH",
                f"{CORE}/configmaps/kube-root-ca.crt", {"data": {"ca.crt": "x"}}, 200,
                {"Content-Type": "application/merge-patch+json"}),
    ]
