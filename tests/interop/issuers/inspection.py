"""What `safe-conduct inspect --json` says of a token: its exit status, its code, each rule."""

import itertools
import json
import re
import subprocess
from typing import NamedTuple

from checks import equal, holds
from job import BINARY, PREFIX
from processes import clean_environment

IDENTITY_REFUSED, UNREACHABLE, CONFIGURATION = 77, 69, 78
_number = itertools.count(1)


class Inspected(NamedTuple):
    """An answer of `inspect`."""

    status: int
    code: str
    header: dict
    claims: dict
    keys: dict
    """What is said of each of the issuer's keys: `usable`, or why it is not used."""
    rules: dict
    """Each rule's name, with nothing where it passes and its code where it does not."""
    accepted: object
    """The verdict."""
    errors: str


class Inspector:
    """Runs `inspect` for one issuer. `settings` are of the job's (dots in their names written as `_`)."""

    def __init__(self, root, issuer, audience, **settings):
        self._root, self._issuer, self._audience, self._settings = root, issuer, audience, settings
        root.mkdir(parents=True, exist_ok=True)

    def ask(self, token, issuer=None, audience=None, now=None, **settings):
        """What it says of `token`: a text, which is put into a file, or a file."""
        file = token
        if isinstance(token, str):
            file = self._root / f"token-{next(_number)}"
            file.write_text(token)
            file.chmod(0o600)
        chosen = {name: value for name, value in (self._settings | settings).items() if value is not None}
        configured = [part for name, value in chosen.items()
                      for part in ("--conf", f"{PREFIX}{name.replace('_', '.')}={value}")]
        ran = subprocess.run(
            [BINARY, "inspect", file, "--json", "--show-claims", "--issuer", issuer or self._issuer,
             "--audience", audience or self._audience, *configured, *(["--now", str(now)] if now else [])],
            capture_output=True, text=True, timeout=60, env=clean_environment(), check=False)
        parts = {"header": {}, "claim": {}, "key": {}, "rule": {}, "verdict": {}}
        for line in map(json.loads, ran.stdout.splitlines()):
            # A member's value is shown as the JSON that it was; a rule that passes has no code.
            if line["part"] in ("header", "claim"):
                value = json.loads(line["value"])
            else:
                value = line.get("value", line.get("code", line.get("accepted")))
            parts[line["part"]][line.get("name", "accepted")] = value
        code = re.search(r"^error\[([A-Z0-9_]+)\]: .+\nhint: \S", ran.stderr, re.MULTILINE)
        return Inspected(ran.returncode, code.group(1) if code else "", parts["header"], parts["claim"], parts["key"],
                         parts["rule"], parts["verdict"].get("accepted"), ran.stderr)

    def accepts(self, token, **changes):
        """Fails unless every rule passes, the verdict says so and the exit status is 0. Returns what was said."""
        said = self.ask(token, **changes)
        equal((said.status, said.code, said.accepted), (0, "", True), "exit status, code and verdict")
        equal({name: code for name, code in said.rules.items() if code}, {}, "rules that are broken")
        holds("signature" in said.rules, "the signature was not checked")
        return said

    def refuses(self, token, code, **changes):
        """Fails unless the token is refused with `code`, which is the first broken rule. Returns what was said."""
        said = self.ask(token, **changes)
        equal((said.status, said.code, said.accepted), (IDENTITY_REFUSED, code, False), "exit status, code and verdict")
        equal(next(found for found in said.rules.values() if found), code, "the first broken rule's code")
        return said

    def has_no_keys(self, token, status, code, **changes):
        """Fails unless the keys are not to be had, for the reason that `code` says. Returns what was said."""
        said = self.ask(token, **changes)
        equal((said.status, said.code, said.accepted), (status, code, False), "exit status, code and verdict")
        equal(said.rules["the issuer's keys"], code, "the rule that needs keys")
        holds("signature" not in said.rules, "a signature was judged without keys")
        return said
