# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the images of a bundle: the task of module ``image_cache_bundle`` with ``state=imported``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.digests import require_sha256
from .._core.errors import IntegrityError, RequestError, excerpt
from .._formats.archive_contents import ArchiveContents
from .._formats.image_files import FSMETA, LAYERS
from .._formats.image_reference import normalize_reference
from .._observe.archive_file import hash_archive, require_checksum
from .._observe.bundle import Bundle, observe_bundle, read_bundle_contents
from .._observe.cache_walk import CacheSink
from .._observe.cached_layers import observe_layers
from .._observe.home import Home
from .._observe.image_cache import CachedImage, observe_image
from .._plan.image_cache import InstallCacheFile
from .._plan.plan import Plan
from .image_import import archive_count, cache_diff, cache_staging, plan_images
from .image_results import imported_image, present_image
from .image_selection import wanted_pins
from .task import Outcome, Task


def import_images(task: Task, home: Home) -> Outcome:
    """Install the images of the bundle that are not whole in the cache yet."""
    path = task.absolute_path("path")
    checksum = None if task.params["checksum"] is None else require_sha256(task.params["checksum"], "checksum")
    pins = wanted_pins(task)
    if task.check_mode and not os.path.lexists(path):
        return _predict_import(task, home, path)
    with task.locked(home.cache_dir, create=True):
        with task.phase("observe"):
            contents = read_bundle_contents(path)
            _require_pins(pins, contents, path)
            cached = [observe_image(home.cache_dir, *image) for image in contents.images]
        is_whole = all(image.boots_offline for image in cached)
        if is_whole and not task.params["force"]:
            return _keep_installed(task, home, path, contents, cached, checksum)
        # Whether force has anything to replace is seen first, so that nothing is staged for nothing.
        if is_whole or task.check_mode:
            bundle = _judge(task, path, contents, checksum, archive_count(task, home, path))
            steps = plan_images(task, home, bundle.images, bundle.cache_files)
            if task.check_mode or not steps:
                return _report(task, home, bundle, steps)
        with cache_staging(task, home, contextlib.nullcontext) as cache:
            bundle = _judge(task, path, contents, checksum, cache)
            steps = plan_images(task, home, bundle.images, bundle.cache_files)
            with task.phase("apply"), cache.installed(steps, bundle.images, task.patience):
                pass
            return _report(task, home, bundle, steps)


def _judge(task: Task, path: str, contents: ArchiveContents, checksum: str | None, sink: CacheSink) -> Bundle:
    with task.phase("unpack"):
        bundle = observe_bundle(path, contents, task.limits, task.traffic, sink)
    if checksum is not None:
        require_checksum(path, bundle.sha256, checksum)
    return bundle


def _report(task: Task, home: Home, bundle: Bundle, steps: Sequence[InstallCacheFile]) -> Outcome:
    """Return what came, or in check mode would come, of these steps."""
    installed = {step.name for step in steps}
    images = []
    for image in bundle.images:
        cached = observe_image(home.cache_dir, image.reference, image.metadata.manifest_digest)
        result = imported_image(image, cached, installed)
        if task.check_mode:
            result.update(boots_offline=True, missing=[])
        images.append(result)
    sizes = {name: size for image in bundle.images for name, size in image.sizes}
    added = sum(size for name, size in sizes.items() if name in installed)
    result = {
        "path": bundle.path,
        "size": bundle.size_bytes,
        "sha256": bundle.sha256,
        "compression": bundle.compression,
        "members": list(bundle.members),
        "excluded_layers": list(bundle.excluded_layers),
        "added_bytes": added,
        "saved_bytes": sum(sizes.values()) - added,
    }
    return _outcome(home, Plan(tuple(steps), *cache_diff(steps)), result, images)


def _keep_installed(
    task: Task, home: Home, path: str, contents: ArchiveContents, cached: Sequence[CachedImage], checksum: str | None
) -> Outcome:
    bundle: dict[str, Any] = {"path": path, "size": os.path.getsize(path), "compression": contents.compression}
    if checksum is not None:
        bundle["sha256"] = hash_archive(path, task.traffic)
        require_checksum(path, bundle["sha256"], checksum)
    sizes = {file.name: file.size_bytes or 0 for image in cached for file in image.files}
    bundle.update(
        members=[f"cache/{file.name}" for file in contents.cache_files],
        excluded_layers=list(contents.excluded_layers),
        added_bytes=0,
        saved_bytes=sum(size for name, size in sizes.items() if name.kind in (FSMETA, LAYERS)),
    )
    return _outcome(home, Plan(()), bundle, [present_image(image) for image in cached])


def _predict_import(task: Task, home: Home, path: str) -> Outcome:
    task.warnings.append(f"there is no bundle at {path} yet; without one this task fails outside check mode")
    plan = Plan((f"install the images of {path} in {home.cache_dir}",), {}, {"images": f"those of {path}"})
    return _outcome(home, plan, {"path": path}, [])


def _outcome(home: Home, plan: Plan, bundle: dict[str, Any], images: list[dict[str, Any]]) -> Outcome:
    layers = list(observe_layers(home.cache_dir))
    return Outcome(plan, {"bundle": bundle, "images": images, "cached_layers": layers})


def _require_pins(pins: Mapping[str, str], contents: ArchiveContents, path: str) -> None:
    """Check that the bundle's images are those that the task expects.

    Raises:
        RequestError: It expects one that the bundle does not carry.
        IntegrityError: One is another.
    """
    carried = {normalize_reference(image.reference): image.manifest_digest for image in contents.images}
    for reference, wanted in pins.items():
        if reference not in carried:
            raise RequestError(f"pin names the image {excerpt(reference)}, which {path} does not carry", option="pin")
        if carried[reference] != wanted:
            raise IntegrityError(
                f"image {excerpt(reference)} in {path} is {carried[reference]}, pinned is {wanted}",
                path=path,
                expected=wanted,
                actual=carried[reference],
            )
