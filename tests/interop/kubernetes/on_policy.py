"""The boundary around the identity token: what the driver's account tries is refused by its role and by the policy, and
goes through where neither stands in the way."""

import copy

import spark
from attempts import CORE, ELSEWHERE, attempts
from checks import equal, holds, until
from cluster import EXAMPLES, JOB, NAMESPACE, POLICY, in_force, objects

DRIVER = f"{JOB}-driver"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = {"Content-Type": "application/merge-patch+json"}
IMPERSONATE = {"Impersonate-User": f"system:serviceaccount:{NAMESPACE}:other"}


def _trial(path):
    return f"{path}{'&' if '?' in path else '?'}dryRun=All"


def _send(cluster, attempt):
    """(status, what the policy says or the whole message)."""
    path = attempt.path if attempt.body is None else _trial(attempt.path)
    status, answer = cluster.request(DRIVER, attempt.method, path, attempt.body, attempt.headers)
    message = answer.get("message", "") if isinstance(answer, dict) else answer
    denied = f"ValidatingAdmissionPolicy '{POLICY}' with binding '{POLICY}' denied request: "
    return status, message.partition(denied)[2] or message


def _widen(cluster):
    """Gives the driver's account every right in its namespace, and nobody's pods any rules: only the policy is left."""
    cluster.wants(201, "POST", f"{RBAC}/clusterroles", {"metadata": {"name": "everything"}, "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
    cluster.wants(201, "POST", f"{RBAC}/namespaces/{NAMESPACE}/rolebindings", {
        "metadata": {"name": "everything"}, "subjects": [
            {"kind": "ServiceAccount", "name": DRIVER, "namespace": namespace} for namespace in (NAMESPACE, "elsewhere")],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "everything"}})
    _pod_security(cluster, "privileged")
    until("the rights are in force",
          lambda: cluster.request(DRIVER, "GET", f"{CORE}/secrets")[0] == 200, 30, pause=0.3)


def _pod_security(cluster, level):
    cluster.wants(200, "PATCH", f"/api/v1/namespaces/{NAMESPACE}",
                  {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}, MERGE)


def _narrow(cluster):
    cluster.wants(200, "DELETE", f"{RBAC}/namespaces/{NAMESPACE}/rolebindings/everything")
    cluster.wants(200, "DELETE", f"{RBAC}/clusterroles/everything")
    _pod_security(cluster, "restricted")
    until("the rights are gone", lambda: cluster.request(DRIVER, "GET", f"{CORE}/secrets")[0] == 403, 30, pause=0.3)


def boundary(checks, bench):
    cluster = bench.cluster
    in_force(cluster, True)
    with checks.that("a driver's pod and its executor are made, by the accounts that make them"):
        bench.driver, executor = _made(cluster, bench.templates["key-files"])
    tried = attempts(_again(executor), bench.driver)
    _as_shipped(checks, cluster, tried)
    cluster.wants(201, "POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
    cluster.wants(201, "POST", "/api/v1/namespaces/elsewhere/serviceaccounts", {"metadata": {"name": DRIVER}})
    _widen(cluster)
    _by_the_policy_alone(checks, cluster, tried)
    _accepted(checks, cluster, bench)
    _rule_by_rule(checks, cluster, tried)
    _without(checks, cluster, tried)
    _narrow(cluster)


def _made(cluster, templates):
    """The driver pod and one executor, which stay."""
    made = []
    for account, pod in (("spark-submitter", spark.driver_pod(templates[0])), (DRIVER, spark.executor_pod(templates[1], 1))):
        if made:
            pod = spark.executor_pod(templates[1], 1, made[0])
        status, answer = cluster.request(account, "POST", f"{CORE}/pods", pod)
        equal(status, 201, answer.get("message"))
        made.append(answer)
    return made


def _again(pod):
    """An object that was read, as one writes it."""
    return {"metadata": {"name": pod["metadata"]["name"], "labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}


def _as_shipped(checks, cluster, tried):
    """With the role and the policy of the examples."""
    for attempt in tried:
        with checks.that(f"{attempt.name} is refused"):
            status, message = _send(cluster, attempt)
            holds(status == 403 and (message == attempt.message or "cannot" in message or "PodSecurity" in message),
                  f"{status} {message}")
    with checks.that("by its role the driver may not read Secrets or impersonate an account"):
        for method, path, headers in (("GET", f"{CORE}/secrets", {}), ("GET", f"{CORE}/configmaps", {}),
                                      ("GET", f"{CORE}/serviceaccounts", {}), ("GET", f"{CORE}/pods", IMPERSONATE),
                                      ("DELETE", f"{CORE}/configmaps/kube-root-ca.crt", {}),
                                      ("GET", "/api/v1/namespaces/default/pods", {})):
            status, answer = cluster.request(DRIVER, method, path, None, headers)
            equal((status, "cannot" in answer["message"]), (403, True), f"{method} {path} {answer}")
    with checks.that("by its role the driver may do what Spark needs, and the submitter too"):
        for account, verbs in (
            (DRIVER, {"pods": "create get list watch delete deletecollection", "configmaps": "create deletecollection",
                      "persistentvolumeclaims": "create list deletecollection", "services": "deletecollection"}),
            ("spark-submitter", {"pods": "create delete", "configmaps": "create patch", "services": "create patch",
                                 "networkpolicies": "create patch"})):
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                      "spec": {"namespace": NAMESPACE}}
            _, answer = cluster.request(account, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
            found = {resource: " ".join(rule["verbs"]) for rule in answer["status"]["resourceRules"]
                     for resource in rule["resources"] if not resource.startswith("self")}
            equal(found, verbs, f"rights of {account}")


def _by_the_policy_alone(checks, cluster, tried):
    """With every right: the message is the policy's own, byte for byte."""
    for attempt in tried:
        with checks.that(f"{attempt.name} is refused by the policy alone: {attempt.message}"):
            equal(_send(cluster, attempt), (403, attempt.message), attempt.path)
    with checks.that("an account of that name from another namespace is refused by the policy alone"):
        token = cluster.plane.token("elsewhere", DRIVER)
        body = {"metadata": {"name": "spark-exec-x"}}
        status, answer = cluster.plane.request("POST", _trial(f"{CORE}/configmaps"), body, token)
        equal((status, ELSEWHERE.encode() in answer), (403, True), answer)
    with checks.that("why the role matters: an impersonation, as `edit` allows it, passes the policy"):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"audiences": ["sts.amazonaws.com"]}}
        path = f"{CORE}/serviceaccounts/{DRIVER}/token"
        equal(cluster.request(DRIVER, "POST", path, body)[0], 403, "as itself")
        cluster.wants(201, "POST", f"{RBAC}/namespaces/{NAMESPACE}/rolebindings", {
            "metadata": {"name": "other"}, "subjects": [{"kind": "ServiceAccount", "name": "other", "namespace": NAMESPACE}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "everything"}})
        until("as another", lambda: cluster.request(DRIVER, "POST", path, body, IMPERSONATE)[0] == 201, 20, pause=0.3)
        cluster.wants(200, "DELETE", f"{RBAC}/namespaces/{NAMESPACE}/rolebindings/other")


def _accepted(checks, cluster, bench):
    """The policy in force: what Spark does must go on."""
    good = spark.executor_pod(bench.templates["key-files"][1], 2, bench.driver)
    key = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": f"{JOB}-executor-key", "key": "x"}}}]

    def pod(change):
        changed = copy.deepcopy(good)
        change(changed["spec"])
        return "POST", f"{CORE}/pods", changed, {}, 201

    claim = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    own = f"{CORE}/pods/{JOB}-exec-1"
    for name, (method, path, body, headers, wanted) in {
        **{f"an executor of the way {way}": pod(lambda spec, way=way: spec.update(
            spark.executor_pod(bench.templates[way][1], 2)["spec"])) for way in bench.templates},
        "an executor with the job's Secret in its environment": pod(lambda spec: spec["containers"][0]["env"].extend(key)),
        "an executor with a claim": pod(lambda spec: spec["volumes"].append(
            {"name": "disk", "persistentVolumeClaim": {"claimName": "etl-exec-2-pvc-0"}})),
        "an executor with the pull Secret": pod(lambda spec: spec.update(imagePullSecrets=[{"name": "spark-image-pull"}])),
        "an executor with the job's name and number from its own fields": pod(lambda spec: spec["volumes"].append(
            {"name": "info", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}})),
        "a claim on demand": ("POST", f"{CORE}/persistentvolumeclaims",
                              {"metadata": {"name": "etl-exec-2-pvc-0"}, **claim}, {}, 201),
        "the executors' settings": ("POST", f"{CORE}/configmaps", {"metadata": {"name": "spark-exec-9-conf-map"}}, {}, 201),
        "a label on an executor": ("PATCH", own, {"metadata": {"labels": {"spark-exec-inactive": "true"}}}, MERGE, 200),
        "an executor's end": ("DELETE", own, None, {}, 200),
        "the end of all executors": ("DELETE", f"{CORE}/pods?labelSelector=spark-role%3Dexecutor", None, {}, 200),
    }.items():
        with checks.that(f"{name}: accepted under the policy"):
            status, answer = cluster.request(DRIVER, method, _trial(path), body, headers)
            equal(status, wanted, answer.get("message"))
    with checks.that("a new pod with a guest in it is refused by the API server itself"):
        status, answer = cluster.request(DRIVER, *pod(lambda spec: spec.update(ephemeralContainers=[
            {"name": "guest", "image": "evil.example/x"}]))[:3])
        equal((status, "ephemeralContainers" in answer["message"]), (422, True), answer["message"])
    with checks.that("the policy binds no other account: who may create pods in the namespace may have its tokens"):
        twin = {"metadata": {"name": "twin"}, "spec": _again(bench.driver)["spec"]}
        equal(cluster.request("spark-submitter", "POST", _trial(f"{CORE}/pods"), twin)[0], 201, "driver-like pod")


def _rule_by_rule(checks, cluster, tried):
    """Each rule of the policy is needed: without it, what it forbids is not forbidden any more."""
    policy, = (found for found in objects((EXAMPLES / "namespace" / "policy.yaml").read_text())
               if found["kind"] == "ValidatingAdmissionPolicy")

    def use(changed):
        found = cluster.wants(200, "GET", f"{POLICIES}/{POLICY}")
        cluster.wants(200, "PUT", f"{POLICIES}/{POLICY}", {**found, "spec": changed})

    rules = policy["spec"]["validations"]
    foreign = cluster.plane.token("elsewhere", DRIVER)
    for number in range(len(rules)):
        left = copy.deepcopy(policy["spec"])
        gone = left["validations"].pop(number)
        # Which attempts it is there for, by their message or by the part of it that is fixed.
        text = gone.get("message") or gone["messageExpression"].split("'")[1]
        others = {rule.get("message") for rule in left["validations"]}
        its = [attempt for attempt in tried if attempt.message.startswith(text) and attempt.message not in others]
        with checks.that(f"{len(its) or 1} attempts are no longer refused for it without the rule: {text.strip()}"):
            use(left)
            if text == ELSEWHERE:
                body = {"metadata": {"name": "spark-exec-x"}}
                until("its attempt", lambda body=body: cluster.plane.request(
                    "POST", _trial(f"{CORE}/configmaps"), body, foreign)[0] == 201, 20, pause=0.3)
                continue
            holds(its, "no attempt is there for this rule")
            until("its attempts", lambda: all(_send(cluster, one)[1] != one.message for one in its), 20, pause=0.3)
            holds(any(_send(cluster, one)[0] == one.opened for one in its if one.opened), "none passes")
    with checks.that("with request.subResource where it may be absent nothing is accepted: the rule fails closed"):
        trap = copy.deepcopy(policy["spec"])
        variable, = (found for found in trap["variables"] if found["name"] == "sub")
        variable["expression"] = "request.subResource"
        use(trap)
        body = {"metadata": {"name": "spark-exec-x"}}
        until("it is refused", lambda: "no such key: subResource" in cluster.request(
            DRIVER, "POST", _trial(f"{CORE}/configmaps"), body)[1].get("message", ""), 20, pause=0.3)
    use(policy["spec"])
    until("the whole policy is back", lambda: all(_send(cluster, one) == (403, one.message) for one in tried), 30, pause=0.5)


def _without(checks, cluster, tried):
    """The binding removed: each request is sound, and goes through."""
    binding = cluster.wants(200, "GET", f"{BINDINGS}/{POLICY}")
    cluster.wants(200, "DELETE", f"{BINDINGS}/{POLICY}")
    in_force(cluster, False)
    for attempt in tried:
        with checks.that(f"{attempt.name}: without the policy it goes through"):
            status, message = _send(cluster, attempt)
            holds(status == attempt.opened or not attempt.opened and status != 403, f"{status} {message}")
    cluster.wants(201, "POST", BINDINGS, {"metadata": {"name": POLICY}, "spec": binding["spec"]})
    in_force(cluster, True)


SCENARIOS = [boundary]
