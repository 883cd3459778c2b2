# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread of a detached task that notes how far it is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from .._disk.meter import Meter, Reading
from .._formats.job_progress import JobProgress
from .job_directory import JobDirectory

_NOTE_SECONDS = 0.5


class ProgressClock:
    """Turns readings into progress: since when a pass runs, and since when no byte has moved.

    Args:
        now: The time in seconds.
    """

    def __init__(self, now: float) -> None:
        self._began = self._moved = now
        self._last = Reading("")

    def progress(self, reading: Reading, now: float) -> JobProgress:
        """Return how far a task is whose meter reads so at this time."""
        if (reading.doing, reading.total) != (self._last.doing, self._last.total) or reading.done < self._last.done:
            self._began = self._moved = now
        elif reading.done != self._last.done:
            self._moved = now
        self._last = reading
        return JobProgress(
            *reading, pass_seconds=round(now - self._began, 2), still_seconds=round(now - self._moved, 2)
        )


@contextlib.contextmanager
def reporting(job: JobDirectory | None, meter: Meter) -> Iterator[None]:
    """Note every half second how far the block is; without a job, nobody would read it."""
    if job is None:
        yield
        return
    over = threading.Event()
    reporter = threading.Thread(target=_report, args=(job, meter, over), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        over.set()
        reporter.join()


def _report(job: JobDirectory, meter: Meter, over: threading.Event) -> None:
    clock = ProgressClock(time.monotonic())
    while not over.wait(_NOTE_SECONDS):
        # A full disk keeps nobody from working.
        with contextlib.suppress(OSError):
            job.write_progress(clock.progress(meter.read(), time.monotonic()))
