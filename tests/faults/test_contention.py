# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other processes at the same database, the same sandbox and the same names."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest
from state import observe_state
from tracing import Ended, run_traced, start_apart
from trial import Bench
from worlds import Operation

_BASE_LOCK = "home/run/locks/cae662172fd450bb0cd710a769079c05.lock"
# Each of these says a line when it has done its part, and ends when its input does.
_HOLD_DATABASE = """
import sqlite3, sys
connection = sqlite3.connect("home/db/msb.db", isolation_level=None)
for statement in sys.argv[1:]:
    connection.execute(statement).fetchall()
print("held", flush=True)
sys.stdin.read()
"""
_HOLD_LOCK = """
import fcntl, pathlib, sys
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
file = path.open("w")
fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""
# Once the staged upper is there, the capture is in the middle of its work.
_WAIT_FOR_COPY = """
import fcntl, pathlib, sqlite3, sys, time
print("waiting", flush=True)
deadline = time.monotonic() + 20
while not list(pathlib.Path("home/snapshots").glob(".sandboxops-staging-*/artifact/upper.ext4")):
    if time.monotonic() > deadline:
        sys.exit("no capture came")
    time.sleep(0.005)
"""
_START_SANDBOX = """
connection = sqlite3.connect("home/db/msb.db", isolation_level=None)
connection.execute("UPDATE sandbox SET status = 'Running' WHERE name = 'base'")
connection.close()
"""
_WRITE_UPPER = """
with open("home/sandboxes/base/upper.ext4", "r+b") as upper:
    upper.write(b"changed")
"""
_TAKE_LOCK = """
with open(sys.argv[1]) as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("refused", flush=True)
"""


@contextlib.contextmanager
def _beside(world: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in the world until the block ends, from when it says that it is ready."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, cwd=world, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() != ""
        yield process
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
@pytest.mark.parametrize("name", ["capture, new", "capture, replacing", "import, single", "import, chain"])
def test_a_locked_database_costs_only_the_index_rows(bench_of: Callable[[str], Bench], name: str, begin: str) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    with _beside(bench.scene.world, _HOLD_DATABASE, begin):
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result["changed"]) == (False, True)
    assert [warning for warning in result["warnings"] if "is locked by another process" in warning] != []
    behind = observe_state(bench.scene.world)
    assert (behind.files, behind.rows) == (bench.new.files, bench.old.rows)
    again = bench.operation.run(bench.scene.world)
    assert (again["failed"], again["changed"], again["warnings"]) == (False, True, [])
    assert observe_state(bench.scene.world) == bench.new


@pytest.mark.parametrize("name", ["removal", "index"])
def test_what_is_about_the_index_fails_while_the_database_is_locked(
    bench_of: Callable[[str], Bench], name: str
) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    with _beside(bench.scene.world, _HOLD_DATABASE, "BEGIN IMMEDIATE"):
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result["code"]) == (True, "state")
    assert observe_state(bench.scene.world).rows == bench.old.rows
    assert not bench.operation.run(bench.scene.world)["failed"]
    assert observe_state(bench.scene.world) == bench.new


def test_a_database_that_nobody_else_may_read_stops_the_capture_before_it_begins(
    bench_of: Callable[[str], Bench],
) -> None:
    bench = bench_of("capture, new")
    bench.scene.reset()
    whole = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
    with _beside(bench.scene.world, _HOLD_DATABASE, *whole):
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result["code"]) == (True, "state")
    assert observe_state(bench.scene.world) == bench.old


@pytest.mark.parametrize("count", [2, 10])
@pytest.mark.parametrize("name", ["capture, new", "capture, replacing", "import, single", "import, chain", "removal"])
def test_of_many_at_once_one_does_the_work_and_the_others_find_it_done(
    bench_of: Callable[[str], Bench], name: str, count: int
) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    patient = _with_patience(bench.operation, 60)

    ends = [wait() for wait in [start_apart(patient, bench.scene.world) for dummy in range(count)]]

    assert [end for end in ends if end.result is None or end.result["failed"] or end.result["warnings"]] == []
    assert sorted(_changed(end) for end in ends) == [False] * (count - 1) + [True]
    assert observe_state(bench.scene.world) == bench.new


@pytest.mark.parametrize("name", ["capture, new", "import, single"])
def test_whoever_has_no_patience_left_is_told_who_was_in_the_way(bench_of: Callable[[str], Bench], name: str) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    program = _HOLD_LOCK.replace('path.open("w")', "__import__('os').open(path, 0)")
    with _beside(bench.scene.world, program, "home/snapshots"):
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result["code"]) == (True, "state")
    assert "home/snapshots is locked by another process" in result["msg"]
    assert observe_state(bench.scene.world) == bench.old


def test_a_sandbox_that_lives_is_not_captured(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("capture, replacing")
    bench.scene.reset()
    with _beside(bench.scene.world, _HOLD_LOCK, _BASE_LOCK):
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result["code"]) == (True, "state")
    assert "is alive or starting" in result["msg"]
    assert observe_state(bench.scene.world) == bench.old
    assert not bench.operation.run(bench.scene.world)["failed"]


def test_a_sandbox_cannot_take_its_lock_while_it_is_captured(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("capture, new")
    bench.scene.reset()
    with _beside(bench.scene.world, _WAIT_FOR_COPY + _TAKE_LOCK, _BASE_LOCK) as other:
        ended = run_traced(bench.operation, bench.scene.world, [_slow_copy(bench)])
        assert other.stdout is not None
        assert other.stdout.readline() == "refused\n"

    assert _changed(ended)
    assert observe_state(bench.scene.world) == bench.new


@pytest.mark.parametrize(
    ("program", "reason"), [(_START_SANDBOX, "Running"), (_WRITE_UPPER, "changed")], ids=["started", "written"]
)
@pytest.mark.parametrize("name", ["capture, new", "capture, replacing"])
def test_a_sandbox_that_wakes_up_while_it_is_captured_spoils_only_the_copy(
    bench_of: Callable[[str], Bench], name: str, program: str, reason: str
) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    with _beside(bench.scene.world, _WAIT_FOR_COPY + program):
        ended = run_traced(bench.operation, bench.scene.world, [_slow_copy(bench)])

    assert ended.result is not None
    assert (ended.result["failed"], ended.result["code"]) == (True, "state")
    assert reason in ended.result["msg"]
    after = observe_state(bench.scene.world)
    upper = "home/sandboxes/base/upper.ext4"
    assert {**after.files, upper: bench.old.files[upper]} == bench.old.files
    assert (after.rows, after.orphans, after.temporary) == (bench.old.rows, (), ())


def _slow_copy(bench: Bench) -> str:
    """Return what holds up the first write of a capture to its staged upper, for five seconds."""
    call = next(call for call in bench.calls if call.name == "pwrite64" and "artifact/upper.ext4" in call.text)
    return f"pwrite64:delay_enter=5000000:when={call.number}"


def _with_patience(operation: Operation, seconds: float) -> Operation:
    return replace(operation, parameters={**operation.parameters, "lock_timeout": seconds})


def _changed(ended: Ended) -> bool:
    return ended.result is not None and bool(ended.result["changed"])
