# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an archive member by member, front to back, in constant memory and within limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from .._core.errors import FormatError
from .._disk.byte_source import ByteSource
from .._disk.frame_reader import FrameReader
from .._disk.sparse_file import BLOCK_BYTES, BUFFER_BYTES, BufferPool, Segment
from .._disk.zstd_frames import FRAME_MAGIC
from .._formats.archive_contents import MAX_BODIES_BYTES, MAX_SNAPSHOTS
from .._formats.member_names import SnapshotDirectory, SnapshotFile, parse_member_name
from .._formats.sparse_map import SparsePair, parse_sparse_extension, require_sparse_map
from .._formats.tar_fields import RECORD_BYTES
from .._formats.tar_records import (
    LONG_NAME_TYPE,
    PAX_TYPE,
    SPARSE_TYPE,
    Header,
    padding_bytes,
    parse_header,
    parse_pax_path,
)
from .archive_end import require_clean_end
from .archive_limits import ArchiveLimits
from .archive_member import Member, require_file_or_directory, shown_name

_MAX_PAX_BYTES = 1 << 16
_ZERO_RECORD = bytes(RECORD_BYTES)


class ArchiveReader:
    """Walks the members of an archive in stream order; what is not consumed of a body is skipped.

    Args:
        fd: Descriptor of the archive file, at its start.
        limits: What the archive may demand.
        observer: Called with every piece of the file, up to its end once ``members`` is exhausted.

    Attributes:
        compression: ``zstd`` or ``none``, by the first bytes of the file.

    Raises:
        FormatError: The file is empty, or its zstd frame is none that this collection reads.
        UnsupportedError: The host has no zstd library.
    """

    def __init__(self, fd: int, limits: ArchiveLimits, observer: Callable[[bytes], object] | None = None) -> None:
        self._limits = limits
        self._source = ByteSource(fd, observer)
        start = self._source.peek(len(FRAME_MAGIC))
        if not start:
            raise FormatError("archive is empty")
        self.compression = "zstd" if start == FRAME_MAGIC else "none"
        self._stream: FrameReader | ByteSource = self._source
        if self.compression == "zstd":
            self._stream = FrameReader(self._source, limits.window_bytes)
        self._body_left = 0
        self._padding_left = 0
        self._prefixes: set[str] = set()
        self._bodies_bytes = 0
        self._apparent_bytes = 0
        self._scratch = bytearray(BUFFER_BYTES)

    @property
    def position(self) -> int:
        """Return how many bytes of the file were consumed."""
        return self._source.position

    def members(self) -> Iterator[Member]:
        """Yield the members in order, and check what follows the last one.

        Raises:
            FormatError: The archive is damaged, cut off, beyond a limit, or has a member that the grammar forbids.
            UnsupportedError: It is an archive of a later generation.
        """
        count = 0
        while True:
            header = self._next_header()
            if header is None:
                require_clean_end(self._stream, self._source)
                return
            count += 1
            if count > self._limits.members:
                raise FormatError(f"archive has more than {self._limits.members} members", limit=self._limits.members)
            yield self._member(header)

    def read_body(self, member: Member, limit: int) -> bytes:
        """Return the whole body of a small member of at most ``limit`` bytes.

        Raises:
            FormatError: It is larger, or cut off, or all that were read together are too large.
        """
        if member.is_sparse or member.stored_bytes > limit:
            raise FormatError(
                f"member {member.shown} has {member.real_bytes} bytes, at most {limit} stored ones are allowed",
                limit=limit,
            )
        self._bodies_bytes += member.stored_bytes
        if self._bodies_bytes > MAX_BODIES_BYTES:
            raise FormatError(
                f"manifests, metadata and descriptors up to member {member.shown} have {self._bodies_bytes} bytes,"
                f" at most {MAX_BODIES_BYTES} are allowed",
                limit=MAX_BODIES_BYTES,
            )
        content = self._read(member.stored_bytes)
        self._body_left = 0
        return content

    def admit(self, member: Member) -> None:
        """Count a member whose body is about to be unpacked.

        Raises:
            FormatError: All that were counted have more than ``apparent_bytes``.
        """
        self._apparent_bytes += member.real_bytes
        if self._apparent_bytes > self._limits.apparent_bytes:
            raise FormatError(
                f"files in the archive have {self._apparent_bytes} apparent bytes,"
                f" at most {self._limits.apparent_bytes} are allowed",
                limit=self._limits.apparent_bytes,
            )

    def body_segments(self, member: Member, pool: BufferPool) -> Iterator[Segment]:
        """Yield the file of a member front to back, holes of a sparse member included.

        Raises:
            FormatError: The body is cut off.
        """
        position = 0
        runs = member.pairs if member.is_sparse else (SparsePair(0, member.real_bytes),)
        for offset, length in runs:
            if position < offset:
                yield Segment(position, offset - position, None)
            position, end = offset, offset + length
            while position < end:
                zeros = self._skip_zeros(end - position)
                if zeros:
                    yield Segment(position, zeros, None)
                    position += zeros
                    continue
                buffer = pool.take()
                step = min(end - position, BUFFER_BYTES - position % BLOCK_BYTES)
                self._fill(memoryview(buffer)[:step])
                self._body_left -= step
                yield Segment(position, step, buffer)
                position += step

    def _next_header(self) -> Header | None:
        """Return the next member's header with its long or PAX name in place, or None at the end marker."""
        self._skip(self._body_left + self._padding_left)
        long_name: bytes | None = None
        has_name_record = False
        while True:
            record = self._read(RECORD_BYTES)
            if record == _ZERO_RECORD:
                if has_name_record:
                    raise FormatError("archive ends after a long name that names no member, or a PAX header")
                if self._read(RECORD_BYTES) != _ZERO_RECORD:
                    raise FormatError("archive has a lone zero record between its members")
                return None
            header = parse_header(record)
            if header.type not in (LONG_NAME_TYPE, PAX_TYPE):
                return header if long_name is None else header._replace(name=long_name)
            if has_name_record:
                raise FormatError("archive names one member twice, by two long names or PAX headers in a row")
            has_name_record = True
            long_name = self._read_long_name(header)

    def _read_long_name(self, header: Header) -> bytes | None:
        is_pax = header.type == PAX_TYPE
        limit = _MAX_PAX_BYTES if is_pax else self._limits.name_bytes + 1
        if header.stored_bytes > limit:
            raise FormatError(f"archive has a name record of {header.stored_bytes} bytes, at most {limit} are allowed")
        body = self._read(header.stored_bytes)
        self._skip(padding_bytes(header.stored_bytes))
        name = parse_pax_path(body) if is_pax else body.rstrip(b"\0")
        if name is not None and len(name) > self._limits.name_bytes:
            raise FormatError(f"archive has a name of {len(name)} bytes, at most {self._limits.name_bytes} are allowed")
        return name

    def _member(self, header: Header) -> Member:
        is_directory = require_file_or_directory(header)
        name = parse_member_name(header.name, is_directory)
        if isinstance(name, (SnapshotDirectory, SnapshotFile)):
            self._prefixes.add(name.prefix)
            if len(self._prefixes) > MAX_SNAPSHOTS:
                raise FormatError(f"archive has more than {MAX_SNAPSHOTS} snapshots", limit=MAX_SNAPSHOTS)
        elif header.type == SPARSE_TYPE:
            raise FormatError(f"image cache member {shown_name(header)} is sparse, microsandbox stores those whole")
        pairs = self._read_sparse_map(header) if header.type == SPARSE_TYPE else ()
        self._body_left = header.stored_bytes
        self._padding_left = padding_bytes(header.stored_bytes)
        return Member(name, header.type == SPARSE_TYPE, header.stored_bytes, header.real_bytes, pairs)

    def _read_sparse_map(self, header: Header) -> tuple[SparsePair, ...]:
        pairs = list(header.pairs)
        is_extended = header.is_extended
        while is_extended:
            more, is_extended = parse_sparse_extension(self._read(RECORD_BYTES), header.name)
            pairs += more
            if len(pairs) > self._limits.extents:
                raise FormatError(
                    f"sparse member {shown_name(header)} has more than {self._limits.extents} runs",
                    limit=self._limits.extents,
                )
        require_sparse_map(tuple(pairs), header.stored_bytes, header.real_bytes, header.name)
        return tuple(pairs)

    def _read(self, count: int) -> bytes:
        content = bytearray(count)
        self._fill(memoryview(content))
        return bytes(content)

    def _fill(self, view: memoryview) -> None:
        count = self._stream.read_into(view)
        if count < len(view):
            raise FormatError(
                f"archive ends {len(view) - count} bytes before what it announces, or without its end marker"
            )

    def _skip_zeros(self, limit: int) -> int:
        """Consume zeros of the body that the archive did not have to be decoded for, and return how many."""
        if not isinstance(self._stream, FrameReader):
            return 0
        count = self._stream.skip_zeros(limit)
        self._body_left -= count
        return count

    def _skip(self, count: int) -> None:
        while count:
            step = min(count, BUFFER_BYTES)
            self._fill(memoryview(self._scratch)[:step])
            count -= step
        self._body_left = self._padding_left = 0
