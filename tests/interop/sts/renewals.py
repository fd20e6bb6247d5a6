"""A running driver whose renewal meets a fault: it ends in its code and in its time, and all the while the endpoint serves
the last good credential."""

import concurrent.futures
import http.client
import re
import time

from checks import equal, holds, until
from faults import AGAIN, NEVER, NEW_TOKEN, TAKEN
from front import CERTIFICATES, Front
from job import Job, ask_endpoint

SUBJECT = "alice@example.com"
AT_ONCE = 48
# So many start at once that a port chosen beforehand could be somebody's by then.
ANY_PORT = "127.0.0.1:0"
SECOND_ROLE = "arn:aws:iam::210987654321:role/second"


def run(checks, bench, faults):
    """One check a fault, many at a time: nearly all of the time is waiting for renewals."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        renewals = [_Renewal(bench, n, fault) for n, fault in enumerate(faults)]
        cases = [(renewal, pool.submit(renewal.run)) for renewal in renewals]
        for renewal, outcome in cases:
            concurrent.futures.wait([outcome])
            with checks.that(renewal.sentence()):
                outcome.result()


class _Renewal:
    def __init__(self, bench, n, fault):
        self.fault = fault
        chained = fault.action is not None
        upstream = bench.moto if chained else bench.minio
        # Renewed at 0.4 to 0.5 of its life, served until 15 s before its end.
        life = 100 if fault.lasts else 72 if fault.seconds[1] > 10 or fault.pause or fault.retry == NEW_TOKEN else 50
        self.took = None
        self.front = Front(upstream.url, life=life)
        self.life = life
        self.roots = bench.root / f"roots-{n}.pem"
        self.roots.write_bytes(b"".join((CERTIFICATES / f"{name}.pem").read_bytes() for name in ("ca", "constrained-ca")))
        self.roots.chmod(0o600)
        self.volume = bench.volume(f"fault-{n}", SUBJECT)
        self.mint = lambda: bench.issuer.mint(SUBJECT)
        self.token = self.volume.file.read_text()
        settings = {"aws_caFile": self.roots, "status_listen": ANY_PORT, "distribution_listen": ANY_PORT}
        if chained:
            settings["aws_chain_1_roleArn"] = SECOND_ROLE
        self.job = Job(bench.root, f"fault-{n}", bench.issuer.url, self.volume.file, self.front.url_by(fault.host),
                       role=upstream.role, **settings)

    def sentence(self):
        fault = self.fault
        what = f"{''.join(f'{number}, ' for number in fault.numbers)}{fault.name}: {fault.code}"
        if self.took is not None:
            what += f" after {self.took:.1f} s"
        if fault.code == TAKEN:
            return what + ", and the new credential is served"
        again = f"again after {fault.pause} s" if fault.pause else "again"
        when = {AGAIN: again, NEVER: "once"}.get(fault.retry, fault.retry)
        return what + f", and the last good credential is served; asked {when}"

    def run(self):
        fault, front, job = self.fault, self.front, self.job
        driver = job.start_driver(wait=False)
        try:
            self._first_credential(driver)
            front.fault = fault
            if fault.roots:
                self.roots.write_bytes(fault.roots(self.roots.read_bytes()))
            if fault.closed:
                front.stop()
            (self._taken if fault.code == TAKEN else self._failed)()
        finally:
            job.stop()
            front.stop()
        equal(front.broken, [], "faults of the front itself")
        self._nothing_repeated()

    def _first_credential(self, driver):
        url = self.job.driver_directory / "endpoint.url"

        def served():
            if driver.ended() is not None:
                raise RuntimeError(f"the driver ended: {driver.errors()[-500:]}")
            return url.exists() and url.read_text()
        until("the first credential", served, 40, 0.3)
        self.began = time.monotonic()
        self.first = self._served()
        equal(self.first, self.front.keys()[-1], "access key id at the endpoint")

    def _served(self):
        """The access key id that the endpoint serves now."""
        status, answer = ask_endpoint(self.job.driver_directory)
        equal(status, 200, f"status of the endpoint, with {answer}")
        return answer["AccessKeyId"]

    def _outcomes(self):
        return [(line["outcome"], line.get("code")) for line in self.job.audit()]

    def _served_until(self, what, probe, seconds):
        """Waits for `probe`; until then, and once more, the first credential must be served."""
        def both():
            found = probe()
            equal(self._served(), self.first, "access key id at the endpoint")
            return found
        return until(what, both, seconds, 0.3)

    def _taken(self):
        until("the renewal", lambda: len(self._outcomes()) > 1, self.life * 0.5 + 25, 0.3)
        equal(self._outcomes()[1:], [("credential", None)], "outcomes")
        self._in_time()
        equal(self._served(), self.front.keys()[-1], "access key id at the endpoint")
        holds(self._served() != self.first, "there is no new key")

    def _failed(self):
        fault, front = self.fault, self.front
        meets = not (fault.closed or fault.roots)
        self._served_until("the renewal", lambda: front.met if meets else len(self._outcomes()) > 1,
                           self.life * 0.5 + 15)
        self._served_until("the failure", lambda: len(self._outcomes()) > 1, fault.seconds[1] + 2)
        if meets:
            self._in_time()
        equal(self._outcomes()[1], ("failed", fault.code), "outcome")
        if not fault.said:
            holds(not any(call.form for call in front.met), "it was told something before it had proved itself")
            holds(self.token.encode() not in b"".join(front.in_clear), "the token went out in clear")
        self._shown()
        {AGAIN: self._asked_again, NEVER: self._left_alone}.get(fault.retry, self._waits_for_a_token)()

    def _in_time(self):
        """Between the connection and what became of it lies the time that this fault may take."""
        self.took = time.monotonic() - self.front.met[0].at
        least, most = self.fault.seconds
        holds(least <= self.took <= most, f"it took {self.took:.1f} s, not {least} to {most}")

    def _shown(self):
        """The failure is in the metrics; readiness counts it only where waiting does not help."""
        _, metrics = self._status("/metrics")
        holds(re.search(rf'^safe_conduct_failures_total{{.*code="{self.fault.code}".*}} [1-9]', metrics, re.MULTILINE),
              "the code is not in the metrics")
        wanted = (200, "ready\n") if self.fault.retry == AGAIN else (503, f"not ready: {self.fault.code}\n")
        equal(self._status("/readyz"), wanted, "readiness")

    def _status(self, path):
        address = re.search(r"status at http://([0-9.:]+)/", self.job.driver.errors()).group(1)
        link = http.client.HTTPConnection(address, timeout=10)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def _asked_again(self):
        """The same call is made again by itself, not too often, and goes through once nothing is wrong."""
        fault, front = self.fault, self.front
        end = front.met[0].at + fault.lasts if fault.lasts else 0
        self._served_until("the end of the fault", lambda: time.monotonic() > end, fault.lasts + 5)
        holds(len(front.met) <= 6, f"{len(front.met)} calls in the first 30 s")
        front.fault = None
        if fault.closed:
            front.start()
        if fault.pause:
            self._served_until("the pause", lambda: time.monotonic() > front.met[-1].ended + fault.pause - 0.5,
                               fault.pause + 2)
            equal(len(front.calls) - len(front.met), 2 if fault.action else 1, "calls before the pause is over")
        until("a credential", lambda: self._outcomes()[-1] == ("credential", None), fault.lasts + 12, 0.3)
        until("the new key", lambda: self._served() == front.keys()[-1] != self.first, 3, 0.2)

    def _left_alone(self):
        """No hot loop: for as long as the credential is still served, nobody asks again."""
        made = len(self.front.met)
        steps = {"AssumeRole": 2}.get(self.fault.action, 1)
        equal(made, 0 if self.fault.roots else steps, "calls")
        left = self.began + self.life - 17 - time.monotonic()
        holds(left > 2, f"only {left:.1f} s are left to look on")
        end = time.monotonic() + min(left, 6)
        self._served_until("the end", lambda: time.monotonic() > end, 20)
        equal((len(self.front.met), len(self._outcomes())), (made, 2), "calls and exchanges")

    def _waits_for_a_token(self):
        """Nothing until there is another token; then one call, which goes through."""
        end = time.monotonic() + 3
        self._served_until("the end", lambda: time.monotonic() > end, 20)
        equal(len(self.front.met), 1, "calls")
        self.front.fault = None
        self.volume.rotate(self.mint())
        # The token's file is looked at every 30 s; what is held may have run out by then.
        until("a credential", lambda: self._outcomes()[-1] == ("credential", None), 40, 0.3)
        until("the new key", lambda: self._served() == self.front.keys()[-1] != self.first, 3, 0.2)

    def _nothing_repeated(self):
        """Nothing of a token, a secret or a service's words in anything that was written."""
        written = self.job.driver.errors() + self.job.driver.output() + self.job.audit_file.read_text()
        for planted in (self.token, self.token.rpartition(".")[2], "PLANTED", *self.front.secrets):
            holds(planted not in written, "something of the token, a secret or the service's words is in log or audit")
        holds(self.front.secrets, "no secret was looked for")
