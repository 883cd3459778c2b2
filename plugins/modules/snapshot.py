#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Capture a stopped sandbox as a snapshot, or remove snapshots
version_added: 0.1.0
description:
  - Captures the writable layer of a microsandbox sandbox into a snapshot that microsandbox opens as its own, or removes
    snapshots.
  - The copy keeps the layer's holes and shares its blocks where the file system can. It is built beside its place and
    renamed there when it is whole and on the disk; what stood there before stays until then.
  - A snapshot that is there and matches the request is left alone, whatever its sandbox does meanwhile.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  name:
    description:
      - Name of the snapshot, which is that of its directory below O(snapshots_dir).
      - A bare name, without C(/), C(\\) or C(:), and not starting with C(.) or C(~).
    type: str
  path:
    description:
      - Absolute path of the snapshot's directory, instead of O(name). It need not lie below O(snapshots_dir).
      - A snapshot outside of O(snapshots_dir) is not put into the index.
    type: path
  digest:
    description:
      - With O(state=absent) and O(name) or O(path), remove the snapshot only if it still has this digest.
      - With O(state=absent) alone, remove the snapshot in O(snapshots_dir) that has this digest.
    type: str
  digests:
    description:
      - With O(state=absent), remove the snapshots in O(snapshots_dir) that have these digests, children before parents.
      - Either all of those that are there are removed, or the task fails and none is.
    type: list
    elements: str
  sandbox:
    description:
      - Name of the sandbox to capture. Required with O(state=present).
      - It has to be known to the home's database, to be stopped, and to be rooted in an OCI image.
    type: str
  labels:
    description:
      - Labels of the snapshot. They are part of its identity.
    type: dict
    default: {}
  integrity:
    description:
      - Record a digest of the layer's content, so that it can be verified ever after.
      - It covers the apparent size. About half a second for each GiB, whatever the layer holds.
    type: bool
    default: true
  recreate:
    description:
      - Whether to capture again when a snapshot is there.
      - With V(never), a snapshot that matches is left alone and another one is an error.
      - With V(if_changed), the sandbox's layer, its image, the labels and the name of the sandbox are compared, and a
        difference makes a new capture in place of the old one.
    type: str
    choices: [never, if_changed]
    default: never
  force:
    description:
      - With O(state=present), replace a snapshot that differs from the request, that is damaged, or that an interrupted
        capture left.
      - With O(state=absent), remove a snapshot although others descend from it, or what an interrupted capture left.
      - A directory that holds anything else is never replaced or removed.
    type: bool
    default: false
  state:
    description:
      - Whether the snapshot is to be there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: sandboxops.microsandbox.snapshot_info
  - module: sandboxops.microsandbox.snapshot_archive
"""

EXAMPLES = r"""
- name: Capture the sandbox that was set up as the golden one
  sandboxops.microsandbox.snapshot:
    name: golden-2026-11
    sandbox: builder
    labels:
      team: ml
      python: "3.12"

- name: Capture again whenever the sandbox has changed
  sandboxops.microsandbox.snapshot:
    name: nightly
    sandbox: builder
    recreate: if_changed

- name: Capture to a directory outside of the home
  sandboxops.microsandbox.snapshot:
    path: /srv/snapshots/golden
    sandbox: builder

- name: Remove a snapshot unless somebody has replaced it
  sandboxops.microsandbox.snapshot:
    name: golden-2026-10
    digest: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
    state: absent

- name: Retire several snapshots at once
  sandboxops.microsandbox.snapshot:
    digests: "{{ retired }}"
    state: absent
"""

RETURN = r"""
snapshot:
  description:
    - The snapshot, read back from the disk. In check mode, what is known of it beforehand.
  returned: success and O(state=present)
  type: dict
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
      returned: outside check mode, or when it is there
      sample: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
    generation:
      description: Generation of its format on disk.
      type: str
      returned: outside check mode, or when it is there
      sample: G1
    format:
      description: Format of the layer's file.
      type: str
      returned: outside check mode, or when it is there
      sample: raw
    fstype:
      description: File system inside the layer.
      type: str
      returned: outside check mode, or when it is there
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
          returned: outside check mode, or when it is there
          sample: true
    parent:
      description: Digest of the snapshot that it descends from.
      type: str
      returned: outside check mode, or when it is there
      sample: null
    children:
      description: Digests of the snapshots beside it that descend from it.
      type: list
      elements: str
      returned: outside check mode, or when it is there
      sample: []
    created_at:
      description: Time of capture.
      type: str
      returned: outside check mode, or when it is there
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
      returned: outside check mode, or when it is there
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
              description: V(recorded), V(not_recorded), or V(unsupported) for an algorithm that cannot be verified.
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
    copy_method:
      description: How the bytes got there, V(reflink), V(copy_file_range) or V(read_write).
      type: str
      returned: when it was captured by this task
      sample: reflink
removed:
  description:
    - The snapshots that were removed, or would be.
  returned: success and O(state=absent)
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots/golden
    digest:
      description: The digest, where there was a valid descriptor.
      type: str
      returned: always
      sample: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["capture sandbox builder to /home/op/.microsandbox/snapshots/golden"]
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
      sample: state
    facts:
      description: The values behind the message.
      type: dict
      returned: always
      sample: {"sandbox": "builder", "status": "Running"}
"""

import os
from dataclasses import replace
from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import Outcome, Task, run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import snapshot_result
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.index import apply_index_steps, keep_index
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.snapshot import (
    apply_capture,
    apply_removal,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import require_sha256
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    MicrosandboxError,
    RequestError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.copying import CopyMethod
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.snapshot_names import (
    portability_warning,
    require_snapshot_name,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import (
    Home,
    is_indexed,
    require_writable,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import observe_index
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.sandbox import (
    CaptureSource,
    observe_sandbox,
    require_capturable,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import (
    find_children,
    find_digest,
    observe_store,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import Target, observe_target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.upper import upper_differs
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.index import (
    DeleteIndexRow,
    IndexArtifact,
    plan_index_upserts,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.snapshot import (
    RECREATE_IF_CHANGED,
    RECREATE_NEVER,
    Capture,
    Remove,
    WantedSnapshot,
    plan_capture,
    plan_removal,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "name": {"type": "str"},
    "path": {"type": "path"},
    "digest": {"type": "str"},
    "digests": {"type": "list", "elements": "str"},
    "sandbox": {"type": "str"},
    "labels": {"type": "dict", "default": {}},
    "integrity": {"type": "bool", "default": True},
    "recreate": {"type": "str", "choices": [RECREATE_NEVER, RECREATE_IF_CHANGED], "default": RECREATE_NEVER},
    "force": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    return _present(task, home) if task.params["state"] == "present" else _absent(task, home)


def _present(task: Task, home: Home) -> Outcome:
    if task.params["digest"] is not None or task.params["digests"] is not None:
        raise RequestError("digest and digests name a snapshot to remove, state is present")
    wanted = _wanted(task, home)
    require_writable(home, wanted.path)
    with task.locked(os.path.dirname(wanted.path), create=True):
        with task.phase("observe"):
            plan = make_plan(task, home, wanted)
        is_captured = any(isinstance(step, Capture) for step in plan.steps)
        if task.check_mode and is_captured:
            return Outcome(plan, {"snapshot": {"name": os.path.basename(wanted.path), **plan.after}})
        method = None
        if not task.check_mode:
            with task.phase("apply"):
                method = _apply(task, home, wanted, plan)
        artifact = observe_artifact(wanted.path)
        children = find_children(os.path.dirname(wanted.path), artifact.descriptor.digest)
    result = snapshot_result(artifact, home, children)
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


def make_plan(task: Task, home: Home, wanted: WantedSnapshot) -> Plan:
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
    if not is_indexed(home, os.path.dirname(wanted.path)):
        return plan
    index = observe_index(home.database)
    if plan.steps:
        return replace(plan, steps=(*plan.steps, IndexArtifact(wanted.path))) if index.columns else plan
    if target.artifact is not None:
        found = [(wanted.path, target.artifact.descriptor)]
        return replace(plan, steps=plan_index_upserts(index, found, task.now_text))
    return plan


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


def _absent(task: Task, home: Home) -> Outcome:
    directory = os.path.dirname(task.absolute_path("path")) if task.params["path"] is not None else home.snapshots_dir
    require_writable(home, directory)
    with task.locked(directory):
        with task.phase("observe"):
            targets = _targets_to_clear(task, home, directory)
            plan = _plan_absent(task, home, directory, targets)
        if not task.check_mode:
            with task.phase("apply"):
                for step in plan.steps:
                    if isinstance(step, Remove):
                        apply_removal(step)
                rows = [step for step in plan.steps if isinstance(step, DeleteIndexRow)]
                apply_index_steps(home.database, rows, task.patience)
    removed = [{"path": target.path, "digest": target.digest} for target in targets if not target.is_absent]
    return Outcome(plan, {"removed": removed})


def _targets_to_clear(task: Task, home: Home, directory: str) -> list[Target]:
    """Observe what the task names; a digest that no artifact has names nothing.

    Raises:
        StateError: The snapshot at the name or path has another digest than the task says.
    """
    params = task.params
    digest = params["digest"]
    if params["name"] is None and params["path"] is None:
        digests = [digest] if digest is not None else params["digests"]
        found = [find_digest(directory, require_sha256(wanted, "digest")) for wanted in digests]
        return [observe_target(artifact.path) for artifact in found if artifact is not None]
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


def _plan_absent(task: Task, home: Home, directory: str, targets: list[Target]) -> Plan:
    index = observe_index(home.database) if is_indexed(home, directory) else None
    rows = () if index is None else index.rows
    artifacts = observe_store(directory).artifacts if any(not target.is_absent for target in targets) else ()
    parents = {row.digest: row.parent_digest for row in rows if row.parent_digest is not None}
    plan = plan_removal(targets, artifacts, parents, task.params["force"])
    paths = {target.path for target in targets}
    stale = tuple(DeleteIndexRow(row.digest, row.artifact_path) for row in rows if row.artifact_path in paths)
    return replace(plan, steps=(*plan.steps, *stale))


def main() -> None:
    """Run the module."""
    run_module(
        ARGUMENT_SPEC,
        work,
        mutually_exclusive=[("name", "path"), ("digests", "name"), ("digests", "path"), ("digests", "digest")],
        required_one_of=[("name", "path", "digest", "digests")],
        required_if=[("state", "present", ("sandbox",)), ("state", "present", ("name", "path"), True)],
    )


if __name__ == "__main__":
    main()
