# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing one zstd frame in constant memory, with long runs of zeros that no compressor has to see."""

from __future__ import annotations

from typing import Callable

from .byte_sink import feed_zeros
from .zstd import END_BLOCK, new_compressor
from .zstd_blocks import blocks_of_zeros
from .zstd_frames import parse_frame_header

_LONG_RUN_BYTES = 64 << 20  # less is compressed in the time that it takes to end a block


class FrameWriter:
    """Writes one frame; the number of threads does not change its bytes.

    Where the frame does not announce its length, long runs of zeros become blocks of one repeated byte without passing
    through the compressor. It has to see no more of them than its window reaches back.

    Args:
        level: Compression level, 1 to 19.
        threads: Worker threads, at least 1.
        content_bytes: Length of the whole stream, which the frame announces, or None for a frame that does not.
        put: Takes the frame.

    Raises:
        UnsupportedError: This host has no zstd library.
    """

    def __init__(self, level: int, threads: int, content_bytes: int | None, put: Callable[[memoryview], None]) -> None:
        self._compressor = new_compressor(level, threads, content_bytes)
        self._is_open_ended = content_bytes is None
        self._put = put
        self._window_bytes: int | None = None

    def put(self, view: memoryview) -> None:
        """Add bytes."""
        self._emit(self._compressor.compress(view))

    def put_zeros(self, length: int) -> None:
        """Add zeros."""
        if self._is_open_ended and length >= _LONG_RUN_BYTES:
            self._end_block()
            seen = self._window_bytes or length
            feed_zeros(seen, self.put)
            self._end_block()
            for blocks in blocks_of_zeros(length - seen):
                self._put(memoryview(blocks))
        else:
            feed_zeros(length, self.put)

    def finish(self) -> None:
        """Write the rest of the frame."""
        self._emit(self._compressor.flush())

    def _end_block(self) -> None:
        self._emit(self._compressor.flush(END_BLOCK))

    def _emit(self, content: bytes) -> None:
        if content and self._window_bytes is None:
            self._window_bytes = parse_frame_header(content).window_bytes
        self._put(memoryview(content))
