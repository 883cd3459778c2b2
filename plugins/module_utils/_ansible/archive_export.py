# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exporting snapshots: the task of module ``snapshot_archive`` with ``state=exported``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._apply.archive_export import apply_export, member_names
from .._core.digests import is_sha256
from .._core.errors import RequestError, StateError, excerpt
from .._disk.zstd import LEVELS, require_backend
from .._formats.snapshot_names import looks_like_path, require_snapshot_name
from .._observe.archive import find_sound_sha256
from .._observe.archive_file import find_sha256, is_archive, read_contents
from .._observe.artifact import Artifact, observe_artifact
from .._observe.home import Home, absolute_path, require_writable
from .._observe.image_cache import CachedImage, observe_image
from .._observe.lineage import observe_lineage
from .._observe.store import find_digest
from .._plan.archive import NO_COMPRESSION, ZSTD, WantedArchive, WriteArchive, plan_export, plan_repair, resolve_layout
from .._plan.image_shipment import NO_SHIPMENT, Shipment, plan_shipment, unshippable_files
from .._plan.plan import Plan
from .results import snapshot_results
from .task import Outcome, Task


def export_snapshot(task: Task, home: Home) -> Outcome:
    """Make the archive reflect the snapshot."""
    snapshot = task.params["snapshot"]
    wanted = wanted_archive(task, task.params["layout"])
    require_writable(home, wanted.path)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            head = find_snapshot(task, home, snapshot)
            if head is None:
                task.warnings.append(
                    f"there is no snapshot {snapshot} yet; without one this task fails outside check mode"
                )
                return _predict_export(wanted, task)
            artifacts = observe_lineage(head, home.snapshots_dir) if task.params["with_parents"] else (head,)
            images = _observe_images(task, home, artifacts)
            if await_images(task, home, images):
                return _predict_export(wanted, task)
            shipment = plan_shipment(home.cache_dir, images) if images else NO_SHIPMENT
            plan, kept = _decide(task, wanted, artifacts, shipment)
        if plan.steps and wanted.compression == ZSTD:
            require_backend()
        archive: dict[str, Any] = {name: plan.after[name] for name in ("path", "head", "compression", "layout")}
        archive["images"] = [image._asdict() for image in shipment.images]
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, WriteArchive):
                        archive["sha256"] = apply_export(step, threads(task), task.traffic, task.params["verify"])
        if not (plan.steps and task.check_mode):
            archive.setdefault("sha256", kept)
            archive["size"] = os.path.getsize(wanted.path)
            archive["members"] = member_names(artifacts, shipment)
            archive["unpacked_bytes"] = unpacked_bytes(artifacts, shipment)
    return Outcome(plan, {"archive": archive, "snapshots": snapshot_results(home, artifacts)})


def _decide(
    task: Task, wanted: WantedArchive, artifacts: tuple[Artifact, ...], shipment: Shipment
) -> tuple[Plan, str | None]:
    """Return what to do, and the digest of an archive that stays."""
    plan = make_export_plan(wanted, artifacts, shipment)
    if plan.steps:
        return plan, None
    if not task.params["verify"]:
        return plan, find_sha256(wanted.path, task.traffic)
    digests = [artifact.descriptor.digest for artifact in artifacts]
    kept = find_sound_sha256(wanted.path, digests, task.traffic)
    return (plan_repair(plan, wanted, artifacts, shipment) if kept is None else plan), kept


def unpacked_bytes(artifacts: Sequence[Artifact], shipment: Shipment) -> int:
    """Return how many bytes of a disk it takes to import what an export carries."""
    return sum(each.allocated_bytes for each in artifacts) + sum(file.size_bytes for file in shipment.files)


def _observe_images(task: Task, home: Home, artifacts: Sequence[Artifact]) -> list[CachedImage]:
    """Return the images of the snapshots that go with them, the head's first."""
    if not task.params["with_image"]:
        return []
    descriptors = [artifact.descriptor for artifact in reversed(artifacts)]
    pinned = dict.fromkeys((each.image_reference, each.image_manifest_digest) for each in descriptors)
    return [observe_image(home.cache_dir, *image) for image in pinned]


def await_images(task: Task, home: Home, images: Sequence[CachedImage]) -> bool:
    """Return whether, in check mode, an earlier task has yet to make an image whole, and warn of each such image."""
    if not task.check_mode:
        return False
    awaited = [(image.reference, unshippable_files(image)) for image in images if unshippable_files(image)]
    for reference, missing in awaited:
        task.warnings.append(
            f"image {excerpt(reference)} is not whole in {home.cache_dir} yet: {'; '.join(missing)}; unless it becomes"
            " so this task fails outside check mode"
        )
    return bool(awaited)


def make_export_plan(wanted: WantedArchive, artifacts: tuple[Artifact, ...], shipment: Shipment) -> Plan:
    """Observe what is at the archive's path, and decide."""
    exists = os.path.lexists(wanted.path)
    contents = read_contents(wanted.path) if exists else None
    begins_right = exists and contents is None and is_archive(wanted.path)
    return plan_export(wanted, artifacts, contents, exists, begins_right, shipment)


def wanted_archive(task: Task, layout: str) -> WantedArchive:
    """Return the archive file that the task asks for.

    Raises:
        RequestError: Its level or number of threads is none.
    """
    params = task.params
    path = task.absolute_path("path")
    compression = params["compression"] or (NO_COMPRESSION if path.endswith(".tar") else ZSTD)
    if params["level"] not in LEVELS:
        raise RequestError(f"level is {params['level']}, expected {LEVELS.start} to {LEVELS.stop - 1}", option="level")
    if params["threads"] < 0:
        raise RequestError(f"threads is {params['threads']}, expected 0 or more", option="threads")
    return WantedArchive(
        path=path,
        compression=compression,
        level=params["level"] if compression == ZSTD else 0,
        layout=resolve_layout(layout, compression),
        force=params["force"],
    )


def find_snapshot(task: Task, home: Home, text: str) -> Artifact | None:
    """Return the snapshot with a name, a path or a digest; in check mode, None when it is not there.

    Raises:
        StateError: It is not there.
    """
    if is_sha256(text):
        found = find_digest(home.snapshots_dir, text)
        if found is None and not task.check_mode:
            raise StateError(f"there is no snapshot {text} in {home.snapshots_dir}", digest=text)
        return found
    if looks_like_path(text):
        path = os.path.normpath(os.path.expanduser(text))
        if not os.path.isabs(path):
            raise RequestError(f"snapshot is {excerpt(text)}, expected a name, a digest or an absolute path")
        path = absolute_path(path)
    else:
        path = os.path.join(home.snapshots_dir, require_snapshot_name(text))
    if task.check_mode and not os.path.lexists(path):
        return None
    return observe_artifact(path)


def _predict_export(wanted: WantedArchive, task: Task) -> Outcome:
    snapshot = task.params["snapshot"]
    after = {"path": wanted.path, "compression": wanted.compression, "layout": wanted.layout}
    plan = Plan((f"write snapshot {snapshot} to {wanted.path}",), {}, after)
    return Outcome(plan, {"archive": after, "snapshots": []})


def threads(task: Task) -> int:
    """Return how many threads compress."""
    return task.params["threads"] or len(os.sched_getaffinity(0))
