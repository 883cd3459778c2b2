# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands by a task notes its end whatever it was, ends it when told to, and goes when nobody waits any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_directory import JobDirectory
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_keeper import keep

TOKEN = "0123456789abcdef" * 2
_PATIENCE_SECONDS = 20

# Stands by a command that begins once it is stood by.
_PROGRAM = f"""
import os, signal, sys
from {JobDirectory.__module__} import JobDirectory
from {keep.__module__} import SIGNALS, keep
job = JobDirectory("{TOKEN}")
lock_fd = job.make()
os.close(job.create("stdout"))
os.close(job.create("stderr"))
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
ready_fd, go_fd = os.pipe()
task = os.fork()
if task:
    os.close(ready_fd)
    keep(job, task, lock_fd, (os.dup(1), go_fd))
os.close(go_fd)
os.read(ready_fd, 1)
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
os.dup2(os.open(os.devnull, os.O_RDWR), 1)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Return the directory of the task."""
    return tmp_path / f"sandboxops-job-{TOKEN}"


@contextlib.contextmanager
def kept(job: Path, collections_path: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have a command stood by, and end who does it at the end of the block."""
    environment = os.environ | {"PYTHONPATH": str(collections_path), "TMPDIR": str(job.parent)}
    start = [sys.executable, "-c", _PROGRAM, *command]
    with subprocess.Popen(start, env=environment, stdout=subprocess.PIPE) as keeper:
        try:
            yield keeper
        finally:
            keeper.kill()


def end_seen_by(keeper: subprocess.Popen[bytes]) -> bytes:
    """Return what comes through the descriptor that is closed when the task has ended."""
    assert keeper.stdout is not None
    return keeper.stdout.read()


@pytest.mark.parametrize(("command", "status"), [("exit 0", "0"), ("exit 5", "5"), ("kill -9 $$", "-9")])
def test_the_end_of_a_task_is_noted_before_anybody_hears_of_it(
    job: Path, collections_path: Path, command: str, status: str
) -> None:
    with kept(job, collections_path, "sh", "-c", command) as keeper:
        assert end_seen_by(keeper) == b""
        assert job.joinpath("status").read_text() == status
        assert job.joinpath("lock").read_text() == str(keeper.pid)
        assert keeper.poll() is None


def test_who_stands_by_goes_when_the_result_is_collected(job: Path, collections_path: Path) -> None:
    with kept(job, collections_path, "true") as keeper:
        end_seen_by(keeper)
        shutil.rmtree(job)
        assert keeper.wait(_PATIENCE_SECONDS) == 0


def test_a_task_is_ended_when_who_stands_by_is_told_to_stop(job: Path, collections_path: Path) -> None:
    with kept(job, collections_path, "sleep", "60") as keeper:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (job.joinpath("lock").exists() and job.joinpath("lock").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        keeper.send_signal(signal.SIGTERM)
        end_seen_by(keeper)
        assert job.joinpath("status").read_text() == "-15"
        assert keeper.wait(_PATIENCE_SECONDS) == 0  # nobody is likely to collect it
        assert not job.exists()
