"""A cluster's own service account issuer: discovery behind the cluster's CA and a bearer token, pod-bound tokens in a
kubelet's volume, and signing keys that change under a driver."""

import tokens
from checks import equal, holds, until
from inspection import CONFIGURATION, IDENTITY_REFUSED, UNREACHABLE
from job import AUDIENCE, Job, ask_endpoint
from on_keycloak import STS_LIFE, nothing_leaked
from sts import Sts
from volume import TokenVolume

NAMESPACE, ACCOUNT, POD, NODE = "spark", "driver", "driver-1", "node-1"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
# Claims of the pod, the account and the node, by JSON pointer.
POINTERS = {
    "namespace": f"/kubernetes.io/namespace={NAMESPACE}", "account": f"/kubernetes.io/serviceaccount/name={ACCOUNT}",
    "pod": f"/kubernetes.io/pod/name={POD}", "node": f"/kubernetes.io/node/name={NODE}",
}
REQUIRED = {f"identityToken_requiredClaim_{name}": pointer for name, pointer in POINTERS.items()}


def populate(cluster):
    """Starts the API server and makes a namespace, accounts, a node and a pod on it, which no kubelet ever starts:
    enough for tokens of real shape."""
    cluster.new_signing_key("first", "rsa")
    cluster.start("first", "first")
    cluster.create("/api/v1/namespaces", metadata={"name": NAMESPACE})
    for account in (ACCOUNT, "reader"):
        cluster.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", metadata={"name": account})
    cluster.create("/api/v1/nodes", metadata={"name": NODE})
    cluster.create(f"/api/v1/namespaces/{NAMESPACE}/pods", metadata={"name": POD}, spec={
        "serviceAccountName": ACCOUNT, "automountServiceAccountToken": False, "nodeName": NODE,
        "containers": [{"name": "spark", "image": "example/spark:4"}]})


def _bound(cluster):
    return cluster.token(NAMESPACE, ACCOUNT, AUDIENCE, POD)


def tokens_of_a_cluster(checks, bench):
    cluster, inspector = bench.cluster, bench.on_cluster
    token = _bound(cluster)
    with checks.that("discovery and keys through the cluster's CA and a bearer token file: a pod's token is accepted"):
        volume = TokenVolume(bench.root / "volume-inspect", token)
        said = inspector.accepts(volume.file, **REQUIRED)
        equal((said.header["alg"], said.header.get("typ"), said.claims["sub"]), ("RS256", None, SUBJECT), "token")
        found = [(user, status) for _, user, status in cluster.fetches()]
        equal(found, [(f"system:serviceaccount:{NAMESPACE}:reader", 200)], "fetches, by the API server's own audit")
    with checks.that("without a bearer token the API server says 403: KEYS_STATUS, and the hint names the setting"):
        said = inspector.has_no_keys(token, UNREACHABLE, "KEYS_STATUS", jwks_bearerTokenFile=None)
        holds("status 403" in said.errors and "jwks.bearerTokenFile" in said.errors, said.errors)
    with checks.that("with a bearer token that is not its own the API server says 401: KEYS_STATUS"):
        changed = bench.root / "changed-bearer"
        changed.write_text(tokens.with_damaged_signature(bench.bearer.file.read_text()))
        said = inspector.has_no_keys(token, UNREACHABLE, "KEYS_STATUS", jwks_bearerTokenFile=changed)
        holds("status 401" in said.errors, said.errors)
    with checks.that("a bearer token file with two tokens is refused before anything is sent: KEYS_BEARER_TOKEN"):
        changed.write_text(f"{token}\n{token}\n")
        inspector.has_no_keys(token, CONFIGURATION, "KEYS_BEARER_TOKEN", jwks_bearerTokenFile=changed)
    for name, file in (("another CA", cluster.other_ca), ("the system's CAs", None)):
        with checks.that(f"with {name} there is no connection: KEYS_UNREACHABLE, and the hint names jwks.caFile"):
            said = inspector.has_no_keys(token, UNREACHABLE, "KEYS_UNREACHABLE", jwks_caFile=file)
            holds("jwks.caFile" in said.errors, said.errors)
    with checks.that("by another name of the same server the discovery is another issuer's: KEYS_DISCOVERY"):
        inspector.has_no_keys(token, IDENTITY_REFUSED, "KEYS_DISCOVERY", issuer=f"https://localhost:{cluster.port}")

    def case(name, token, code, **changes):
        with checks.that(f"{name} is refused with {code}"):
            inspector.refuses(token, code, **changes)

    unbound = cluster.token(NAMESPACE, ACCOUNT, AUDIENCE)
    with checks.that("a token that is bound to no pod is accepted where no pod is required"):
        inspector.accepts(unbound, identityToken_requiredClaim_namespace=POINTERS["namespace"])
    case("a token that is bound to no pod, where one is required,", unbound, "TOKEN_CLAIM", **REQUIRED)
    case("another account's token", cluster.token(NAMESPACE, "reader", AUDIENCE), "TOKEN_CLAIM_VALUE",
         identityToken_requiredClaim_account=POINTERS["account"])
    case("a pod's token of another namespace", token, "TOKEN_CLAIM_VALUE",
         identityToken_requiredClaim_namespace="/kubernetes.io/namespace=other")
    case("a token for the API server itself", cluster.token(NAMESPACE, ACCOUNT), "TOKEN_AUDIENCE")
    case("a token for another audience", cluster.token(NAMESPACE, ACCOUNT, "vault"), "TOKEN_AUDIENCE")
    case("a token without typ, where at+jwt is asked for,", token, "TOKEN_TYPE", identityToken_type="at+jwt")
    case("a token of two days", cluster.token(NAMESPACE, ACCOUNT, AUDIENCE, seconds=172800), "TOKEN_TOO_LONG_LIVED")
    case("a token whose claims were changed", tokens.with_claims(token, sub="system:serviceaccount:kube-system:root"),
         "TOKEN_SIGNATURE")
    case("a token whose signature was changed", tokens.with_damaged_signature(token), "TOKEN_SIGNATURE")
    with checks.that("a token is refused with TOKEN_EXPIRED as of the moment after its 600 s and the clock skew"):
        # The API server makes none of less than 600 s, so the moment is moved instead of waited for.
        inspector.accepts(token, now=tokens.claims(token)["exp"] - 1)
        inspector.refuses(token, "TOKEN_EXPIRED", now=tokens.claims(token)["exp"] + 31)


def signing_keys_change_under_a_driver(checks, bench):
    cluster = bench.cluster
    minted = [_bound(cluster)]
    volume = TokenVolume(bench.root / "volume-cluster", minted[0])
    sts = Sts(STS_LIFE)
    job = Job(bench.root, "cluster", cluster.issuer, volume.file, sts.url, jwks_caFile=cluster.ca,
              jwks_bearerTokenFile=bench.bearer.file, **REQUIRED)
    before = len(cluster.fetches())

    def put():
        minted.append(_bound(cluster))
        volume.rotate(minted[-1])
        return tokens.header(minted[-1])["kid"]

    with checks.that("a driver verifies a pod's token from a kubelet's volume, exchanges it once and serves"):
        first = tokens.header(minted[0])["kid"]
        job.start_driver()
        equal([(call.header["kid"], call.subject) for call in sts.calls], [(first, SUBJECT)], "exchanges")
        equal(ask_endpoint(job.driver_directory)[1]["AccessKeyId"], sts.calls[0].key, "access key id")
        equal([line["principal"] for line in job.audit()], [SUBJECT], "principals in the audit")
        equal(job.executor("one", "true").process.wait(30), 0, "an executor's exit status")
        equal(len(cluster.fetches()) - before, 1, "fetches of the keys, by the API server's own audit")
    with checks.that("while the API server is stopped a renewal goes on with the keys that are in hand"):
        cluster.stop()
        calls = len(sts.calls)
        until("a renewal", lambda: len(sts.calls) > calls, STS_LIFE)
    with checks.that("after a restart with a new signing key (ES256) the running driver fetches the keys and goes on"):
        cluster.new_signing_key("second", "ec")
        cluster.start("second", "second", "first")
        second = put()
        holds(second != first, "the key is the old one")
        until("the new token is exchanged", lambda: second in sts.key_ids(), 75)
        equal((sts.calls[-1].header["alg"], job.driver.ended()), ("ES256", None), "alg and the driver's end")
        moments = [at for at, _, status in cluster.fetches()[before:] if status == 200]
        equal(len(moments), 2, "fetches of the keys, by the API server's own audit")
        holds(moments[1] - moments[0] >= 29, f"{moments[1] - moments[0]:.1f} s between the fetches")
    with checks.that("both keys are good while both are published; the old token is refused once its key is gone"):
        bench.on_cluster.accepts(minted[0])
        bench.on_cluster.accepts(minted[-1])
        bench.bearer.rotate(cluster.token(NAMESPACE, "reader"))
        cluster.stop()
        cluster.start("second", "second")
        bench.on_cluster.accepts(minted[-1])
        bench.on_cluster.refuses(minted[0], "KEY_UNKNOWN")
    with checks.that("the same driver, never started again, is still at work"):
        calls = len(sts.calls)
        until("a renewal", lambda: len(sts.calls) > calls, STS_LIFE)
        equal(sts.calls[-1].header["kid"], second, "key id")
        holds(job.driver.ended() is None, "the driver ended")
    nothing_leaked(checks, "the cluster", job, [*minted, bench.bearer.file.read_text()])
    job.stop()
    sts.stop()


SCENARIOS = [tokens_of_a_cluster, signing_keys_change_under_a_driver]
