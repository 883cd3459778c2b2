# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing images to a bundle: the task of module ``image_cache_bundle`` with ``state=exported``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._apply.archive_export import apply_export, member_names
from .._core.digests import require_sha256
from .._core.errors import excerpt
from .._disk.zstd import require_backend
from .._formats.image_files import layer_file
from .._observe.archive_file import find_sha256, read_contents
from .._observe.cached_layers import observe_layers
from .._observe.home import Home, require_writable
from .._observe.image_cache import CachedImage, observe_image
from .._plan.archive import LAYOUT_DENSE, ZSTD, WantedArchive, WriteArchive
from .._plan.image_shipment import Shipment, plan_shipment
from .._plan.plan import Plan
from .archive_export import await_images, make_export_plan, threads, wanted_archive
from .image_results import exported_image
from .image_selection import wanted_images
from .task import Outcome, Task


def export_images(task: Task, home: Home) -> Outcome:
    """Make the bundle carry the images."""
    wanted = wanted_archive(task, LAYOUT_DENSE)
    excluded = [require_sha256(diff_id, "exclude_layers") for diff_id in task.params["exclude_layers"]]
    require_writable(home, wanted.path)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            images = _observe_images(task, home)
            if images is None:
                return _predict_export(task, home, wanted)
            plan, shipment = _make_plan(wanted, home, images, excluded)
        bundle = _bundle_result(wanted, shipment, images)
        if plan.steps and wanted.compression == ZSTD:
            require_backend()
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, WriteArchive):
                        bundle["sha256"] = apply_export(step, threads(task), task.traffic)
        if not plan.steps:
            bundle["sha256"] = find_sha256(wanted.path, task.traffic)
        if "sha256" in bundle:
            bundle["size"] = os.path.getsize(wanted.path)
    shipped = {file.name for file in shipment.files}
    return _outcome(home, plan, bundle, [exported_image(image, shipped) for image in images])


def _observe_images(task: Task, home: Home) -> tuple[CachedImage, ...] | None:
    """Look for the images that the task is about; in check mode, None when one is not whole yet."""
    wanted = wanted_images(task, home)
    if wanted is None:
        return None
    images = tuple(observe_image(home.cache_dir, reference, digest) for reference, digest in wanted)
    return None if await_images(task, home, images) else images


def _make_plan(
    wanted: WantedArchive, home: Home, images: Sequence[CachedImage], excluded: Sequence[str]
) -> tuple[Plan, Shipment]:
    """Decide, and return what the bundle carries: one that is there and leaves out less than it may is kept."""
    shipment = plan_shipment(home.cache_dir, images, excluded)
    contents = read_contents(wanted.path) if os.path.lexists(wanted.path) else None
    if contents is not None and set(contents.excluded_layers) < set(shipment.excluded):
        fuller = plan_shipment(home.cache_dir, images, contents.excluded_layers)
        plan = make_export_plan(wanted, (), fuller)
        if not plan.steps:
            return plan, fuller
    return make_export_plan(wanted, (), shipment), shipment


def _bundle_result(wanted: WantedArchive, shipment: Shipment, images: Sequence[CachedImage]) -> dict[str, Any]:
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


def _predict_export(task: Task, home: Home, wanted: WantedArchive) -> Outcome:
    carried = [f"image {excerpt(reference)}" for reference in task.params["images"]]
    carried += [f"the image of snapshot {snapshot}" for snapshot in task.params["snapshots"]]
    after = {"path": wanted.path, "compression": wanted.compression, "level": wanted.level}
    plan = Plan((f"write {' with '.join(carried)} to {wanted.path}",), {}, after)
    return _outcome(home, plan, {"path": wanted.path, "compression": wanted.compression}, [])


def _outcome(home: Home, plan: Plan, bundle: dict[str, Any], images: list[dict[str, Any]]) -> Outcome:
    layers = list(observe_layers(home.cache_dir))
    return Outcome(plan, {"bundle": bundle, "images": images, "cached_layers": layers})
