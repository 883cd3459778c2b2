# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two uppers hold the same bytes, holes counting as zeros."""

from __future__ import annotations

import os

from .._disk.extents import align_extents, scan_extents
from .._disk.sparse_file import BLOCK_BYTES, BUFFER_BYTES, Traffic, read_at
from .artifact import Artifact, open_upper, require_unchanged
from .sandbox import CaptureSource


def upper_differs(source: CaptureSource, artifact: Artifact, traffic: Traffic) -> bool:
    """Compare a sandbox's upper with a snapshot's, reading only what either of them has allocated.

    Raises:
        StateError: One of them changed meanwhile.
    """
    path = source.sandbox.upper
    if source.upper_bytes != artifact.descriptor.upper_bytes:
        return True
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(fd)
        with open_upper(artifact) as other_fd:
            differs = _content_differs(fd, other_fd, traffic)
        require_unchanged(before, os.fstat(fd), path)
        return differs
    finally:
        os.close(fd)


def _content_differs(first_fd: int, second_fd: int, traffic: Traffic) -> bool:
    first, second = scan_extents(first_fd), scan_extents(second_fd)
    if first.size_bytes != second.size_bytes:
        return True
    either = align_extents(sorted(first.extents + second.extents), BLOCK_BYTES, first.size_bytes)
    before = traffic.read
    total = 2 * sum(extent.end - extent.start for extent in either)
    with traffic.meter.measure("comparing", total, lambda: traffic.read - before):
        for extent in either:
            for position in range(extent.start, extent.end, BUFFER_BYTES):
                length = min(extent.end - position, BUFFER_BYTES)
                pieces = bytearray(length), bytearray(length)
                read_at(first_fd, memoryview(pieces[0]), position)
                read_at(second_fd, memoryview(pieces[1]), position)
                traffic.read += 2 * length
                if pieces[0] != pieces[1]:
                    return True
    return False
