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
  - A removal takes the snapshot's directory as a whole, as microsandbox does, and warns of files in it that are none of
    the snapshot's.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
  - sandboxops.microsandbox.long_tasks
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
      - With O(state=present), replace a snapshot that differs from the request, that is damaged, that others descend
        from, or that an interrupted capture left.
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
        boots_offline:
          description:
            - Whether the home's image cache has all that a sandbox needs to start from the image without a registry.
            - That is its metadata, its merged metadata, every layer, and a disk description with this home's paths.
          type: bool
          returned: outside check mode, or when it is there
          sample: true
        missing:
          description:
            - A sentence for every file of the image that is missing, damaged, or that of something else.
            - Without its metadata nobody knows which layers it has, and they are not listed.
          type: list
          elements: str
          returned: outside check mode, or when it is there
          sample: []
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

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_capture import capture_snapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_removal import remove_snapshots
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.snapshot import (
    RECREATE_IF_CHANGED,
    RECREATE_NEVER,
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
    return capture_snapshot(task, home) if task.params["state"] == "present" else remove_snapshots(task, home)


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
