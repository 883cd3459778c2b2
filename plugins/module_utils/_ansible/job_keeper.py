# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that stands by a detached task: it notes how the task ends, and ends it when it is told to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from types import FrameType
from typing import Callable, NoReturn

from .job_directory import JobDirectory, sweep_jobs

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # by which a play or a session ends what it has started
LATE_SECONDS = 3  # how long an order may be on its way that was given before the one to stop

_KEEP_SECONDS = 600  # how long a result waits for somebody to collect it
_STOP_SECONDS = 10  # how long a task may take to clean up when it is told to stop
_LEAST_PAUSE_SECONDS = 0.005
_MOST_PAUSE_SECONDS = 1.0


def keep(job: JobDirectory, task: int, lock_fd: int, fds: tuple[int, int]) -> NoReturn:
    """Stand by a task until its result is collected, or nobody wants it.

    Args:
        job: The task's directory.
        task: The task's process, a child of this one, which waits for the second descriptor to be closed.
        lock_fd: Holds the directory's lock.
        fds: What others see closed when the task has ended, and when this process listens to signals.
    """
    alive_fd, go_fd = fds
    try:
        is_stopped = _stop_when_told(task)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        job.write_keeper(lock_fd)
        os.close(go_fd)
        _give_away_output()
        with contextlib.suppress(OSError):
            sweep_jobs()
        dummy, status = os.waitpid(task, 0)
        signal.alarm(0)
        job.write_status(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status))
        os.close(alive_fd)
        deadline = time.monotonic() + (LATE_SECONDS if is_stopped() else _KEEP_SECONDS)
        pause = _LEAST_PAUSE_SECONDS
        while os.path.exists(job.path) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)
        job.remove()
    finally:
        os._exit(0)


def _stop_when_told(task: int) -> Callable[[], bool]:
    """Have the task end on SIGTERM, by force if it takes too long to clean up; return what tells whether it came."""
    is_stopped = False

    def stop(dummy: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        if not is_stopped:
            is_stopped = True
            signal.alarm(_STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.kill(task, signal.SIGTERM)

    def kill(dummy: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(task, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, kill)
    return lambda: is_stopped


def _give_away_output() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
