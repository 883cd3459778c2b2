# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging an EROFS image while it streams past."""

from __future__ import annotations

from .._core.errors import FormatError
from .._disk.sparse_file import Segment
from .._formats.erofs import (
    INODE_BYTES,
    SUPERBLOCK_BYTES,
    parse_root_inode_length,
    parse_root_inode_offset,
    require_erofs_length,
    require_root_inode,
)


class ErofsWitness:
    """Sees an EROFS image front to back and keeps the few bytes that tell whether it is one.

    Args:
        size_bytes: Length of the image.
        what: The image, for messages.

    Raises:
        FormatError: No EROFS image has this length.
    """

    def __init__(self, size_bytes: int, what: str) -> None:
        require_erofs_length(size_bytes, what)
        self._size_bytes = size_bytes
        self._what = what
        self._start = bytearray()
        self._inode = bytearray()
        self._inode_at: int | None = None

    def feed(self, segment: Segment) -> None:
        """See the next segment.

        Raises:
            FormatError: The image has no EROFS superblock, or no root directory where that says.
        """
        missing = SUPERBLOCK_BYTES - len(self._start)
        if missing > 0:
            self._start += _part(segment, 0, missing)
        if self._inode_at is None and len(self._start) == SUPERBLOCK_BYTES:
            self._inode_at = parse_root_inode_offset(bytes(self._start), self._size_bytes, self._what)
            self._inode += self._start[self._inode_at :]
        if self._inode_at is not None:
            self._collect(segment, INODE_BYTES)
            if len(self._inode) >= INODE_BYTES:
                self._collect(segment, parse_root_inode_length(bytes(self._inode), self._what))

    def _collect(self, segment: Segment, length: int) -> None:
        """Take the segment's part of the first bytes of the inode that is not there yet."""
        missing = length - len(self._inode)
        at = (self._inode_at or 0) + len(self._inode) - segment.offset
        if missing > 0 and 0 <= at < segment.length:
            self._inode += _part(segment, at, missing)

    def judge(self) -> None:
        """Judge the image once all of it was seen.

        Raises:
            FormatError: Its root directory's inode is cut off, or one that microsandbox does not read.
        """
        if self._inode_at is None:
            raise FormatError(f"{self._what} ends before its EROFS superblock")
        require_root_inode(bytes(self._inode), self._what)


def _part(segment: Segment, at: int, length: int) -> bytes:
    """Return so many bytes of a segment, or as many as it has there."""
    length = min(length, segment.length - at)
    return bytes(length) if segment.buffer is None else bytes(segment.view[at : at + length])
