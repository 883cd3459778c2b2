# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the images of an archive or a bundle: what their two tasks share."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Callable

from .._apply.image_cache import CacheStaging
from .._core.errors import StateError
from .._disk.dead_staging import dead_staging_areas, sweep
from .._disk.locking import locked_directory
from .._formats.image_files import metadata_file, vmdk_file
from .._formats.image_metadata import MAX_METADATA_BYTES
from .._observe.archive_count import ArchiveCount
from .._observe.cache_target import is_kept, observe_erofs_targets, observe_text_targets
from .._observe.cache_walk import CarriedFile, CarriedImage
from .._observe.home import Home
from .._plan.image_cache import InstallCacheFile, plan_install
from .task import Task


def cache_staging(task: Task, home: Home, hold: Callable[[], AbstractContextManager[None]]) -> CacheStaging:
    """Return what takes image cache files for a task; ``hold`` is called once to hold the cache's lock."""
    return CacheStaging(
        home.cache_dir,
        hold,
        task.params["force"],
        task.traffic,
        task.limits.allocated_bytes,
    )


def archive_count(
    task: Task, home: Home, path: str, is_installed: Callable[[str], bool] = lambda digest: False
) -> ArchiveCount:
    """Return what takes the files of an archive where nothing is installed, and refuses what would take too much."""
    is_cached = functools.partial(is_kept, home.cache_dir, replace_all=task.params["force"])
    return ArchiveCount(path, task.limits, is_installed, is_cached)


def sweep_cache(home: Home) -> None:
    """Clear away what dead runs left in the cache; the lock of a run that is alive is not waited for."""
    with contextlib.suppress(OSError, StateError):
        if dead_staging_areas(home.cache_dir):
            with locked_directory(home.cache_dir, 0):
                sweep(home.cache_dir)


def plan_images(
    task: Task, home: Home, images: Sequence[CarriedImage], files: Sequence[CarriedFile]
) -> tuple[InstallCacheFile, ...]:
    """Observe the cache, and decide which files of judged images to install."""
    if not images:
        return ()
    sizes = {name: size for image in images for name, size in image.sizes}
    texts = [metadata_file(image.reference) for image in images]
    texts += [vmdk_file(image.metadata.manifest_digest) for image in images]
    targets = observe_erofs_targets(home.cache_dir, sizes, task.traffic)
    targets.update(observe_text_targets(home.cache_dir, texts, MAX_METADATA_BYTES))
    canonical = os.path.realpath(home.cache_dir)
    return plan_install(images, {file.name: file for file in files}, targets, canonical, task.params["force"])


def cache_diff(steps: Sequence[InstallCacheFile]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the steps change in the cache, by path: before and after."""
    before = {step.path: step.replaces for step in steps if step.replaces is not None}
    return before, {step.path: f"{step.size_bytes} bytes" for step in steps}
