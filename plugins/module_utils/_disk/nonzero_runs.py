# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a file is not zero, in whole blocks, whatever is allocated."""

from __future__ import annotations

from collections.abc import Iterator

from .extents import ExtentMap
from .sparse_file import BufferPool, Segment, Traffic, read_segments, split_runs


def nonzero_bytes(segment: Segment) -> int:
    """Return how many bytes of a segment a ``SparseWriter`` would write."""
    if segment.buffer is None:
        return 0
    return sum(end - start for is_zero, start, end in split_runs(segment.view, segment.offset) if not is_zero)


def nonzero_runs(fd: int, extent_map: ExtentMap, traffic: Traffic) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the runs of 4096-byte blocks that hold anything but zeros, front to back."""
    pool = BufferPool(1)
    start: int | None = None
    for segment in read_segments(fd, extent_map, pool, traffic):
        if segment.buffer is None:
            runs: Iterator[tuple[bool, int, int]] = iter([(True, 0, segment.length)])
        else:
            runs = split_runs(segment.view, segment.offset)
        for zero, low, dummy in runs:
            if zero and start is not None:
                yield start, segment.offset + low
                start = None
            elif not zero and start is None:
                start = segment.offset + low
        if segment.buffer is not None:
            pool.give(segment.buffer)
    if start is not None:
        yield start, extent_map.size_bytes
