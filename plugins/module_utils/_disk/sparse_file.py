# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing sparse files in one pass: holes are never read and never written."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._core.errors import StateError
from .error_paths import name_file
from .extents import ExtentMap
from .linux import start_writeback
from .meter import Meter
from .place import require_space

BUFFER_BYTES = 1 << 20
BLOCK_BYTES = 4096
ZEROS = memoryview(bytes(BUFFER_BYTES))

# bytearray compares with any buffer by memcmp; bytes and memoryview compare item by item.
_ZERO_BUFFER = bytearray(BUFFER_BYTES)
_ZERO_BLOCK = bytearray(BLOCK_BYTES)
_WRITEBACK_BYTES = 32 << 20


@dataclass
class Traffic:
    """What an operation moved, in bytes.

    Attributes:
        read: Read from files.
        written: Written to files.
        holes_skipped: Zeros that were not written, or, where nothing is written, not read.
        meter: Says how far the operation is while it runs.
    """

    read: int = 0
    written: int = 0
    holes_skipped: int = 0
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)

    @property
    def counts(self) -> dict[str, int]:
        """Return what was moved, by name."""
        return {"read": self.read, "written": self.written, "holes_skipped": self.holes_skipped}


class BufferPool:
    """A fixed number of buffers that pass between threads, so that memory stays bounded."""

    def __init__(self, count: int = 8) -> None:
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._unmade = count

    def take(self) -> bytearray:
        """Return a free buffer of ``BUFFER_BYTES``, and wait for one if there is none."""
        if self._unmade and self._free.empty():
            self._unmade -= 1
            return bytearray(BUFFER_BYTES)
        return self._free.get()

    def give(self, buffer: bytearray) -> None:
        """Put a buffer back."""
        self._free.put(buffer)

    def take_back(self, segment: Segment) -> None:
        """Put the buffer of a segment back, if it has one."""
        if segment.buffer is not None:
            self._free.put(segment.buffer)


@dataclass(frozen=True)
class Segment:
    """A piece of a file on its way through a pass.

    Attributes:
        offset: Where it stands in the file, in bytes.
        length: Its length in bytes.
        buffer: The buffer that holds the bytes from its start on; None for a hole. Whoever gets it gives it back.
    """

    offset: int
    length: int
    buffer: bytearray | None

    @property
    def view(self) -> memoryview:
        """Return the bytes of a segment that is no hole."""
        if self.buffer is None:
            raise ValueError("a hole has no bytes")
        return memoryview(self.buffer)[: self.length]


def read_segments(fd: int, extent_map: ExtentMap, pool: BufferPool, traffic: Traffic) -> Iterator[Segment]:
    """Yield a file front to back: each hole as one segment, data in pieces of at most ``BUFFER_BYTES``.

    Raises:
        StateError: The file ended before its extent map does.
    """
    for is_data, start, end in extent_map.segments():
        if not is_data:
            yield Segment(start, end - start, None)
            continue
        while start < end:
            buffer = pool.take()
            length = min(end - start, BUFFER_BYTES - start % BLOCK_BYTES)
            read_at(fd, memoryview(buffer)[:length], start)
            traffic.read += length
            yield Segment(start, length, buffer)
            start += length


def read_at(fd: int, view: memoryview, offset: int) -> None:
    """Fill the view from the file at ``offset``.

    Raises:
        StateError: The file ends first.
        OSError: It cannot be read; the error names it.
    """
    done = 0
    while done < len(view):
        try:
            count = os.preadv(fd, [view[done:]], offset + done)
        except OSError as exc:
            name_file(exc, fd)
            raise
        if count == 0:
            raise StateError(
                f"file ends at byte {offset + done}, {offset + len(view)} are mapped: it shrank while it was read",
                expected=offset + len(view),
                actual=offset + done,
            )
        done += count


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write the whole view at ``offset``."""
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], offset + done)


class SparseWriter:
    """Write a file front to back and leave a hole wherever a whole block of 4096 bytes is zero.

    Looks every 32 MiB whether the file system has room for as much again.

    Args:
        fd: Descriptor of an empty file, opened for writing. It gets its apparent size first: what is written at the end
            of a file makes XFS allocate more behind it, which a hole that follows would keep.
        traffic: Where the bytes are counted.
        size_bytes: Apparent size of the file.
    """

    def __init__(self, fd: int, traffic: Traffic, size_bytes: int) -> None:
        os.ftruncate(fd, size_bytes)
        self._fd = fd
        self._traffic = traffic
        self._dirty_from = 0
        self._dirty_bytes = 0
        self.position = 0
        self.data_bytes = 0

    def put(self, segment: Segment) -> None:
        """Write or skip the next segment of the file; its buffer stays with the caller."""
        if segment.buffer is None:
            self.skip(segment.length)
        else:
            self.write(segment.view)

    def write(self, view: memoryview) -> None:
        """Write the bytes at the present position, but for blocks of zeros."""
        start = self.position
        for zero, low, high in split_runs(view, start):
            if zero:
                self.skip(high - low)
            else:
                self._put(view[low:high])

    def skip(self, length: int) -> None:
        """Leave a hole of ``length`` bytes."""
        self.position += length
        self._traffic.holes_skipped += length

    def _put(self, view: memoryview) -> None:
        write_at(self._fd, view, self.position)
        self.position += len(view)
        self.data_bytes += len(view)
        self._traffic.written += len(view)
        self._dirty_bytes += len(view)
        if self._dirty_bytes >= _WRITEBACK_BYTES:
            require_space(self._fd, _WRITEBACK_BYTES)
            start_writeback(self._fd, self._dirty_from, self.position - self._dirty_from)
            self._dirty_from, self._dirty_bytes = self.position, 0


def split_runs(view: memoryview, offset: int) -> Iterator[tuple[bool, int, int]]:
    """Yield (whether it is zero, start, end) of alternating runs of blocks in bytes that stand at a file's offset."""
    length = len(view)
    if (_ZERO_BUFFER if length == BUFFER_BYTES else bytearray(length)) == view:
        yield True, 0, length
        return
    zero_start = zero_end = 0
    for start, end in _zero_blocks(view, offset):
        if start != zero_end:
            if zero_start < zero_end:
                yield True, zero_start, zero_end
            yield False, zero_end, start
            zero_start = start
        zero_end = end
    if zero_start < zero_end:
        yield True, zero_start, zero_end
    if zero_end < length:
        yield False, zero_end, length


def _zero_blocks(view: memoryview, offset: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the blocks that are zero, comparing only those whose first byte is."""
    length = len(view)
    head = min(-offset % BLOCK_BYTES, length)  # what belongs to a block that began in front of the view
    if head and bytearray(head) == view[:head]:
        yield 0, head
    firsts = bytes(view[head::BLOCK_BYTES])
    index = firsts.find(0)
    while index >= 0:
        start = head + index * BLOCK_BYTES
        end = min(start + BLOCK_BYTES, length)
        if (_ZERO_BLOCK if end - start == BLOCK_BYTES else bytearray(end - start)) == view[start:end]:
            yield start, end
        index = firsts.find(0, index + 1)
