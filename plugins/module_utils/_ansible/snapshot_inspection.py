# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing, inspecting and verifying snapshots: the task of module ``snapshot_info``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._core.digests import require_sha256
from .._core.errors import IntegrityError, MicrosandboxError, StateError
from .._formats.descriptor import Descriptor
from .._formats.snapshot_names import require_snapshot_name
from .._observe.archive import observe_archive
from .._observe.artifact import Artifact
from .._observe.cached_layers import observe_layers
from .._observe.home import Home, require_writable
from .._observe.index import UNKNOWN, Index, observe_gone, observe_index
from .._observe.integrity import MISMATCH, RECORDED, IntegrityState, recorded_state, verify_artifact
from .._observe.store import InvalidArtifact, Store, find_children, observe_store
from .._plan.index import compare_index
from .results import PinnedImages, archive_result, archived_result, invalid_result, snapshot_result
from .task import Task


def inspect_archive(task: Task) -> dict[str, Any]:
    """Judge an archive file as an import would, and return what it holds."""
    path = task.absolute_path("archive")
    with task.phase("observe"):
        archive = observe_archive(path, task.limits, task.params["verify"], task.traffic)
    selected = [snapshot for snapshot in archive.snapshots if _is_selected(task, snapshot.descriptor)]
    return {
        "snapshots": [archived_result(snapshot) for snapshot in selected],
        "invalid": [],
        "orphans": [],
        "archive": archive_result(archive),
    }


def inspect_directory(task: Task, home: Home) -> dict[str, Any]:
    """Return the selected snapshots of a directory, and what else is there."""
    directory, name = _place(task, home)
    with task.phase("observe"):
        store = observe_store(directory, name)
    children: dict[str, list[str]] = {}
    for artifact in store.artifacts:
        if artifact.descriptor.parent is not None:
            children.setdefault(artifact.descriptor.parent, []).append(artifact.descriptor.digest)
        if name is not None:
            children[artifact.descriptor.digest] = list(find_children(directory, artifact.descriptor.digest))
    selected = [artifact for artifact in store.artifacts if _is_selected(task, artifact.descriptor)]
    to_verify = selected if task.params["verify"] else []
    with task.phase("verify"), task.traffic.meter.span(_hashed_bytes(to_verify)):
        states, unreadable = _verify(task, to_verify)
    invalid = (*store.invalid, *unreadable)
    unreadable_paths = {entry.path for entry in unreadable}
    selected = [artifact for artifact in selected if artifact.path not in unreadable_paths]
    if task.params["strict"]:
        _require_place(task, home, directory)
        _require_found(task, directory, bool(selected or invalid))
        _require_sound(invalid, states)
    images = PinnedImages(home)
    results: dict[str, Any] = {
        "snapshots": [
            snapshot_result(artifact, images, children.get(artifact.descriptor.digest, ()), states.get(artifact.path))
            for artifact in selected
        ],
        "invalid": [invalid_result(entry) for entry in invalid],
        "orphans": list(store.orphans),
        "cached_layers": list(observe_layers(home.cache_dir)),
    }
    if directory == home.managed_dir and name is None and home.generation != UNKNOWN:
        index = observe_index(home.database)
        if index.columns:
            results["index"] = _compare(index, store)
    return results


def store_obstacle(home: Home) -> dict[str, str] | None:
    """Return what keeps snapshots from being written to the store of a home, or None."""
    try:
        require_writable(home, home.snapshots_dir)
    except MicrosandboxError as exc:
        return {"code": exc.code, "reason": exc.message}
    return None


def _hashed_bytes(artifacts: Sequence[Artifact]) -> int:
    """Return how many bytes it takes to verify artifacts."""
    described = [artifact.descriptor for artifact in artifacts]
    return sum(each.upper_bytes for each in described if recorded_state(each).state == RECORDED)


def _verify(task: Task, artifacts: Sequence[Artifact]) -> tuple[dict[str, IntegrityState], list[InvalidArtifact]]:
    """Verify artifacts, and return the states of those that can be read and what is wrong with the others."""
    states, unreadable = {}, []
    for artifact in artifacts:
        try:
            states[artifact.path] = verify_artifact(artifact, task.traffic)
        except MicrosandboxError as exc:
            unreadable.append(InvalidArtifact(artifact.path, exc.code, exc.message))
        except OSError as exc:
            reason = f"the content of {artifact.path} cannot be read: {exc.strerror}"
            unreadable.append(InvalidArtifact(artifact.path, "os", reason))
    return states, unreadable


def _place(task: Task, home: Home) -> tuple[str, str | None]:
    """Return the directory to look into, and the name of the one snapshot that is wanted of it."""
    params = task.params
    if params["path"] is not None:
        return os.path.split(task.absolute_path("path"))
    directory = home.snapshots_dir if params["dir"] is None else task.absolute_path("dir")
    return directory, None if params["name"] is None else require_snapshot_name(params["name"])


def _is_selected(task: Task, descriptor: Descriptor) -> bool:
    params = task.params
    if params["digest"] is not None and descriptor.digest != require_sha256(params["digest"], "digest"):
        return False
    if params["digests"] is not None and descriptor.digest not in params["digests"]:
        return False
    if params["image"] not in (None, descriptor.image_reference, descriptor.image_manifest_digest):
        return False
    if params["source_sandbox"] not in (None, descriptor.source_sandbox):
        return False
    return bool(params["labels"].items() <= dict(descriptor.labels).items())


def _require_place(task: Task, home: Home, directory: str) -> None:
    """Check that the home and the directory which the task names are there; a home may have no snapshots yet.

    Raises:
        StateError: One of them is not.
    """
    params = task.params
    is_named = params["dir"] is not None or params["snapshots_dir"] is not None
    if is_named and not os.path.isdir(directory):
        raise StateError(f"there is no directory {directory}", path=directory)
    if not is_named and params["home"] is not None and params["path"] is None and not home.exists:
        raise StateError(f"there is no home {home.path}", path=home.path)


def _require_found(task: Task, directory: str, is_found: bool) -> None:
    """Check that a snapshot which the task names is there.

    Raises:
        StateError: It is not.
    """
    wanted = next((task.params[name] for name in ("name", "path", "digest") if task.params[name] is not None), None)
    if wanted is not None and not is_found:
        raise StateError(f"there is no snapshot {wanted} in {directory}", path=directory, wanted=wanted)


def _require_sound(invalid: tuple[InvalidArtifact, ...], states: dict[str, IntegrityState]) -> None:
    """Check that nothing is damaged.

    Raises:
        IntegrityError: Something is, and all of it is named.
    """
    damaged = [entry.reason for entry in invalid]
    damaged += [f"the content of {path} is not what was recorded" for path, s in states.items() if s.state == MISMATCH]
    if damaged:
        raise IntegrityError("; ".join(damaged), damaged=damaged)


def _compare(index: Index, store: Store) -> dict[str, Any]:
    found = [(artifact.path, artifact.descriptor) for artifact in store.artifacts]
    missing_rows, stale_rows = compare_index(index, found)
    return {
        "schema": index.schema,
        "rows": len(index.rows),
        "missing_artifacts": list(observe_gone(index, store.paths)),
        "missing_rows": list(missing_rows),
        "stale_rows": list(stale_rows),
    }
