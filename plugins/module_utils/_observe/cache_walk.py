# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image cache files of an archive: judged one by one as they come, and as images once all are seen."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Protocol

from .._core.errors import FormatError, IntegrityError, excerpt
from .._disk.content_hash import SHA256, ContentHash, HashThread
from .._disk.sparse_file import BufferPool, Segment
from .._disk.stage_thread import ReadAhead
from .._formats.archive_contents import MAX_CACHE_FILES
from .._formats.image_files import MANIFESTS, VMDK, erofs_files, extent_files, layer_file, metadata_file, vmdk_file
from .._formats.image_metadata import (
    MAX_METADATA_BYTES,
    ImageMetadata,
    parse_image_metadata,
    require_sound_metadata,
)
from .._formats.member_names import CacheFile
from .._formats.vmdk import MAX_VMDK_BYTES, SECTOR_BYTES, VmdkExtent, parse_vmdk, vmdk_extents
from .archive_member import Member
from .archive_reader import ArchiveReader
from .erofs_witness import ErofsWitness


class PinnedImage(NamedTuple):
    """An image as a snapshot pins it."""

    reference: str
    manifest_digest: str


@dataclass(frozen=True)
class CarriedFile:
    """An EROFS file of the image cache in an archive, valid.

    Attributes:
        name: Where it belongs.
        size_bytes: Its size.
        sha256: Digest of its bytes, ``sha256:<hex>``.
    """

    name: CacheFile
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class CarriedImage:
    """An image in an archive, judged.

    Attributes:
        reference: The reference that names it.
        metadata: What its metadata says.
        metadata_bytes: The metadata file.
        sizes: Size of each of its EROFS files, also of the layers that the archive leaves out.
    """

    reference: str
    metadata: ImageMetadata
    metadata_bytes: bytes
    sizes: tuple[tuple[CacheFile, int], ...]


class CacheSink(Protocol):
    """Takes the EROFS files that a walk finds."""

    def take_cache_file(
        self, name: CacheFile, size_bytes: int
    ) -> AbstractContextManager[Callable[[Segment], None] | None]:
        """Take a file, or None to do without it.

        The block puts the file's segments, whose buffers stay with the caller, and ends with the last.
        """


@dataclass
class CacheWalk:
    """The image cache files that a walk has seen so far.

    Attributes:
        sink: Takes the EROFS files; without one nothing is kept.
        pool: Buffers of the walk.
        files: EROFS files by name.
        texts: Metadata and VMDK descriptors by name.
    """

    sink: CacheSink | None
    pool: BufferPool
    files: dict[CacheFile, CarriedFile] = field(default_factory=dict)
    texts: dict[CacheFile, bytes] = field(default_factory=dict)

    def take(self, reader: ArchiveReader, member: Member, name: CacheFile) -> None:
        """Take one member.

        Raises:
            FormatError: It stands in the archive twice, is too large, or is no EROFS image where one belongs.
        """
        what = f"member {_shown(name)}"
        if name in self.files or name in self.texts:
            raise FormatError(f"archive has the {what} twice")
        if len(self.files) + len(self.texts) >= MAX_CACHE_FILES:
            raise FormatError(f"archive has more than {MAX_CACHE_FILES} image cache files", limit=MAX_CACHE_FILES)
        if name.kind in (MANIFESTS, VMDK):
            limit = MAX_METADATA_BYTES if name.kind == MANIFESTS else MAX_VMDK_BYTES
            self.texts[name] = reader.read_body(member, limit)
        else:
            self.files[name] = self._take_erofs(reader, member, name, what)

    def _take_erofs(self, reader: ArchiveReader, member: Member, name: CacheFile, what: str) -> CarriedFile:
        reader.admit(member)
        witness = ErofsWitness(member.real_bytes, what)
        content_hash = ContentHash(SHA256, member.real_bytes)
        taking = contextlib.nullcontext() if self.sink is None else self.sink.take_cache_file(name, member.real_bytes)
        with taking as put, HashThread(content_hash, self.pool) as hashing:
            with ReadAhead(reader.body_segments(member, self.pool)) as segments:
                for segment in segments:
                    witness.feed(segment)
                    if put is not None:
                        put(segment)
                    hashing.feed(segment)
            witness.judge()
        return CarriedFile(name, member.real_bytes, content_hash.digest())

    def judge(self, pinned: Sequence[PinnedImage], excluded: Iterable[str] = ()) -> tuple[CarriedImage, ...]:
        """Judge the images whole.

        Args:
            pinned: The images that the archive may carry; the first one it has to, unless it carries no file at all.
            excluded: Diff ids of layers that it may lack.

        Raises:
            FormatError: A file is missing, malformed, or belongs to no image.
            IntegrityError: Metadata is not that of the pinned manifest, or does not hash to its digests.
        """
        if not self.files and not self.texts:
            return ()
        images: dict[str, CarriedImage] = {}
        expected: set[CacheFile] = set()
        for position, image in enumerate(pinned):
            name = metadata_file(image.reference)
            if image.reference in images or (name not in self.texts and position):
                continue
            images[image.reference] = found = self._judge_image(image, name, frozenset(excluded))
            expected |= {name, vmdk_file(found.metadata.manifest_digest), *erofs_files(found.metadata)}
        for name in (*self.files, *self.texts):
            if name not in expected:
                raise FormatError(f"archive carries {_shown(name)}, which belongs to no image that it pins")
        return tuple(images.values())

    def _judge_image(self, image: PinnedImage, name: CacheFile, excluded: frozenset[str]) -> CarriedImage:
        shown = f"image {excerpt(image.reference)}"
        text = self._text(name, f"the metadata of {shown}")
        what = f"metadata of {shown}"
        metadata = parse_image_metadata(text, what)
        if metadata.manifest_digest != image.manifest_digest:
            raise IntegrityError(
                f"{what} is that of the manifest digest {metadata.manifest_digest}, the snapshot pins"
                f" {image.manifest_digest}",
                expected=image.manifest_digest,
                actual=metadata.manifest_digest,
            )
        require_sound_metadata(metadata, what)
        vmdk = vmdk_file(metadata.manifest_digest)
        extents = parse_vmdk(self._text(vmdk, f"the VMDK descriptor of {shown}"), f"member {_shown(vmdk)}")
        sizes = self._sizes(metadata, extents, excluded, shown)
        if extents:
            _require_extents(
                extents, [(file, sizes[file]) for file in extent_files(metadata)], f"member {_shown(vmdk)}"
            )
        return CarriedImage(image.reference, metadata, text, tuple(sizes.items()))

    def _text(self, name: CacheFile, what: str) -> bytes:
        try:
            return self.texts[name]
        except KeyError:
            raise FormatError(f"archive carries image cache files, but not {what}: {_shown(name)}") from None

    def _sizes(
        self, metadata: ImageMetadata, extents: Sequence[VmdkExtent], excluded: frozenset[str], shown: str
    ) -> dict[CacheFile, int]:
        """Return the size of each EROFS file; that of a layer which was left out is what the VMDK descriptor says."""
        may_lack = {layer_file(diff_id) for diff_id in excluded}
        sizes = {}
        for name in erofs_files(metadata):
            if name in self.files:
                sizes[name] = self.files[name].size_bytes
                continue
            described = {extent.offset: extent.sectors for extent in extents if extent.path.endswith(f"/{name.file}")}
            if name not in may_lack or not described:
                raise FormatError(f"archive lacks a file of {shown}: {_shown(name)}")
            sizes[name] = sum(described.values()) * SECTOR_BYTES
        return sizes


def _require_extents(extents: Sequence[VmdkExtent], files: Sequence[tuple[CacheFile, int]], what: str) -> None:
    """Check that a descriptor names exactly these files, all in one cache, with these sizes."""
    first = files[0][0]
    cache_dir = extents[0].path[: -len(f"/{first.kind}/{first.file}")]
    wanted = vmdk_extents([(f"{cache_dir}/{name.kind}/{name.file}", size) for name, size in files])
    for number, (found, expected) in enumerate(itertools.zip_longest(extents, wanted), 1):
        if found != expected:
            raise FormatError(
                f"{what} has the extent {number} {_shown_extent(found)}, the image has {_shown_extent(expected)}"
            )


def _shown_extent(extent: VmdkExtent | None) -> str:
    if extent is None:
        return "none"
    return f"{extent.sectors} sectors of {excerpt(extent.path[-160:], 160)} from {extent.offset}"


def _shown(name: CacheFile) -> str:
    return excerpt(f"cache/{name.kind}/{name.file}", 255)
