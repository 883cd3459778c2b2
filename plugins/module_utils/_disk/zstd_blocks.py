# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a zstd frame, without the zeros that nobody has to decode.

An archive that spells holes out as zeros has them as block after block of one repeated byte. A decoder needs no more of
them than its window reaches back: once it has seen that many, further ones change nothing for what follows. That holds
only where the frame announces neither the size of its content nor a checksum, as microsandbox 0.5.8 to 0.6.6 writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._core.errors import FormatError
from .byte_source import ByteSource
from .zstd_frames import BLOCK_HEADER_BYTES, COMPRESSED, MAX_BLOCK_BYTES, RLE, FrameHeader, parse_block_header

# What is decoded at a time: so much content at the most, and little of what is stored, so that mostly it is less.
_GROUP_BYTES = 1 << 20
_GROUP_STORED_BYTES = 1 << 15
_RLE_BLOCK_BYTES = BLOCK_HEADER_BYTES + 1
_LOOK_BYTES = 1024 * _RLE_BLOCK_BYTES
_BLOCKS_AT_ONCE = 1 << 16
# What the bytes of a block of zeros can be that is not the last, and of one that is as long as a block can be.
_ALLOWED = (bytes(range(RLE << 1, 256, 8)), bytes(range(256)), bytes(range((MAX_BLOCK_BYTES >> 13) + 1)), b"\0")
_FULL_START = (RLE << 1, 0)
_FULL_END = MAX_BLOCK_BYTES >> 13


def has_droppable_zeros(header: FrameHeader) -> bool:
    """Return whether a frame decodes to the same without some of its zeros.

    With a window smaller than that, blocks have to be smaller as well, which a decoder checks only for those it sees.
    """
    is_open_ended = header.content_bytes is None and not header.has_checksum
    return is_open_ended and header.window_bytes >= MAX_BLOCK_BYTES


def blocks_of_zeros(length: int) -> Iterator[bytes]:
    """Yield blocks, none of them the last of a frame, that stand for so many zeros, many at a time."""
    full, rest = divmod(length, MAX_BLOCK_BYTES)
    while full:
        count = min(full, _BLOCKS_AT_ONCE)
        yield _block_of_zeros(MAX_BLOCK_BYTES) * count
        full -= count
    if rest:
        yield _block_of_zeros(rest)


def _block_of_zeros(length: int) -> bytes:
    return (length << 3 | RLE << 1).to_bytes(BLOCK_HEADER_BYTES, "little") + b"\0"


class BlockSource:
    """The frame at the start of a source, a few blocks at a time.

    Args:
        source: Where the frame comes from; left right behind it once ``is_complete``.
        header: The frame's header.

    Attributes:
        is_complete: Whether the last block was returned.
    """

    def __init__(self, source: ByteSource, header: FrameHeader) -> None:
        self._source = source
        self._window_bytes = header.window_bytes
        self._start = source.read(header.header_bytes)
        self._zeros_in_window = 0
        self.is_complete = False

    def read(self) -> tuple[bytes, int]:
        """Return what to decode next, and how many zeros follow that were left out.

        Raises:
            FormatError: A block is cut off, too large, or of no known kind.
        """
        pieces, self._start = [self._start], b""
        made = taken = 0
        while made < _GROUP_BYTES and taken < _GROUP_STORED_BYTES and not self.is_complete:
            start = self._source.peek(_RLE_BLOCK_BYTES)
            block = parse_block_header(start)
            is_zeros = block.kind == RLE and not block.is_last and start[BLOCK_HEADER_BYTES:] == b"\0"
            if is_zeros and self._zeros_in_window >= self._window_bytes:
                return b"".join(pieces), self._drop_zeros()
            stored = self._source.read(block.stored_bytes)
            if len(stored) < block.stored_bytes:
                raise FormatError("archive ends inside its zstd frame")
            pieces.append(stored)
            made += MAX_BLOCK_BYTES if block.kind == COMPRESSED else block.size_bytes
            taken += block.stored_bytes
            self._zeros_in_window = self._zeros_in_window + block.size_bytes if is_zeros else 0
            self.is_complete = block.is_last
        return b"".join(pieces), 0

    def _drop_zeros(self) -> int:
        """Consume the blocks of zeros that follow, and return how many zeros they stand for."""
        zeros = 0
        while True:
            content = self._source.peek(_LOOK_BYTES)
            columns = [content[column::_RLE_BLOCK_BYTES] for column in range(_RLE_BLOCK_BYTES)]
            count = _count_blocks(columns)
            if not count:
                return zeros
            low, middle, high = (sum(column[:count]) for column in columns[:BLOCK_HEADER_BYTES])
            # A header is the size in 21 bits, and below them the kind, which is the same in all of these.
            zeros += (low + (middle << 8) + (high << 16) - count * (RLE << 1)) >> 3
            self._source.read(count * _RLE_BLOCK_BYTES)


def _count_blocks(columns: Sequence[bytes]) -> int:
    """Return how many headers with a zero behind them, given by columns of bytes, start the rows."""
    count = min(len(column) - len(column.lstrip(members)) for column, members in zip(columns, _ALLOWED))
    if _FULL_END in columns[2][:count]:
        for row, (first, second, third, dummy) in enumerate(zip(*columns)):
            if row == count or (third == _FULL_END and (first, second) != _FULL_START):
                return row
    return count
