# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task detaches, is watched, ends by itself or is ended; what it prints and how it ends come through unchanged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job import VARIABLE
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_answer import PENDING

TOKEN = "0123456789abcdef" * 2
_PATIENCE_SECONDS = 20
_MODULE = "ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job"

# A module's skeleton: the task prints, and ends when a file appears.
_PROGRAM = f"""
import os, sys, time
from {_MODULE} import detach_if_asked
job = detach_if_asked()
try:
    print(os.getpid(), file=sys.stderr, flush=True)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    print("begun\\nended")
    sys.exit(3)
finally:
    open(sys.argv[1] + ".cleaned", "w").close()
"""


class Task:
    """A task that ends once it may."""

    def __init__(self, directory: Path, collections_path: Path) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.may_end = directory / "may-end"
        self.has_cleaned = directory / "may-end.cleaned"
        self.collections_path = collections_path

    def start_process(self, order: str | None) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(self.collections_path), "TMPDIR": str(self.temporary)}
        if order is not None:
            environment[VARIABLE] = order
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self.may_end)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def order(self, order: str | None) -> tuple[int, bytes, bytes]:
        process = self.start_process(order)
        printed, errors = process.communicate(timeout=_PATIENCE_SECONDS)
        return process.returncode, printed, errors

    def ask(self, order: str) -> dict[str, Any]:
        printed = self.order(order)[1]
        answer: dict[str, Any] = json.loads(printed)
        return answer

    @property
    def directory(self) -> Path:
        return self.temporary / f"sandboxops-job-{TOKEN}"

    @property
    def process(self) -> int:
        assert wait_until(lambda: self.directory.joinpath("stderr").read_text() != "")
        return int(self.directory.joinpath("stderr").read_text())


@pytest.fixture
def task(tmp_path: Path, collections_path: Path) -> Iterator[Task]:
    made = Task(tmp_path, collections_path)
    yield made
    made.may_end.touch()
    assert wait_until(lambda: not made.directory.exists() or made.directory.joinpath("status").exists())
    shutil.rmtree(made.temporary)  # which ends the keeper of a result that nobody has collected


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


def catches(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_without_an_order_nothing_is_detached(task: Task) -> None:
    task.may_end.touch()
    assert task.order(None)[:2] == (3, b"begun\nended\n")
    assert list(task.temporary.iterdir()) == []


def test_a_quick_task_answers_as_if_it_had_not_been_detached(task: Task) -> None:
    task.may_end.touch()
    status, printed, errors = task.order(f"start 10 {TOKEN}")
    assert (status, printed) == (3, b"begun\nended\n")
    assert int(errors) > 0
    assert wait_until(lambda: list(task.temporary.iterdir()) == [])


def test_a_slow_task_is_pending_until_it_ends(task: Task) -> None:
    status, printed, errors = task.order(f"start 0.2 {TOKEN}")
    assert (status, errors) == (0, b"")
    assert json.loads(printed)[PENDING]["doing"] == "starting"
    assert PENDING in task.ask(f"wait 0.2 {TOKEN}")
    task.may_end.touch()
    assert task.order(f"wait 10 {TOKEN}")[:2] == (3, b"begun\nended\n")
    assert wait_until(lambda: list(task.temporary.iterdir()) == [])


def test_who_waits_hears_of_the_end_at_once(task: Task) -> None:
    task.order(f"start 0.1 {TOKEN}")
    process = task.start_process(f"wait 19 {TOKEN}")
    time.sleep(0.5)
    began = time.monotonic()
    task.may_end.touch()
    assert process.communicate(timeout=_PATIENCE_SECONDS)[0] == b"begun\nended\n"
    assert time.monotonic() - began < 5


def test_a_task_outlives_who_started_it(task: Task) -> None:
    process = task.start_process(f"start 19 {TOKEN}")
    assert wait_until(lambda: task.directory.joinpath("stderr").exists())
    working = task.process
    process.kill()
    process.communicate()
    assert Path(f"/proc/{working}").exists()
    task.may_end.touch()
    assert task.order(f"wait 10 {TOKEN}")[:2] == (3, b"begun\nended\n")


def test_a_task_that_is_told_to_stop_cleans_up(task: Task) -> None:
    task.order(f"start 0.2 {TOKEN}")
    answer = task.ask(f"stop 15 {TOKEN}")
    assert (answer["failed"], answer["error"]["code"]) == (True, "state")
    assert "told to stop" in answer["msg"]
    assert task.has_cleaned.exists()
    assert wait_until(lambda: list(task.temporary.iterdir()) == [])


def test_a_task_that_is_told_to_stop_before_it_begins_never_does(task: Task) -> None:
    stopping = task.start_process(f"stop 15 {TOKEN}")
    assert wait_until(task.directory.exists)
    answer = task.ask(f"start 10 {TOKEN}")
    assert answer["error"]["code"] == "state"
    assert "told to stop before it began" in answer["msg"]
    assert not task.has_cleaned.exists()
    stopping.communicate(timeout=_PATIENCE_SECONDS)
    assert list(task.temporary.iterdir()) == []


def test_an_order_to_stop_what_never_begins_leaves_nothing(task: Task) -> None:
    assert task.ask(f"stop 15 {TOKEN}")["error"]["code"] == "state"
    assert list(task.temporary.iterdir()) == []


def test_an_order_to_start_that_comes_again_starts_nothing_more(task: Task) -> None:
    assert PENDING in task.ask(f"start 0.2 {TOKEN}")
    working = task.process
    assert PENDING in task.ask(f"start 0.2 {TOKEN}")
    assert task.process == working
    task.may_end.touch()
    assert task.order(f"start 10 {TOKEN}")[:2] == (3, b"begun\nended\n")
    assert wait_until(lambda: list(task.temporary.iterdir()) == [])


@pytest.mark.parametrize("verb", ["start", "wait"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_who_is_ended_while_waiting_ends_the_task(task: Task, verb: str, number: signal.Signals) -> None:
    if verb == "wait":
        task.order(f"start 0.2 {TOKEN}")
    process = task.start_process(f"{verb} 19 {TOKEN}")
    assert wait_until(lambda: task.directory.joinpath("stderr").exists())
    working = task.process
    assert wait_until(lambda: catches(process.pid, signal.SIGTERM))
    process.send_signal(number)
    process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert wait_until(task.has_cleaned.exists)
    assert wait_until(lambda: not Path(f"/proc/{working}").exists())


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_killed_task_is_an_error(task: Task, is_waited_for: bool) -> None:
    task.order(f"start 0.2 {TOKEN}")
    working = task.process
    if is_waited_for:
        process = task.start_process(f"wait 19 {TOKEN}")
        time.sleep(0.5)
        os.kill(working, signal.SIGKILL)
        answer = json.loads(process.communicate(timeout=_PATIENCE_SECONDS)[0])
        assert process.returncode == 1
    else:
        os.kill(working, signal.SIGKILL)
        answer = task.ask(f"wait 10 {TOKEN}")
    assert answer["failed"]
    assert answer["error"] == {
        "code": "os",
        "facts": {"errno": None, "path": None, "signal": 9, "doing": "starting"},
    }
    assert answer["msg"].startswith("the task was killed by SIGKILL, as the system does when memory runs out,")


def test_a_task_that_is_killed_with_its_keeper_is_an_error(task: Task) -> None:
    task.order(f"start 0.2 {TOKEN}")
    working, keeper = task.process, int(task.directory.joinpath("lock").read_text())
    os.kill(keeper, signal.SIGKILL)
    os.kill(working, signal.SIGKILL)
    answer = task.ask(f"wait 10 {TOKEN}")
    assert answer["error"]["code"] == "os"
    assert answer["msg"].startswith("the task and the process that stood by it were killed")


def test_a_task_that_nobody_knows_is_an_error(task: Task) -> None:
    answer = task.ask(f"wait 1 {TOKEN}")
    assert answer["error"]["code"] == "state"
    assert "is gone" in answer["msg"]


@pytest.mark.parametrize(
    "order", ["", "start", f"start x {TOKEN}", f"start -1 {TOKEN}", f"run 1 {TOKEN}", "wait 1 /etc"]
)
def test_an_order_that_is_none_is_an_error(task: Task, order: str) -> None:
    assert task.ask(order)["error"]["code"] == "request"


def test_a_task_without_room_for_its_files_runs_as_ever(task: Task) -> None:
    task.directory.mkdir()
    task.may_end.touch()
    assert task.order(f"start 10 {TOKEN}")[:2] == (3, b"begun\nended\n")
    task.directory.rmdir()  # somebody else's, which is left alone
