"""The cases: what a job must live through without noticing, and what it must notice."""

import time

from bench import ALICE, BOB, Asked, ended, equal, holds, one_call_a_renewal, until
from cluster import parent, s3a
from services import BUCKET, ROOT, client

CODE = "CREDENTIALS_EXPIRED"

def _objects(bench, prefix):
    """Keys under `prefix`, as the store's own owner sees them."""
    pages = client(bench.minio.url, *ROOT).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def _rounds(application, name, go_on, files=4):
    """Rounds of writing and reading until `go_on` is false; fails with the first that fails. Returns how many."""
    done = 0
    while go_on():
        rows = application.ask("both", path=s3a(f"{name}/{done % 3}"), files=files)
        equal(rows, [2000, 1999000], "rows and their sum")
        done += 1
    return done


def many_files(checks, bench, cluster):
    """(1), and Python's readers in the same executors, and the end."""
    version = cluster.spark.version
    application = bench.job(cluster, f"files-{version}")
    asked = Asked(bench.minio)
    with checks.that(f"{version}: (1) two executors in JVMs of their own write 200 Parquet files and read them"):
        application.submit(executors=2)
        equal(application.ask("where")["spark"], version, "Spark's version")
        equal(application.ask("both", path=s3a(f"many-{version}"), files=200, seconds=900), [2000, 1999000], "rows, sum")
        files = [key for key in _objects(bench, f"many-{version}/") if key.endswith(".parquet")]
        equal(len(files), 200, "files")
        equal(len(application.jvms()), 2, "executors' JVMs")
        equal(len(application.wrappers()), 2, "safe-conduct executors around them")
    with checks.that(f"{version}: (1) every request was signed with what the driver got for Alice, and none refused"):
        until("MinIO's log is whole", lambda: len(asked.entries()) > 400, 10)
        equal(asked.keys(), application.proxy.keys(), "access key ids")
        equal((asked.users(), asked.refused()), ({ALICE}, []), "users, refused requests")
    with checks.that(f"{version}: boto3 and pyarrow in the executors' Python find the same credentials by themselves"):
        for action in ("boto3", "pyarrow"):
            equal(application.ask(action, bucket=BUCKET, prefix=f"{action}-{version}", tasks=4), [True] * 4, action)
        workers = application.ask("executors", tasks=8)
        equal({worker["jvm"] for worker in workers}, set(application.jvms()), "JVMs that had Python workers")
        equal({parent(jvm) for jvm in application.jvms()}, set(application.wrappers()), "parents of the JVMs")
        equal((asked.keys(), asked.users(), asked.refused()), (application.proxy.keys(), {ALICE}, []), "who asked")
    with checks.that(f"{version}: one STS call for the whole job"):
        equal(one_call_a_renewal(application), 1, "calls")
    with checks.that(f"{version}: the application's end is everybody's end: no process, no file of ours is left"):
        equal(application.finish(), 0, "exit status")
        ended(application)
    application.stop()


def changes_mid_job(checks, bench, cluster):
    """(2), (3), (5), (6) and (7) in one SparkSession."""
    version = cluster.spark.version
    application = bench.job(cluster, f"changes-{version}", life=40)
    asked = Asked(bench.minio)
    proxy = application.proxy
    with checks.that(f"{version}: (2) the job runs through three renewals"):
        application.submit(executors=2)
        rounds = _rounds(application, "renewals", lambda: len(set(asked.keys())) < 4)
        holds(rounds >= 3 and len(proxy.keys()) >= 4, f"{rounds} rounds, {len(proxy.keys())} keys")
        equal((asked.users(), asked.refused(), asked.expired(proxy.expiries)), ({ALICE}, [], []), "users, refused, late")
        print(f"     {rounds} rounds, {len(asked.entries())} requests with {len(asked.keys())} access key ids", flush=True)
    with checks.that(f"{version}: (5) the driver's safe-conduct is killed and started again mid-job"):
        application.driver.kill()
        rounds = _rounds(application, "restart", _for(6))
        before = len(proxy.keys())
        application.start_driver()
        rounds += _rounds(application, "restart", lambda: not set(proxy.keys()[before:]) & set(asked.keys()))
        equal((asked.users(), asked.refused(), asked.expired(proxy.expiries)), ({ALICE}, [], []), "users, refused, late")
    with checks.that(f"{version}: (3) another user's token mid-job: requests carry the new identity"):
        proxy.life = 90
        application.volume.rotate(bench.issuer.mint(BOB))
        changed = time.time()
        # Bound: 30 s until the driver looks, 5 s until executors ask, and the SDK asks before each request.
        _rounds(application, "identity", lambda: time.time() < changed + 45)
        late = [entry for entry in asked.entries() if entry["at"] > changed + 36 and entry["user"] != BOB]
        last = max(entry["at"] for entry in asked.entries() if entry["user"] == ALICE)
        equal((len(late), asked.refused()), (0, []), "requests as Alice after 36 s, refused")
        holds(BOB in asked.users(), "no request as Bob")
        equal(application.audit("identity_changed") != [], True, "an audit line says so")
        print(f"     Alice's last request {last - changed:.1f} s after the change", flush=True)
    _outages(checks, bench, application)
    with checks.that(f"{version}: the end after all that leaves no process and no file"):
        equal(application.finish(), 0, "exit status")
        ended(application)
    application.stop()


def _outages(checks, bench, application):
    """(6) and (7): the STS away for most of a life, then beyond its end."""
    version, proxy = application.spark.version, application.proxy
    life = proxy.life = 150
    with checks.that(f"{version}: (6) the STS is down for most of a credential's life and the job does not notice"):
        seen = len(proxy.keys())
        _rounds(application, "away", lambda: len(proxy.keys()) == seen)
        asked = Asked(bench.minio)
        proxy.stop()
        try:
            rounds = _rounds(application, "away", _for(life * 0.6))
        finally:
            proxy.start()
        back = len(proxy.keys())
        rounds += _rounds(application, "away", lambda: len(proxy.keys()) == back)
        equal((asked.refused(), asked.expired(proxy.expiries)), ([], []), "refused, late")
        print(f"     {rounds} rounds", flush=True)
    with checks.that(f"{version}: (7) the STS is down beyond expiry: the action fails with our code in its cause"):
        asked = Asked(bench.minio)
        proxy.life = 30
        seen = len(proxy.keys())
        _rounds(application, "beyond", lambda: len(proxy.keys()) == seen)
        users = asked.users()
        proxy.stop()
        # An executor that asks too late for the newest serves the one before it, whose life is longer.
        dead = max(proxy.expiries.values())
        until("all have expired", lambda: time.time() > dead, life + 60)
        quiet = Asked(bench.minio)
        failed = application.asked("both", path=s3a("beyond/dead"), files=2, seconds=900)
        _failed_with_our_code(version, failed)
        print(f"     failed after {failed['seconds']:.1f} s", flush=True)
        failed = application.asked("boto3", bucket=BUCKET, prefix="beyond", tasks=2, seconds=900)
        holds(CODE in (failed["error"] or ""), f"boto3: no code of ours in: {(failed['error'] or '')[:3000]}")
    with checks.that(f"{version}: (7) meanwhile nothing goes out expired or as another identity"):
        equal(quiet.entries(), [], "signed requests while there is nothing to sign with")
        equal((asked.users() - users, asked.expired(proxy.expiries)), (set(), []), "other users, late requests")
    with checks.that(f"{version}: (7) pyarrow goes on unsigned, and the store refuses that"):
        failed = application.asked("pyarrow", bucket=BUCKET, prefix="beyond", tasks=1, seconds=900)
        holds(failed["error"], "it wrote without credentials")
        until("MinIO's log has it", lambda: quiet.refused(), 10)
        equal({(entry["key"], entry["status"]) for entry in quiet.entries()}, {("", 403)}, "keys and statuses")
    with checks.that(f"{version}: (7) with the STS back, the same session works again: S3A and boto3"):
        proxy.life = 90
        proxy.start()
        until("a new credential", lambda: proxy.expiries[proxy.keys()[-1]] > time.time() + 20, 90)
        time.sleep(6)  # executors ask every 5 s
        equal(application.ask("both", path=s3a("beyond/again"), files=4), [2000, 1999000], "rows, sum")
        equal(application.ask("boto3", bucket=BUCKET, prefix="again", tasks=2), [True] * 2, "boto3")


def _failed_with_our_code(version, failed):
    """Spark 4.0's SDK keeps of a provider in its default chain only that it failed: there the code cannot be seen."""
    wanted = "Failed to load credentials from metadata service" if version.startswith("4.0.") else CODE
    causes = [line for line in (failed["error"] or "").splitlines() if "Exception" in line]
    holds(wanted in (failed["error"] or ""), f"no {wanted} in: {causes}")


def late_executors(checks, bench, cluster):
    """(4) and (8)."""
    version = cluster.spark.version
    application = bench.job(cluster, f"late-{version}", life=40)
    proxy, asked = application.proxy, Asked(bench.minio)
    with checks.that(f"{version}: (8) with one executor, a renewal is one STS call"):
        application.submit(executors=8, **{
            "spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.minExecutors": "1", "spark.dynamicAllocation.initialExecutors": "1",
            "spark.dynamicAllocation.maxExecutors": "8", "spark.dynamicAllocation.executorIdleTimeout": "600s",
            "spark.dynamicAllocation.schedulerBacklogTimeout": "1s"})
        _rounds(application, "late", lambda: len(proxy.keys()) < 3, files=1)
        equal(len(application.jvms()), 1, "executors")
        one = one_call_a_renewal(application)
        holds(one >= 3, f"{one} calls")
    with checks.that(f"{version}: (4) executors that are added late have credentials before their first task"):
        equal(application.ask("wait", tasks=24, each=4), 24, "tasks")
        equal(application.ask("count"), 8, "executors by Spark's own count")
        equal(application.ask("both", path=s3a("late/all"), files=32), [2000, 1999000], "rows, sum")
        equal(application.ask("boto3", bucket=BUCKET, prefix="late-boto3", tasks=32), [True] * 32, "boto3")
        equal(len(application.jvms()), 8, "executors' JVMs")
        equal((asked.users(), asked.refused(), asked.expired(proxy.expiries)), ({ALICE}, [], []), "users, refused, late")
    with checks.that(f"{version}: (8) with eight executors, a renewal is one STS call"):
        start = len(proxy.calls)
        _rounds(application, "late", lambda: len(proxy.keys()) < start + 2, files=8)
        calls = one_call_a_renewal(application)
        # The versions that executors were given are counted by the driver: one for each exchange.
        versions = [line.get("version") for line in application.audit()]
        equal(versions, list(range(1, calls + 1)), "versions in the audit lines")
        print(f"     {calls} calls for {calls} versions, {len(application.jvms())} executors", flush=True)
    with checks.that(f"{version}: eight executors end with their application"):
        equal(application.finish(), 0, "exit status")
        ended(application)
    application.stop()


def sts_beyond_expiry(checks, bench, cluster):
    """(7) for the other versions."""
    application = bench.job(cluster, f"beyond-{cluster.spark.version}", life=90)
    application.submit(executors=2)
    application.ask("both", path=s3a("beyond/first"), files=2)
    _outages(checks, bench, application)
    application.finish()
    application.stop()


def driver_gone(checks, bench, cluster):
    """The driver's safe-conduct is killed for good."""
    version = cluster.spark.version
    application = bench.job(cluster, f"gone-{version}", life=60)
    with checks.that(f"{version}: without the driver's safe-conduct, executors go on until expiry and say so"):
        application.submit(executors=2)
        application.ask("both", path=s3a("gone/first"), files=4)
        asked = Asked(bench.minio)
        application.driver.kill()
        dead = application.proxy.expiries[application.proxy.keys()[-1]]
        rounds = _rounds(application, "gone", lambda: time.time() < dead - 22)
        holds(rounds >= 1, "no round after the driver's end")
        until("it has expired", lambda: time.time() > dead, 90)
        failed = application.asked("both", path=s3a("gone/dead"), files=2, seconds=900)
        _failed_with_our_code(version, failed)
        for name, log in application.executor_logs().items():
            for code in ("[ASK_", f"[{CODE}]"):
                holds(code in log, f"executor {name} does not say {code}")
        equal((asked.refused(), asked.expired(application.proxy.expiries)), ([], []), "refused, late")
    with checks.that(f"{version}: and the application's end is still everybody's end"):
        equal(application.finish(), 0, "exit status")
        until("its processes are gone", lambda: not application.wrappers() and not application.jvms(), 120)
    application.stop()


def natural_course(checks, bench, cluster):
    """(2) with what the settings allow at most: 900 s, no proxy that shortens anything."""
    application = bench.job(cluster, "natural", renewal_safetyMargin="12h", aws_durationSeconds="900")
    asked = Asked(bench.minio)
    with checks.that("(2) 900 s credentials are left to their natural course past the first one's expiry"):
        application.submit(executors=2)
        first = application.proxy.expiries[application.proxy.keys()[0]]
        while time.time() < first + 30:
            _rounds(application, "natural", _for(0.01))
            time.sleep(15)
        holds(len(asked.keys()) >= 2, f"only {len(asked.keys())} keys")
        equal((asked.users(), asked.refused(), asked.expired(application.proxy.expiries)), ({ALICE}, [], []), "who asked")
        print(f"     {len(asked.entries())} requests, {len(asked.keys())} keys", flush=True)
        equal(application.finish(), 0, "exit status")
    application.stop()


def _for(seconds):
    """True until so many seconds have passed."""
    end = time.time() + seconds
    return lambda: time.time() < end


EVERY_VERSION = [many_files, late_executors, sts_beyond_expiry]
ALL = [many_files, changes_mid_job, late_executors, driver_gone]
