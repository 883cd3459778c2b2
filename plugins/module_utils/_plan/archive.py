# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding about archives: write one or leave it."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import StateError, excerpt
from .._formats.archive_contents import (
    MAX_BODIES_BYTES,
    MAX_CACHE_FILES,
    MAX_CONTENTS_BYTES,
    MAX_IMAGES,
    MAX_SNAPSHOTS,
    ArchiveContents,
    ContentsFile,
    ContentsImage,
    contents_to_bytes,
)
from .._formats.image_files import MANIFESTS, VMDK
from .._formats.image_metadata import MAX_METADATA_BYTES
from .._formats.manifest_json import manifest_to_bytes
from .._formats.vmdk import MAX_VMDK_BYTES
from .._observe.artifact import Artifact
from .image_shipment import NO_SHIPMENT, Shipment
from .plan import Plan

NO_COMPRESSION = "none"
ZSTD = "zstd"
LAYOUT_AUTO = "auto"
LAYOUT_DENSE = "dense"
LAYOUT_SPARSE = "sparse"

_FRAME_HEADER_BYTES = 8
_U64_MAX = (1 << 64) - 1


@dataclass(frozen=True)
class WantedArchive:
    """An archive as a task asks for it.

    Attributes:
        path: The archive file.
        compression: ``zstd`` or ``none``.
        level: Compression level; 0 without compression.
        layout: ``dense`` or ``sparse``.
        force: Replace a file that is no archive.
    """

    path: str
    compression: str
    level: int
    layout: str
    force: bool


@dataclass(frozen=True)
class WriteArchive:
    """Write an archive of artifacts, oldest ancestor first, of images, or of both."""

    wanted: WantedArchive
    artifacts: tuple[Artifact, ...]
    shipment: Shipment = NO_SHIPMENT

    @property
    def head(self) -> Artifact | None:
        """Return the snapshot that the archive is about, if it is about one."""
        return self.artifacts[-1] if self.artifacts else None

    def __str__(self) -> str:
        """Return the step as a sentence."""
        parts = []
        if self.head is not None:
            snapshots = f"{len(self.artifacts)} snapshots" if len(self.artifacts) > 1 else "snapshot"
            parts.append(f"{snapshots} {self.head.name} ({self.head.descriptor.digest})")
        parts += [f"image {excerpt(image.reference)} ({image.manifest_digest})" for image in self.shipment.images]
        return f"write {' with '.join(parts)} to {self.wanted.path}"


def resolve_layout(layout: str, compression: str) -> str:
    """Return the layout that ``auto`` stands for.

    A compressed archive is dense, which every microsandbox reads and zstd shrinks; a plain one is sparse, because a
    dense one would be as large as the disk.
    """
    if layout != LAYOUT_AUTO:
        return layout
    return LAYOUT_DENSE if compression == ZSTD else LAYOUT_SPARSE


def plan_export(
    wanted: WantedArchive,
    artifacts: tuple[Artifact, ...],
    contents: ArchiveContents | None,
    exists: bool,
    is_archive: bool,
    shipment: Shipment = NO_SHIPMENT,
) -> Plan:
    """Decide whether to write an archive.

    Args:
        wanted: What the task asks for.
        artifacts: The head and the ancestors that go with it, oldest first.
        contents: The table of contents of the file at the path, if it has one.
        exists: Whether a file is there.
        is_archive: Whether that file begins like an archive; that matters only when it has no table of contents.
        shipment: The images that go with them.

    Raises:
        StateError: The file at the path is no archive, or there is more to write than an import takes.
    """
    digests = tuple(artifact.descriptor.digest for artifact in artifacts)
    if len(digests) > MAX_SNAPSHOTS:
        raise StateError(
            f"snapshot {artifacts[-1].path} comes with {len(digests) - 1} ancestors,"
            f" an archive holds {MAX_SNAPSHOTS} snapshots",
            path=artifacts[-1].path,
            limit=MAX_SNAPSHOTS,
        )
    planned = archive_contents(wanted, artifacts, shipment, _U64_MAX)
    require_shippable(planned, artifacts, shipment, wanted.path)
    after = _contents_state(wanted.path, planned)
    before = {} if contents is None else _contents_state(wanted.path, contents)
    if before == after:
        return Plan((), before, after)
    if exists and contents is None:
        if not (is_archive or wanted.force):
            raise StateError(f"{wanted.path} exists and is no archive; force replaces it", path=wanted.path)
        before = {"path": wanted.path, "state": "exists, written by another program"}
    return Plan((WriteArchive(wanted, artifacts, shipment),), before, after)


def plan_repair(plan: Plan, wanted: WantedArchive, artifacts: tuple[Artifact, ...], shipment: Shipment) -> Plan:
    """Decide to write an archive anew that was to be left, because it turned out to be damaged."""
    before = {"path": wanted.path, "state": "exists, damaged"}
    return Plan((WriteArchive(wanted, artifacts, shipment),), before, plan.after)


def require_shippable(
    contents: ArchiveContents, artifacts: tuple[Artifact, ...], shipment: Shipment, path: str
) -> None:
    """Check that an import takes what is to be written.

    Raises:
        StateError: There is more of something than it takes.
    """
    texts = {file.name: len(file.content) for file in shipment.files if file.content is not None}
    metadata, descriptors = (
        [0, *(size for name, size in texts.items() if name.kind == kind)] for kind in (MANIFESTS, VMDK)
    )
    bodies = sum(len(manifest_to_bytes(artifact.descriptor)) for artifact in artifacts) + sum(texts.values())
    # Behind a plain archive the frame of the table counts as padding, of which as much is read as of a table.
    table = len(contents_to_bytes(contents)) + _FRAME_HEADER_BYTES
    for what, found, limit in (
        ("images", len(shipment.images), MAX_IMAGES),
        ("image cache files", len(shipment.files), MAX_CACHE_FILES),
        ("layers to leave out", len(shipment.excluded), MAX_CACHE_FILES),
        ("bytes of metadata of one image", max(metadata), MAX_METADATA_BYTES),
        ("bytes of one descriptor", max(descriptors), MAX_VMDK_BYTES),
        ("bytes of manifests, metadata and descriptors", bodies, MAX_BODIES_BYTES),
        ("bytes of a table of contents", table, MAX_CONTENTS_BYTES),
    ):
        if found > limit:
            raise StateError(
                f"archive {path} would have {found} {what}, an import takes {limit}",
                path=path,
                found=found,
                limit=limit,
            )


def archive_contents(
    wanted: WantedArchive, artifacts: tuple[Artifact, ...], shipment: Shipment, archive_bytes: int
) -> ArchiveContents:
    """Return the table of contents of an archive of this length."""
    return ArchiveContents(
        head=artifacts[-1].descriptor.digest if artifacts else None,
        digests=tuple(artifact.descriptor.digest for artifact in artifacts),
        suggested_name=artifacts[-1].name if artifacts else None,
        compression=wanted.compression,
        level=wanted.level,
        layout=wanted.layout,
        archive_bytes=archive_bytes,
        images=tuple(ContentsImage(*image) for image in shipment.images),
        cache_files=tuple(ContentsFile(f"{f.name.kind}/{f.name.file}", f.size_bytes) for f in shipment.files),
        excluded_layers=shipment.excluded,
    )


def _contents_state(path: str, contents: ArchiveContents) -> dict[str, object]:
    state: dict[str, object] = {
        "path": path,
        "compression": contents.compression,
        "level": contents.level,
    }
    if contents.head is not None:
        state.update(
            head=contents.head,
            snapshots=list(contents.digests),
            layout=contents.layout,
        )
    if contents.images:
        state.update(
            images=[image._asdict() for image in contents.images],
            cache_files={file.name: file.size_bytes for file in contents.cache_files},
            excluded_layers=list(contents.excluded_layers),
        )
    return state
