# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing snapshots: the task of module ``snapshot`` with ``state=absent``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace

from .._apply.index import apply_index_steps
from .._apply.snapshot import apply_removal
from .._core.digests import require_sha256
from .._core.errors import MicrosandboxError, StateError, excerpt
from .._formats.snapshot_names import require_snapshot_name
from .._observe.artifact import find_strangers
from .._observe.home import Home, is_indexed, require_writable
from .._observe.index import IndexRow, observe_index
from .._observe.store import find_children, find_paths
from .._observe.target import Target, observe_target
from .._plan.index import DeleteIndexRow
from .._plan.plan import Plan
from .._plan.snapshot import Remove, plan_removal
from .task import Outcome, Task


def remove_snapshots(task: Task, home: Home) -> Outcome:
    """Remove the snapshots that the task names, and what the index says of them."""
    directory = os.path.dirname(task.absolute_path("path")) if task.params["path"] is not None else home.snapshots_dir
    require_writable(home, directory)
    with task.locked(directory):
        with task.phase("observe"):
            rows = observe_index(home.database).rows if is_indexed(home, directory) else ()
            targets = _targets_to_clear(task, home, directory, rows)
            plan = _make_plan(task, directory, targets, rows)
            task.warnings += _warnings_of_strangers(targets)
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, Remove):
                        apply_removal(step)
                stale = [step for step in plan.steps if isinstance(step, DeleteIndexRow)]
                apply_index_steps(home.database, stale, task.patience)
    removed = [{"path": target.path, "digest": target.digest} for target in targets if not target.is_absent]
    return Outcome(plan, {"removed": removed})


def _targets_to_clear(task: Task, home: Home, directory: str, rows: Sequence[IndexRow]) -> list[Target]:
    """Observe what the task names; a digest that no artifact and no row has names nothing.

    Raises:
        StateError: The snapshot at the name or path has another digest than the task says.
    """
    params = task.params
    digest = params["digest"]
    if params["name"] is None and params["path"] is None:
        digests = [digest] if digest is not None else params["digests"]
        targets = _find_targets(directory, [require_sha256(wanted, "digest") for wanted in digests])
        # A run that was cut short between the artifact and its row left the row.
        named = [row.artifact_path for row in rows if row.digest in digests]
        left = [path for path in named if os.path.dirname(path) == directory and not os.path.lexists(path)]
        return targets + [observe_target(path) for path in left]
    if params["path"] is not None:
        path = task.absolute_path("path")
    else:
        path = os.path.join(home.snapshots_dir, require_snapshot_name(params["name"]))
    target = observe_target(path)
    if digest is not None and not target.is_absent and target.digest != require_sha256(digest, "digest"):
        raise StateError(
            f"snapshot {path} has the digest {target.digest}, wanted {digest}: it is left alone",
            path=path,
            expected=digest,
            actual=target.digest,
        )
    return [target]


def _find_targets(directory: str, digests: Sequence[str]) -> list[Target]:
    """Return what stands where snapshots have these digests, a whole one rather than one whose upper is damaged."""
    found: dict[str, Target] = {}
    for digest, path in find_paths(directory, frozenset(digests)):
        target = observe_target(path)
        if digest not in found or found[digest].artifact is None:
            found[digest] = target
    return [found[digest] for digest in dict.fromkeys(digests) if digest in found]


def _warnings_of_strangers(targets: Sequence[Target]) -> list[str]:
    """Return what is to be said of files that go with snapshots; microsandbox removes the directory as a whole, too."""
    warnings = []
    for target in targets:
        # What cannot be listed is for the removal to complain of.
        with contextlib.suppress(MicrosandboxError, OSError):
            names = find_strangers(target.path) if target.digest is not None else ()
            if names:
                shown = ", ".join(map(excerpt, names))
                warnings.append(f"{target.path} has {shown} besides the snapshot, which goes with it")
    return warnings


def _make_plan(task: Task, directory: str, targets: list[Target], rows: Sequence[IndexRow]) -> Plan:
    gone = {target.path for target in targets if target.is_absent}
    parents = {
        row.digest: row.parent_digest for row in rows if row.parent_digest is not None and row.artifact_path not in gone
    }
    # Also those whose upper is damaged.
    for target in targets:
        if target.digest is not None:
            parents.update(dict.fromkeys(find_children(directory, target.digest), target.digest))
    plan = plan_removal(targets, (), parents, task.params["force"])
    paths = {target.path for target in targets}
    stale = tuple(DeleteIndexRow(row.digest, row.artifact_path) for row in rows if row.artifact_path in paths)
    return replace(plan, steps=(*plan.steps, *stale))
