# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding about image cache files: which to install, which to ship, and what the descriptor of an image says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import FormatError, StateError, excerpt
from .._formats.image_files import (
    FSMETA,
    LAYERS,
    MANIFESTS,
    VMDK,
    extent_files,
    fsmeta_file,
    layer_file,
    metadata_file,
    vmdk_file,
)
from .._formats.image_metadata import ImageMetadata, parse_image_metadata
from .._formats.member_names import CacheFile
from .._formats.vmdk import vmdk_extents, vmdk_to_bytes
from .._observe.cache_target import CacheTarget
from .._observe.cache_walk import CarriedFile, CarriedImage, PinnedImage
from .._observe.image_cache import CachedImage

# Stands in a shipped descriptor for the cache of whoever imports it; a path of the exporter would be of no use there.
_SHIPPED_CACHE = "/microsandbox/cache"
_KINDS = {MANIFESTS: "metadata", FSMETA: "directory tree", VMDK: "VMDK descriptor", LAYERS: "layer"}


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
        return f"install {what} of image {self.image} in {self.path[: -len(self.name.file) - 1]}{instead}"


@dataclass(frozen=True)
class ShipFile:
    """A file of the image cache that goes into an archive.

    Attributes:
        name: The file.
        size_bytes: Its size.
        content: Its bytes, unless they are read from the cache.
    """

    name: CacheFile
    size_bytes: int
    content: bytes | None = None


@dataclass(frozen=True)
class Shipment:
    """What of an image cache goes into an archive.

    Attributes:
        cache_dir: The cache.
        images: The images, the head's first.
        files: Their files, in archive order.
        excluded: Diff ids of the layers that are left out.
    """

    cache_dir: str = ""
    images: tuple[PinnedImage, ...] = ()
    files: tuple[ShipFile, ...] = ()
    excluded: tuple[str, ...] = ()


NO_SHIPMENT = Shipment()


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


def plan_shipment(cache_dir: str, images: Sequence[CachedImage], excluded: Iterable[str] = ()) -> Shipment:
    """Decide which files carry images, each once, in the order of microsandbox.

    Args:
        cache_dir: The cache.
        images: The images.
        excluded: Diff ids of layers to leave out.

    Raises:
        StateError: An image is not whole in its cache.
    """
    left_out = {layer_file(diff_id): diff_id for diff_id in excluded}
    pinned: list[PinnedImage] = []
    unused = set(left_out)
    shipped: dict[CacheFile, ShipFile] = {}
    for image in images:
        metadata = require_whole(image)
        sizes = {file.name: file.size_bytes or 0 for file in image.files}
        vmdk = vmdk_content(metadata, sizes, _SHIPPED_CACHE)
        texts = {
            metadata_file(image.reference): image.metadata_bytes,
            vmdk_file(metadata.manifest_digest): vmdk,
        }
        pinned.append(PinnedImage(image.reference, metadata.manifest_digest))
        layers = [layer_file(diff_id) for diff_id in metadata.diff_ids]
        unused -= set(layers)
        kept = [name for name in layers if name not in left_out]
        fsmeta = fsmeta_file(metadata.manifest_digest)
        for name in (metadata_file(image.reference), fsmeta, vmdk_file(metadata.manifest_digest), *kept):
            content = texts.get(name)
            size = sizes[name] if content is None else len(content)
            shipped.setdefault(name, ShipFile(name, size, content))
    used = sorted(left_out[name] for name in set(left_out) - unused)
    return Shipment(cache_dir, tuple(pinned), tuple(shipped.values()), tuple(used))


def require_whole(image: CachedImage) -> ImageMetadata:
    """Return the metadata of an image whose every file is there and valid; its descriptor is written anew anyway.

    Raises:
        StateError: It is not whole, or no import would take it.
    """
    missing = [text for file, text in image.problems if file.kind != VMDK]
    if image.metadata is None or missing:
        raise StateError(
            f"image {excerpt(image.reference)} is not whole in its cache: {'; '.join(missing)}",
            image=image.reference,
            missing=missing,
        )
    flaw = image.flaw
    if flaw is not None:
        raise StateError(
            f"image {excerpt(image.reference)} boots here and no import would take it: {flaw}", image=image.reference
        )
    return image.metadata


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
    replaces = None
    _require_place(name, target)
    if not target.is_absent:
        try:
            found = parse_image_metadata(target.content or b"", target.path)
        except FormatError:
            replaces = "damaged metadata"  # which microsandbox takes for none
        else:
            if found == image.metadata:
                return
            replaces = f"metadata of {found.manifest_digest}"
            if not force:
                raise StateError(
                    f"reference {excerpt(image.reference)} names the image {found.manifest_digest} here, in the"
                    f" archive it names {image.metadata.manifest_digest}; force moves it",
                    path=target.path,
                    found=found.manifest_digest,
                    wanted=image.metadata.manifest_digest,
                )
    size = len(image.metadata_bytes)
    yield InstallCacheFile(name, target.path, image.reference, size, image.metadata_bytes, replaces)
