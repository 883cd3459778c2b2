# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of an upper's content, computed beside whatever else moves its bytes.

The algorithms are those that microsandbox records: ``sha256`` over the logical bytes, and two definitions that share
the name ``msb-sparse-sha256-v1``. The logical one (0.5.8 and later) hashes holes as zeros; the extent-framed one (0.4.4
to 0.5.7) hashes the allocation map and the data, so that its value depends on how a file system allocated the file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from .._core.errors import UnsupportedError, excerpt
from .extents import ExtentMap
from .sparse_file import BUFFER_BYTES, ZEROS, BufferPool, Segment, Traffic, read_at, read_segments
from .stage_thread import StageThread

SHA256 = "sha256"
SPARSE_SHA256 = "msb-sparse-sha256-v1"
ALGORITHMS = (SPARSE_SHA256, SHA256)

_ZEROS_STEP_BYTES = 64 << 20  # how often hashing a long hole looks whether it is still wanted


class ContentHash:
    """A running digest over the logical bytes of a file, holes as zeros.

    Args:
        algorithm: ``sha256`` or ``msb-sparse-sha256-v1``, the latter in its logical definition.
        size_bytes: Apparent size of the file; part of what ``msb-sparse-sha256-v1`` hashes.

    Attributes:
        position: How many bytes were added.

    Raises:
        UnsupportedError: The algorithm is another one.
    """

    def __init__(self, algorithm: str, size_bytes: int) -> None:
        if algorithm not in ALGORITHMS:
            raise UnsupportedError(
                f"integrity algorithm is {excerpt(algorithm)}, this collection computes {' and '.join(ALGORITHMS)}",
                algorithm=algorithm[:128],
                supported=list(ALGORITHMS),
            )
        self._hash = _sparse_prefix(size_bytes) if algorithm == SPARSE_SHA256 else hashlib.sha256()
        self.position = 0

    def update(self, view: memoryview) -> None:
        """Add bytes."""
        self._hash.update(view)
        self.position += len(view)

    def update_zeros(self, length: int) -> None:
        """Add ``length`` zero bytes."""
        for dummy in range(length // BUFFER_BYTES):
            self._hash.update(ZEROS)
            self.position += BUFFER_BYTES
        self._hash.update(ZEROS[: length % BUFFER_BYTES])
        self.position += length % BUFFER_BYTES

    def digest(self) -> str:
        """Return the digest so far as ``sha256:<hex>``."""
        return "sha256:" + self._hash.hexdigest()


class HashThread(StageThread[Segment]):
    """Feeds a content hash in a thread of its own.

    Args:
        content_hash: The digest to feed, which nobody else may use inside the block; None only gives buffers back.
        pool: Where the buffers of hashed segments go back.
    """

    def __init__(self, content_hash: ContentHash | None, pool: BufferPool) -> None:
        super().__init__(None if content_hash is None else self._update, pool.take_back)
        self._hash = content_hash

    def _update(self, segment: Segment) -> None:
        if self._hash is None:
            return
        if segment.buffer is not None:
            self._hash.update(segment.view)
            return
        rest = segment.length
        while rest and not self._is_abandoned:
            step = min(rest, _ZEROS_STEP_BYTES)
            self._hash.update_zeros(step)
            rest -= step


def hash_file(fd: int, extent_map: ExtentMap, algorithm: str, traffic: Traffic) -> str:
    """Return the digest of an open file's logical bytes, read ahead of the hash and without reading holes.

    Raises:
        UnsupportedError: The algorithm is none of ``ALGORITHMS``.
        StateError: The file shrank meanwhile.
    """
    pool = BufferPool()
    content_hash = ContentHash(algorithm, extent_map.size_bytes)
    traffic.holes_skipped += extent_map.size_bytes - extent_map.data_bytes
    hashing = traffic.meter.measure("hashing", extent_map.size_bytes, lambda: content_hash.position)
    with hashing, HashThread(content_hash, pool) as thread:
        for segment in read_segments(fd, extent_map, pool, traffic):
            thread.feed(segment)
    return content_hash.digest()


def hash_extent_framed(fd: int, size_bytes: int, runs: Iterable[tuple[int, int]], traffic: Traffic) -> str:
    """Return the extent-framed digest that microsandbox 0.4.4 to 0.5.7 records for a file with these data runs.

    Args:
        fd: Descriptor opened for reading.
        size_bytes: Apparent size of the file.
        runs: (start, end) of the runs to treat as allocated, front to back.
        traffic: Where the bytes are counted.
    """
    running = _sparse_prefix(size_bytes)
    buffer = bytearray(BUFFER_BYTES)
    before = traffic.read
    with traffic.meter.measure("hashing in another definition", None, lambda: traffic.read - before):
        for start, end in runs:
            running.update(b"D" + struct.pack("<QQ", start, end - start))
            while start < end:
                view = memoryview(buffer)[: end - start]
                read_at(fd, view, start)
                traffic.read += len(view)
                running.update(view)
                start += len(view)
    return "sha256:" + running.hexdigest()


def _sparse_prefix(size_bytes: int) -> hashlib._Hash:
    return hashlib.sha256(b"msb-sparse-sha256-v1\0" + struct.pack("<Q", size_bytes))
