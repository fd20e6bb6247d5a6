"""Looks for identity tokens wherever a job leaves something: in memory, environments, files, logs and Spark's pages."""

import subprocess
from pathlib import Path

from bench import BOB, equal, holds, until
from cluster import FRUGAL, command_lines, parent, s3a
from leaks import hay_of_files, hay_of_process, needles, search
from services import BUCKET

# So that a core dump has hundreds of megabytes and not thousands: less is reserved that nobody uses.
SMALL = f"{FRUGAL} -Xss512k -XX:CompressedClassSpaceSize=128m -XX:ReservedCodeCacheSize=96m"
ARENAS = {"MALLOC_ARENA_MAX": "1"}
CHUNK = 2 * 1024 * 1024
NOTHING = bytes(CHUNK)


def token_nowhere(checks, bench, cluster):
    """A job that writes and reads, with each of its processes' memory searched."""
    version = cluster.spark.version
    application = bench.job(cluster, f"search-{version}")
    application.submit(executors=2, environment=ARENAS, **_small())
    _work(application)
    tokens = list(bench.issuer.minted)
    with checks.that(f"{version}: no identity token in the memory, environment or arguments of Spark's driver, an "
                     "executor, a Python worker or the safe-conduct around them"):
        places = _processes(application)
        for kind, pids in places.items():
            holds(pids, f"there is no {kind}")
            for pid in pids:
                equal(search(tokens, hay_of_process(pid)), [], f"{kind} {pid}")
        size = 0
        for kind in ("Spark's driver", "executor", "wrapper", "Python worker"):
            found, searched = _in_memory(application.root, places[kind][0], tokens)
            size += searched
            equal(found, set(), f"memory of {kind}")
        print(f"     {sum(map(len, places.values()))} processes, {size >> 20} MB of memory", flush=True)
    with checks.that(f"{version}: no identity token in the job's files, Spark's event log, pages and logs"):
        hay = _left_behind(application)
        equal(search(tokens, hay), [], "hits")
        print(f"     {len(hay)} files and pages, {sum(map(len, hay.values())) >> 10} kB", flush=True)
    _during_an_exchange(checks, bench, application)
    equal(application.finish(), 0, "exit status")
    application.stop()


def _during_an_exchange(checks, bench, application):
    """The driver's safe-conduct has the token while it calls the STS, and not before or after."""
    proxy, driver = application.proxy, application.driver
    with checks.that("control: while an exchange is held open, the token is in the memory of the driver's safe-conduct"):
        proxy.held = True
        token = bench.issuer.mint(BOB)
        application.volume.rotate(token)
        holds(proxy.holding.wait(60), "there was no exchange")
        found, _ = _in_memory(application.root, driver.pid, [token])
        holds("token" in found, f"only {found}")
    calls = len(proxy.calls)
    proxy.held = False
    with checks.that("and is nowhere in it once the exchange is over"):
        until("the exchange is over", lambda: len(proxy.calls) > calls and len(application.audit()) > 1, 30)
        found, size = _in_memory(application.root, driver.pid, bench.issuer.minted)
        equal(found, set(), "forms of the token")
        holds(size > 1 << 20, f"only {size} bytes were searched")


def planted_everywhere(checks, bench, cluster):
    """Positive control: the same search with a token planted in every place that is searched."""
    version = cluster.spark.version
    application = bench.job(cluster, f"planted-{version}")
    token = bench.issuer.mint("planted@example.com")
    application.submit(executors=1, environment=ARENAS, **_small(f"-Dplanted={token}"), **{
        "spark.planted": token, "spark.logConf": "true", "spark.executorEnv.PLANTED": token})
    _work(application)
    with checks.that("control: a planted token is found in memory, environments, arguments, event log, pages and logs"):
        places = _processes(application)
        for kind in ("executor", "wrapper", "Python worker"):
            holds(search([token], hay_of_process(places[kind][0])), f"not in the environment of the {kind}")
        for kind in ("Spark's driver", "executor", "wrapper", "Python worker"):
            found, _ = _in_memory(application.root, places[kind][0], [token])
            holds("token" in found, f"not in the memory of {kind}: {found}")
        hits = {place for place, _ in search([token], _left_behind(application))}
        for part in ("/events/", "/environment", "/log/executor-spark.err", "/stderr", "logPage", "spark-submit.properties"):
            holds(any(part in place for place in hits), f"not in {part}, only in {sorted(hits)}")
    application.finish()
    application.stop()


def _small(more=""):
    return {"spark.driver.extraJavaOptions": SMALL, "spark.executor.extraJavaOptions": f"{SMALL} {more}".strip(),
            "spark.executorEnv.MALLOC_ARENA_MAX": "1"}


def _work(application):
    application.ask("both", path=s3a(f"{application.name}/files"), files=20)
    for action in ("boto3", "pyarrow"):
        application.ask(action, bucket=BUCKET, prefix=application.name, tasks=2)


def _processes(application):
    """Every process of the job but the driver's safe-conduct, by its kind."""
    jvms, wrappers = application.jvms(), application.wrappers()
    workers = [pid for pid, line in command_lines().items()
               if "pyspark.daemon" in line and _ancestors(pid) & set(wrappers)]
    return {"Spark's driver": [application.driver_jvm()], "around Spark's driver": [application.submitted.process.pid],
            "executor": jvms, "wrapper": wrappers, "Python worker": workers}


def _ancestors(pid):
    found = set()
    while pid > 1:
        try:
            pid = parent(pid)
        except OSError:
            break
        found.add(pid)
    return found


def _left_behind(application):
    """Files of the job, of its executors and of the cluster, and Spark's pages. The token's own volume is elsewhere."""
    cluster = application.cluster
    files = hay_of_files(application.root, cluster.work / application.id, cluster.work.parent / "log")
    return files | application.pages()


def _in_memory(folder, pid, tokens):
    """The forms of `tokens` in a core dump of `pid`, and the dump's size."""
    stem = folder / "core"
    made = subprocess.run(["gcore", "-o", stem, str(pid)], capture_output=True, timeout=180, text=True)
    core = Path(f"{stem}.{pid}")
    if not core.exists():
        raise RuntimeError(f"gcore: {made.stderr[-500:]}")
    try:
        return _forms_in(core, tokens), core.stat().st_size
    finally:
        core.unlink()


def _forms_in(file, tokens):
    forms = {}
    for token in tokens:
        for name, needle in needles(token).items():
            forms.setdefault(name, []).append(needle)
        forms.setdefault("UTF-16", []).append(token.split(".")[1].encode("utf-16-le"))
    longest = max(len(needle) for some in forms.values() for needle in some)
    found, before = set(), b""
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            # Most of a JVM's memory has never been written to.
            if chunk != NOTHING:
                hay = before + chunk
                found |= {name for name, some in forms.items() if any(needle in hay for needle in some)}
            before = chunk[-longest:]
    return found


CASES = [token_nowhere, planted_everywhere]
