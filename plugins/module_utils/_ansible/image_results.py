# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape in which modules return images."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .._formats.image_files import layer_file
from .._formats.image_metadata import ImageMetadata
from .._formats.member_names import CacheFile
from .._observe.cache_walk import CarriedImage
from .._observe.image_cache import CachedImage

EXPORTED = "exported"
EXCLUDED = "excluded"
INSTALLED = "installed"
PRESENT = "present"


def exported_image(image: CachedImage, shipped: Collection[CacheFile]) -> dict[str, Any]:
    """Return an image of the cache that goes into a bundle as a result."""
    sizes = {file.name: file.size_bytes or 0 for file in image.files}
    layers = [] if image.metadata is None else _layers(image.metadata, sizes, shipped, (EXPORTED, EXCLUDED))
    return _image(image, EXPORTED, layers)


def imported_image(image: CarriedImage, cached: CachedImage, installed: Collection[CacheFile]) -> dict[str, Any]:
    """Return an image of a bundle as a result.

    Args:
        image: The image.
        cached: What the cache has of it.
        installed: The files that the task installs.
    """
    status = INSTALLED if any(file.name in installed for file in cached.files) else PRESENT
    return _image(cached, status, _layers(image.metadata, dict(image.sizes), installed, (INSTALLED, PRESENT)))


def present_image(cached: CachedImage) -> dict[str, Any]:
    """Return an image that the cache has whole as a result."""
    sizes = {file.name: file.size_bytes or 0 for file in cached.files}
    layers = [] if cached.metadata is None else _layers(cached.metadata, sizes, (), (INSTALLED, PRESENT))
    return _image(cached, PRESENT, layers)


def with_images(snapshots: list[dict[str, Any]], images: Collection[CarriedImage]) -> list[dict[str, Any]]:
    """Return snapshots as results as they will be once these images are in the cache."""
    pinned = {(image.reference, image.metadata.manifest_digest) for image in images}
    for snapshot in snapshots:
        image = snapshot["image"]
        if (image["reference"], image["manifest_digest"]) in pinned:
            image.update(cached=True, boots_offline=True, missing=[])
    return snapshots


def _image(image: CachedImage, status: str, layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "manifest_digest": image.manifest_digest if image.metadata is None else image.metadata.manifest_digest,
        "status": status,
        "layers": layers,
        "boots_offline": image.boots_offline,
        "missing": list(image.missing),
    }


def _layers(
    metadata: ImageMetadata, sizes: dict[CacheFile, int], moved: Collection[CacheFile], words: tuple[str, str]
) -> list[dict[str, Any]]:
    files = [(diff_id, layer_file(diff_id)) for diff_id in metadata.diff_ids]
    return [
        {"diff_id": diff_id, "size_bytes": sizes[name], "status": words[0] if name in moved else words[1]}
        for diff_id, name in files
    ]
