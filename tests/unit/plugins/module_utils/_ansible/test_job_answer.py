# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a detached task is JSON that Ansible takes for a result, or what the task printed, untouched."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_answer import (
    PENDING,
    STOPPED,
    print_ended,
    print_error,
    print_killed,
    print_pending,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_directory import Ended, JobDirectory
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import (
    JobProgress,
    progress_to_dict,
)

COPYING = progress_to_dict(JobProgress("copying"))


def printed(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    said, complaints = capfd.readouterr()
    assert complaints == ""
    answer: dict[str, Any] = json.loads(said)
    return answer


def test_a_task_at_work_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    job = JobDirectory("0123456789abcdef" * 2)
    Path(job.path).mkdir()
    job.write_progress(JobProgress("copying"))
    assert print_pending(job) == 0
    assert printed(capfd) == {"changed": False, PENDING: COPYING}


@pytest.mark.parametrize("exit_status", [0, 1, 3])
def test_what_a_task_printed_comes_through_as_it_is(capfd: pytest.CaptureFixture[str], exit_status: int) -> None:
    assert print_ended(Ended(b"x" * 100_000 + b"\n", b"warning\n", exit_status, COPYING)) == exit_status
    assert capfd.readouterr() == ("x" * 100_000 + "\n", "warning\n")


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (signal.SIGKILL, "by SIGKILL, as the system does when memory runs out, while it was copying;"),
        (signal.SIGSEGV, "by SIGSEGV while it was copying;"),
        (33, "by signal 33 while it was copying;"),
    ],
)
def test_a_task_that_a_signal_ended_is_a_failure(capfd: pytest.CaptureFixture[str], number: int, what: str) -> None:
    assert print_ended(Ended(b"half a res", b"", -number, COPYING)) == 1
    answer = printed(capfd)
    assert answer["msg"].startswith(f"the task was killed {what}")
    assert answer["error"] == {
        "code": "os",
        "facts": {"errno": None, "path": None, "signal": number, "doing": "copying"},
    }


def test_a_task_that_was_told_to_stop_is_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_ended(Ended(b"", b"", STOPPED, COPYING)) == 1
    answer = printed(capfd)
    assert answer["msg"] == "the task was told to stop while it was copying"
    assert answer["error"] == {"code": "state", "facts": {"doing": "copying"}}


def test_a_task_that_has_a_result_although_it_was_told_to_stop_keeps_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_ended(Ended(b"result\n", b"", STOPPED, COPYING)) == STOPPED
    assert capfd.readouterr() == ("result\n", "")


def test_a_signal_may_be_unknown(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_killed("both were killed", "copying", None) == 1
    answer = printed(capfd)
    assert answer["msg"] == "both were killed while it was copying; the next run clears away what it left"
    assert answer["error"]["facts"]["signal"] is None


def test_an_error_has_its_code_and_facts(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_error(StateError("it is gone", path="/x")) == 1
    assert printed(capfd) == {
        "failed": True,
        "changed": False,
        "msg": "it is gone",
        "error": {"code": "state", "facts": {"path": "/x"}},
    }
