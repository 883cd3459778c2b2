# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand behind an archive: nothing that anybody would unpack."""

from __future__ import annotations

from .._core.errors import FormatError
from .._disk.byte_source import ByteSource
from .._disk.frame_reader import FrameReader
from .._disk.zstd_frames import is_skippable_frames

_MAX_PADDING_BYTES = 1 << 20  # zeros after the end marker; tar programs fill up a block of records
_MAX_TRAILER_BYTES = 4 << 20  # skippable frames after the archive
_REST_BYTES = 1 << 16


def require_clean_end(stream: FrameReader | ByteSource, source: ByteSource) -> None:
    """Accept zeros in what is left of the stream and skippable frames after it, and nothing else.

    Args:
        stream: The archive, right after its end marker.
        source: The file that it is read from, which is the stream itself where nothing is compressed.

    Raises:
        FormatError: Something else follows, or too much.
    """
    padding = _read_rest(stream, _MAX_PADDING_BYTES)
    if stream is source:
        trailer = padding.lstrip(b"\0")
    elif padding.strip(b"\0"):
        raise FormatError("archive holds data after its end marker")
    else:
        trailer = _read_rest(source, _MAX_TRAILER_BYTES)
    if not is_skippable_frames(trailer):
        raise FormatError("archive holds data after its end marker")


def _read_rest(stream: FrameReader | ByteSource, limit: int) -> bytes:
    content = b""
    piece = bytearray(_REST_BYTES)
    while len(content) <= limit:
        count = stream.read_into(memoryview(piece))
        content += piece[:count]
        if count < len(piece):
            return content
    raise FormatError(f"archive holds more than {limit} bytes after its end marker", limit=limit)
