"""What must be refused before anything is served: bad tokens, and keys of another job."""

from checks import equal, holds
from jobs import Job
from refused import no_endpoint, nothing_served, refused
from sts_proxy import StsProxy

ALICE = "alice@example.com"
IDENTITY_REFUSED, CONFIGURATION, UNREACHABLE = 77, 78, 69

BAD_TOKENS = {
    "an expired token": ({"life": -120}, "TOKEN_EXPIRED"),
    "a token for another audience": ({"audience": "somebody-else"}, "TOKEN_AUDIENCE"),
    "a forged token": ({"forged": True}, "TOKEN_SIGNATURE"),
}


def bad_tokens(checks, bench):
    for n, (name, (token, code)) in enumerate(BAD_TOKENS.items()):
        proxy = StsProxy(bench.moto_sts.url)
        volume = bench.volume(f"bad-{n}", ALICE, **token)
        job = Job(bench.root, f"bad-{n}", bench.issuer.url, volume.file, proxy.url)
        with checks.that(f"{name} is refused with {code} before any STS call, and nothing is served"):
            refused(job.start_driver(wait=False), IDENTITY_REFUSED, code)
            equal(proxy.calls, [], "STS calls")
            nothing_served(job)
        proxy.stop()
    with checks.that("an executor without a driver never starts its command, and says what it waited for"):
        marker = job.root / "started"
        executor = job.executor("waiting", "touch", marker, start_timeout="3s")
        refused(executor.process, UNREACHABLE, "ASK_UNREACHABLE")
        holds(not marker.exists(), "the command was started")
        no_endpoint(executor.directory)


def keys_of_another_job(checks, bench):
    proxy = StsProxy(bench.moto_sts.url)
    volume = bench.volume("keys", ALICE)
    job, other = (Job(bench.root, name, bench.issuer.url, volume.file, proxy.url) for name in ("keys", "other"))
    job.start_driver()
    # Another job's own key beside this driver's public key: the executor trusts the driver, the driver not it.
    mixed = job.root / "mixed.pem"
    private = (other.keys / "executors.pem").read_text().partition("-----BEGIN PUBLIC KEY-----")[0]
    public = (job.keys / "executors.pem").read_text().partition("-----BEGIN PUBLIC KEY-----")
    mixed.write_text(private + public[1] + public[2])
    mixed.chmod(0o600)
    files = {
        "another job's key file": (other.keys / "executors.pem", "ASK_DRIVER_UNKNOWN"),
        "another job's executor key beside this driver's public key": (mixed, "ASK_KEY_REFUSED"),
        "the driver's own key file on an executor": (job.keys / "driver.pem", "ASK_DRIVER_UNKNOWN"),
    }
    for n, (name, (file, code)) in enumerate(files.items()):
        with checks.that(f"{name} is refused with {code}, and the command is never started"):
            marker = job.root / f"started-{n}"
            executor = job.executor(f"stranger-{n}", "touch", marker, key_file=file, start_timeout="3s")
            refused(executor.process, CONFIGURATION, code)
            holds(not marker.exists(), "the command was started")
            no_endpoint(executor.directory)
    with checks.that("the same executor with the job's own key file is served"):
        executor = job.executor("own", "touch", job.root / "started-own", start_timeout="10s")
        equal(executor.process.wait(30), 0, "exit status")
        holds((job.root / "started-own").exists(), "the command was not started")
    job.stop()
    proxy.stop()


SCENARIOS = [bad_tokens, keys_of_another_job]
