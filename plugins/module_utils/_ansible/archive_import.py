# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the snapshots of an archive: the task of module ``snapshot_archive`` with ``state=imported``."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._apply.archive_import import StagingSink
from .._apply.image_cache import CacheStaging
from .._apply.index import keep_index
from .._core.digests import require_sha256
from .._core.errors import StateError
from .._formats.archive_contents import ArchiveContents
from .._formats.snapshot_names import require_snapshot_name
from .._observe.archive import Archive, observe_archive
from .._observe.archive_file import hash_archive, read_contents, require_checksum
from .._observe.artifact import Artifact, observe_artifact
from .._observe.home import Home, is_indexed, require_writable
from .._observe.image_cache import observe_image
from .._observe.index import Index, observe_index
from .._observe.store import find_digest
from .._observe.target import observe_target
from .._plan.archive_import import (
    PromoteSnapshot,
    WantedImport,
    import_names,
    plan_import,
    require_installed_name,
    sort_oldest_first,
)
from .._plan.image_cache import InstallCacheFile
from .._plan.index import IndexArtifact, plan_index_upserts
from .._plan.plan import Plan
from .image_import import archive_count, cache_diff, cache_staging, plan_images, sweep_cache
from .image_results import with_images
from .results import archive_result, snapshot_results
from .task import Outcome, Task


@dataclass(frozen=True)
class _Import:
    """What the steps of an import share.

    Attributes:
        task: The task.
        home: The home.
        path: The archive.
        wanted: What is asked for.
        checksum: Digest that the archive file must have, or None.
        index: The index that knows the store, or None when none does.
    """

    task: Task
    home: Home
    path: str
    wanted: WantedImport
    checksum: str | None
    index: Index | None

    def find(self, digest: str) -> Artifact | None:
        """Return the installed snapshot with a digest; the index says where to look first."""
        rows = () if self.index is None else self.index.rows
        hints = [row.artifact_path for row in rows if row.digest == digest]
        directory = self.wanted.directory
        return find_digest(directory, digest, [path for path in hints if os.path.dirname(path) == directory])

    def is_installed(self, digest: str) -> bool:
        """Return whether the store has the snapshot with a digest."""
        return self.find(digest) is not None

    def index_steps(self, artifacts: Sequence[Artifact]) -> tuple[object, ...]:
        """Plan what makes the index know artifacts that are installed already."""
        if self.index is None:
            return ()
        found = [(artifact.path, artifact.descriptor) for artifact in artifacts]
        return plan_index_upserts(self.index, found, self.task.now_text)


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
        if not task.check_mode:
            sweep_cache(home)
        with task.phase("observe"):
            index = observe_index(home.database) if is_indexed(home, wanted.directory) else None
            run = _Import(task, home, path, wanted, checksum, index)
            installed = _find_installed(run)
        if installed is not None:
            return _keep_installed(run, *installed)
        if task.check_mode:
            return _unpack(run, None, None) if os.path.lexists(path) else _predict_import(run)
        if params["force"] and read_contents(path) is None:
            # Only a whole pass shows whether force has anything to replace. It goes first, so that an archive of
            # another origin, of which nothing is known beforehand, does not stage the same files at every run.
            judged = _unpack(run, None, None)
            if not judged.plan.steps:
                return judged
        limit = task.limits.allocated_bytes
        hold = functools.partial(task.locked, home.cache_dir, create=True)
        staging = StagingSink(wanted.directory, run.is_installed, task.traffic, limit)
        with staging as sink, cache_staging(task, home, hold) as cache:
            return _unpack(run, sink, cache)


def _find_installed(run: _Import) -> tuple[list[Artifact], dict[str, Any]] | None:
    """Return the installed snapshots when it is clear without unpacking that the archive holds nothing else.

    It is when the task names the head's digest, or when an archive of ours lists only what is installed, images
    included.
    """
    archive: dict[str, Any] = {"path": run.path}
    contents = _find_contents(run)
    digests = (run.wanted.digest,) if run.wanted.digest else () if contents is None else contents.digests
    artifacts = [artifact for artifact in map(run.find, digests) if artifact is not None]
    if not artifacts or len(artifacts) < len(digests):
        return None
    if contents is not None:
        if not all(observe_image(run.home.cache_dir, *image).boots_offline for image in contents.images):
            return None
        if run.checksum is not None:
            archive["sha256"] = hash_archive(run.path, run.task.traffic)
            require_checksum(run.path, archive["sha256"], run.checksum)
        archive.update(size=os.path.getsize(run.path), compression=contents.compression, layout=contents.layout)
    head = artifacts[-1]
    if run.wanted.name is not None:
        require_installed_name(head, run.wanted.name)
    return artifacts, {**archive, "head": head.descriptor.digest}


def _find_contents(run: _Import) -> ArchiveContents | None:
    """Return the table of contents of the archive at the path, unless it is not the one that the task asks for.

    A task that names a digest needs no archive once it is installed, so whatever is at the path then is no error.
    """
    try:
        contents = read_contents(run.path) if os.path.lexists(run.path) else None
    except (StateError, OSError):
        if run.wanted.digest is None:
            raise
        return None
    if contents is None or run.wanted.digest in (None, contents.head):
        return contents
    return None


def _keep_installed(run: _Import, artifacts: Sequence[Artifact], archive: Mapping[str, Any]) -> Outcome:
    plan = Plan(run.index_steps(artifacts))
    if plan.steps and not run.task.check_mode:
        keep_index(run.home.database, artifacts, run.task.now_text, run.task.patience)
    return Outcome(plan, {"archive": archive, "snapshots": snapshot_results(run.home, artifacts)})


def _unpack(run: _Import, sink: StagingSink | None, cache: CacheStaging | None) -> Outcome:
    """Judge the archive whole, decide, and promote what the sinks have staged; without them only count and predict."""
    task, home, directory = run.task, run.home, run.wanted.directory
    count = archive_count(task, home, run.path, run.is_installed)
    with task.phase("unpack"):
        archive = observe_archive(
            run.path, task.limits, task.params["verify"], task.traffic, sink or count, cache or count
        )
    if run.checksum is not None:
        require_checksum(run.path, archive.sha256, run.checksum)
    plan, kept = _make_plan(run, archive)
    if sink is None or cache is None:
        predicted = with_images(snapshot_results(home, kept), archive.images)
        return Outcome(plan, {"archive": archive_result(archive), "snapshots": predicted})
    promotions = [step for step in plan.steps if isinstance(step, PromoteSnapshot)]
    cache_steps = [step for step in plan.steps if isinstance(step, InstallCacheFile)]
    with task.phase("apply"):
        sink.complete(archive, promotions)
        with cache.installed(cache_steps, archive.images, task.patience) as keep_images:
            for step in promotions:
                sink.promote(step)
                keep_images()
        fresh = {step.digest: observe_artifact(os.path.join(directory, step.name)) for step in promotions}
        if len(plan.steps) > len(promotions) + len(cache_steps):
            if promotions:
                task.index_new(home, [*kept, *fresh.values()])
            else:
                keep_index(home.database, kept, task.now_text, task.patience)
    found = {artifact.descriptor.digest: artifact for artifact in kept} | fresh
    ordered = [found[snapshot.descriptor.digest] for snapshot in sort_oldest_first(archive)]
    states = {s.descriptor.digest: s.integrity for s in archive.snapshots if s.descriptor.digest in fresh}
    return Outcome(plan, {"archive": archive_result(archive), "snapshots": snapshot_results(home, ordered, states)})


def _make_plan(run: _Import, archive: Archive) -> tuple[Plan, list[Artifact]]:
    """Observe the store, and return the decision and the artifacts of the archive that are installed already."""
    contents = read_contents(archive.path)
    suggested = None
    if contents is not None and contents.head == archive.head.descriptor.digest:
        suggested = contents.suggested_name
    names = import_names(run.wanted, archive, suggested)
    directory = run.wanted.directory
    kept = [artifact for artifact in (run.find(entry.digest) for entry in names) if artifact is not None]
    targets = {entry.name: observe_target(os.path.join(directory, entry.name)) for entry in names}
    installed = {artifact.descriptor.digest: artifact for artifact in kept}
    plan = plan_import(run.wanted, archive, names, installed, targets)
    images = plan_images(run.task, run.home, archive.images, archive.cache_files)
    steps = images + plan.steps + run.index_steps(kept)
    if run.index is not None and run.index.columns:
        promotions = [step for step in plan.steps if isinstance(step, PromoteSnapshot)]
        steps += tuple(IndexArtifact(os.path.join(directory, step.name)) for step in promotions)
    before, after = cache_diff(images)
    return replace(plan, steps=steps, before={**before, **plan.before}, after={**after, **plan.after}), kept


def _predict_import(run: _Import) -> Outcome:
    path, wanted = run.path, run.wanted
    run.task.warnings.append(f"there is no archive at {path} yet; without one this task fails outside check mode")
    what = wanted.name or wanted.digest or "the snapshots"
    after = {wanted.name or "head": wanted.digest or f"the head of {path}"}
    plan = Plan((f"install {what} from {path} in {wanted.directory}",), {}, after)
    archive = {"path": path} if wanted.digest is None else {"path": path, "head": wanted.digest}
    return Outcome(plan, {"archive": archive, "snapshots": []})
