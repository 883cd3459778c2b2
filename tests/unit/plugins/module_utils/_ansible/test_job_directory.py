# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a detached task: private, found by its token, and swept when nobody stands by it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_directory import (
    STDERR,
    STDOUT,
    Ended,
    JobDirectory,
    sweep_jobs,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import (
    JobProgress,
    progress_to_dict,
)

TOKEN = "0123456789abcdef" * 2
STARTING = progress_to_dict(JobProgress("starting"))
LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_its_owner_can_look_into_it(temporary: Path) -> None:
    os.close(JobDirectory(TOKEN).make())
    (made,) = temporary.iterdir()
    assert made.name == f"sandboxops-job-{TOKEN}"
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o600}


@pytest.mark.parametrize("token", ["", "../../../../../../../../etc/cron", TOKEN.upper(), TOKEN + "0", TOKEN + "\n"])
def test_a_token_is_no_path(token: str) -> None:
    with pytest.raises(RequestError):
        JobDirectory(token)


def test_nobody_is_taken_in_by_a_directory_that_is_there() -> None:
    os.close(JobDirectory(TOKEN).make())
    with pytest.raises(FileExistsError):
        JobDirectory(TOKEN).make()


def test_a_directory_that_is_gone_or_open_to_others_is_not_believed(temporary: Path) -> None:
    job = JobDirectory(TOKEN)
    with pytest.raises(StateError, match="is gone"):
        job.require_own()
    os.close(job.make())
    job.require_own()
    os.chmod(job.path, 0o710)  # noqa: S103 - that is what is refused
    with pytest.raises(StateError, match="own directory"):
        job.require_own()
    job.remove()
    temporary.joinpath("elsewhere").mkdir(0o700)
    os.symlink("elsewhere", job.path)
    with pytest.raises(StateError, match="own directory"):
        job.require_own()


def test_a_task_runs_until_its_status_is_there() -> None:
    job = JobDirectory(TOKEN)
    os.close(job.make())
    for name, content in ((STDOUT, b"{}"), (STDERR, b"oh")):
        fd = job.create(name)
        os.write(fd, content)
        os.close(fd)
    assert job.read_ended() is None
    assert job.read_progress() == STARTING
    job.write_progress(JobProgress("hashing", 1, 2))
    job.write_status(-9)
    assert job.read_ended() == Ended(b"{}", b"oh", -9, progress_to_dict(JobProgress("hashing", 1, 2)))


def test_who_stands_by_a_task_is_known_as_long_as_he_lives() -> None:
    job = JobDirectory(TOKEN)
    fd = job.make()
    assert job.find_keeper() == 0
    job.write_keeper(fd)
    assert job.find_keeper() == os.getpid()
    os.close(fd)
    assert job.find_keeper() is None


def test_only_what_is_old_and_abandoned_is_swept(temporary: Path) -> None:
    kinds = {"fresh": "1" * 32, "kept": "2" * 32, "dead": "3" * 32}
    jobs = {kind: JobDirectory(token) for kind, token in kinds.items()}
    fds = {kind: job.make() for kind, job in jobs.items()}
    os.close(fds["fresh"])
    os.close(fds["dead"])
    for kind in ("kept", "dead"):
        os.utime(jobs[kind].path, (LONG_AGO, LONG_AGO))
    temporary.joinpath("sandboxops-job-other").mkdir()
    sweep_jobs()
    os.close(fds["kept"])
    assert {path.name for path in temporary.iterdir()} == {
        f"sandboxops-job-{kinds['fresh']}",
        f"sandboxops-job-{kinds['kept']}",
        "sandboxops-job-other",
    }
