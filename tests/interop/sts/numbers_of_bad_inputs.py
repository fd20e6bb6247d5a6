"""Bad inputs 207 to 283: which of them are shown here, and where the others are."""

import re

from checks import equal, holds

# Of the table: settings and an environment, not answers.
IN_THE_TABLE = {207, 208, 209}


def run(checks, repository, faults):
    here = IN_THE_TABLE | {number for fault in faults for number in fault.numbers}
    with checks.that("every bad input from 207 to 283 is shown here or by a test that SECURITY.md names"):
        security = (repository / "SECURITY.md").read_text()
        rows = re.findall(r"^\| (2\d\d) \| (.*?) \| .*? \| (.*) \|$", security, re.MULTILINE)
        tests = {int(number): (what, re.findall("`([^`]+)`", names)) for number, what, names in rows}
        equal(sorted(set(range(207, 284)) - here - set(tests)), [], "numbers that nobody shows")
        elsewhere = sorted(set(range(207, 284)) - here)
        files = [file for folder in ("tests", "src") for file in (repository / folder).rglob("*.rs")]
        sources = "\n".join(file.read_text() for file in files)
        for number in elsewhere:
            what, names = tests[number]
            holds(names and all(f"fn {name}(" in sources for name in names), f"{number}: no test is named {names}")
    for number in elsewhere:
        what, names = tests[number]
        print(f"--   sts: {number}, {what}: nothing that a server sends; see {names[0]}", flush=True)
