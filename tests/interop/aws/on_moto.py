"""The life of a job with moto as STS and S3: delivery, renewal, another user, a dead driver, a dead STS."""

import stat
import sys
import time

import leaks
from checks import equal, holds, until
from job import has_hint, is_ready
from jobs import Job
from services import BUCKET
from sts_proxy import StsProxy, token_hash

ALICE, BOB = "alice@example.com", "system:serviceaccount:spark:bob"


def counted(proxy, moto, job, before):
    """How many credentials were asked for: the same number by the proxy, moto's access log and the driver's audit."""
    def numbers():
        granted = [line for line in job.audit() if line["outcome"] == "credential"]
        return len(proxy.calls), moto.calls() - before, len(granted)
    return until("proxy, moto's log and the audit agree", lambda: len(set(numbers())) == 1 and numbers(), 3)[0]


def gaps(calls):
    return [later.at - earlier.at for earlier, later in zip(calls, calls[1:])]


def a_job_from_start_to_restart(checks, bench):
    life = 40
    before = bench.moto_sts.calls()
    proxy = StsProxy(bench.moto_sts.url, life)
    volume = bench.volume("job", ALICE)
    job = Job(bench.root, "job", bench.issuer.url, volume.file, proxy.url, s3=bench.moto_s3.url)

    with checks.that("`keys new` writes both key files, readable by the owner only"):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in job.keys.iterdir()}
        equal(modes, {"driver.pem": 0o600, "executors.pem": 0o600}, "key files")
    with checks.that("a driver verifies the token, exchanges it once and is ready"):
        job.start_driver()
        equal(len(proxy.calls), 1, "STS calls")
    with checks.that("unmodified boto3 under `executor` writes and reads an object"):
        first = job.workload("1")
        until("a round is through", lambda: any(entry["ok"] for entry in first.rounds()), 30)
        equal(first.keys(), proxy.keys()[:1], "access key ids")
    with checks.that("the unmodified AWS CLI lists the bucket: `executor -- aws s3 ls`"):
        cli = job.aws("cli", "s3", "ls", f"s3://{BUCKET}/").process
        equal(cli.wait(60), 0, "exit status")
        holds(f"PRE {job.name}-1/" in cli.output(), "the workload's folder is not in the listing")
    with checks.that("once the command has started, only its own exit status is returned; 127 and 126 without one"):
        commands = {"7": ("sh", "-c", "exit 7"), "143": ("sh", "-c", "kill -TERM $$"), "127": ("no-such-command",),
                    "126": (job.keys / "driver.pem",)}
        found = {name: str(job.executor(name, *command).process.wait(30)) for name, command in commands.items()}
        equal(found, {name: name for name in commands}, "exit statuses")
    with checks.that("with 1 executor a renewal is one STS call, by moto's own log"):
        until("two renewals", lambda: len(proxy.calls) >= 3, 2 * life)
        counted(proxy, bench.moto_sts, job, before)
        holds(all(0.3 * life < gap < 0.6 * life for gap in gaps(proxy.calls)), f"gaps: {gaps(proxy.calls)}")
    with checks.that("with 8 executors a renewal is one STS call, by moto's own log"):
        workers = [first, *(job.workload(str(n)) for n in range(2, 9))]
        until("all are at work", lambda: all(worker.keys() for worker in workers), 90)
        start = len(proxy.calls)
        until("two renewals", lambda: len(proxy.calls) >= start + 2, 2 * life)
        newest = proxy.keys()[start + 1]
        until("all use the newest", lambda: all(newest in worker.keys() for worker in workers), 15)
        counted(proxy, bench.moto_sts, job, before)
        holds(all(gap > 0.3 * life for gap in gaps(proxy.calls)), f"gaps: {gaps(proxy.calls)}")
    with checks.that("executors that are there use what the STS gave out, in its order, and no round failed"):
        for worker in workers:
            given = [key for key in proxy.keys() if key in worker.keys()]
            equal(worker.keys(), given, "access key ids")
            equal(worker.failures(), [], "failed rounds")
    with checks.that("the token travels in the body of a form, and the session is named after the user"):
        for call in proxy.calls:
            equal((call.path, call.content_type.split(";")[0]), ("/", "application/x-www-form-urlencoded"), "request")
            equal(call.token_hash, token_hash(bench.issuer.minted[-1]), "token")
            equal(call.session_name, ALICE, "session name")
    no_token_reached_the_executors(checks, bench, job, workers)
    the_driver_dies(checks, job, proxy, workers)
    job.stop()
    proxy.stop()


def no_token_reached_the_executors(checks, bench, job, workers):
    """Everything that an executor and its command were given, and everything that anybody said."""
    tokens = bench.issuer.minted

    def hay():
        found = leaks.hay_of_files(job.log, job.audit_file, *(executor.directory for executor in job.executors))
        for worker in workers:
            found |= leaks.hay_of_process(worker.pid())
            found[f"answer of {worker.directory}"] = repr(worker.asked()).encode()
        return found

    with checks.that("no byte of an identity token is in an executor's environment, files, answers, output or audit"):
        places = hay()
        holds(len(places) > 5 * len(workers), f"only {len(places)} places were searched")
        equal(leaks.search(tokens, places), [], "tokens found")
    with checks.that("the same search finds a token that was planted: in an environment, in base64, in a file"):
        program = ("import base64, os, time; token = os.environ['PLANTED'].encode()\n"
                   "print(base64.encodebytes(b'x' + token).decode(), flush=True); time.sleep(60)")
        planted = bench.issuer.mint("planted")
        control = job.executor("control", sys.executable, "-c", program, environment={"PLANTED": planted})
        until("the control speaks", control.process.output, 30)
        (control.directory / "planted").write_text(planted)
        environment = leaks.hay_of_process(_child_of(control.process.pid))
        hits = leaks.search([planted], hay() | environment)
        control.process.stop()
        for place, form in ((str(control.process.stdout), "token in base64 at 1"),
                            (str(control.directory / "planted"), "token"),
                            (next(name for name in environment if name.endswith("environ")), "signature")):
            holds((place, form) in hits, f"not found: {form} in {place}")
        (control.directory / "planted").unlink(missing_ok=True)
        # What was planted must not be taken for a leak by a later search.
        bench.issuer.minted.remove(planted)


def _child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return int(children.read().split()[0])


def the_driver_dies(checks, job, proxy, workers):
    with checks.that("the driver is killed with -9 and started again while 8 executors go on without a failed round"):
        rounds = [len(worker.rounds()) for worker in workers]
        job.driver.kill()
        time.sleep(6)
        holds(all(len(worker.rounds()) > n for worker, n in zip(workers, rounds)), "an executor stood still")
        given = len(proxy.calls)
        job.start_driver()
        fresh = proxy.keys()[given]
        until("all use the new driver's", lambda: all(fresh in worker.keys() for worker in workers), 25)
        for worker in workers:
            equal(worker.failures(), [], "failed rounds")
        epochs = list(dict.fromkeys(line["epoch"] for line in job.audit() if line["outcome"] == "credential"))
        equal(len(epochs), 2, "epochs in the audit")
    with checks.that("SIGTERM ends the driver, and an executor passes it to its command"):
        equal(workers[0].process.stop(10), 143, "the executor's exit status")
        job.driver.stop(10)
        holds(job.driver.ended() != 137, "the driver did not end by itself")


def another_user_comes(checks, bench):
    # 600 s: no renewal is due, and below 15 min boto3 asks the endpoint in every round.
    proxy = StsProxy(bench.moto_sts.url, life=600)
    volume = bench.volume("users", ALICE)
    alice = bench.issuer.minted[-1]
    job = Job(bench.root, "users", bench.issuer.url, volume.file, proxy.url, s3=bench.moto_s3.url)
    with checks.that("another user's token in the volume is exchanged at once, and executors go on as that user"):
        job.start_driver()
        worker = job.workload("1")
        until("a round is through", worker.keys, 30)
        bob = bench.issuer.mint(BOB)
        volume.rotate(bob)
        until("the exchange", lambda: len(proxy.calls) == 2, 35)
        until("the new key is used", lambda: worker.keys() == proxy.keys(), 15)
        equal([call.token_hash for call in proxy.calls], [token_hash(alice), token_hash(bob)], "tokens")
        equal(worker.failures(), [], "failed rounds")
    with checks.that("the audit says who followed whom, and the session's name is the other user's"):
        changes = [(line["from"], line["to"]) for line in job.audit("identity_changed")]
        equal(changes, [(ALICE, BOB)], "identity_changed")
        equal([line["principal"] for line in job.audit()], [ALICE, BOB], "principals")
        holds(proxy.calls[1].session_name.startswith("system-serviceaccount-spark-bob"), proxy.calls[1].session_name)
    with checks.that("a rotated token of the same user costs no STS call"):
        volume.rotate(bench.issuer.mint(BOB))
        time.sleep(32)
        equal(len(proxy.calls), 2, "STS calls")
    job.stop()
    proxy.stop()


def the_sts_dies_and_comes_back(checks, bench):
    # 60 s of life: renewal is due at 24 to 30 s, and 45 s is the last moment at which the old credential is served.
    life, back = 60, 36
    proxy = StsProxy(bench.moto_sts.url, life)
    job = Job(bench.root, "outage", bench.issuer.url, bench.volume("outage", ALICE).file, proxy.url,
              s3=bench.moto_s3.url)
    with checks.that("the STS is killed until just before the credential's end and comes back: no round fails"):
        job.start_driver()
        worker = job.workload("1")
        until("a round is through", worker.keys, 20)
        proxy.stop()
        bench.moto_sts.kill()
        bench.moto_sts.start()
        given = proxy.calls[0].at
        until("the moment", lambda: time.time() > given + back, back + 1)
        failed = [line for line in job.audit() if line["outcome"] == "failed"]
        proxy.start()
        holds(1 <= len(failed) <= 6, f"{len(failed)} failed exchanges in the audit")
        until("the second key is used", lambda: len(worker.keys()) == 2, life - 15 - back + 5)
        equal(worker.failures(), [], "failed rounds")
        equal(worker.keys(), proxy.keys(), "access key ids")
    job.stop()
    proxy.stop()


def nothing_expired_is_served(checks, bench):
    life = 34
    proxy = StsProxy(bench.moto_sts.url, life)
    job = Job(bench.root, "expiry", bench.issuer.url, bench.volume("expiry", ALICE).file, proxy.url,
              s3=bench.moto_s3.url)
    with checks.that("with a dead STS the credential is served until 15 s before its end, then 503 with a code"):
        job.start_driver()
        worker = job.workload("1")
        until("a round is through", worker.keys, 15)
        proxy.stop()
        end = proxy.calls[0].at + life
        until("a refusal", lambda: worker.asked()[0] == 503, life)
        holds(-16.5 < time.time() - end < -11, f"refused {time.time() - end:.1f} s from the end")
        equal(worker.asked()[1]["Code"], "CREDENTIALS_EXPIRED", "code")
        holds(not is_ready(worker.directory), "`ready` says that it is ready")
    with checks.that("boto3 is told so, and nothing is read or written with what has run out"):
        until("boto3 fails", worker.failures, 15)
        holds(all(entry["at"] < end for entry in worker.rounds() if entry["ok"]), "a round was through after the end")
    with checks.that("when the STS is back, everybody goes on without a restart"):
        proxy.start()
        until("the endpoint answers", lambda: worker.asked()[0] == 200, 40)
        until("boto3 goes on", lambda: worker.rounds()[-1]["ok"], 15)
        holds(worker.process.ended() is None and job.driver.ended() is None, "somebody ended")
        holds(not has_hint(job.driver), "the driver gave up")
    job.stop()
    proxy.stop()


SCENARIOS = [a_job_from_start_to_restart, another_user_comes, the_sts_dies_and_comes_back, nothing_expired_is_served]
