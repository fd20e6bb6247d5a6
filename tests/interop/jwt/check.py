"""Puts many tokens before four verifiers and explains every disagreement: ours, jsonwebtoken, PyJWT and joserfc.

TOOLS holds the program `tokens`, WORK is a folder of this run's own. COUNT is how many tokens (100,000 without it), SEED
what they are made from (1 without it). disagreements.md beside this file has a row for every kind of token about which the
four are not of one mind. `check.py --rows` prints the rows that this run would need.
"""

import collections
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from checks import Checks, equal, holds
from others import judged

OURS = "safe-conduct"
OTHERS = ["jsonwebtoken", "PyJWT", "joserfc"]
FULL = 100_000
LEAST_SOUND = 0.05
PROGRESS = 10_000


def _cases(seed, count):
    """Every case with all four verdicts, in the order of their numbers."""
    made = subprocess.Popen([Path(os.environ["TOOLS"]) / "tokens", str(seed), str(count)], stdout=subprocess.PIPE, text=True)
    started, cases = time.monotonic(), []
    with multiprocessing.Pool() as pool:
        for case in pool.imap(judged, made.stdout, chunksize=200):
            cases.append(case)
            if len(cases) % PROGRESS == 0:
                print(f"     {len(cases)} of {count} tokens after {time.monotonic() - started:.0f} s", flush=True)
    holds(made.wait() == 0, "tokens ends well")
    return cases


def _accepts(case, name):
    return case[name] == "ok"


def _groups(cases):
    """(kind, who accepts) of the kinds with one change about which the four disagree, and how many tokens."""
    groups = collections.Counter()
    for case in cases:
        accepting = tuple(name for name in [OURS, *OTHERS] if _accepts(case, name))
        if len(case["kinds"]) == 1 and 0 < len(accepting) < 4:
            groups[case["kinds"][0], accepting] += 1
    return groups


def _rows():
    """(kind, who accepts) of each row of the table, and its reason."""
    rows = {}
    for line in (Path(__file__).parent / "disagreements.md").read_text().splitlines():
        match = re.fullmatch(r"\| `([a-z0-9/-]+)` \| ([^|]+) \| ([^|]+) \| (.+) \|", line)
        if match:
            kind, accepting, refusing, why = match.groups()
            names = tuple(name for name in [OURS, *OTHERS] if name in accepting.split(", "))
            holds(set(accepting.split(", ")) | set(refusing.split(", ")) == {OURS, *OTHERS}, f"all four stand in {line}")
            holds((kind, names) not in rows, f"one row for {kind} and {names}")
            rows[kind, names] = why
    return rows


def _print_rows(groups):
    for (kind, accepting), number in sorted(groups.items()):
        refusing = [name for name in [OURS, *OTHERS] if name not in accepting]
        print(f"| `{kind}` | {', '.join(accepting)} | {', '.join(refusing)} | ? | ({number})")


def main():
    seed, count = int(os.environ.get("SEED", "1")), int(os.environ.get("COUNT", str(FULL)))
    checks = Checks("jwt")
    print(f"     {count} tokens of seed {seed}; to make one again: tokens {seed} {count} ID", flush=True)
    cases = _cases(seed, count)
    groups = _groups(cases)
    if sys.argv[1:] == ["--rows"]:
        return _print_rows(groups)
    kinds = collections.Counter(case["kinds"][0] for case in cases if len(case["kinds"]) == 1)
    with checks.that(f"{count} tokens of {len(kinds)} kinds and of pairs of faults were judged by all four"):
        equal(len(cases), count, "judged")
        holds(len(kinds) >= 60, "at least 60 kinds")
        holds(all(case[name] for case in cases for name in [OURS, *OTHERS]), "a verdict each")
    with checks.that("ours is the verdict that the standards ask for, each time"):
        wrong = [(case["id"], case["kinds"], case[OURS]) for case in cases if _accepts(case, OURS) != case["sound"]]
        equal(wrong[:5], [], f"{len(wrong)} wrong ones")
    agreed = sum(all(_accepts(case, name) for name in [OURS, *OTHERS]) for case in cases)
    with checks.that(f"{agreed} sound tokens are accepted by all four, so the four were asked the same"):
        holds(agreed >= LEAST_SOUND * count, "enough of them")
    with checks.that("we never accept what two others refuse"):
        alone = [(case["id"], case["kinds"]) for case in cases
                 if _accepts(case, OURS) and sum(not _accepts(case, name) for name in OTHERS) >= 2]
        equal(alone[:5], [], f"{len(alone)} tokens")
    rows = _rows()
    with checks.that(f"each of {len(groups)} disagreements has its row"):
        equal(sorted(set(groups) - set(rows)), [], "without a row")
    with checks.that("another verifier accepts a pair of faults only if it accepts each alone"):
        lenient = {name: {kind for kind, names in rows if name in names} for name in OTHERS}
        odd = [(case["id"], case["kinds"], name) for case in cases if len(case["kinds"]) == 2 for name in OTHERS
               if _accepts(case, name) and not set(case["kinds"]) <= lenient[name]]
        equal(odd[:5], [], f"{len(odd)} pairs")
    if count >= FULL:
        with checks.that("no row is stale"):
            equal(sorted(set(rows) - set(groups)), [], "rows that no token showed")
    for name in OTHERS:
        accepted = sum(_accepts(case, name) and not case["sound"] for case in cases)
        refused = sum(not _accepts(case, name) and case["sound"] for case in cases)
        print(f"     {name} accepts {accepted} unsound tokens and refuses {refused} sound ones", flush=True)
    checks.finish()


if __name__ == "__main__":
    main()
