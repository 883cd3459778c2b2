# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing an archive in one stream: the same artifacts and options give the same bytes on every host.

The members are those that every microsandbox writes; the table of contents behind them is ours. The bytes of a zstd
archive are those of the zstd library's version; its number of threads does not change them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._disk.byte_sink import ByteSink, ZeroRuns, feed_zeros
from .._disk.content_hash import ALGORITHMS, ContentHash, HashThread
from .._disk.digest_record import record_digest
from .._disk.extents import Extent, ExtentMap
from .._disk.frame_writer import FrameWriter
from .._disk.place import require_space
from .._disk.sparse_file import BufferPool, Traffic, read_segments, write_at
from .._disk.staging import staging_area
from .._disk.zstd_frames import skippable_frame
from .._formats.archive_contents import contents_to_bytes
from .._formats.manifest_json import MANIFEST_FILE, manifest_to_bytes
from .._formats.member_names import snapshot_prefix
from .._formats.sparse_map import SparsePair
from .._formats.tar_records import END_OF_ARCHIVE, file_header, padding_bytes, sparse_header
from .._observe.archived_snapshot import SPARSE
from .._observe.artifact import Artifact, open_upper, require_unchanged
from .._observe.content_map import scan_blocks, scan_content
from .._observe.integrity import judge_content, require_verified
from .._plan.archive import ZSTD, WriteArchive, archive_contents
from .._plan.image_shipment import Shipment
from .cache_export import cache_member_bytes, cache_member_name, put_cache_file

_STAGED = "archive"
_PRIVATE_MODE = 0o600
_SHARED_MODE = 0o644
_CHECK_BYTES = 32 << 20  # how often the file system is asked for room


def apply_export(step: WriteArchive, threads: int, traffic: Traffic, verify: bool = False) -> str:
    """Write an archive, which stands at its path only once it is whole and durable, and return its SHA-256 digest.

    Args:
        step: What to write.
        threads: Compression threads, at least 1.
        traffic: Where the bytes are counted.
        verify: Compute recorded integrity in the same pass and refuse content that differs.

    Raises:
        StateError: An upper changed while it was read.
        IntegrityError: An upper is not what its descriptor recorded.
        UnsupportedError: The host has no zstd library.
        OSError: Reading or writing failed; nothing is left behind and a previous archive is untouched.
    """
    wanted = step.wanted
    members = [_plan_member(artifact, wanted.layout, traffic) for artifact in step.artifacts]
    with staging_area(os.path.dirname(wanted.path)) as area:
        fd = area.create_file(_STAGED)
        try:
            output = _Output(fd, traffic)
            frame = None
            if wanted.compression == ZSTD:
                frame = FrameWriter(wanted.level, threads, _content_bytes(step, members), output.put)
            sink = frame or output
            with traffic.meter.span(_passing_bytes(step)):
                for member in members:
                    sink.put(memoryview(member.start))
                    _put_upper(member, sink, verify, traffic)
                for file in step.shipment.files:
                    put_cache_file(file, step.shipment.cache_dir, sink, traffic)
            traffic.meter.say("syncing")
            sink.put(memoryview(END_OF_ARCHIVE))
            if frame is not None:
                frame.finish()
            contents = archive_contents(wanted, step.artifacts, step.shipment, output.position)
            output.put(memoryview(skippable_frame(contents_to_bytes(contents))))
            digest = "sha256:" + output.hash.hexdigest()
            record_digest(fd, digest)
            is_private = any(stat.S_IMODE(member.seen.st_mode) & 0o077 == 0 for member in members)
            area.seal_file(fd, _PRIVATE_MODE if is_private else _SHARED_MODE)
        finally:
            os.close(fd)
        area.replace_file(_STAGED, os.path.basename(wanted.path))
    return digest


def member_names(artifacts: Iterable[Artifact], shipment: Shipment) -> list[str]:
    """Return the names of the files that an archive carries, in order."""
    names = [name for artifact in artifacts for name in _snapshot_names(artifact)]
    return names + [cache_member_name(file) for file in shipment.files]


def _snapshot_names(artifact: Artifact) -> tuple[str, str]:
    """Return the names that a snapshot's manifest and upper have in an archive."""
    prefix = snapshot_prefix(artifact.descriptor.digest)
    return f"{prefix}/{MANIFEST_FILE}", f"{prefix}/{artifact.descriptor.upper_file}"


@dataclass(frozen=True)
class _Member:
    """A snapshot on its way into the archive.

    Attributes:
        artifact: The snapshot.
        start: Its manifest's member and its upper's header records.
        pairs: Runs to store of a sparse member, None for a dense one.
        body_bytes: Length of the upper's body with its padding.
        seen: State of the upper when its map was taken.
    """

    artifact: Artifact
    start: bytes
    pairs: tuple[SparsePair, ...] | None
    body_bytes: int
    seen: os.stat_result


def _plan_member(artifact: Artifact, layout: str, traffic: Traffic) -> _Member:
    descriptor = artifact.descriptor
    manifest_name, name = _snapshot_names(artifact)
    manifest = manifest_to_bytes(descriptor)
    start = file_header(manifest_name, len(manifest)) + manifest + bytes(padding_bytes(len(manifest)))
    with open_upper(artifact) as fd:
        seen = os.fstat(fd)
        pairs = scan_content(fd, traffic) if layout == SPARSE else None
    if pairs is None:
        body = descriptor.upper_bytes
        start += file_header(name, body)
    else:
        body = sum(pair.length for pair in pairs)
        start += sparse_header(name, pairs, descriptor.upper_bytes)
    return _Member(artifact, start, pairs, body + padding_bytes(body), seen)


def _passing_bytes(step: WriteArchive) -> int:
    """Return how many bytes go into an archive, holes as zeros."""
    uppers = sum(artifact.descriptor.upper_bytes for artifact in step.artifacts)
    return uppers + sum(file.size_bytes for file in step.shipment.files)


def _content_bytes(step: WriteArchive, members: Sequence[_Member]) -> int | None:
    """Return the length that a frame announces: none where holes are spelt out, which costs nothing without."""
    if step.artifacts and step.wanted.layout != SPARSE:
        return None
    body_bytes = sum(len(member.start) + member.body_bytes for member in members) + len(END_OF_ARCHIVE)
    return body_bytes + sum(map(cache_member_bytes, step.shipment.files))


def _put_upper(member: _Member, sink: ByteSink, verify: bool, traffic: Traffic) -> None:
    """Feed the upper's body: data is read once, holes never, and zeros come from memory."""
    pool = BufferPool()
    artifact = member.artifact
    content_hash = _recorded_hash(artifact) if verify else None
    before = traffic.read + traffic.holes_skipped
    packing = traffic.meter.measure(
        "packing",
        artifact.descriptor.upper_bytes,
        lambda: traffic.read + traffic.holes_skipped - before if content_hash is None else content_hash.position,
    )
    with packing, open_upper(artifact) as fd, HashThread(content_hash, pool) as thread:
        require_unchanged(
            member.seen, os.fstat(fd), os.path.join(member.artifact.path, member.artifact.descriptor.upper_file)
        )
        if member.pairs is None:
            extent_map = scan_blocks(fd)
            body = extent_map.size_bytes
        else:
            extents = tuple(Extent(pair.offset, pair.offset + pair.length) for pair in member.pairs if pair.length)
            extent_map = ExtentMap(member.artifact.descriptor.upper_bytes, extents)
            body = extent_map.data_bytes
        runs = ZeroRuns(sink)
        for segment in read_segments(fd, extent_map, pool, traffic):
            if segment.buffer is None:
                traffic.holes_skipped += segment.length
            if member.pairs is None:
                runs.put(segment)
            elif segment.buffer is not None:
                sink.put(segment.view)
            thread.feed(segment)
        runs.finish()
    if verify:
        digest = None if content_hash is None else content_hash.digest()
        state = judge_content(artifact.descriptor, digest, lambda: open_upper(artifact), traffic)
        require_verified(artifact.descriptor, state, os.path.join(artifact.path, artifact.descriptor.upper_file))
    sink.put_zeros(padding_bytes(body))


def _recorded_hash(artifact: Artifact) -> ContentHash | None:
    """Return what computes the recorded digest of an upper, if one is recorded that can be computed."""
    recorded = artifact.descriptor.integrity
    if recorded is None or recorded.algorithm not in ALGORITHMS:
        return None
    return ContentHash(recorded.algorithm, artifact.descriptor.upper_bytes)


class _Output:
    """The archive file, written front to back and hashed on the way."""

    def __init__(self, fd: int, traffic: Traffic) -> None:
        self._fd = fd
        self._traffic = traffic
        self._unchecked_bytes = _CHECK_BYTES
        self.hash = hashlib.sha256()
        self.position = 0

    def put(self, view: memoryview) -> None:
        if self._unchecked_bytes <= 0:
            require_space(self._fd, _CHECK_BYTES)
            self._unchecked_bytes = _CHECK_BYTES
        self._unchecked_bytes -= len(view)
        self.hash.update(view)
        write_at(self._fd, view, self.position)
        self.position += len(view)
        self._traffic.written += len(view)

    def put_zeros(self, length: int) -> None:
        feed_zeros(length, self.put)
