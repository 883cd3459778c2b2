# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files of the image cache into an archive."""

from __future__ import annotations

import os

from .._core.errors import StateError
from .._disk.byte_sink import ByteSink
from .._disk.extents import scan_extents
from .._disk.sparse_file import BufferPool, Traffic, read_segments
from .._formats.tar_records import file_header, padding_bytes
from .._observe.artifact import require_unchanged
from .._observe.image_cache import open_cache_file
from .._plan.image_shipment import ShipFile


def cache_member_name(file: ShipFile) -> str:
    """Return the name that a file of the image cache has in an archive."""
    return f"cache/{file.name.kind}/{file.name.file}"


def cache_member_bytes(file: ShipFile) -> int:
    """Return the length of a file's member with its header and padding."""
    header = file_header(cache_member_name(file), file.size_bytes)
    return len(header) + file.size_bytes + padding_bytes(file.size_bytes)


def put_cache_file(file: ShipFile, cache_dir: str, sink: ByteSink, traffic: Traffic) -> None:
    """Feed a file of the image cache as a member; zeros that it has as holes come from memory.

    Raises:
        StateError: The file is no longer what it was when the archive was planned.
    """
    sink.put(memoryview(file_header(cache_member_name(file), file.size_bytes)))
    before = traffic.read + traffic.holes_skipped
    with traffic.meter.measure("packing", file.size_bytes, lambda: traffic.read + traffic.holes_skipped - before):
        if file.content is not None:
            sink.put(memoryview(file.content))
        else:
            _put_from_cache(file, cache_dir, sink, traffic)
    sink.put_zeros(padding_bytes(file.size_bytes))


def _put_from_cache(file: ShipFile, cache_dir: str, sink: ByteSink, traffic: Traffic) -> None:
    pool = BufferPool(1)
    path = os.path.join(cache_dir, file.name.kind, file.name.file)
    with open_cache_file(cache_dir, file.name) as fd:
        before = os.fstat(fd)
        if before.st_size != file.size_bytes:
            raise StateError(
                f"{path} has {before.st_size} bytes, it had {file.size_bytes} when this run looked",
                path=path,
                expected=file.size_bytes,
                actual=before.st_size,
            )
        for segment in read_segments(fd, scan_extents(fd), pool, traffic):
            if segment.buffer is None:
                traffic.holes_skipped += segment.length
                sink.put_zeros(segment.length)
            else:
                sink.put(segment.view)
                pool.give(segment.buffer)
        require_unchanged(before, os.fstat(fd), path)
