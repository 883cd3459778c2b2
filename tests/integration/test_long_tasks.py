# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that take long: they show how far they are, end as others do, and leave nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible, Run, task
from sample_homes import add_sandbox
from terminal import terminal

GIB = 1 << 30
_LINE = re.compile(r"^\[localhost\] .*", re.MULTILINE)
_PATIENCE_SECONDS = 120
_TIMEOUT_SECONDS = 120


@pytest.fixture(autouse=True)
def jobs(directories: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary directory of the managed side, open to every user, which is empty again in the end."""
    directory = directories()
    directory.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(directory))
    yield directory

    def left() -> list[Path]:
        # Python leaves the directory of a terminated Ansible's processes.
        return [path for path in directory.iterdir() if not path.name.startswith("pymp-")]

    assert wait_until(lambda: not left()), left()


def lines(printed: str) -> list[str]:
    return _LINE.findall(printed)


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory for the block."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def command(ansible: Ansible, *tasks: dict[str, Any], **keywords: Any) -> list[str]:
    """Write a playbook, and return what plays it."""
    play = {"name": "Test", "hosts": "localhost", "gather_facts": False, **keywords, "tasks": tasks}
    playbook = ansible.home / "playbook.yml"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    return [sys.executable, "-m", "ansible", "playbook", str(playbook), *ansible._common()]


def environment(ansible: Ansible) -> dict[str, str]:
    return ansible._environment() | {"TASK_RESULTS": os.devnull, "TASK_WATCHED": ""}


@contextlib.contextmanager
def reading(ansible: Ansible, *tasks: dict[str, Any], **keywords: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a play whose output is for the block to read, and end it with the block."""
    with subprocess.Popen(
        command(ansible, *tasks, **keywords),
        cwd=ansible.home,
        env=environment(ansible),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def play_behind_a_lock(ansible: Ansible, home: Path, until: str, *tasks: dict[str, Any], **keywords: Any) -> str:
    """Play tasks that wait for the store's lock until a line like this was printed, and return all that was."""
    printed = []
    with reading(ansible, *tasks, **keywords) as process:
        assert process.stdout is not None
        with held(home / "snapshots"):
            for line in process.stdout:
                printed.append(line)
                if re.search(until, line):
                    break
        printed += process.stdout
        assert process.wait(_TIMEOUT_SECONDS) == 0, "".join(printed)
    assert (home / "snapshots/golden/upper.ext4").exists()
    assert any(re.search(until, line) for line in printed), "".join(printed)
    return "".join(printed)


def quick(**variables: Any) -> dict[str, Any]:
    """Return variables of a play that prints a line every second."""
    return {"vars": {"microsandbox_progress_interval": 1, **variables}}


def capture(home: Path, **options: Any) -> dict[str, Any]:
    return task("snapshot", home=home, name="golden", sandbox="base", **options)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if _LINE.match(line):
            return line
    pytest.fail("the play ended without a line")


def task_process(jobs: Path) -> int:
    """Return the process that does the one detached task."""
    (job,) = jobs.glob("sandboxops-job-*")
    keeper = int((job / "lock").read_text())
    (process,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return int(process)


def is_alive(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_slow_task_shows_how_far_it_is_and_returns_what_it_returns_otherwise(ansible: Ansible, home: Path) -> None:
    add_sandbox(home, "big", upper_bytes=3 * GIB)
    verify = task("snapshot_info", home=home, name="golden", verify=True)
    unwatched = {**verify, "vars": {"microsandbox_progress_interval": 0}}
    archive, other = home / "big.tar", home.with_name("other")
    run = ansible.play(
        task("snapshot", home=home, name="golden", sandbox="big"),
        verify,
        unwatched,
        task("snapshot_archive", home=home, state="exported", snapshot="golden", path=archive),
        task("snapshot_archive", home=other, state="imported", path=archive, name="copied"),
        vars={"microsandbox_progress_interval": 0.5},
    )
    assert run.exit_status == 0, run.printed
    for subject, verb in (
        ("snapshot golden", "copying and hashing"),
        ("snapshot_info golden", "hashing"),
        ("snapshot_archive golden", "packing"),
        ("snapshot_archive copied", "unpacking"),
    ):
        shown = [line for line in lines(run.printed) if line.startswith(f"[localhost] {subject}: {verb} ")]
        assert shown, run.printed
        shares = [int(share) for line in shown for share in re.findall(r" (\d+) % of 3\.00 GiB", line)]
        assert len(shares) == len(shown)
        assert shares == sorted(shares)
    assert re.search(r" \d+ % of 3\.00 GiB, [\d.]+ [KMG]iB/s, (\d+ min )?\d+ s left$", run.printed, re.MULTILINE)
    for result in run.results[1:3]:
        del result["elapsed"]
        del result["home"]["free_bytes"]
    assert run.results[1] == run.results[2]


def test_lines_come_as_often_as_promised(ansible: Ansible, home: Path) -> None:
    play = {"vars": {"microsandbox_progress_interval": 4}}
    with reading(ansible, capture(home, lock_timeout=120), **play) as process:
        with held(home / "snapshots"):
            first_line(process)
            times = [time.monotonic()]
            for dummy in range(3):
                first_line(process)
                times.append(time.monotonic())
        assert process.wait(_TIMEOUT_SECONDS) == 0
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert all(gap < 10 for gap in gaps), gaps  # six more than asked for, for a machine that is busy otherwise


def test_a_stalled_task_says_what_it_waits_for(ansible: Ansible, home: Path) -> None:
    line = rf"^\[localhost\] snapshot golden: no byte moved for \d+ s, waiting for the lock of {home}/snapshots$"
    play_behind_a_lock(ansible, home, line, capture(home, lock_timeout=120), **quick())


def test_a_quick_task_shows_nothing(ansible: Ansible, home: Path) -> None:
    variables = {"microsandbox_progress_interval": 600}  # for a machine that takes long for the quickest task
    run = ansible.play(capture(home), task("snapshot_info", home=home, verify=True), vars=variables)
    assert run.exit_status == 0
    assert lines(run.printed) == []


def test_an_error_after_a_while_is_the_error(ansible: Ansible, home: Path) -> None:
    with held(home / "snapshots"):
        (result,) = ansible.play(capture(home, lock_timeout=2), **quick()).results
    assert result["error"]["code"] == "state"
    assert result["msg"] == (f"{home}/snapshots is locked by another process, for longer than the 2 seconds to wait")
    assert "invocation" in result


def test_without_pipelining_it_is_the_same(ansible: Ansible, home: Path) -> None:
    variables = quick(ansible_pipelining=False)
    play_behind_a_lock(ansible, home, "no byte moved", capture(home, lock_timeout=120), **variables)


def test_a_line_comes_without_being_asked_for(ansible: Ansible, home: Path) -> None:
    play_behind_a_lock(ansible, home, r"^\[localhost\] snapshot golden: ", capture(home, lock_timeout=120))


def test_a_document_for_machines_has_no_line_in_it(ansible: Ansible, home: Path) -> None:
    play = command(ansible, capture(home, lock_timeout=120), **quick())
    machine_reads = environment(ansible) | {"ANSIBLE_STDOUT_CALLBACK": "json_document"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(play, cwd=ansible.home, env=machine_reads, text=True, **pipes) as process:
        assert process.stderr is not None
        with held(home / "snapshots"):
            assert any("snapshot golden: no byte moved" in line for line in process.stderr)
        printed, dummy = process.communicate(timeout=_TIMEOUT_SECONDS)
    assert json.loads(printed) == ["ok"]


def test_a_task_with_no_log_shows_no_name(ansible: Ansible, home: Path) -> None:
    secret = {**capture(home, lock_timeout=120), "no_log": True}
    line = r"^\[localhost\] snapshot: at work, no byte moved for \d+ s$"
    assert str(home) not in play_behind_a_lock(ansible, home, line, secret, **quick())


def test_each_item_of_a_loop_is_watched(ansible: Ansible, home: Path) -> None:
    item = task("snapshot", home=home, name="{{ item }}", sandbox="base", lock_timeout=120)
    looped = {**item, "loop": ["golden", "other"]}
    play_behind_a_lock(ansible, home, r"^\[localhost\] snapshot golden: no byte moved", looped, **quick())


def test_check_mode_does_not_break_on_async(ansible: Ansible, machine: Path, home: Path) -> None:
    before = list_tree(machine)
    for keywords in ({"async": 60, "poll": 1}, {"async": 60, "poll": 0}):
        run = ansible.play({**capture(home), **keywords}, check=True)
        assert run.exit_status == 0, run.printed
        assert run.results[0]["changed"]
    assert changes(before, list_tree(machine)) == []
    # Where Ansible itself looks is not always below HOME.
    variables = {"ansible_async_dir": str(machine / "async")}
    run = ansible.play({**capture(home), "async": 60, "poll": 1}, vars=variables)
    assert run.exit_status == 0, run.printed
    assert run.results[0]["snapshot"]["name"] == "golden"


def test_a_killed_task_is_an_error_that_says_so(ansible: Ansible, jobs: Path, machine: Path, home: Path) -> None:
    runs: list[Run] = []
    with held(home / "snapshots"):
        playing = threading.Thread(target=lambda: runs.append(ansible.play(capture(home), **quick())))
        playing.start()
        assert wait_until(lambda: any(job.joinpath("progress").exists() for job in jobs.glob("sandboxops-job-*")))
        time.sleep(1)
        os.kill(task_process(jobs), signal.SIGKILL)
        playing.join()
    (result,) = runs[0].results
    assert result["failed"]
    assert result["error"]["code"] == "os"
    assert result["error"]["facts"]["signal"] == signal.SIGKILL
    assert "killed by SIGKILL" in result["msg"]
    assert f"waiting for the lock of {home}/snapshots" in result["msg"]
    for left in jobs.glob("ansible_*_payload_*"):  # Ansible's own, which nobody is left to remove
        left.joinpath(next(iter(os.listdir(left)))).unlink()
        left.rmdir()


@pytest.mark.parametrize("is_watched", [False, True], ids=["before its first line", "between two lines"])
@pytest.mark.parametrize("is_hashing", [True, False], ids=["at work", "waiting"])
def test_ctrl_c_stops_the_task(ansible: Ansible, jobs: Path, home: Path, is_hashing: bool, is_watched: bool) -> None:
    add_sandbox(home, "big", upper_bytes=200 * GIB)
    before = list_tree(home / "snapshots")
    play = command(
        ansible,
        task("snapshot", home=home, name="golden", sandbox="big", lock_timeout=60),
        vars={"microsandbox_progress_interval": 2 if is_watched else 10},
    )
    with contextlib.ExitStack() as stack:
        if not is_hashing:
            stack.enter_context(held(home / "snapshots"))
        person = stack.enter_context(terminal(play, ansible.home, environment(ansible)))
        if is_watched:
            person.read_until(r"\[localhost\] snapshot golden: (copying|waiting)")
        else:
            assert wait_until(lambda: any(job.joinpath("progress").exists() for job in jobs.glob("sandboxops-job-*")))
        working = task_process(jobs)
        person.press_ctrl_c()
        assert person.read_to_the_end() == 99
        assert "User interrupted execution" in person.printed
        assert not is_alive(working)
        assert list(jobs.glob("sandboxops-job-*")) == []
    assert list_tree(home / "snapshots").keys() == before.keys()


def test_a_terminated_play_stops_its_task(ansible: Ansible, jobs: Path, home: Path) -> None:
    before = list_tree(home)
    with held(home / "snapshots"), reading(ansible, capture(home, lock_timeout=60)) as process:
        assert wait_until(lambda: any(job.joinpath("stderr").exists() for job in jobs.glob("sandboxops-job-*")))
        working = task_process(jobs)
        process.terminate()
        assert wait_until(lambda: not is_alive(working))
        process.wait(_PATIENCE_SECONDS)
    assert changes(before, list_tree(home)) == []


def test_a_task_that_takes_longer_than_its_timeout_is_stopped(ansible: Ansible, jobs: Path, home: Path) -> None:
    add_sandbox(home, "big", upper_bytes=200 * GIB)
    before = list_tree(home / "snapshots")
    (result,) = ansible.play(
        {**task("snapshot", home=home, name="golden", sandbox="big"), "timeout": 5}, **quick()
    ).results
    assert result["failed"]
    assert "5 second" in result["msg"], result["msg"]
    assert list(jobs.glob("sandboxops-job-*")) == []
    assert list_tree(home / "snapshots").keys() == before.keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else without a password")
def test_another_user_is_watched_as_well(ansible: Ansible, machine: Path, home: Path) -> None:
    nobody = 65534
    for python in (sys.executable, sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(PermissionError):
            if subprocess.run([python, "-c", "import sqlite3"], user=nobody, check=False).returncode == 0:
                break
    else:
        pytest.fail("no Python here can be run by an unprivileged user")
    ansible.use(Path(python))
    for path in list_tree(machine):
        os.chown(path, nobody, nobody, follow_symlinks=False)
    become = {"become": True, "become_method": "su", "become_user": "nobody"}
    variables = quick(ansible_become_flags="-s /bin/sh")
    play_behind_a_lock(ansible, home, "no byte moved", capture(home, lock_timeout=120), **variables, **become)
    assert (home / "snapshots/golden").stat().st_uid == nobody
