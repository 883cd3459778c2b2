# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a transfer that takes its time: a line every few seconds, whatever happens."""

from __future__ import annotations

import threading
import time
from typing import Callable

_LINE_SECONDS = 4.0
_SILENCE_SECONDS = 9.0
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class TransferProgress:
    """Prints how far a transfer is, and while nothing is known for a while, that it waits.

    Args:
        say: Prints a line.
        what: What moves, for the line.
        total_bytes: Its size, or None when that is not known.
    """

    def __init__(self, say: Callable[[str], None], what: str, total_bytes: int | None) -> None:
        self._say = say
        self._what = what
        self._over = threading.Event()
        self._printing = threading.Lock()
        self._began_at = self._said_at = self._moved_at = time.monotonic()
        self._began_bytes: int | None = None
        self._done_bytes = 0
        self.total_bytes = total_bytes

    def __enter__(self) -> TransferProgress:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._over.set()
        self._thread.join()

    def moved(self, done_bytes: int) -> None:
        """Say how many bytes are there; a line is printed when the last one is some seconds old."""
        now = time.monotonic()
        with self._printing:
            if self._began_bytes is None:
                self._began_bytes, self._began_at = done_bytes, now
            if done_bytes != self._done_bytes:
                self._done_bytes, self._moved_at = done_bytes, now
            if now - self._said_at >= _LINE_SECONDS:
                self._said_at = now
                self._say(progress_line(self._what, done_bytes, self.total_bytes, self._rate(now)))

    def _rate(self, now: float) -> float:
        return (self._done_bytes - (self._began_bytes or 0)) / max(now - self._began_at, 0.001)

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            now = time.monotonic()
            with self._printing:
                if now - self._said_at >= _SILENCE_SECONDS:
                    self._said_at = now
                    self._say(
                        progress_line(self._what, self._done_bytes, self.total_bytes, None)
                        + f", no word of more for {now - self._moved_at:.0f} s"
                    )


def progress_line(what: str, done_bytes: int, total_bytes: int | None, rate: float | None) -> str:
    """Return a line about a transfer.

    Args:
        what: What moves.
        done_bytes: How much of it is there.
        total_bytes: Its size, or None when that is not known.
        rate: Bytes a second, or None when nothing moves.
    """
    if total_bytes:
        line = f"{what}: {done_bytes * 100 // total_bytes} % of {size_text(total_bytes)}"
    else:
        line = f"{what}: {size_text(done_bytes)}"
    if rate is not None:
        line += f", {size_text(rate)}/s"
        if total_bytes and rate >= 1:
            line += f", {max(0, total_bytes - done_bytes) / rate:.0f} s left"
    return line


def size_text(size: float) -> str:
    """Return a size in the unit that suits it."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.2f} {unit}"
