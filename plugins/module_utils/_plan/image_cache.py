# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding which image cache files to install, and what the descriptor of an image says there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.errors import FormatError, IntegrityError, StateError, excerpt
from .._formats.image_files import (
    FSMETA,
    LAYERS,
    MANIFESTS,
    VMDK,
    extent_files,
    metadata_file,
    vmdk_file,
)
from .._formats.image_metadata import (
    ImageMetadata,
    find_manifest_digest,
    parse_image_metadata,
    require_consistent_metadata,
)
from .._formats.member_names import CacheFile
from .._formats.vmdk import vmdk_extents, vmdk_to_bytes
from .._observe.cache_target import CacheTarget
from .._observe.cache_walk import CarriedFile, CarriedImage

_KINDS = {MANIFESTS: "metadata", FSMETA: "directory tree", VMDK: "VMDK descriptor", LAYERS: "layer"}
_SHOWN_DIGEST = 160  # characters, enough for one of SHA-512


@dataclass(frozen=True)
class InstallCacheFile:
    """Put a file into the image cache.

    Attributes:
        name: The file.
        path: Where it goes.
        image: Reference of the first image that needs it.
        size_bytes: Its size.
        content: Its bytes, unless they were staged while the archive was read.
        replaces: What it takes the place of.
    """

    name: CacheFile
    path: str
    image: str
    size_bytes: int
    content: bytes | None = None
    replaces: str | None = None

    def __str__(self) -> str:
        """Return the step as a sentence."""
        instead = f" in place of {self.replaces}" if self.replaces else ""
        what = f"{_KINDS[self.name.kind]} {self.name.file} ({self.size_bytes} bytes)"
        place = self.path[: -len(self.name.file) - 1]
        return f"install {what} of image {excerpt(self.image)} in {place}{instead}"


def plan_install(
    images: Sequence[CarriedImage],
    files: Mapping[CacheFile, CarriedFile],
    targets: Mapping[CacheFile, CacheTarget],
    cache_dir: str,
    force: bool,
) -> tuple[InstallCacheFile, ...]:
    """Decide which files of judged images to install: EROFS files first, then descriptors, metadata last.

    Args:
        images: The images.
        files: The EROFS files that the archive carries.
        targets: What stands where each file of the images belongs.
        cache_dir: The cache's canonical path, for the descriptors.
        force: Replace files of other content, and metadata of a reference that has moved on.

    Raises:
        StateError: The cache holds something else, or lacks a layer that the archive leaves out.
    """
    erofs: dict[CacheFile, InstallCacheFile] = {}
    # Two references may stand for one image, and be two spellings of one.
    texts: dict[CacheFile, InstallCacheFile] = {}
    metadata: dict[CacheFile, InstallCacheFile] = {}
    for image in images:
        for name, size in image.sizes:
            carried, target = files.get(name), targets[name]
            if carried is None:
                _require_left_out(name, size, target)
            elif not _is_installed(carried, target, force):
                replaces = None if target.is_absent else _described(target)
                erofs.setdefault(name, InstallCacheFile(name, target.path, image.reference, size, None, replaces))
        texts.update((step.name, step) for step in _plan_vmdk(image, targets, cache_dir))
        metadata.update((step.name, step) for step in _plan_metadata(image, targets, force))
    return (*erofs.values(), *texts.values(), *metadata.values())


def vmdk_content(metadata: ImageMetadata, sizes: Mapping[CacheFile, int], cache_dir: str) -> bytes:
    """Return the descriptor of an image in a cache.

    Raises:
        FormatError: The path of the cache cannot stand in a descriptor.
    """
    files = [(f"{cache_dir}/{name.kind}/{name.file}", sizes[name]) for name in extent_files(metadata)]
    return vmdk_to_bytes(vmdk_extents(files))


def _is_consistent(metadata: ImageMetadata, what: str) -> bool:
    try:
        require_consistent_metadata(metadata, what)
    except (FormatError, IntegrityError):
        return False
    return True


def _require_left_out(name: CacheFile, size: int, target: CacheTarget) -> None:
    """Check that the cache has a layer which the archive leaves out."""
    _require_place(name, target)
    if target.is_absent or target.size_bytes != size or not target.is_valid:
        found = "is missing" if target.is_absent else f"is {_described(target)}, or damaged"
        raise StateError(
            f"{_KINDS[name.kind]} {target.path} {found}; the archive leaves it out and expects {size} bytes",
            path=target.path,
            expected=size,
        )


def _is_installed(carried: CarriedFile, target: CacheTarget, force: bool) -> bool:
    """Return whether the cache has a file of the archive already."""
    _require_place(carried.name, target)
    if target.is_absent or target.sha256 == carried.sha256:
        return not target.is_absent
    if not force:
        raise StateError(
            f"{_KINDS[carried.name.kind]} {target.path} is {_described(target)}, the archive's has"
            f" {carried.size_bytes} bytes and is {carried.sha256}; force replaces it",
            path=target.path,
            found=target.sha256,
            wanted=carried.sha256,
        )
    return False


def _described(target: CacheTarget) -> str:
    return f"a file of {target.size_bytes} bytes" if target.sha256 is None else f"the file {target.sha256}"


def _require_place(name: CacheFile, target: CacheTarget) -> None:
    if target.is_foreign:
        raise StateError(f"{_KINDS[name.kind]} {target.path} is no regular file", path=target.path)


def _plan_vmdk(
    image: CarriedImage, targets: Mapping[CacheFile, CacheTarget], cache_dir: str
) -> Iterable[InstallCacheFile]:
    name = vmdk_file(image.metadata.manifest_digest)
    target = targets[name]
    _require_place(name, target)
    content = vmdk_content(image.metadata, dict(image.sizes), cache_dir)
    if target.content != content:
        replaces = None if target.is_absent else "one of other paths or sizes"
        yield InstallCacheFile(name, target.path, image.reference, len(content), content, replaces)


def _plan_metadata(
    image: CarriedImage, targets: Mapping[CacheFile, CacheTarget], force: bool
) -> Iterable[InstallCacheFile]:
    name = metadata_file(image.reference)
    target = targets[name]
    _require_place(name, target)
    replaces = None if target.is_absent else _replaced_metadata(image, target, force)
    if target.is_absent or replaces is not None:
        size = len(image.metadata_bytes)
        yield InstallCacheFile(name, target.path, image.reference, size, image.metadata_bytes, replaces)


def _replaced_metadata(image: CarriedImage, target: CacheTarget, force: bool) -> str | None:
    """Return what the metadata of an image takes the place of, or None when the image's is there already.

    Raises:
        StateError: It is that of another image, or may be.
    """
    wanted = image.metadata.manifest_digest
    if target.content is None:
        if force:
            return _described(target)
        raise StateError(
            f"metadata {target.path} has {target.size_bytes} bytes, more than are read; force replaces it",
            path=target.path,
        )
    try:
        metadata = parse_image_metadata(target.content, target.path)
    except FormatError:
        digest = find_manifest_digest(target.content)
        if digest is None or digest == wanted:
            return "damaged metadata"  # which microsandbox takes for none
        found = excerpt(digest, _SHOWN_DIGEST)
    else:
        # A pull spells the manifest anew, and keeps the image that it is of.
        if replace(metadata, raw_manifest=image.metadata.raw_manifest) == image.metadata:
            return None if _is_consistent(metadata, target.path) else "damaged metadata"
        found = metadata.manifest_digest
    if not force:
        raise StateError(
            f"reference {excerpt(image.reference)} names the image {found} here, in the archive it names {wanted};"
            " force moves it",
            path=target.path,
            found=found,
            wanted=wanted,
        )
    return f"metadata of {found}"
