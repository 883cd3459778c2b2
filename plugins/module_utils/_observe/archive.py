# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive holds, by a full walk that judges every member."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._core.errors import FormatError, IntegrityError, UnsupportedError, excerpt
from .._disk.digest_record import own_outdated_digest, own_recorded_digest
from .._disk.sparse_file import BufferPool, Traffic
from .._disk.stage_thread import StageThread
from .archive_count import ArchiveCount
from .archive_file import hash_archive, open_archive
from .archive_limits import ArchiveLimits
from .archive_reader import ArchiveReader
from .archive_walk import ArchiveSink, ArchiveWalk
from .archived_snapshot import ArchivedSnapshot
from .cache_walk import CacheSink, CacheWalk, CarriedFile, CarriedImage, PinnedImage

# What was written here may be more than an import takes from strangers.
_ANY = 1 << 62
_OWN_LIMITS = ArchiveLimits(members=_ANY, apparent_bytes=_ANY, allocated_bytes=_ANY, extents=_ANY)


@dataclass(frozen=True)
class Archive:
    """An archive that follows every rule.

    Attributes:
        path: The file.
        size_bytes: Its size.
        sha256: Digest of the file, ``sha256:<hex>``.
        compression: ``zstd`` or ``none``.
        members: Names of the files that it carries, in order.
        snapshots: In archive order.
        head: The one snapshot that is nobody's parent.
        images: The images that it carries, the head's first.
        cache_files: Their EROFS files, in archive order.
    """

    path: str
    size_bytes: int
    sha256: str
    compression: str
    members: tuple[str, ...]
    snapshots: tuple[ArchivedSnapshot, ...]
    head: ArchivedSnapshot
    images: tuple[CarriedImage, ...] = ()
    cache_files: tuple[CarriedFile, ...] = ()


def observe_archive(
    path: str,
    limits: ArchiveLimits,
    verify: bool,
    traffic: Traffic,
    sink: ArchiveSink | None = None,
    cache_sink: CacheSink | None = None,
) -> Archive:
    """Walk an archive once, hand its files to the sinks, and judge it whole.

    Args:
        path: The archive file.
        limits: What it may demand.
        verify: Compute recorded integrity in the same pass and refuse content that differs.
        traffic: Where the bytes are counted.
        sink: Takes the uppers; without one nothing is kept, but all is counted.
        cache_sink: Takes the files of the image cache; without one nothing is kept, but all is counted.

    Raises:
        FormatError: The archive breaks a rule.
        IntegrityError: The content of an upper is not what its manifest recorded, or an image is not the pinned one.
        UnsupportedError: It is of a later generation, or needs an algorithm or library that is missing.
        StateError: There is no such file.
    """
    file_hash = hashlib.sha256()
    count = ArchiveCount(path, limits)
    cache = CacheWalk(cache_sink or count, BufferPool())
    walk = ArchiveWalk(path, limits, verify, traffic, sink or count, cache)
    with open_archive(path) as fd, naming(path):
        size = os.fstat(fd).st_size
        with StageThread(file_hash.update, limit=8) as hashing:
            reader = ArchiveReader(fd, limits, hashing.feed)
            with traffic.meter.measure("unpacking", size, lambda: reader.position):
                for member in reader.members():
                    walk.take(reader, member)
        traffic.read += size
        snapshots = walk.judge()
        head = _head(snapshots)
        images = cache.judge(_pinned_images(head, snapshots))
    return Archive(
        path=path,
        size_bytes=size,
        sha256="sha256:" + file_hash.hexdigest(),
        compression=reader.compression,
        members=tuple(walk.members),
        snapshots=snapshots,
        head=head,
        images=images,
        cache_files=tuple(cache.files.values()),
    )


def find_sound_sha256(path: str, digests: Sequence[str], traffic: Traffic) -> str | None:
    """Return the SHA-256 digest of an archive file that is as an export wrote it, or None when it is damaged.

    A record of that export is believed as long as it counts, and after that held against the bytes of the file. Without
    one, and where somebody else can have written it, the archive is walked and verified, which finds what an import of
    it would find.

    Args:
        path: The archive file.
        digests: The snapshots that it has to hold.
        traffic: Where the bytes are counted.

    Raises:
        StateError: There is no such file.
        UnsupportedError: A walk needs an algorithm or library that is missing.
    """
    with open_archive(path) as fd:
        recorded, outdated = own_recorded_digest(fd), own_outdated_digest(fd)
    if recorded is not None:
        return recorded
    if outdated is not None:
        return outdated if hash_archive(path, traffic) == outdated else None
    try:
        archive = observe_archive(path, _OWN_LIMITS, verify=True, traffic=traffic)
    except (FormatError, IntegrityError):
        return None
    found = [snapshot.descriptor.digest for snapshot in archive.snapshots]
    return archive.sha256 if sorted(found) == sorted(digests) else None


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the archive in what is found wrong inside it."""
    try:
        yield
    except (FormatError, IntegrityError, UnsupportedError) as exc:
        raise type(exc)(f"archive {path} is refused: {exc.message}", **{"archive": path, **exc.facts}) from exc


def _pinned_images(head: ArchivedSnapshot, snapshots: tuple[ArchivedSnapshot, ...]) -> list[PinnedImage]:
    descriptors = [snapshot.descriptor for snapshot in (head, *snapshots)]
    return [PinnedImage(each.image_reference, each.image_manifest_digest) for each in descriptors]


def _head(snapshots: tuple[ArchivedSnapshot, ...]) -> ArchivedSnapshot:
    parents = {snapshot.descriptor.parent for snapshot in snapshots}
    heads = [snapshot for snapshot in snapshots if snapshot.descriptor.digest not in parents]
    if len(heads) != 1:
        names = ", ".join(excerpt(snapshot.prefix) for snapshot in heads[:4])
        raise FormatError(f"archive has {len(heads)} heads ({names}), expected one snapshot that is nobody's parent")
    return heads[0]
