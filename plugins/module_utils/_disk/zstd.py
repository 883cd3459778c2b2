# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd by whichever library the host has.

Python 3.14 brings ``compression.zstd``; earlier ones need the ``zstandard`` package (``backports.zstd``, which is the
former for older Pythons, serves as well). Plain archives need none of them.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

from .._core.errors import FormatError, UnsupportedError

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
END_BLOCK = 1
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


def new_compressor(level: int, threads: int, content_bytes: int | None) -> Any:
    """Return what compresses one frame, with the methods ``compress(view)`` and ``flush``, to the end or a block's.

    Args:
        level: Compression level, 1 to 19.
        threads: Worker threads, at least 1.
        content_bytes: Length of the whole stream, which the frame announces, or None for a frame that does not.

    Raises:
        UnsupportedError: This host has no zstd library.
    """
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


class Readable(Protocol):
    """Bytes that come one after the other."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, up to ``size``; none at the end."""


def new_decoder(frame: Readable) -> Callable[[memoryview], int]:
    """Return what decodes a frame into a view and returns how many bytes that were, none at the end.

    Args:
        frame: The bytes of the frame and nothing else.

    Raises:
        UnsupportedError: This host has no zstd library.
    """
    if _package is not None:
        return _PackageDecoder(frame).read_into
    if _std is not None:
        return _StdDecoder(frame).read_into
    raise UnsupportedError(_NO_LIBRARY, library="zstandard")


class _PackageDecoder:
    def __init__(self, frame: Readable) -> None:
        decompressor = _package.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        source: Any = frame  # only its read() is used
        self._reader = decompressor.stream_reader(source, read_size=_INPUT_BYTES, read_across_frames=False)

    def read_into(self, view: memoryview) -> int:
        try:
            return int(self._reader.readinto(view))
        except _package.ZstdError as exc:
            raise FormatError(f"zstd frame is damaged: {exc}") from exc


class _StdDecoder:
    def __init__(self, frame: Readable) -> None:
        self._frame = frame
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


def new_piece_decoder() -> Callable[[bytes], bytes]:
    """Return what decodes a frame piece by piece, each to its end.

    Raises:
        UnsupportedError: This host has no zstd library.
    """
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
