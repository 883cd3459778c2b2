# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where bytes go front to back, zeros among them that need not be spelt out."""

from __future__ import annotations

from typing import Callable, Protocol

from .sparse_file import BUFFER_BYTES, ZEROS, Segment, split_runs


class ByteSink(Protocol):
    """Takes bytes front to back."""

    def put(self, view: memoryview) -> None:
        """Add bytes."""

    def put_zeros(self, length: int) -> None:
        """Add zeros."""


def feed_zeros(length: int, put: Callable[[memoryview], None]) -> None:
    """Call ``put`` with so many zeros, at most ``BUFFER_BYTES`` at a time."""
    for dummy in range(length // BUFFER_BYTES):
        put(ZEROS)
    if length % BUFFER_BYTES:
        put(ZEROS[: length % BUFFER_BYTES])


class ZeroRuns:
    """Passes the segments of a file on so that each run of zero blocks comes at once, holes or not.

    What a sink gets then depends on the content alone, and not on how a file system allocated it.

    Args:
        sink: Takes the file.
    """

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink
        self._zeros = 0

    def put(self, segment: Segment) -> None:
        """Add the next segment, which starts and ends with a block or with the file."""
        if segment.buffer is None:
            self._zeros += segment.length
            return
        view = segment.view
        for is_zero, start, end in split_runs(view, segment.offset):
            if is_zero:
                self._zeros += end - start
            else:
                self.finish()
                self._sink.put(view[start:end])

    def finish(self) -> None:
        """Pass on the zeros that were put last."""
        if self._zeros:
            self._sink.put_zeros(self._zeros)
            self._zeros = 0
