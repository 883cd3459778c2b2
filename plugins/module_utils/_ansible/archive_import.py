# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the snapshots of an archive: the task of module ``snapshot_archive`` with ``state=imported``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._apply.archive_import import StagingSink
from .._apply.index import keep_index
from .._core.digests import require_sha256
from .._core.errors import IntegrityError
from .._formats.archive_contents import ArchiveContents
from .._formats.snapshot_names import require_snapshot_name
from .._observe.archive import Archive, hash_archive, observe_archive, read_contents
from .._observe.artifact import Artifact, observe_artifact
from .._observe.home import Home, is_indexed, require_writable
from .._observe.index import observe_index
from .._observe.store import find_digest
from .._observe.target import observe_target
from .._plan.archive import (
    PromoteSnapshot,
    WantedImport,
    import_names,
    plan_import,
    require_installed_name,
    sort_oldest_first,
)
from .._plan.index import IndexArtifact, plan_index_upserts
from .._plan.plan import Plan
from .results import archive_result, snapshot_results
from .task import Outcome, Task


def import_snapshots(task: Task, home: Home) -> Outcome:
    """Install the snapshots of the archive that are not installed yet."""
    params = task.params
    path = task.absolute_path("path")
    wanted = WantedImport(
        directory=home.snapshots_dir,
        digest=None if params["digest"] is None else require_sha256(params["digest"], "digest"),
        name=None if params["name"] is None else require_snapshot_name(params["name"]),
        force=params["force"],
    )
    checksum = None if params["checksum"] is None else require_sha256(params["checksum"], "checksum")
    require_writable(home, wanted.directory)
    with task.locked(wanted.directory, create=True):
        with task.phase("observe"):
            hints = _index_hints(home, wanted.directory)
            installed = _find_installed(task, path, wanted, checksum, hints)

        def is_installed(digest: str) -> bool:
            return find_digest(wanted.directory, digest, hints.get(digest, ())) is not None

        if installed is not None:
            artifacts, archive = installed
            plan = Plan(_index_steps(task, home, artifacts))
            if not task.check_mode and plan.steps:
                keep_index(home.database, artifacts, task.now_text, task.patience)
            return Outcome(plan, {"archive": archive, "snapshots": snapshot_results(home, artifacts)})
        if task.check_mode:
            if not os.path.lexists(path):
                return _predict_import(path, wanted, task)
            return _import(task, home, path, wanted, checksum, None)
        with StagingSink(wanted.directory, is_installed, task.traffic, task.limits.allocated_bytes) as sink:
            return _import(task, home, path, wanted, checksum, sink)


def _find_installed(
    task: Task, path: str, wanted: WantedImport, checksum: str | None, hints: dict[str, list[str]]
) -> tuple[list[Artifact], dict[str, Any]] | None:
    """Return the installed snapshots when it is clear without unpacking that the archive holds nothing else.

    It is when the task names the head's digest, or when an archive of ours lists only what is installed.
    """
    contents: ArchiveContents | None = None
    digests: tuple[str, ...] = () if wanted.digest is None else (wanted.digest,)
    archive: dict[str, Any] = {"path": path}
    if wanted.digest is None and os.path.lexists(path):
        contents = read_contents(path)
        digests = () if contents is None else contents.digests
    found = [find_digest(wanted.directory, digest, hints.get(digest, ())) for digest in digests]
    artifacts = [artifact for artifact in found if artifact is not None]
    if not artifacts or len(artifacts) < len(digests):
        return None
    if contents is not None:
        if checksum is not None:
            archive["sha256"] = hash_archive(path, task.traffic)
            _require_checksum(path, archive["sha256"], checksum)
        archive.update(size=os.path.getsize(path), compression=contents.compression, layout=contents.layout)
    head = artifacts[-1]
    if wanted.name is not None:
        require_installed_name(head, wanted.name)
    return artifacts, {**archive, "head": head.descriptor.digest}


def _import(
    task: Task, home: Home, path: str, wanted: WantedImport, checksum: str | None, sink: StagingSink | None
) -> Outcome:
    """Judge the archive whole, decide, and promote what the sink has staged; without a sink only predict."""
    with task.phase("unpack"):
        archive = observe_archive(path, task.limits, task.params["verify"], task.traffic, sink)
    if checksum is not None:
        _require_checksum(path, archive.sha256, checksum)
    if archive.cache_files:
        task.warnings.append(f"{path} also carries an image, which is not installed")
    plan, kept = _make_plan(task, home, wanted, archive)
    if sink is None:
        return Outcome(plan, {"archive": archive_result(archive), "snapshots": snapshot_results(home, kept)})
    promotions = [step for step in plan.steps if isinstance(step, PromoteSnapshot)]
    with task.phase("apply"):
        for step in promotions:
            sink.promote(archive, step)
        fresh = {step.digest: observe_artifact(os.path.join(wanted.directory, step.name)) for step in promotions}
        if not promotions and plan.steps:
            keep_index(home.database, kept, task.now_text, task.patience)
        elif len(plan.steps) > len(promotions):
            task.index_new(home, [*kept, *fresh.values()])
    found = {artifact.descriptor.digest: artifact for artifact in kept} | fresh
    ordered = [found[snapshot.descriptor.digest] for snapshot in sort_oldest_first(archive)]
    states = {s.descriptor.digest: s.integrity for s in archive.snapshots if s.descriptor.digest in fresh}
    return Outcome(plan, {"archive": archive_result(archive), "snapshots": snapshot_results(home, ordered, states)})


def _make_plan(task: Task, home: Home, wanted: WantedImport, archive: Archive) -> tuple[Plan, list[Artifact]]:
    """Observe the store, and return the decision and the artifacts of the archive that are installed already."""
    contents = read_contents(archive.path)
    suggested = None
    if contents is not None and contents.head == archive.head.descriptor.digest:
        suggested = contents.suggested_name
    names = import_names(wanted, archive, suggested)
    hints = _index_hints(home, wanted.directory)
    found = [find_digest(wanted.directory, entry.digest, hints.get(entry.digest, ())) for entry in names]
    kept = [artifact for artifact in found if artifact is not None]
    targets = {entry.name: observe_target(os.path.join(wanted.directory, entry.name)) for entry in names}
    plan = plan_import(wanted, archive, names, {artifact.descriptor.digest: artifact for artifact in kept}, targets)
    steps = plan.steps + _index_steps(task, home, kept)
    if plan.steps and is_indexed(home, wanted.directory) and observe_index(home.database).columns:
        promotions = [step for step in plan.steps if isinstance(step, PromoteSnapshot)]
        steps += tuple(IndexArtifact(os.path.join(wanted.directory, step.name)) for step in promotions)
    return replace(plan, steps=steps), kept


def _predict_import(path: str, wanted: WantedImport, task: Task) -> Outcome:
    task.warnings.append(f"there is no archive at {path} yet; without one this task fails outside check mode")
    what = wanted.name or wanted.digest or "the snapshots"
    after = {wanted.name or "head": wanted.digest or f"the head of {path}"}
    plan = Plan((f"install {what} from {path} in {wanted.directory}",), {}, after)
    archive = {"path": path} if wanted.digest is None else {"path": path, "head": wanted.digest}
    return Outcome(plan, {"archive": archive, "snapshots": []})


def _require_checksum(path: str, found: str, wanted: str) -> None:
    """Check the digest of an archive file.

    Raises:
        IntegrityError: It is another one.
    """
    if found != wanted:
        raise IntegrityError(
            f"archive {path} has the checksum {found}, wanted {wanted}", path=path, expected=wanted, actual=found
        )


def _index_hints(home: Home, directory: str) -> dict[str, list[str]]:
    """Return the paths that the index gives for each digest; they save a search and are looked at all the same."""
    hints: dict[str, list[str]] = {}
    if is_indexed(home, directory):
        for row in observe_index(home.database).rows:
            if os.path.dirname(row.artifact_path) == directory:
                hints.setdefault(row.digest, []).append(row.artifact_path)
    return hints


def _index_steps(task: Task, home: Home, artifacts: Sequence[Artifact]) -> tuple[object, ...]:
    if not artifacts or not is_indexed(home, os.path.dirname(artifacts[0].path)):
        return ()
    found = [(artifact.path, artifact.descriptor) for artifact in artifacts]
    return plan_index_upserts(observe_index(home.database), found, task.now_text)
