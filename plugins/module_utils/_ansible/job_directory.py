# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a detached task while it runs: a private directory that its watchers find by a token.

It holds what the task prints (``stdout``, ``stderr``), how far it is (``progress``), and once it has ended its wait
status (``status``). The process that stands by the task holds a lock (``lock``) for as long as it lives, and has its
process id in that file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from typing import Any, NamedTuple

from .._core.errors import RequestError, StateError
from .._disk.locking import try_lock
from .._formats.job_progress import JobProgress, progress_to_dict

STDOUT = "stdout"
STDERR = "stderr"

_PREFIX = "sandboxops-job-"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_LOCK = "lock"
_PROGRESS = "progress"
_STATUS = "status"
_PEEK_SECONDS = 0.001
_SETTLED_SECONDS = 60  # no process needs longer from making its directory to locking it


class Ended(NamedTuple):
    """How a task ended.

    Attributes:
        stdout: What it printed.
        stderr: What it printed there.
        exit_status: Its exit status; negative the signal that ended it.
        progress: How far it was when it last said so.
    """

    stdout: bytes
    stderr: bytes
    exit_status: int
    progress: dict[str, Any]


class JobDirectory:
    """The directory of one detached task.

    Attributes:
        path: Where it is.

    Args:
        token: What its watchers know it by, 32 hexadecimal digits that nobody can guess.

    Raises:
        RequestError: The token is none.
    """

    def __init__(self, token: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise RequestError("the token of a detached task is no 32 hexadecimal digits")
        self.path = os.path.join(tempfile.gettempdir(), _PREFIX + token)

    def make(self) -> int:
        """Make the directory, and return the descriptor that holds its lock.

        Raises:
            OSError: It cannot be made.
        """
        os.mkdir(self.path, 0o700)
        try:
            fd = os.open(self._in(_LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            self.remove()
            raise
        while not try_lock(fd):
            time.sleep(_PEEK_SECONDS)  # who looks whether it is held, holds it for a moment
        return fd

    def forbid(self) -> bool:
        """Take the place of a task that has not begun, so that it never does; return whether it had not."""
        try:
            os.mkdir(self.path, 0o700)
        except OSError:
            return False
        return True

    def has_begun(self) -> bool:
        """Return whether the directory is a task's, and not one that forbids it."""
        return os.path.lexists(self._in(_LOCK))

    def require_own(self) -> None:
        """Check that the directory is one that this user made.

        Raises:
            StateError: It is not, or not there.
        """
        try:
            found = os.lstat(self.path)
        except FileNotFoundError as exc:
            raise StateError(
                f"{self.path} is gone, and with it what is known of the task: the host may have been started again",
                path=self.path,
            ) from exc
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise StateError(f"{self.path} is not this user's own directory", path=self.path)

    def create(self, name: str) -> int:
        """Create a file, and return its descriptor."""
        return os.open(self._in(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def write_keeper(self, fd: int) -> None:
        """Write into the lock file who holds it."""
        os.pwrite(fd, b"%d" % os.getpid(), 0)

    def write_progress(self, progress: JobProgress) -> None:
        """Say how far the task is."""
        self._replace(_PROGRESS, json.dumps(progress_to_dict(progress)).encode())

    def write_status(self, exit_status: int) -> None:
        """Say how the task ended; what it printed is complete."""
        self._replace(_STATUS, b"%d" % exit_status)

    def read_progress(self) -> dict[str, Any]:
        """Return how far the task is, as JSON has it."""
        try:
            content: dict[str, Any] = json.loads(self._read(_PROGRESS))
        except FileNotFoundError:
            return progress_to_dict(JobProgress("starting"))
        return content

    def read_ended(self) -> Ended | None:
        """Return how the task ended, or None while it runs."""
        try:
            status = int(self._read(_STATUS))
        except FileNotFoundError:
            return None
        return Ended(self._read(STDOUT), self._read(STDERR), status, self.read_progress())

    def find_keeper(self) -> int | None:
        """Return the process that stands by the task, 0 while that has not said so yet, or None when it is dead."""
        fd = os.open(self._in(_LOCK), os.O_RDWR | os.O_CLOEXEC)
        try:
            return None if try_lock(fd) else int(os.pread(fd, 32, 0) or b"0")
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _in(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _read(self, name: str) -> bytes:
        with open(self._in(name), "rb") as file:
            return file.read()

    def _replace(self, name: str, content: bytes) -> None:
        fd = self.create(name + ".new")
        try:
            os.write(fd, content)
        finally:
            os.close(fd)
        os.replace(self._in(name + ".new"), self._in(name))


def sweep_jobs() -> None:
    """Remove directories of this user's tasks by which no process stands any more."""
    directory = tempfile.gettempdir()
    for name in os.listdir(directory):
        if not name.startswith(_PREFIX) or not _TOKEN.fullmatch(name[len(_PREFIX) :]):
            continue
        job = JobDirectory(name[len(_PREFIX) :])
        with contextlib.suppress(OSError, StateError):
            job.require_own()
            if time.time() - os.lstat(job.path).st_mtime > _SETTLED_SECONDS and job.find_keeper() is None:
                job.remove()
