# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding which image cache files carry images, so that they are the same bytes from whatever cache they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.errors import IntegrityError, StateError, excerpt
from .._formats.image_files import VMDK, fsmeta_file, layer_file, metadata_file, vmdk_file
from .._formats.image_metadata import ImageMetadata, metadata_to_bytes, restore_metadata
from .._formats.member_names import CacheFile
from .._observe.cache_walk import PinnedImage
from .._observe.image_cache import CachedImage
from .image_cache import vmdk_content

# Stands in a shipped descriptor for the cache of whoever imports it; a path of the exporter would be of no use there.
_SHIPPED_CACHE = "/microsandbox/cache"


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
        metadata = _require_whole(image)
        sizes = {file.name: file.size_bytes or 0 for file in image.files}
        vmdk = vmdk_content(metadata, sizes, _SHIPPED_CACHE)
        texts = {
            metadata_file(image.reference): metadata_to_bytes(metadata),
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


def unshippable_files(image: CachedImage) -> list[str]:
    """Return a sentence for every file that keeps an image from being shipped; the descriptor is written anew."""
    return [text for file, text in image.problems if file.kind != VMDK]


def _require_whole(image: CachedImage) -> ImageMetadata:
    """Return the metadata of an image whose every file is there and valid, with the manifest in its first spelling.

    Raises:
        StateError: It is not whole, or no import would take it.
    """
    missing = unshippable_files(image)
    if image.metadata is None or missing:
        raise StateError(
            f"image {excerpt(image.reference)} is not whole in its cache: {'; '.join(missing)}",
            image=image.reference,
            missing=missing,
        )
    try:
        return restore_metadata(image.metadata)
    except IntegrityError as exc:
        raise StateError(
            f"image {excerpt(image.reference)} boots here, but no import would take it: {exc.message}",
            image=image.reference,
        ) from exc
