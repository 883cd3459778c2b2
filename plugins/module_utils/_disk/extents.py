# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a file hold data: the allocation map of a sparse file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .error_paths import naming_file


class Extent(NamedTuple):
    """A data range of a file, in bytes: ``start`` is part of it, ``end`` is not."""

    start: int
    end: int


class ExtentMap(NamedTuple):
    """The data ranges of a file.

    Attributes:
        size_bytes: Apparent size of the file.
        extents: Ascending, disjoint and not empty; what lies between them reads as zeros.
    """

    size_bytes: int
    extents: tuple[Extent, ...]

    @property
    def data_bytes(self) -> int:
        """Return how many bytes lie in data ranges."""
        return sum(extent.end - extent.start for extent in self.extents)

    def segments(self) -> Iterator[tuple[bool, int, int]]:
        """Yield (whether it is data, start, end) for the whole file, holes included, front to back."""
        position = 0
        for start, end in self.extents:
            if position < start:
                yield False, position, start
            yield True, start, end
            position = end
        if position < self.size_bytes:
            yield False, position, self.size_bytes


def scan_extents(fd: int) -> ExtentMap:
    """Scan the allocation map of an open file with SEEK_DATA and SEEK_HOLE.

    A file system without hole support reports one extent that spans the file.

    Args:
        fd: Descriptor opened for reading. Its position is left undefined.

    Raises:
        OSError: The descriptor is not seekable, or the map cannot be read; the error names the file.
    """
    size = os.fstat(fd).st_size
    extents = []
    position = 0
    with naming_file(fd):
        while position < size:
            try:
                start = os.lseek(fd, position, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    break
                raise
            if start >= size:
                break
            end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
            extents.append(Extent(start, end))
            position = end
    return ExtentMap(size, tuple(extents))


def align_extents(extents: Iterable[Extent], unit: int, size_bytes: int) -> tuple[Extent, ...]:
    """Widen every extent to multiples of ``unit`` bytes, no further than the file, and merge those that meet."""
    aligned: list[Extent] = []
    for start, end in extents:
        low, high = start - start % unit, min(end + -end % unit, size_bytes)
        if aligned and low <= aligned[-1].end:
            aligned[-1] = Extent(aligned[-1].start, max(high, aligned[-1].end))
        else:
            aligned.append(Extent(low, high))
    return tuple(aligned)
