# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a transfer that takes its time: a line every few seconds, whatever happens."""

from __future__ import annotations

import threading
import time
from typing import Callable, NamedTuple

from ..module_utils._formats.job_progress import JobProgress
from .progress_line import progress_line, secret_line


class Pace(NamedTuple):
    """How often something is said.

    Attributes:
        line_seconds: How old the last line is at least when the next one comes, while bytes move.
        silence_seconds: How old it is at most.
        watch_seconds: How often that is looked at.
    """

    line_seconds: float = 4.0
    silence_seconds: float = 9.0
    watch_seconds: float = 0.5


_CALM = Pace()


class TransferProgress:
    """Prints how far a transfer is, and while no byte is known to move, for how long.

    Args:
        say: Prints a line.
        what: What moves, for the line; None for a task whose names are nobody's business.
        total_bytes: Its size, or None when that is not known.
        pace: How often.
    """

    def __init__(
        self, say: Callable[[str], None], what: str | None, total_bytes: int | None, pace: Pace = _CALM
    ) -> None:
        self._pace = pace
        self._say = say
        self._what = what
        self._over = threading.Event()
        self._printing = threading.Lock()
        self._began_at = self._said_at = self._moved_at = time.monotonic()
        self._began_bytes: int | None = None
        self._done_bytes = 0
        self._last: JobProgress | None = None
        self.total_bytes = total_bytes

    def __enter__(self) -> TransferProgress:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._over.set()
        self._thread.join()

    def began_with(self, done_bytes: int) -> None:
        """Say how many bytes were there when the transfer began, if that is heard of only later."""
        with self._printing:
            if self._began_bytes is None:
                self._began_bytes = done_bytes
                self._last = self._at(self._began_at, done_bytes)

    def moved(self, done_bytes: int) -> None:
        """Say how many bytes are there; a line is printed when the last one is some seconds old."""
        now = time.monotonic()
        with self._printing:
            if self._began_bytes is None:
                # The rate counts from here on: what an earlier run brought is no merit of this one.
                self._began_bytes, self._began_at = done_bytes, now
                self._last = self._at(now, done_bytes)
            if done_bytes != self._done_bytes:
                self._done_bytes, self._moved_at = done_bytes, now
            if now - self._said_at >= self._pace.line_seconds:
                self._print(now)

    def _at(self, now: float, done_bytes: int) -> JobProgress:
        return JobProgress(
            doing="transfer" if self._what is None else self._what,
            done=done_bytes,
            total=self.total_bytes,
            pass_seconds=now - self._began_at,
            still_seconds=now - self._moved_at,
        )

    def _print(self, now: float) -> None:
        progress = self._at(now, self._done_bytes)
        self._said_at = now
        if self._what is None:
            self._say(secret_line(progress, self._pace.silence_seconds))
        else:
            self._say(progress_line(progress, self._last, self._pace.silence_seconds))
        self._last = progress

    def _watch(self) -> None:
        """Speak up when the host is asked for long: it has not said that bytes move."""
        while not self._over.wait(self._pace.watch_seconds):
            now = time.monotonic()
            with self._printing:
                if now - self._said_at >= self._pace.silence_seconds:
                    self._print(now)
