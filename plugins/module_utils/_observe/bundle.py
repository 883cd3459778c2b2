# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle of images holds, by a full walk that judges every member."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from .._core.errors import FormatError
from .._disk.sparse_file import BufferPool, Traffic
from .._disk.stage_thread import StageThread
from .._formats.archive_contents import ArchiveContents
from .._formats.member_names import CacheDirectory, CacheFile
from .archive import naming
from .archive_count import ArchiveCount
from .archive_file import open_archive, read_contents
from .archive_limits import ArchiveLimits
from .archive_reader import ArchiveReader
from .cache_walk import CacheSink, CacheWalk, CarriedFile, CarriedImage, PinnedImage


@dataclass(frozen=True)
class Bundle:
    """A bundle that follows every rule.

    Attributes:
        path: The file.
        size_bytes: Its size.
        sha256: Digest of the file, ``sha256:<hex>``.
        compression: ``zstd`` or ``none``.
        members: Names of the files that it carries, in order.
        images: The images.
        cache_files: Their EROFS files, in the bundle's order.
        excluded_layers: Diff ids of the layers that it may leave out.
    """

    path: str
    size_bytes: int
    sha256: str
    compression: str
    members: tuple[str, ...]
    images: tuple[CarriedImage, ...]
    cache_files: tuple[CarriedFile, ...]
    excluded_layers: tuple[str, ...]


def read_bundle_contents(path: str) -> ArchiveContents:
    """Return the table of contents of a bundle, which says how its images are called.

    Raises:
        StateError: There is no such file.
        FormatError: The file is no bundle.
    """
    contents = read_contents(path)
    if contents is None:
        raise FormatError(f"{path} has no table of contents, a bundle of images ends with one", path=path)
    if contents.head is not None or not contents.images:
        raise FormatError(f"{path} is an archive of snapshots, not a bundle of images", path=path)
    return contents


def observe_bundle(
    path: str, contents: ArchiveContents, limits: ArchiveLimits, traffic: Traffic, sink: CacheSink | None = None
) -> Bundle:
    """Walk a bundle once, hand its files to the sink, and judge it whole.

    Args:
        path: The bundle.
        contents: Its table of contents. What it claims is checked: the key of metadata is the digest of a reference.
        limits: What the bundle may demand.
        traffic: Where the bytes are counted.
        sink: Takes the files; without one nothing is kept, but all is counted.

    Raises:
        FormatError: The bundle breaks a rule.
        IntegrityError: An image is not what it claims to be.
        StateError: There is no such file.
    """
    file_hash = hashlib.sha256()
    walk = CacheWalk(sink or ArchiveCount(path, limits), BufferPool())
    members = []
    with open_archive(path) as fd, naming(path):
        size = os.fstat(fd).st_size
        with StageThread(file_hash.update, limit=8) as hashing:
            reader = ArchiveReader(fd, limits, hashing.feed)
            with traffic.meter.measure("unpacking", size, lambda: reader.position):
                for member in reader.members():
                    if isinstance(member.name, CacheFile):
                        walk.take(reader, member, member.name)
                        members.append("/".join(("cache", *member.name)))
                    elif not isinstance(member.name, CacheDirectory):
                        raise FormatError("it holds a snapshot, a bundle holds images alone")
        traffic.read += size
        pinned = [PinnedImage(*image) for image in contents.images]
        images = walk.judge(pinned, contents.excluded_layers)
        if len(images) < len(set(pinned)):
            raise FormatError(f"its table of contents names {len(set(pinned))} images, it holds {len(images)}")
    return Bundle(
        path=path,
        size_bytes=size,
        sha256="sha256:" + file_hash.hexdigest(),
        compression=reader.compression,
        members=tuple(members),
        images=images,
        cache_files=tuple(walk.files.values()),
        excluded_layers=contents.excluded_layers,
    )
