# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer structure of zstd frames: headers and block headers, enough to find where a frame ends.

Source: RFC 8878, Zstandard Compression and the application/zstd Media Type.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .._core.errors import FormatError

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGICS = range(0x184D2A50, 0x184D2A60)
MAX_HEADER_BYTES = 18
BLOCK_HEADER_BYTES = 3
MAX_BLOCK_BYTES = 1 << 17
CHECKSUM_BYTES = 4

_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_BYTES = (0, 2, 4, 8)
RLE, COMPRESSED = 1, 2
_RESERVED = 3


class FrameHeader(NamedTuple):
    """The header of a zstd frame.

    Attributes:
        header_bytes: Its length, with the magic number.
        window_bytes: How much memory a decoder needs to look back.
        content_bytes: Size of the content, where the frame says it.
        has_checksum: Whether a checksum of four bytes follows the last block.
    """

    header_bytes: int
    window_bytes: int
    content_bytes: int | None
    has_checksum: bool


class BlockHeader(NamedTuple):
    """The header of a block.

    Attributes:
        kind: What the block holds: raw bytes, one byte that is repeated, or something compressed.
        size_bytes: Length of its content; of a compressed block, of what is stored.
        stored_bytes: Length of the block, its header included.
        is_last: Whether it ends the frame.
    """

    kind: int
    size_bytes: int
    stored_bytes: int
    is_last: bool


def parse_frame_header(content: bytes) -> FrameHeader:
    """Parse the header at the start of a frame.

    Args:
        content: The first ``MAX_HEADER_BYTES`` of the frame, or all of it when it is shorter.

    Raises:
        FormatError: It is no zstd frame, it is cut off, or it needs a dictionary.
    """
    if content[:4] != FRAME_MAGIC:
        raise FormatError(f"zstd frame starts with {content[:4].hex()}, expected {FRAME_MAGIC.hex()}")
    if len(content) < 5:
        raise FormatError("zstd frame ends inside its header")
    descriptor = content[4]
    single_segment = bool(descriptor & 0x20)
    if descriptor & 0x08:
        raise FormatError("zstd frame sets a reserved bit in its header")
    dictionary_bytes = _DICTIONARY_BYTES[descriptor & 0x03]
    content_size_bytes = _CONTENT_BYTES[descriptor >> 6] or (1 if single_segment else 0)
    window_at = 5
    dictionary_at = window_at + (0 if single_segment else 1)
    size_at = dictionary_at + dictionary_bytes
    end = size_at + content_size_bytes
    if len(content) < end:
        raise FormatError("zstd frame ends inside its header")
    if int.from_bytes(content[dictionary_at:size_at], "little"):
        raise FormatError("zstd frame needs a dictionary, archives are compressed without one")
    content_bytes = None
    if content_size_bytes:
        content_bytes = int.from_bytes(content[size_at:end], "little") + (256 if content_size_bytes == 2 else 0)
    if single_segment:
        window_bytes = content_bytes or 0
    else:
        base = 1 << (10 + (content[window_at] >> 3))
        window_bytes = base + base // 8 * (content[window_at] & 0x07)
    return FrameHeader(end, window_bytes, content_bytes, bool(descriptor & 0x04))


def skip_blocks(content: bytes, at: int) -> tuple[int, bool]:
    """Walk the block headers in a piece of a frame, which may have hundreds of thousands of small blocks.

    Args:
        content: The piece.
        at: Where its first block header starts.

    Returns:
        Where the next header starts, behind the piece perhaps, and whether the block before it was the frame's last.

    Raises:
        FormatError: A block is too large or of no known kind.
    """
    while at + BLOCK_HEADER_BYTES <= len(content):
        block = parse_block_header(content[at : at + BLOCK_HEADER_BYTES])
        at += block.stored_bytes
        if block.is_last:
            return at, True
    return at, False


def parse_block_header(content: bytes) -> BlockHeader:
    """Parse the header of a block, which is at the start of the content.

    Raises:
        FormatError: The block is cut off, too large, or of no known kind.
    """
    if len(content) < BLOCK_HEADER_BYTES:
        raise FormatError("archive ends inside its zstd frame")
    header = int.from_bytes(content[:BLOCK_HEADER_BYTES], "little")
    kind, size = header >> 1 & 0x03, header >> 3
    if kind == _RESERVED:
        raise FormatError("zstd frame has a block of the reserved kind")
    if size > MAX_BLOCK_BYTES:
        raise FormatError(f"zstd block has {size} bytes, at most {MAX_BLOCK_BYTES} are allowed")
    return BlockHeader(kind, size, BLOCK_HEADER_BYTES + (1 if kind == RLE else size), bool(header & 1))


def skippable_frame(content: bytes, variant: int = 0) -> bytes:
    """Return a frame that every zstd decoder skips, around the content."""
    return struct.pack("<II", SKIPPABLE_MAGICS[variant], len(content)) + content


def is_skippable_frames(content: bytes) -> bool:
    """Return whether the bytes are any number of whole skippable frames and nothing else."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            return False
        magic, size = struct.unpack_from("<II", content, at)
        if magic not in SKIPPABLE_MAGICS or size > len(content) - at - 8:
            return False
        at += 8 + size
    return True
