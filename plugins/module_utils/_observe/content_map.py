# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the content of an upper is, whatever its file system has allocated: the same map on every host."""

from __future__ import annotations

from .._disk.extents import Extent, ExtentMap, align_extents, scan_extents
from .._disk.nonzero_runs import nonzero_runs
from .._disk.sparse_file import BLOCK_BYTES, Traffic
from .._formats.sparse_map import SparsePair
from .archive_limits import ArchiveLimits


def scan_content(fd: int, traffic: Traffic, limit: int = ArchiveLimits.extents) -> tuple[SparsePair, ...] | None:
    """Return the runs of an upper that are not zero, or None when it has no holes to leave out.

    They stand in front of the data in an archive, so this is a pass of its own; the allocation map alone would make the
    archive depend on the file system. Where there are more runs than a reader accepts, the gaps between near ones count
    as content.

    Args:
        fd: Descriptor of the upper, opened for reading.
        traffic: Where the bytes are counted.
        limit: How many pairs a reader accepts.
    """
    extent_map = scan_blocks(fd)
    size = extent_map.size_bytes
    before = traffic.read
    with traffic.meter.measure("looking for zeros", extent_map.data_bytes, lambda: traffic.read - before):
        runs = tuple(Extent(start, end) for start, end in nonzero_runs(fd, extent_map, traffic))
    unit = BLOCK_BYTES
    while len(runs) >= limit:
        unit *= 2
        runs = align_extents(runs, unit, size)
    if runs == (Extent(0, size),) or size == 0:
        return None
    pairs = [SparsePair(run.start, run.end - run.start) for run in runs]
    if not runs or runs[-1].end < size:
        pairs.append(SparsePair(size, 0))
    return tuple(pairs)


def scan_blocks(fd: int) -> ExtentMap:
    """Return the allocation map in whole blocks, which are what zeros are found by on every file system."""
    found = scan_extents(fd)
    return ExtentMap(found.size_bytes, align_extents(found.extents, BLOCK_BYTES, found.size_bytes))
