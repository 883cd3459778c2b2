# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one zstd frame in constant memory, without decoding the zeros that its blocks only speak of."""

from __future__ import annotations

from .._core.errors import FormatError
from .byte_source import ByteSource
from .sparse_file import ZEROS
from .zstd import MAX_WINDOW_BYTES, new_decoder, new_piece_decoder
from .zstd_blocks import BlockSource, has_droppable_zeros
from .zstd_frames import (
    BLOCK_HEADER_BYTES,
    CHECKSUM_BYTES,
    MAX_HEADER_BYTES,
    FrameHeader,
    parse_frame_header,
    skip_blocks,
)


class FrameReader:
    """Reads the content of the one zstd frame at the start of a file, and knows where that frame ends.

    Args:
        source: Where the compressed bytes come from; left right after the frame once ``read_into`` has returned 0.
        max_window_bytes: Largest look-back window to accept.

    Raises:
        FormatError: The file does not start with a frame that this collection reads.
        UnsupportedError: This host has no zstd library.
    """

    def __init__(self, source: ByteSource, max_window_bytes: int = MAX_WINDOW_BYTES) -> None:
        start = source.peek(MAX_HEADER_BYTES)
        header = parse_frame_header(start)
        if header.window_bytes > max_window_bytes:
            raise FormatError(
                f"zstd frame needs a window of {header.window_bytes} bytes, at most {max_window_bytes} are allowed",
                window_bytes=header.window_bytes,
                limit_bytes=max_window_bytes,
            )
        self._stream: _WholeStream | _BlockStream
        if has_droppable_zeros(header):
            self._stream = _BlockStream(BlockSource(source, header))
        else:
            self._stream = _WholeStream(_FrameSource(source, header))

    def read_into(self, view: memoryview) -> int:
        """Fill the view with content as far as there is any, and return how many bytes that were.

        Raises:
            FormatError: The frame is damaged or cut off.
        """
        done = 0
        while done < len(view):
            count = self._stream.read_into(view[done:])
            if count == 0:
                self._stream.require_end()
                break
            done += count
        return done

    def skip_zeros(self, limit: int) -> int:
        """Consume zeros that come next and were not decoded, and return how many that were, at most ``limit``."""
        return self._stream.skip_zeros(limit)


class _FrameSource:
    """The bytes of one frame, block by block; after its last block there are none."""

    def __init__(self, source: ByteSource, header: FrameHeader) -> None:
        self._source = source
        self._left = header.header_bytes
        self._trailer = CHECKSUM_BYTES if header.has_checksum else 0
        self._complete = False

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the frame, whose blocks are many and small where the content is zeros."""
        content = self._source.peek(size)
        self._walk(content)
        piece = self._source.read(min(size, self._left))
        self._left -= len(piece)
        if not piece and (self._left or not self._complete):
            raise FormatError("archive ends inside its zstd frame")
        return piece

    def require_end(self) -> None:
        """Raise FormatError unless the whole frame was read."""
        self._walk(self._source.peek(BLOCK_HEADER_BYTES))
        if self._left or not self._complete:
            raise FormatError("zstd frame holds bytes after its content")

    def _walk(self, content: bytes) -> None:
        """Find how far the frame goes on in the content that follows."""
        if not self._complete:
            self._left, self._complete = skip_blocks(content, self._left)
            if self._complete:
                self._left += self._trailer


class _WholeStream:
    """Decodes a frame whole.

    Args:
        frame: The frame.
    """

    def __init__(self, frame: _FrameSource) -> None:
        self._frame = frame
        self.read_into = new_decoder(frame)

    def require_end(self) -> None:
        self._frame.require_end()

    def skip_zeros(self, limit: int) -> int:
        return 0


class _BlockStream:
    """Decodes a frame block by block, but for the zeros that its source leaves out."""

    def __init__(self, blocks: BlockSource) -> None:
        self._blocks = blocks
        self._decode = new_piece_decoder()
        self._content = memoryview(b"")
        self._zeros = 0  # behind the content

    def read_into(self, view: memoryview) -> int:
        while not self._content and not self._zeros and not self._blocks.is_complete:
            piece, self._zeros = self._blocks.read()
            self._content = memoryview(self._decode(piece) if piece else b"")
        if self._content:
            count = min(len(view), len(self._content))
            view[:count] = self._content[:count]
            self._content = self._content[count:]
            return count
        count = self.skip_zeros(min(len(view), len(ZEROS)))
        view[:count] = ZEROS[:count]
        return count

    def skip_zeros(self, limit: int) -> int:
        count = 0 if self._content else min(limit, self._zeros)
        self._zeros -= count
        return count

    def require_end(self) -> None:
        if not self._blocks.is_complete:
            raise FormatError("archive ends inside its zstd frame")
