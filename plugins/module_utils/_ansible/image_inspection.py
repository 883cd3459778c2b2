# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saying what an image cache has of some images: the task of module ``image_cache_info``."""

from __future__ import annotations

from typing import Any

from .._core.errors import StateError, excerpt
from .._formats.image_files import FSMETA, layer_file
from .._observe.cached_layers import observe_layers
from .._observe.home import Home
from .._observe.image_cache import CachedImage, observe_image
from .image_selection import wanted_images
from .task import Task


def inspect_images(task: Task, home: Home) -> dict[str, Any]:
    """Return what the cache has of the images, and which layers it has of whatever image.

    Raises:
        StateError: The task is strict, and an image is not whole.
    """
    params = task.params
    with task.phase("observe"):
        named = params["images"] or params["snapshots"] or params["pin"]
        wanted = (wanted_images(task, home) or ()) if named else ()
        images = [observe_image(home.cache_dir, reference, digest) for reference, digest in wanted]
        layers = list(observe_layers(home.cache_dir))
    if params["strict"]:
        for image in images:
            _require_whole(image, home)
    return {
        "images": [_image_result(image) for image in images],
        "cached_layers": layers,
        "check_mode": task.check_mode,
    }


def _image_result(image: CachedImage) -> dict[str, Any]:
    sizes = {file.name: file.size_bytes for file in image.files}
    diff_ids = () if image.metadata is None else image.metadata.diff_ids
    return {
        "reference": image.reference,
        "manifest_digest": image.manifest_digest,
        "boots_offline": image.boots_offline,
        "missing": list(image.missing),
        "layers": [{"diff_id": diff_id, "size_bytes": sizes[layer_file(diff_id)]} for diff_id in diff_ids],
        "tree_bytes": next((file.size_bytes for file in image.files if file.name.kind == FSMETA), None),
    }


def _require_whole(image: CachedImage, home: Home) -> None:
    if not image.boots_offline:
        what = f"image {excerpt(image.reference)} is not whole in {home.cache_dir}"
        raise StateError(
            f"{what}: {'; '.join(image.missing)}", image=image.reference[:128], missing=list(image.missing)
        )
