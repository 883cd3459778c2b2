# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd frames put together by hand from raw and run-length blocks, right or wrong (RFC 8878)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Union

MAGIC = b"\x28\xb5\x2f\xfd"
MAX_BLOCK = 1 << 17
RAW, RLE, COMPRESSED, RESERVED = range(4)
# No content size, no checksum, no dictionary; a window of 2^17 bytes.
PLAIN_HEADER = b"\x00\x38"


class Run(NamedTuple):
    """A byte, and how often it stands there."""

    byte: bytes
    times: int


Piece = Union[bytes, Run]


def block(kind: int, size: int, content: bytes, is_last: bool = False) -> bytes:
    """Return one block; the size is what its header says."""
    return (size << 3 | kind << 1 | is_last).to_bytes(4, "little")[:3] + content


def blocks(pieces: Iterable[Piece], ends: bool = True) -> bytes:
    """Return the pieces as blocks, the last of which ends the frame."""
    made = []
    for piece in pieces:
        if isinstance(piece, Run):
            left = piece.times
            while left:
                size = min(left, MAX_BLOCK)
                made.append((RLE, size, piece.byte))
                left -= size
        else:
            for at in range(0, len(piece), MAX_BLOCK):
                part = piece[at : at + MAX_BLOCK]
                made.append((RAW, len(part), part))
    last = len(made) - 1
    return b"".join(block(*parts, is_last=ends and index == last) for index, parts in enumerate(made))


def frame(*pieces: Piece, header: bytes = PLAIN_HEADER, trailer: bytes = b"") -> bytes:
    """Return a frame with the pieces as its content."""
    return MAGIC + header + blocks(pieces) + trailer


def skippable(content: bytes, said: int | None = None) -> bytes:
    """Return a frame that decoders skip."""
    size = len(content) if said is None else said
    return (0x184D2A50).to_bytes(4, "little") + size.to_bytes(4, "little") + content
