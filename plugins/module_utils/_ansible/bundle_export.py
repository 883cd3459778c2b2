# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing images to a bundle: the task of module ``image_cache_bundle`` with ``state=exported``."""

from __future__ import annotations

import os
from typing import Any

from .._apply.archive_export import apply_export, member_names
from .._core.digests import require_sha256
from .._core.errors import RequestError, excerpt
from .._disk.zstd import require_backend
from .._formats.image_files import layer_file
from .._observe.archive_file import hash_archive
from .._observe.artifact import Artifact
from .._observe.cached_layers import observe_layers
from .._observe.home import Home, require_writable
from .._observe.image_cache import CachedImage, observe_image
from .._plan.archive import LAYOUT_DENSE, ZSTD, WantedArchive, WriteArchive
from .._plan.image_cache import Shipment, plan_shipment
from .archive_export import find_snapshot, make_export_plan, threads, wanted_archive
from .image_results import exported_image
from .task import Outcome, Task


def export_images(task: Task, home: Home) -> Outcome:
    """Make the bundle carry the images."""
    wanted = wanted_archive(task, LAYOUT_DENSE)
    require_writable(home, wanted.path)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            images = _observe_images(task, home)
            excluded = [require_sha256(diff_id, "exclude_layers") for diff_id in task.params["exclude_layers"]]
            shipment = plan_shipment(home.cache_dir, images, excluded)
            plan = make_export_plan(wanted, (), shipment)
        if plan.steps and wanted.compression == ZSTD:
            require_backend()
        bundle: dict[str, Any] = {}
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, WriteArchive):
                        bundle["sha256"] = apply_export(step, threads(task), task.traffic)
        if not plan.steps:
            bundle["sha256"] = hash_archive(wanted.path, task.traffic)
        if "sha256" in bundle:
            bundle["size"] = os.path.getsize(wanted.path)
    bundle.update(_bundle_result(wanted, shipment, images))
    shipped = {file.name for file in shipment.files}
    results = {
        "bundle": bundle,
        "images": [exported_image(image, shipped) for image in images],
        "cached_layers": list(observe_layers(home.cache_dir)),
    }
    return Outcome(plan, results)


def _observe_images(task: Task, home: Home) -> tuple[CachedImage, ...]:
    """Find the images that the task names, and those that its snapshots pin, each once.

    Raises:
        RequestError: It names none, or pins one that it does not name.
        StateError: There is no such snapshot.
    """
    params = task.params
    pins = {reference: require_sha256(digest, "pin") for reference, digest in params["pin"].items()}
    wanted: dict[tuple[str, str | None], None] = {}
    for reference in params["images"]:
        wanted[(reference, pins.get(reference))] = None
    for text in params["snapshots"]:
        artifact: Artifact | None = find_snapshot(task, home, text)
        if artifact is None:
            task.warnings.append(f"there is no snapshot {text} yet; without one this task fails outside check mode")
        else:
            descriptor = artifact.descriptor
            wanted[(descriptor.image_reference, descriptor.image_manifest_digest)] = None
    references = {reference for reference, dummy in wanted}
    for reference in pins:
        if reference not in references:
            raise RequestError(
                f"pin names the image {excerpt(reference)}, which the bundle does not carry", option="pin"
            )
    pinned = {reference for reference, digest in wanted if digest is not None}
    return tuple(
        observe_image(home.cache_dir, reference, digest)
        for reference, digest in wanted
        if digest is not None or reference not in pinned
    )


def _bundle_result(wanted: WantedArchive, shipment: Shipment, images: tuple[CachedImage, ...]) -> dict[str, Any]:
    left_out = {layer_file(diff_id) for diff_id in shipment.excluded}
    sizes = {file.name: file.size_bytes or 0 for image in images for file in image.files}
    return {
        "path": wanted.path,
        "compression": wanted.compression,
        "members": member_names((), shipment),
        "excluded_layers": list(shipment.excluded),
        "carried_bytes": sum(file.size_bytes for file in shipment.files),
        "saved_bytes": sum(sizes[name] for name in left_out),
    }
