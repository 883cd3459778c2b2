# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a sparse file: by reflink, by copy_file_range, or by reading and writing; never denser than the source."""

from __future__ import annotations

import enum
import errno
import os
from typing import NamedTuple

from .content_hash import ContentHash, HashThread, hash_file
from .extents import ExtentMap, scan_extents
from .linux import reflink, start_writeback
from .place import require_space
from .sparse_file import BUFFER_BYTES, BufferPool, SparseWriter, Traffic, read_at, read_segments

_RANGE_BYTES = 32 << 20
_NO_COPY_FILE_RANGE = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})


class CopyMethod(str, enum.Enum):
    """How the bytes of a copy got there."""

    REFLINK = "reflink"
    COPY_FILE_RANGE = "copy_file_range"
    READ_WRITE = "read_write"


class Copied(NamedTuple):
    """What a copy did.

    Attributes:
        method: How the bytes got there.
        digest: Digest of the content in the algorithm asked for, or None.
    """

    method: CopyMethod
    digest: str | None


def copy_sparse(source_fd: int, target_fd: int, algorithm: str | None, traffic: Traffic) -> Copied:
    """Copy a file into an empty one, hash it in the same pass, and keep its holes.

    The target is not synced; its write-back has begun.

    Args:
        source_fd: Descriptor opened for reading.
        target_fd: Descriptor of an empty file, opened for reading and writing.
        algorithm: Integrity algorithm to compute, or None.
        traffic: Where the bytes are counted.

    Raises:
        OSError: Reading or writing failed; where it was reading, the error names the source.
        StateError: The source shrank meanwhile, or the file system has not enough room.
    """
    extent_map = scan_extents(source_fd)
    if extent_map.size_bytes and reflink(source_fd, target_fd):
        digest = None if algorithm is None else hash_file(target_fd, extent_map, algorithm, traffic)
        return Copied(CopyMethod.REFLINK, digest)
    if algorithm is None:
        before = traffic.written
        with traffic.meter.measure("copying", extent_map.data_bytes, lambda: traffic.written - before, "syncing"):
            if _copy_ranges(source_fd, target_fd, extent_map, traffic):
                return Copied(CopyMethod.COPY_FILE_RANGE, None)
    return Copied(CopyMethod.READ_WRITE, _copy_by_reading(source_fd, target_fd, extent_map, algorithm, traffic))


def _copy_ranges(source_fd: int, target_fd: int, extent_map: ExtentMap, traffic: Traffic) -> bool:
    """Copy inside the kernel and return whether it can, between these two files."""
    require_space(target_fd, extent_map.data_bytes)
    os.ftruncate(target_fd, extent_map.size_bytes)
    copied = 0
    dirty_from, dirty = 0, 0
    for start, end in extent_map.extents:
        while start < end:
            try:
                count = os.copy_file_range(source_fd, target_fd, min(end - start, _RANGE_BYTES), start, start)
            except OSError as exc:
                if exc.errno in _NO_COPY_FILE_RANGE and not copied:
                    return False
                if exc.errno == errno.EIO:
                    _require_readable(source_fd, start, min(end, start + _RANGE_BYTES))
                raise
            if count == 0:
                traffic.read -= copied
                traffic.written -= copied
                return False
            start += count
            copied += count
            traffic.read += count
            traffic.written += count
            dirty += count
            if dirty >= _RANGE_BYTES:
                start_writeback(target_fd, dirty_from, start - dirty_from)
                dirty_from, dirty = start, 0
    traffic.holes_skipped += extent_map.size_bytes - copied
    return True


def _require_readable(fd: int, start: int, end: int) -> None:
    """Read a range that could not be copied: the copy's error does not tell which of the two files it is about.

    Raises:
        OSError: It cannot be read; the error names the file.
    """
    view = memoryview(bytearray(BUFFER_BYTES))
    for position in range(start, end, BUFFER_BYTES):
        read_at(fd, view[: end - position], position)


def _copy_by_reading(
    source_fd: int, target_fd: int, extent_map: ExtentMap, algorithm: str | None, traffic: Traffic
) -> str | None:
    pool = BufferPool()
    os.ftruncate(target_fd, 0)
    writer = SparseWriter(target_fd, traffic, extent_map.size_bytes)
    content_hash = None if algorithm is None else ContentHash(algorithm, extent_map.size_bytes)
    before = traffic.read
    copying = traffic.meter.measure(
        "copying" if content_hash is None else "copying and hashing",
        extent_map.data_bytes if content_hash is None else extent_map.size_bytes,
        lambda: traffic.read - before if content_hash is None else content_hash.position,
        "syncing",
    )
    with copying, HashThread(content_hash, pool) as thread:
        for segment in read_segments(source_fd, extent_map, pool, traffic):
            writer.put(segment)
            thread.feed(segment)
    return None if content_hash is None else content_hash.digest()
