# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk over an archive's members, front to back, that judges each and hands its content on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Callable, Protocol

from .._core.errors import FormatError, excerpt
from .._disk.content_hash import ALGORITHMS, SPARSE_SHA256, ContentHash, HashThread, hash_file
from .._disk.extents import scan_extents
from .._disk.sparse_file import Segment, Traffic
from .._disk.stage_thread import ReadAhead
from .._formats.descriptor import Descriptor
from .._formats.manifest_json import MANIFEST_FILE, parse_manifest
from .._formats.member_names import CacheFile, SnapshotDirectory, SnapshotFile
from .archive_limits import ArchiveLimits
from .archive_member import Member
from .archive_reader import ArchiveReader
from .archived_snapshot import (
    DENSE,
    SPARSE,
    ArchivedSnapshot,
    ArchivedUpper,
    require_described,
    require_importable,
)
from .cache_walk import CacheWalk
from .integrity import judge_content, recorded_state, require_verified
from .upper_spool import spooled_upper


class ArchiveSink(Protocol):
    """Takes the uppers that a walk finds, and gives one back when it must be read a second time."""

    def take_upper(
        self, name: SnapshotFile, digest: str | None, size_bytes: int, least_bytes: int
    ) -> AbstractContextManager[Callable[[Segment], None] | None]:
        """Take an upper, or None to do without it.

        The block puts the upper's segments, whose buffers stay with the caller, and ends with the last.

        Args:
            name: The member.
            digest: Digest of its snapshot, where the manifest stands in front of it.
            size_bytes: Its apparent size.
            least_bytes: How much of it is known to be data.
        """

    def open_upper(self, name: SnapshotFile) -> AbstractContextManager[int]:
        """Open an upper that was taken, for reading."""


@dataclass
class _Found:
    descriptor: Descriptor | None = None
    upper: ArchivedUpper | None = None


@dataclass
class ArchiveWalk:
    """What a walk has seen so far."""

    path: str
    limits: ArchiveLimits
    verify: bool
    traffic: Traffic
    sink: ArchiveSink
    cache: CacheWalk
    members: list[str] = field(default_factory=list)
    found: dict[str, _Found] = field(default_factory=dict)

    def take(self, reader: ArchiveReader, member: Member) -> None:
        """Take one member."""
        name = member.name
        if isinstance(name, SnapshotDirectory):
            if name.prefix in self.found:
                raise FormatError(f"archive has the directory {excerpt(name.prefix)} twice, or behind its files")
            self.found[name.prefix] = _Found()
        elif isinstance(name, SnapshotFile):
            found = self.found.setdefault(name.prefix, _Found())
            self.members.append(f"{name.prefix}/{name.file}")
            if name.file == MANIFEST_FILE:
                self._take_manifest(reader, member, name, found)
            else:
                self._take_upper(reader, member, name, found)
        elif isinstance(name, CacheFile):
            self.members.append(f"cache/{name.kind}/{name.file}")
            self.cache.take(reader, member, name)

    def _take_manifest(self, reader: ArchiveReader, member: Member, name: SnapshotFile, found: _Found) -> None:
        if found.descriptor is not None:
            raise FormatError(f"archive has the member {excerpt(self.members[-1])} twice")
        found.descriptor = parse_manifest(reader.read_body(member, self.limits.manifest_bytes))
        require_importable(found.descriptor, name.prefix)
        if found.upper is not None:
            require_described(found.descriptor, found.upper, name.prefix)

    def _take_upper(self, reader: ArchiveReader, member: Member, name: SnapshotFile, found: _Found) -> None:
        if found.upper is not None:
            raise FormatError(
                f"archive has the members {excerpt(f'{name.prefix}/{found.upper.file}')} and"
                f" {excerpt(self.members[-1])}, a snapshot has one file besides {MANIFEST_FILE}"
            )
        reader.admit(member)
        upper = ArchivedUpper(
            name.file, member.is_sparse, member.stored_bytes, member.real_bytes, self._algorithm(found)
        )
        if found.descriptor is not None:
            require_described(found.descriptor, upper, name.prefix)
        found.upper = upper
        content_hash = None if upper.algorithm is None else ContentHash(upper.algorithm, member.real_bytes)
        digest = None if found.descriptor is None else found.descriptor.digest
        least_bytes = member.stored_bytes if member.is_sparse else 0
        taking = self.sink.take_upper(name, digest, member.real_bytes, least_bytes)
        pool = self.cache.pool
        passed = 0
        with self.traffic.meter.doing("unpacking"), taking as put:
            upper.is_kept = put is not None
            unpacking = self.traffic.meter.measure(
                "unpacking" if upper.is_kept else "reading",
                member.real_bytes,
                lambda: passed if content_hash is None else content_hash.position,
                "syncing",
            )
            read_ahead = ReadAhead(reader.body_segments(member, pool))
            with unpacking, HashThread(content_hash, pool) as hashing, read_ahead as segments:
                for segment in segments:
                    if put is not None:
                        put(segment)
                    passed += segment.length
                    hashing.feed(segment)
        if content_hash is not None:
            upper.digest = content_hash.digest()

    def _reopen(self, name: SnapshotFile, upper: ArchivedUpper) -> AbstractContextManager[int]:
        if upper.is_kept:
            return self.sink.open_upper(name)
        return spooled_upper(self.path, self.limits, name)

    def _algorithm(self, found: _Found) -> str | None:
        """Return the algorithm to hash an upper with; where its manifest comes later, the one that is likely."""
        if not self.verify:
            return None
        if found.descriptor is None:
            return SPARSE_SHA256
        recorded = found.descriptor.integrity
        return recorded.algorithm if recorded is not None and recorded.algorithm in ALGORITHMS else None

    def judge(self) -> tuple[ArchivedSnapshot, ...]:
        """Judge what was found, whole."""
        snapshots = []
        for prefix, found in self.found.items():
            if found.descriptor is None:
                raise FormatError(f"archive has the directory {excerpt(prefix)} without a {MANIFEST_FILE}")
            if found.upper is None:
                raise FormatError(
                    f"archive has no member {excerpt(f'{prefix}/{found.descriptor.upper_file}')},"
                    f" its {MANIFEST_FILE} describes one"
                )
            snapshots.append(self._judge_snapshot(prefix, found.descriptor, found.upper))
        if not snapshots:
            raise FormatError("archive holds no snapshot")
        seen: set[str] = set()
        for snapshot in snapshots:
            if snapshot.descriptor.digest in seen:
                raise FormatError(f"archive holds the snapshot {snapshot.descriptor.digest} twice")
            seen.add(snapshot.descriptor.digest)
        return tuple(snapshots)

    def _judge_snapshot(self, prefix: str, descriptor: Descriptor, upper: ArchivedUpper) -> ArchivedSnapshot:
        integrity = recorded_state(descriptor)
        if self.verify:
            recorded = descriptor.integrity
            digest = upper.digest
            if recorded is not None and recorded.algorithm in ALGORITHMS and recorded.algorithm != upper.algorithm:
                # The upper came before a manifest that records another algorithm than the likely one.
                with self._reopen(SnapshotFile(prefix, upper.file), upper) as fd:
                    digest = hash_file(fd, scan_extents(fd), recorded.algorithm, self.traffic)
            integrity = judge_content(
                descriptor, digest, lambda: self._reopen(SnapshotFile(prefix, upper.file), upper), self.traffic
            )
            require_verified(descriptor, integrity, f"{prefix}/{upper.file}")
        return ArchivedSnapshot(prefix, descriptor, SPARSE if upper.is_sparse else DENSE, upper.stored_bytes, integrity)
