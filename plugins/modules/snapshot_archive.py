#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_archive
short_description: Export snapshots to an archive, or install the snapshots of one
version_added: 0.1.0
description:
  - Writes a snapshot, with its ancestors if asked, into one archive file, or installs what such a file holds.
  - Archives are those of microsandbox 0.5.8 to 0.6.6. Those written here are read by later versions as well, and
    archives of those versions are installed here.
  - The same snapshot and options give the same bytes on every host with the same version of the zstd library.
  - An import reads the archive once, front to back, beside the store. The snapshots appear in the store only after the
    whole archive was judged; an archive that breaks any rule changes nothing. Holes stay holes, also those that an
    archive spells out as zeros.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
attributes:
  check_mode:
    support: full
    details:
      - An import reads and judges the whole archive in check mode too.
      - A snapshot or an archive that is not there yet is reported as a change with a warning, because an earlier task
        of the same play may be about to make it.
  diff_mode:
    support: full
requirements:
  - For zstd compression, Python 3.14 or the Python package C(zstandard) on the managed host; plain archives need
    neither.
options:
  state:
    description:
      - With V(exported), the archive at O(path) reflects O(snapshot).
      - With V(imported), the snapshots of the archive at O(path) are installed in O(snapshots_dir).
    type: str
    choices: [exported, imported]
    required: true
  path:
    description:
      - Absolute path of the archive file on the managed host. An export makes missing directories.
    type: path
    required: true
  snapshot:
    description:
      - The snapshot to export, by name, by digest, or by the absolute path of its directory.
      - Whatever contains C(/) or starts with C(.) or C(~) is a path.
      - Required with O(state=exported).
    type: str
  with_parents:
    description:
      - Export every ancestor of the snapshot as well.
    type: bool
    default: false
  compression:
    description:
      - Compression of the exported archive.
      - Without it, a file name that ends in C(.tar) means V(none) and any other V(zstd).
    type: str
    choices: [zstd, none]
  level:
    description:
      - Level of the compression, 1 to 19.
    type: int
    default: 3
  threads:
    description:
      - Threads that compress. V(0) means one for each processor. The bytes of the archive do not depend on it.
    type: int
    default: 0
  layout:
    description:
      - How the layer's holes are stored in an exported archive.
      - V(dense) spells them out as zeros. Every microsandbox reads it, and zstd makes almost nothing of the zeros.
      - V(sparse) leaves them out. It is faster, and read from microsandbox 0.6.7 on.
      - V(auto) is V(dense) with zstd and V(sparse) without.
    type: str
    choices: [auto, dense, sparse]
    default: auto
  checksum:
    description:
      - SHA-256 digest that the archive file must have, C(sha256:) and 64 hex digits.
      - Checked in the pass that reads the archive, before anything is installed. When O(digest) is installed already,
        nothing is read and so nothing is checked.
    type: str
  digest:
    description:
      - Digest that the head of the imported archive must have.
      - When that snapshot is installed already, the archive is not read and need not even be there.
    type: str
  name:
    description:
      - Name that the head of the imported archive gets.
      - Without it, the name that the archive suggests, or else the name of its directory in the archive. Ancestors
        always get the latter.
    type: str
  verify:
    description:
      - With O(state=imported), compute the recorded integrity of every snapshot in the pass that unpacks it, and
        install nothing if one differs.
    type: bool
    default: true
  force:
    description:
      - With O(state=imported), replace a snapshot of the same name and another digest.
      - With O(state=exported), replace a file that is no archive.
    type: bool
    default: false
seealso:
  - module: sandboxops.microsandbox.snapshot
  - module: sandboxops.microsandbox.snapshot_info
"""

EXAMPLES = r"""
- name: Export a snapshot
  sandboxops.microsandbox.snapshot_archive:
    state: exported
    snapshot: golden
    path: /srv/golden.tar.zst
  register: exported

- name: Install it on another host, where the archive was copied to
  sandboxops.microsandbox.snapshot_archive:
    state: imported
    path: /srv/golden.tar.zst
    checksum: "{{ exported.archive.sha256 }}"
    digest: "{{ exported.archive.head }}"
    name: golden

- name: Export a snapshot with its ancestors, fast and small, for hosts that run this collection
  sandboxops.microsandbox.snapshot_archive:
    state: exported
    snapshot: golden
    path: /srv/golden-chain.tar.zst
    with_parents: true
    layout: sparse
"""

RETURN = r"""
archive:
  description:
    - The archive file, as far as it is known.
  returned: success
  type: dict
  contains:
    path:
      description: The file.
      type: str
      returned: always
      sample: /srv/golden.tar.zst
    size:
      description: Its size in bytes.
      type: int
      returned: when the file was read or written
      sample: 201344
    sha256:
      description: Its digest, fit for O(checksum).
      type: str
      returned: when the file was read or written
      sample: sha256:1f88a83e2c24afc1b58ad1a5f0f92592ab51369d4fcd9e955e1723025e872e66
    compression:
      description: V(zstd) or V(none).
      type: str
      returned: when the file was read or written, and in check mode before an export
      sample: zstd
    layout:
      description: How the head's layer is stored, V(dense) or V(sparse).
      type: str
      returned: when the file was read or written, and in check mode before an export
      sample: dense
    head:
      description: Digest of the snapshot in it that is nobody's parent.
      type: str
      returned: when it is known
      sample: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
    members:
      description: Names of the files in it.
      type: list
      elements: str
      returned: when the file was read or written
      sample: [sha256-f9e56caa42d0da33/manifest.json, sha256-f9e56caa42d0da33/upper.ext4]
snapshots:
  description:
    - With O(state=exported), the snapshots in the archive, ancestors first.
    - With O(state=imported), the snapshots of the archive as they are installed, ancestors first; in check mode, those
      that are installed already.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: golden
    path:
      description: Its directory.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots/golden
    digest:
      description: Its identity, the SHA-256 digest of its descriptor's canonical bytes.
      type: str
      returned: always
      sample: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
    generation:
      description: Generation of its format on disk.
      type: str
      returned: always
      sample: G1
    format:
      description: Format of the layer's file.
      type: str
      returned: always
      sample: raw
    fstype:
      description: File system inside the layer.
      type: str
      returned: always
      sample: ext4
    image:
      description: The OCI image that it pins.
      type: dict
      returned: always
      contains:
        reference:
          description: Its reference.
          type: str
          returned: always
          sample: docker.io/library/python:3.12
        manifest_digest:
          description: Digest of its manifest.
          type: str
          returned: always
          sample: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
        cached:
          description: Whether its merged metadata lies in the home's image cache.
          type: bool
          returned: always
          sample: true
    parent:
      description: Digest of the snapshot that it descends from.
      type: str
      returned: always
      sample: null
    children:
      description: Digests of the snapshots beside it that descend from it.
      type: list
      elements: str
      returned: always
      sample: []
    created_at:
      description: Time of capture.
      type: str
      returned: always
      sample: "2026-11-20T09:59:05.443987710+00:00"
    labels:
      description: Its labels.
      type: dict
      returned: always
      sample: {team: ml}
    source_sandbox:
      description: Name of the sandbox that was captured.
      type: str
      returned: always
      sample: builder
    upper:
      description: The writable layer.
      type: dict
      returned: always
      contains:
        file:
          description: Name of its file in the snapshot's directory.
          type: str
          returned: always
          sample: upper.ext4
        apparent_bytes:
          description: Its size with holes.
          type: int
          returned: always
          sample: 4294967296
        allocated_bytes:
          description: Its size on disk.
          type: int
          returned: always
          sample: 1482752
        integrity:
          description: What is known of its content.
          type: dict
          returned: always
          contains:
            state:
              description:
                - V(recorded), V(not_recorded), or V(unsupported) for an algorithm that cannot be verified.
                - After an import with O(verify=true) also V(verified).
              type: str
              returned: always
              sample: recorded
            algorithm:
              description: The recorded algorithm.
              type: str
              returned: always
              sample: msb-sparse-sha256-v1
            digest:
              description: The recorded digest.
              type: str
              returned: always
              sample: sha256:1f88a83e2c24afc1b58ad1a5f0f92592ab51369d4fcd9e955e1723025e872e66
            definition:
              description: Which definition of the algorithm a verification found to hold.
              type: str
              returned: always
              sample: null
            computed:
              description: The digest that a verification found instead of the recorded one.
              type: str
              returned: always
              sample: null
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["write snapshot golden (sha256:f9e5...) to /srv/golden.tar.zst"]
bytes:
  description: What the task moved.
  returned: success
  type: dict
  contains:
    read:
      description: Bytes read from files.
      type: int
      returned: always
      sample: 1482752
    written:
      description: Bytes written to files.
      type: int
      returned: always
      sample: 1482752
    holes_skipped:
      description: Bytes of zeros that were neither read nor written.
      type: int
      returned: always
      sample: 4293484544
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "apply": 2.1, "total": 2.2}
error:
  description: What went wrong, for playbooks to branch on.
  returned: failure
  type: dict
  contains:
    code:
      description: One of V(request), V(state), V(format), V(integrity), V(unsupported) and V(os).
      type: str
      returned: always
      sample: format
    facts:
      description: The values behind the message.
      type: dict
      returned: always
      sample: {"path": "/srv/golden.tar.zst"}
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import Outcome, Task, run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import (
    archive_result,
    snapshot_result,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_export import (
    apply_export,
    member_names,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_import import StagingSink
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.index import keep_index
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import is_sha256, require_sha256
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    RequestError,
    StateError,
    excerpt,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd import LEVELS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import ArchiveContents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.snapshot_names import (
    looks_like_path,
    require_snapshot_name,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import (
    Archive,
    hash_archive,
    is_archive,
    observe_archive,
    read_contents,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_reader import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import (
    Home,
    is_indexed,
    require_writable,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import observe_index
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import IntegrityState
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.lineage import observe_lineage
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import find_children, find_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import observe_target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    LAYOUT_AUTO,
    LAYOUT_DENSE,
    LAYOUT_SPARSE,
    NO_COMPRESSION,
    ZSTD,
    PromoteSnapshot,
    WantedArchive,
    WantedImport,
    WriteArchive,
    import_names,
    plan_export,
    plan_import,
    require_installed_name,
    resolve_layout,
    sort_oldest_first,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.index import (
    IndexArtifact,
    plan_index_upserts,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
    "path": {"type": "path", "required": True},
    "snapshot": {"type": "str"},
    "with_parents": {"type": "bool", "default": False},
    "compression": {"type": "str", "choices": [ZSTD, NO_COMPRESSION]},
    "level": {"type": "int", "default": 3},
    "threads": {"type": "int", "default": 0},
    "layout": {"type": "str", "choices": [LAYOUT_AUTO, LAYOUT_DENSE, LAYOUT_SPARSE], "default": LAYOUT_AUTO},
    "checksum": {"type": "str"},
    "digest": {"type": "str"},
    "name": {"type": "str"},
    "verify": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    return _exported(task, home) if task.params["state"] == "exported" else _imported(task, home)


def _exported(task: Task, home: Home) -> Outcome:
    wanted = _wanted_archive(task)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            head = _find_snapshot(task, home)
            if head is None:
                return _predict_export(wanted, task)
            artifacts = observe_lineage(head, home.snapshots_dir) if task.params["with_parents"] else (head,)
            plan = make_export_plan(wanted, artifacts)
        archive: dict[str, Any] = {name: plan.after[name] for name in ("path", "head", "compression", "layout")}
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, WriteArchive):
                        archive["sha256"] = apply_export(step, _threads(task), task.traffic)
        if not (plan.steps and task.check_mode):
            if not plan.steps:
                archive["sha256"] = hash_archive(wanted.path, task.traffic)
            archive["size"] = os.path.getsize(wanted.path)
            archive["members"] = [name for artifact in artifacts for name in member_names(artifact)]
    return Outcome(plan, {"archive": archive, "snapshots": _results(home, artifacts)})


def make_export_plan(wanted: WantedArchive, artifacts: tuple[Artifact, ...]) -> Plan:
    """Observe what is at the archive's path, and decide."""
    exists = os.path.lexists(wanted.path)
    contents = read_contents(wanted.path) if exists else None
    return plan_export(wanted, artifacts, contents, exists, exists and is_archive(wanted.path))


def _wanted_archive(task: Task) -> WantedArchive:
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
        layout=resolve_layout(params["layout"], compression),
        force=params["force"],
    )


def _find_snapshot(task: Task, home: Home) -> Artifact | None:
    """Return the snapshot to export; in check mode, None when it is not there.

    Raises:
        StateError: It is not there.
    """
    text = task.params["snapshot"]
    if is_sha256(text):
        found = find_digest(home.snapshots_dir, text)
        if found is None and not task.check_mode:
            raise StateError(f"there is no snapshot {text} in {home.snapshots_dir}", digest=text)
        return found
    if looks_like_path(text):
        path = os.path.normpath(os.path.expanduser(text))
        if not os.path.isabs(path):
            raise RequestError(f"snapshot is {excerpt(text)}, expected a name, a digest or an absolute path")
    else:
        path = os.path.join(home.snapshots_dir, require_snapshot_name(text))
    if task.check_mode and not os.path.lexists(path):
        return None
    return observe_artifact(path)


def _predict_export(wanted: WantedArchive, task: Task) -> Outcome:
    snapshot = task.params["snapshot"]
    task.warnings.append(f"there is no snapshot {snapshot} yet; without one this task fails outside check mode")
    after = {"path": wanted.path, "compression": wanted.compression, "layout": wanted.layout}
    plan = Plan((f"write snapshot {snapshot} to {wanted.path}",), {}, after)
    return Outcome(plan, {"archive": after, "snapshots": []})


def _threads(task: Task) -> int:
    return task.params["threads"] or len(os.sched_getaffinity(0))


def _imported(task: Task, home: Home) -> Outcome:
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
        if installed is not None:
            artifacts, archive = installed
            plan = Plan(_index_steps(task, home, artifacts))
            if not task.check_mode and plan.steps:
                keep_index(home.database, artifacts, task.now_text, task.patience)
            return Outcome(plan, {"archive": archive, "snapshots": _results(home, artifacts)})
        if task.check_mode:
            if not os.path.lexists(path):
                return _predict_import(path, wanted, task)
            return _import(task, home, path, wanted, checksum, None)
        with staging_area(wanted.directory) as area:
            return _import(task, home, path, wanted, checksum, StagingSink(area, task.traffic))


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
        archive = observe_archive(path, ArchiveLimits(), task.params["verify"], task.traffic, sink)
    if checksum is not None:
        _require_checksum(path, archive.sha256, checksum)
    if archive.cache_files:
        task.warnings.append(f"{path} also carries an image, which is not installed")
    plan, kept = make_import_plan(task, home, wanted, archive)
    if sink is None:
        return Outcome(plan, {"archive": archive_result(archive), "snapshots": _results(home, kept)})
    promotions = [step for step in plan.steps if isinstance(step, PromoteSnapshot)]
    with task.phase("apply"):
        for step in promotions:
            sink.promote(archive, step)
        fresh = {step.digest: observe_artifact(os.path.join(wanted.directory, step.name)) for step in promotions}
        if len(plan.steps) > len(promotions):
            task.index_new(home, [*kept, *fresh.values()])
    found = {artifact.descriptor.digest: artifact for artifact in kept} | fresh
    ordered = [found[snapshot.descriptor.digest] for snapshot in sort_oldest_first(archive)]
    states = {s.descriptor.digest: s.integrity for s in archive.snapshots if s.descriptor.digest in fresh}
    return Outcome(plan, {"archive": archive_result(archive), "snapshots": _results(home, ordered, states)})


def make_import_plan(task: Task, home: Home, wanted: WantedImport, archive: Archive) -> tuple[Plan, list[Artifact]]:
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


def _results(
    home: Home, artifacts: Sequence[Artifact], states: Mapping[str, IntegrityState] | None = None
) -> list[dict[str, Any]]:
    results = []
    for artifact in artifacts:
        digest = artifact.descriptor.digest
        children = find_children(os.path.dirname(artifact.path), digest)
        results.append(snapshot_result(artifact, home, children, (states or {}).get(digest)))
    return results


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work, required_if=[("state", "exported", ("snapshot",))])


if __name__ == "__main__":
    main()
