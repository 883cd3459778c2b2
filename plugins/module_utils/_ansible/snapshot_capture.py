# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capturing a sandbox: the task of module ``snapshot`` with ``state=present``."""

from __future__ import annotations

import os
from dataclasses import replace

from .._apply.index import keep_index
from .._apply.snapshot import apply_capture
from .._core.errors import MicrosandboxError, RequestError, StateError
from .._disk.copying import CopyMethod
from .._formats.snapshot_names import portability_warning, require_snapshot_name
from .._observe.artifact import observe_artifact
from .._observe.home import Home, is_indexed, require_writable
from .._observe.index import observe_index
from .._observe.sandbox import CaptureSource, observe_sandbox, require_capturable
from .._observe.store import find_children
from .._observe.target import observe_target
from .._observe.upper import upper_differs
from .._plan.index import IndexArtifact, plan_index_upserts
from .._plan.plan import Plan
from .._plan.snapshot import RECREATE_IF_CHANGED, Capture, WantedSnapshot, plan_capture
from .results import PinnedImages, snapshot_result
from .task import Outcome, Task


def capture_snapshot(task: Task, home: Home) -> Outcome:
    """Capture the sandbox unless a snapshot that matches the request is there."""
    if task.params["digest"] is not None or task.params["digests"] is not None:
        raise RequestError("digest and digests name a snapshot to remove, state is present")
    wanted = _wanted(task, home)
    require_writable(home, wanted.path)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            plan = _make_plan(task, home, wanted)
        is_captured = any(isinstance(step, Capture) for step in plan.steps)
        if task.check_mode and is_captured:
            return Outcome(plan, {"snapshot": {"name": os.path.basename(wanted.path), **plan.after}})
        method = None
        if not task.check_mode:
            with task.phase("apply"):
                method = _apply(task, home, wanted, plan)
        artifact = observe_artifact(wanted.path)
        children = find_children(os.path.dirname(wanted.path), artifact.descriptor.digest)
    result = snapshot_result(artifact, PinnedImages(home), children)
    if method is not None:
        result["copy_method"] = method.value
    return Outcome(plan, {"snapshot": result})


def _wanted(task: Task, home: Home) -> WantedSnapshot:
    params = task.params
    if params["name"] is not None:
        path = os.path.join(home.snapshots_dir, require_snapshot_name(params["name"]))
        warning = portability_warning(params["name"])
        if warning is not None:
            task.warnings.append(warning)
    else:
        path = task.absolute_path("path")
    labels = params["labels"]
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise RequestError(f"label {key} is {value!r}, expected a text; quote it", label=str(key))
    return WantedSnapshot(
        path=path,
        sandbox=params["sandbox"],
        labels=tuple(sorted(labels.items())),
        integrity=params["integrity"],
        recreate=params["recreate"],
        force=params["force"],
    )


def _make_plan(task: Task, home: Home, wanted: WantedSnapshot) -> Plan:
    """Observe the snapshot and its source, and decide."""
    target = observe_target(wanted.path)
    source: CaptureSource | MicrosandboxError
    try:
        source = require_capturable(observe_sandbox(home, wanted.sandbox))
    except MicrosandboxError as exc:
        source = exc
    differs = False
    if wanted.recreate == RECREATE_IF_CHANGED and target.artifact is not None and isinstance(source, CaptureSource):
        differs = upper_differs(source, target.artifact, task.traffic)
    plan = plan_capture(wanted, target, source, differs)
    if plan.steps and target.digest is not None and not wanted.force:
        _require_childless(home, wanted.path, target.digest)
    if not is_indexed(home, os.path.dirname(wanted.path)):
        return plan
    index = observe_index(home.database)
    if plan.steps:
        return replace(plan, steps=(*plan.steps, IndexArtifact(wanted.path))) if index.columns else plan
    if target.artifact is not None:
        found = [(wanted.path, target.artifact.descriptor)]
        return replace(plan, steps=plan_index_upserts(index, found, task.now_text))
    return plan


def _require_childless(home: Home, path: str, digest: str) -> None:
    """Check that no snapshot descends from the one that is to be replaced.

    Raises:
        StateError: One does.
    """
    directory = os.path.dirname(path)
    rows = observe_index(home.database).rows if is_indexed(home, directory) else ()
    children = {*find_children(directory, digest), *(row.digest for row in rows if row.parent_digest == digest)}
    if children:
        raise StateError(
            f"snapshot {path} has descendants ({', '.join(sorted(children)[:3])}), which would lose their parent;"
            " force replaces it",
            path=path,
            children=sorted(children),
        )


def _apply(task: Task, home: Home, wanted: WantedSnapshot, plan: Plan) -> CopyMethod | None:
    method = None
    for step in plan.steps:
        if isinstance(step, Capture):
            method = apply_capture(step, wanted, home, task.now_ns, task.traffic)
        elif isinstance(step, IndexArtifact):
            task.index_new(home, [observe_artifact(wanted.path)])
        else:
            keep_index(home.database, [observe_artifact(wanted.path)], task.now_text, task.patience)
    return method
