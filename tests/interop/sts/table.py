"""The same cases before each server: what it gives, what it refuses, and what the binary refuses before it is asked."""

import json
import socket
import subprocess
import sys
from typing import Callable, NamedTuple

import boto3

from checks import equal, holds
from job import BINARY, Job
from processes import clean_environment
from refused import nothing_served, refused
from services import BUCKET, ROOT, client
from servers import CEPH_KEYS

SUBJECT = "system:serviceaccount:spark:driver"
UNREACHABLE, SERVICE, IDENTITY, CONFIGURATION = 69, 76, 77, 78

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/inside/*"]}]})

# What an executor's command finds in the store: for each object what it reads, or the store's refusal.
READER = """
import boto3, json, sys
from botocore.exceptions import ClientError
s3, found = boto3.client("s3"), {}
for name in sys.argv[2:]:
    try:
        s3.put_object(Bucket=sys.argv[1], Key=name, Body=name.encode())
        found[name] = s3.get_object(Bucket=sys.argv[1], Key=name)["Body"].read().decode()
    except ClientError as why:
        found[name] = why.response["Error"]["Code"]
print(json.dumps([s3._request_signer._credentials.access_key, found]))
"""

# With which access key each profile writes to the store: none is made up for by another.
BY_PROFILE = """
import boto3, json, sys
found = {}
for name in ("logs", "raw", "other"):
    try:
        session = boto3.Session(profile_name=name)
        session.client("s3").put_object(Bucket=sys.argv[1], Key=f"targets/{name}", Body=name.encode())
        found[name] = session.get_credentials().access_key
    except Exception as why:
        found[name] = type(why).__name__
print(json.dumps(found))
"""


class Case(NamedTuple):
    name: str
    """What `cannot` of a server says about it."""
    sentence: str
    run: Callable


class Trial:
    """One job before one server."""

    def __init__(self, bench, server, name, token=None, front=None, refuses=None, **settings):
        self.server, self.bench = server, bench
        more = {"refuses": refuses, "subject": SUBJECT} if server.name == "Ceph" else {}
        self.front = server.front(**more, **(front or {}))
        self.volume = bench.volume(f"{server.name}-{name}", SUBJECT, **(token or {}))
        self.job = Job(bench.root, f"{server.name}-{name}", bench.issuer.url, self.volume.file, self.front.url,
                       **{"role": server.role, "s3": server.store, "aws_caFile": bench.roots} | settings)

    def resolve(self, **environment):
        """`safe-conduct resolve`: exit status, code, what it printed."""
        run = subprocess.run([BINARY, "resolve", "--properties-file", self.job.properties()], capture_output=True,
                             text=True, timeout=60, check=False, env=clean_environment() | environment)
        self.said = run.stderr
        for secret in (self.volume.file.read_text(), *self.front.secrets):
            holds(secret not in run.stderr, "a secret is on standard error")
        code = run.stderr.partition("error[")[2].partition("]")[0]
        if run.returncode:
            equal(run.stdout, "", "standard output of what failed")
            holds("\nhint: " in run.stderr, "no line `hint: ...`")
        return run.returncode, code, json.loads(run.stdout) if run.stdout else None

    def read(self, *names):
        """What boto3 under an executor finds under these names: its access key id, and {name: text or code}."""
        return self.told_by(READER, BUCKET, *names)

    def told_by(self, program, *arguments, **settings):
        """What a Python program says under an executor of the job's."""
        self.job.start_driver()
        command = self.job.executor("command", sys.executable, "-c", program, *arguments, **settings).process
        equal(command.wait(60), 0, f"exit status of the command, with {command.errors()[-500:]}")
        self.job.stop()
        return json.loads(command.output())

    def end(self):
        self.front.stop()
        equal(self.front.broken, [], "faults of the front itself")


def _not_resolved(trial, status, code):
    # The credential is not compared: a failure would show it.
    found, why, credential = trial.resolve()
    equal((found, why, credential is None), (status, code, True), "exit status, code, and whether there is no credential")


def _resolved(trial):
    """The credential that `resolve` prints, which is the one that the server gave out last."""
    status, code, credential = trial.resolve()
    equal((status, code), (0, ""), "exit status and code")
    equal(credential["AccessKeyId"], trial.front.keys()[-1], "access key id")
    return credential


def success(bench, server):
    trial = Trial(bench, server, "success")
    if server.store:
        key, found = trial.read("inside/1", "outside/1")
        equal(found, {name: name for name in ("inside/1", "outside/1")}, "objects")
        equal([key], trial.front.keys(), "access key ids")
    else:
        equal(_resolved(trial), _recorded(server, "AssumeRoleWithWebIdentity"), "credential")
    call = trial.front.calls[0]
    equal((call.form["RoleArn"], call.form["WebIdentityToken"]), (server.role, trial.volume.file.read_text()), "form")
    equal(call.path, "/", "path")
    trial.end()


def _recorded(server, action):
    """Exactly what stands in the recorded answer; the nanoseconds are cut off."""
    return {"Version": 1, "AccessKeyId": CEPH_KEYS[action], "SecretAccessKey": "MADEUP" + "0" * 34,
            "SessionToken": "made&up=", "Expiration": f"{server.expiry}Z"}


def chain(bench, server):
    trial = Trial(bench, server, "chain", aws_chain_1_roleArn=server.other_role, aws_region="eu-central-1",
                  aws_chain_1_externalId="ours")
    credential = _resolved(trial)
    first, second = trial.front.calls
    equal((first.action, second.action), ("AssumeRoleWithWebIdentity", "AssumeRole"), "actions")
    equal((second.form["RoleArn"], second.form["ExternalId"]), (server.other_role, "ours"), "form of the second")
    holds("WebIdentityToken" not in second.form, "the second call carries the token")
    line, = trial.job.audit()
    equal((line["role"], line["credential_id"]), (server.other_role, second.key), "the audit's credential")
    equal([(step["role"], step["credential_id"]) for step in line["via"]], [(server.role, first.key)], "its steps")
    if server.store:
        sts = boto3.client("sts", endpoint_url=server.url, region_name="us-east-1",
                           aws_access_key_id=credential["AccessKeyId"], aws_session_token=credential["SessionToken"],
                           aws_secret_access_key=credential["SecretAccessKey"])
        holds(":assumed-role/second/" in sts.get_caller_identity()["Arn"], "the server knows another role")
    else:
        equal(credential, _recorded(server, "AssumeRole"), "credential")
    trial.end()


def chain_refused(bench, server):
    trial = Trial(bench, server, "chain-refused", aws_chain_1_roleArn="arn:minio:iam:::role/second")
    _not_resolved(trial, SERVICE, "STS_CHAIN_DENIED")
    equal([call.action for call in trial.front.calls], ["AssumeRoleWithWebIdentity", "AssumeRole"], "actions")
    trial.end()


def named_targets(bench, server):
    roles = {"logs": server.role, "raw": server.role if server.name == "MinIO" else server.other_role}
    trial = Trial(bench, server, "targets", role=None,
                  **{f"aws_target_{name}_roleArn": role for name, role in roles.items()})
    found = trial.told_by(BY_PROFILE, BUCKET, sink_credentialsFile="true")
    given = {line["target"]: (line["role"], line["credential_id"]) for line in trial.job.audit()}
    equal({name: role for name, (role, _) in given.items()}, roles, "roles in the audit")
    equal(sorted(key for _, key in given.values()), sorted(trial.front.keys()), "access key ids that were given out")
    holds(len(set(trial.front.keys())) == 2, "both targets have one credential")
    equal(found, {name: key for name, (_, key) in given.items()} | {"other": "ProfileNotFound"}, "access key ids")
    trial.end()


def policy(bench, server):
    for name in ("inside/2", "outside/2"):
        client(server.url, *ROOT).put_object(Bucket=BUCKET, Key=name, Body=b"before")
    wide = Trial(bench, server, "wide")
    _, found = wide.read("inside/2", "outside/2")
    equal(found, {"inside/2": "inside/2", "outside/2": "outside/2"}, "objects without a session policy")
    wide.end()
    file = bench.root / "policy.json"
    file.write_text(POLICY)
    file.chmod(0o600)
    narrow = Trial(bench, server, "narrow", aws_policyFile=file)
    key, found = narrow.read("inside/2", "outside/2")
    equal(found, {"inside/2": "inside/2", "outside/2": "AccessDenied"}, "objects with a session policy")
    equal((narrow.front.calls[0].form["Policy"], [key]), (POLICY, narrow.front.keys()), "policy and access key id")
    narrow.end()


def managed_policies(bench, server):
    trial = Trial(bench, server, "managed", aws_policyArns="arn:aws:iam::aws:policy/ReadOnlyAccess")
    _not_resolved(trial, SERVICE, "STS_ANSWER_POLICY")
    trial.end()


def _before(name, status, code, token=None, **settings):
    """The binary refuses by itself: the server is never asked."""
    def run(bench, server):
        trial = Trial(bench, server, f"own-{name}", token=token, **settings)
        _not_resolved(trial, status, code)
        equal(trial.front.calls, [], "calls")
        trial.end()
    return run


def _by_the_server(name, token=None, edit=None, **settings):
    """The server itself refuses, after one call, and the code says for what."""
    def run(bench, server):
        own = {key: value(server) if callable(value) else value for key, value in settings.items()}
        front = {"edit": lambda form: edit(bench, form)} if edit else None
        trial = Trial(bench, server, name.replace(" ", "-"), token=token, front=front, refuses=name, **own)
        status, code = server.refuses[name]
        if status == UNREACHABLE:
            # A driver would go on asking.
            _not_resolved(trial, status, code)
        else:
            refused(trial.job.start_driver(wait=False), status, code)
            nothing_served(trial.job)
        equal(len(trial.front.calls), 1, "calls")
        trial.end()
    return run


def _expired(bench, form):
    """What a server sees whose clock is ahead: the same token, run out."""
    return form | {"WebIdentityToken": bench.issuer.mint(SUBJECT, life=-120)}


def _without_expiry(bench, form):
    return form | {"WebIdentityToken": bench.issuer.without("exp", form["WebIdentityToken"])}


def _too_long(bench, form):
    return form | {"DurationSeconds": "31536001"}


def _without_role(bench, form):
    return {name: value for name, value in form.items() if name != "RoleArn"}


def _unknown_action(bench, form):
    return form | {"Action": "NoSuchAction"}


def endpoints_that_cannot_be(checks, bench, server):
    """Bad inputs 207 and 208: nothing is sent."""
    places = {
        "207, an endpoint without TLS": "http://PLANTED.example.org",
        "208, an endpoint with a user": "https://PLANTED@127.0.0.1",
        "208, an endpoint with a query": "https://127.0.0.1/?PLANTED=1",
        "208, an endpoint with a fragment": "https://127.0.0.1/#PLANTED",
    }
    for n, (name, url) in enumerate(places.items()):
        with checks.that(f"{name} is refused and not repeated: CONFIG_INVALID_VALUE"):
            trial = Trial(bench, server, f"endpoint-{n}", aws_stsEndpoint=url)
            _not_resolved(trial, CONFIGURATION, "CONFIG_INVALID_VALUE")
            holds("PLANTED" not in trial.said, "the URL is repeated")
            trial.end()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        with checks.that(f"209, {name} is passed over: the server is asked, and nobody else"):
            trial = Trial(bench, server, f"proxy-{name}")
            with socket.create_server(("127.0.0.1", 0)) as proxy:
                proxy.setblocking(False)
                status, code, credential = trial.resolve(**{name: f"http://127.0.0.1:{proxy.getsockname()[1]}"})
                holds(_nobody_came(proxy), "the proxy was asked")
            equal((status, code), (0, ""), "exit status and code")
            equal(credential["AccessKeyId"], trial.front.keys()[-1], "access key id")
            trial.end()


def _nobody_came(listener):
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


CASES = [
    Case("success", "a driver's credential is the one that was given out, and opens the store where there is one", success),
    Case("chain", "a chained role: two calls, one credential, and an audit line that names both", chain),
    Case("named targets", "boto3 takes each named target by its profile, and none by a name that is not there", named_targets),
    Case("refused chain", "a chain that it refuses: STS_CHAIN_DENIED", chain_refused),
    Case("policy", "a session policy narrows: the store itself refuses the object outside it", policy),
    Case("managed policies", "managed policies that it passes over are an error: STS_ANSWER_POLICY", managed_policies),
    Case("own", "an expired token is refused before any call: TOKEN_EXPIRED",
         _before("expired", IDENTITY, "TOKEN_EXPIRED", {"life": -120})),
    Case("own", "a token for another audience is refused before any call: TOKEN_AUDIENCE",
         _before("audience", IDENTITY, "TOKEN_AUDIENCE", {"audience": "somebody-else"})),
    Case("own", "a forged token is refused before any call: TOKEN_SIGNATURE",
         _before("forged", IDENTITY, "TOKEN_SIGNATURE", {"forged": True})),
    Case("own", "a duration of 43201 s is refused before any call: CONFIG_INVALID_VALUE",
         _before("duration", CONFIGURATION, "CONFIG_INVALID_VALUE", aws_durationSeconds="43201")),
    Case("expired", "a token that is expired by the server's clock", _by_the_server("expired", edit=_expired)),
    Case("audience", "an audience that the server does not know", _by_the_server(
        "audience", {"audience": "somebody-else"}, identityToken_audience="somebody-else")),
    Case("forged", "a forged token, let through by dangerouslySkipSignature", _by_the_server(
        "forged", {"forged": True}, identityToken_dangerouslySkipSignature="true")),
    Case("role", "an unknown role", _by_the_server("role", role=lambda server: server.other_role)),
    Case("duration", "a duration that is too long for the server", _by_the_server("duration", edit=_too_long)),
    Case("no expiry", "a token without an expiry", _by_the_server("no expiry", edit=_without_expiry)),
    Case("no role", "a question without a role", _by_the_server("no role", edit=_without_role)),
    Case("unknown action", "a question that it does not know", _by_the_server("unknown action", edit=_unknown_action)),
]


def run(checks, bench, wanted):
    for case in CASES:
        if wanted and not any(part in case.sentence for part in wanted):
            continue
        for server in bench.servers:
            if case.name in server.cannot:
                print(f"--   sts: {server.name}: {case.sentence}: cannot be shown, {server.cannot[case.name]}", flush=True)
                continue
            code = server.refuses.get(case.name)
            with checks.that(f"{server.name}: {case.sentence}{f': {code[1]}' if code else ''}"):
                case.run(bench, server)
    if not wanted:
        endpoints_that_cannot_be(checks, bench, bench.minio)
