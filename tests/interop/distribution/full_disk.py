"""A full disk under an executor's files and under the driver's audit file: what is written is whole or not at all."""

import json
import re
import shutil

from checks import equal, holds, until
from fleet import Fleet
from job import code_of, is_ready
from refused import refused
from scale import LIFE, SLACK
from tiny_disk import PAGE, TinyDisk

CONFIGURATION = 78

TORN_LIFE = 18
"""Renewed every 3 s: 15 s before its end a credential is too old to be served, and nobody asks for this one."""


def full_disk(checks, bench):
    try:
        disk, audit_disk = (TinyDisk(bench.root / name, 16) for name in ("disk", "audit-disk"))
    except OSError as why:
        print(f"not run: a full disk ({why})", flush=True)
        return
    endpoint_files(checks, bench, disk)
    audit_file(checks, bench, audit_disk)


def endpoint_files(checks, bench, disk):
    fleet = Fleet(bench, "full-disk", 0, LIFE)
    fleet.start_driver()
    directory = disk.directory / "executor"
    for pages in (0, 1):
        with checks.that(f"an executor whose files have a disk with {pages} free pages ends with FILE_IO, and what it "
                         "wrote is whole"):
            disk.fill(free=pages)
            executor = fleet.job.executor(f"full-{pages}", endpoint_directory=directory)
            refused(executor.process, CONFIGURATION, "FILE_IO")
            equal(_not_whole(disk.files()), {}, "files")
            disk.empty()
            shutil.rmtree(directory, ignore_errors=True)
    with checks.that("the same executor serves once there is room"):
        executor = fleet.job.executor("room", endpoint_directory=directory)
        until("it serves", lambda: is_ready(directory), 2 * SLACK)
        equal(_not_whole(disk.files()), {}, "files")
    with checks.that("it serves on while its disk is full"):
        disk.fill()
        holds(is_ready(directory) and executor.process.ended() is None, "it does not")
    fleet.job.stop()


def _not_whole(files):
    """What is neither empty nor all of a token or an address."""
    whole = {"endpoint.token": rb"[0-9a-f]{64}", "endpoint.url": rb"|http://127\.0\.0\.1:\d+/v1/credentials"}
    return {name: content for name, content in files.items()
            if not (name in whole and re.fullmatch(whole[name], content))}


def audit_file(checks, bench, disk):
    file = disk.directory / "audit.json"
    # A line of an older run ends shortly before the page does, so that the next one does not fit.
    older = json.dumps({"event": "exchange", "outcome": "older", "padding": ""})
    file.write_text(json.dumps({"event": "exchange", "outcome": "older", "padding": "x" * (PAGE - len(older) - 101)}) + "\n")
    disk.fill()
    fleet = Fleet(bench, "audit", 0, TORN_LIFE, audit_file=file)
    with checks.that("a driver whose audit file has a full disk goes on renewing and says so once"):
        fleet.start_driver()
        fleet.renewed(2, 3 * SLACK)
        equal(fleet.job.driver.errors().count("audit lines cannot be written [FILE_IO]"), 1, "lines in the log")
    with checks.that("each line of that file is whole, and so is the next one once there is room"):
        disk.empty()
        mark = len(fleet.sts.calls)
        fleet.renewed(mark, 3 * SLACK)
        until("a line", lambda: fleet.sts.calls[mark].key in file.read_text(), SLACK)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        equal(lines[0]["outcome"], "older", "the first line")
        holds(len(lines) >= 2, "nothing was written")
    fleet.job.stop()
