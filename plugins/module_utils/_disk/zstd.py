# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd compression and decompression in constant memory, by whichever library the host has.

Python 3.14 brings ``compression.zstd``; earlier ones need the ``zstandard`` package (``backports.zstd``, which is the
former for older Pythons, serves as well). Plain archives need none of them.
"""

from __future__ import annotations

from typing import Any, Callable

from .._core.errors import FormatError, UnsupportedError
from .byte_sink import feed_zeros
from .byte_source import ByteSource
from .sparse_file import ZEROS
from .zstd_blocks import BlockSource, blocks_of_zeros, has_droppable_zeros
from .zstd_frames import (
    BLOCK_HEADER_BYTES,
    CHECKSUM_BYTES,
    MAX_HEADER_BYTES,
    FrameHeader,
    parse_frame_header,
    skip_blocks,
)

try:
    from compression import zstd as _std  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from backports import zstd as _std  # type: ignore[no-redef,import-not-found,unused-ignore]
    except ImportError:
        _std = None
try:
    import zstandard as _package
except ImportError:
    _package = None  # type: ignore[assignment]

MAX_WINDOW_BYTES = 1 << 27  # what every microsandbox decodes; the next power is refused by all of them
LEVELS = range(1, 20)

# How both libraries call the end of a block in the middle of a frame; the number is the same in both.
_END_BLOCK = 1
_LONG_RUN_BYTES = 64 << 20  # less is compressed in the time that it takes to end a block
_INPUT_BYTES = 1 << 18
_OUTPUT_BYTES = 1 << 20
_NO_LIBRARY = (
    "zstd needs Python 3.14 or the zstandard package on this host, which has neither: install python3-zstandard with"
    " the system's package manager or zstandard with pip, or use a plain .tar"
)


def backend() -> str | None:
    """Return the name and version of the library in use, or None when this host has none."""
    if _package is not None:
        return f"zstandard {_package.__version__}"
    if _std is not None:
        return f"{_std.__name__} {_std.zstd_version}"
    return None


def require_backend() -> None:
    """Check that this host can compress and decompress.

    Raises:
        UnsupportedError: It has no zstd library.
    """
    if backend() is None:
        raise UnsupportedError(_NO_LIBRARY, library="zstandard")


class FrameWriter:
    """Writes one frame; the number of threads does not change its bytes.

    Where the frame does not announce its length, long runs of zeros become blocks of one repeated byte without passing
    through the compressor. It has to see no more of them than its window reaches back.

    Args:
        level: Compression level, 1 to 19.
        threads: Worker threads, at least 1.
        content_bytes: Length of the whole stream, which the frame announces, or None for a frame that does not.
        put: Takes the frame.

    Raises:
        UnsupportedError: This host has no zstd library.
    """

    def __init__(self, level: int, threads: int, content_bytes: int | None, put: Callable[[memoryview], None]) -> None:
        self._compressor = _new_compressor(level, threads, content_bytes)
        self._is_open_ended = content_bytes is None
        self._put = put
        self._window_bytes: int | None = None

    def put(self, view: memoryview) -> None:
        """Add bytes."""
        self._emit(self._compressor.compress(view))

    def put_zeros(self, length: int) -> None:
        """Add zeros."""
        if self._is_open_ended and length >= _LONG_RUN_BYTES:
            self._end_block()
            seen = self._window_bytes or length
            feed_zeros(seen, self.put)
            self._end_block()
            for blocks in blocks_of_zeros(length - seen):
                self._put(memoryview(blocks))
        else:
            feed_zeros(length, self.put)

    def finish(self) -> None:
        """Write the rest of the frame."""
        self._emit(self._compressor.flush())

    def _end_block(self) -> None:
        self._emit(self._compressor.flush(_END_BLOCK))

    def _emit(self, content: bytes) -> None:
        if content and self._window_bytes is None:
            self._window_bytes = parse_frame_header(content).window_bytes
        self._put(memoryview(content))


def _new_compressor(level: int, threads: int, content_bytes: int | None) -> Any:
    has_size = content_bytes is not None
    if _package is not None:
        parameters = _package.ZstdCompressionParameters.from_level(level, threads=threads, write_content_size=has_size)
        package = _package.ZstdCompressor(compression_params=parameters)
        return package.compressobj() if content_bytes is None else package.compressobj(size=content_bytes)
    if _std is not None:
        names = _std.CompressionParameter
        options = {names.compression_level: level, names.nb_workers: threads, names.content_size_flag: int(has_size)}
        standard = _std.ZstdCompressor(options=options)
        if has_size:
            standard.set_pledged_input_size(content_bytes)
        return standard
    raise UnsupportedError(_NO_LIBRARY, library="zstandard")


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
        self._stream: _PackageStream | _StdStream | _BlockStream
        if has_droppable_zeros(header):
            self._stream = _BlockStream(BlockSource(source, header))
        else:
            self._stream = _new_stream(_FrameSource(source, header))

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

    def require_end(self) -> None:
        self._frame.require_end()

    def skip_zeros(self, limit: int) -> int:
        return 0


class _PackageStream(_WholeStream):
    def __init__(self, frame: _FrameSource) -> None:
        super().__init__(frame)
        decompressor = _package.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        source: Any = frame  # only its read() is used
        self._reader = decompressor.stream_reader(source, read_size=_INPUT_BYTES, read_across_frames=False)

    def read_into(self, view: memoryview) -> int:
        try:
            return int(self._reader.readinto(view))
        except _package.ZstdError as exc:
            raise FormatError(f"zstd frame is damaged: {exc}") from exc


class _StdStream(_WholeStream):
    def __init__(self, frame: _FrameSource) -> None:
        super().__init__(frame)
        self._decompressor = _std.ZstdDecompressor()

    def read_into(self, view: memoryview) -> int:
        content = b""
        try:
            while not content and not self._decompressor.eof:
                piece = self._frame.read(_INPUT_BYTES) if self._decompressor.needs_input else b""
                content = self._decompressor.decompress(piece, max_length=min(len(view), _OUTPUT_BYTES))
        except _std.ZstdError as exc:
            raise FormatError(f"zstd frame is damaged: {exc}") from exc
        view[: len(content)] = content
        return len(content)


class _BlockStream:
    """Decodes a frame block by block, but for the zeros that its source leaves out."""

    def __init__(self, blocks: BlockSource) -> None:
        self._blocks = blocks
        self._decode = _new_decoder()
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


def _new_decoder() -> Callable[[bytes], bytes]:
    """Return what decodes a frame piece by piece, each to its end."""
    if _package is not None:
        package = _package.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()

        def decode(piece: bytes) -> bytes:
            try:
                return package.decompress(piece)
            except _package.ZstdError as exc:
                raise FormatError(f"zstd frame is damaged: {exc}") from exc

        return decode
    if _std is not None:
        standard = _std.ZstdDecompressor()

        def decode_with_standard(piece: bytes) -> bytes:
            try:
                return bytes(standard.decompress(piece))
            except _std.ZstdError as exc:
                raise FormatError(f"zstd frame is damaged: {exc}") from exc

        return decode_with_standard
    raise UnsupportedError(_NO_LIBRARY, library="zstandard")


def _new_stream(frame: _FrameSource) -> _PackageStream | _StdStream:
    if _package is not None:
        return _PackageStream(frame)
    if _std is not None:
        return _StdStream(frame)
    raise UnsupportedError(_NO_LIBRARY, library="zstandard")
