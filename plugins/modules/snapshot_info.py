#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List, inspect and verify snapshots
version_added: 0.1.0
description:
  - Reads the snapshots of a home or of another directory, and says of each what it is, what it costs on the disk and,
    if asked, whether its content is what was recorded.
  - Looks into an archive file without installing it.
  - Changes nothing, not even what microsandbox's own listing changes.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.attributes.info
  - sandboxops.microsandbox.home
  - sandboxops.microsandbox.long_tasks
  - sandboxops.microsandbox.limits
options:
  name:
    description:
      - Only the snapshot with this name.
    type: str
  path:
    description:
      - Only the snapshot in this directory.
    type: path
  digest:
    description:
      - Only the snapshot with this digest.
    type: str
  digests:
    description:
      - Only snapshots with one of these digests. An empty list selects none.
    type: list
    elements: str
  dir:
    description:
      - Look into this directory instead of O(snapshots_dir).
    type: path
  archive:
    description:
      - Inspect this archive file instead of a directory.
      - The whole file is read and judged by the same rules as an import.
    type: path
  labels:
    description:
      - Only snapshots that have all of these labels with these values.
    type: dict
    default: {}
  image:
    description:
      - Only snapshots that pin this image, by the recorded reference or by the manifest's digest.
    type: str
  source_sandbox:
    description:
      - Only snapshots that were captured from the sandbox of this name.
    type: str
  verify:
    description:
      - Compute the recorded integrity of every selected snapshot anew.
      - It covers the apparent size. About half a second for each GiB, whatever the layer holds.
      - A snapshot without recorded integrity stays V(not_recorded), it is never V(verified).
    type: bool
    default: false
  strict:
    description:
      - Fail when a directory among the snapshots is none, when the content of a verified one differs, or when there
        is no snapshot with the O(name), O(path) or O(digest) that the task gives.
      - Fail when the O(dir), the O(snapshots_dir) or the O(home) that the task gives is not there. A home without
        snapshots is no failure.
      - A snapshot without recorded integrity is no failure. It is V(not_recorded), because nothing is known of it.
      - Without it, such are reported in RV(invalid) and RV(snapshots[].upper.integrity.state).
    type: bool
    default: false
seealso:
  - module: sandboxops.microsandbox.snapshot
  - module: sandboxops.microsandbox.snapshot_archive
  - module: sandboxops.microsandbox.snapshot_index
  - module: sandboxops.microsandbox.image_cache_bundle
"""

EXAMPLES = r"""
- name: List the snapshots of the home
  sandboxops.microsandbox.snapshot_info:
  register: found

- name: Verify one snapshot and fail unless its content is intact
  sandboxops.microsandbox.snapshot_info:
    name: golden
    verify: true
    strict: true

- name: Find the snapshots of a team
  sandboxops.microsandbox.snapshot_info:
    labels:
      team: ml

- name: Fail when a snapshot would need a registry to boot
  sandboxops.microsandbox.snapshot_info:
  register: found
  failed_when: found is failed or found.snapshots | rejectattr('image.boots_offline') | length > 0

- name: Look into an archive before it is installed
  sandboxops.microsandbox.snapshot_info:
    archive: /srv/golden.tar.zst
"""

RETURN = r"""
snapshots:
  description:
    - The selected snapshots, sorted by name; of an archive, in the order in which it holds them.
    - Snapshots in an archive have no C(path), C(children) and C(allocated_bytes), and C(name) is their directory there.
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
          returned: unless an archive is inspected
          sample: true
        boots_offline:
          description:
            - Whether the home's image cache has all that a sandbox needs to start from the image without a registry.
            - That is its metadata, its merged metadata, every layer, and a disk description with this home's paths.
          type: bool
          returned: unless an archive is inspected
          sample: true
        missing:
          description:
            - A sentence for every file of the image that is missing, damaged, or that of something else.
            - Without its metadata nobody knows which layers it has, and they are not listed.
          type: list
          elements: str
          returned: unless an archive is inspected
          sample: []
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
                - After a verification also V(verified) or V(mismatch).
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
invalid:
  description: Directories among the snapshots that this collection cannot use, each with the reason.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots/broken
    code:
      description: What kind of error it is, as in RV(error.code).
      type: str
      returned: always
      sample: integrity
    reason:
      description: What is wrong.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots/broken/upper.ext4 is missing, manifest.json describes it
orphans:
  description: Paths of staging areas that dead runs left. The next changing task in that directory clears ours away.
  returned: success
  type: list
  elements: str
  sample: []
index:
  description: How the home's index compares with the snapshots. Only for the home's own O(snapshots_dir).
  returned: when the home has an index
  type: dict
  contains:
    schema:
      description: Generation of the table.
      type: str
      returned: always
      sample: G1
    rows:
      description: Number of rows.
      type: int
      returned: always
      sample: 2
    missing_artifacts:
      description: Paths of rows whose snapshot is gone.
      type: list
      elements: str
      returned: always
      sample: []
    missing_rows:
      description: Paths of snapshots without a row.
      type: list
      elements: str
      returned: always
      sample: []
    stale_rows:
      description: Paths of rows that say something else than the snapshot there.
      type: list
      elements: str
      returned: always
      sample: []
cached_layers:
  description:
    - Diff ids of all valid layers in O(cache_dir), whatever image they belong to.
    - Fit for O(sandboxops.microsandbox.image_cache_bundle#module:exclude_layers) of an export that is meant for this
      host.
  returned: when a directory was read
  type: list
  elements: str
  sample: [sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894]
home:
  description: Facts about the home and its host.
  returned: success
  type: dict
  contains:
    path:
      description: The home.
      type: str
      returned: always
      sample: /home/op/.microsandbox
    exists:
      description: Whether it is there.
      type: bool
      returned: always
      sample: true
    generation:
      description: V(G1), V(G2), V(G3) or V(unknown), the latest that its database or its store shows.
      type: str
      returned: always
      sample: G1
    snapshots_dir:
      description: The directory of its snapshots.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots
    cache_dir:
      description: Its image cache.
      type: str
      returned: always
      sample: /home/op/.microsandbox/cache
    last_migration:
      description:
        - Name of the last migration that microsandbox applied to the home's database, which tells its version.
        - Null when there is no database.
      type: str
      returned: always
      sample: m20260621_000002_create_maintenance_lease
    supports_holes:
      description: Whether files there can have holes. Null when the type of the file system does not tell.
      type: bool
      returned: always
      sample: true
    free_bytes:
      description: Space that an unprivileged user can still fill there.
      type: int
      returned: always
      sample: 85899345920
    read_only:
      description: Whether the file system of the home, or of the snapshots, is mounted read-only.
      type: bool
      returned: always
      sample: false
    supports_reflink:
      description: Whether files there can share blocks. Null when the type of the file system does not tell.
      type: bool
      returned: always
      sample: false
    filesystem:
      description: Type of the file system there.
      type: str
      returned: always
      sample: ext4
    zstd:
      description: The zstd library in use, or null when the host has none.
      type: str
      returned: always
      sample: zstandard 0.25.0
    obstacle:
      description: What keeps snapshots from being written to its RV(home.snapshots_dir), V(null) when nothing does.
      type: dict
      returned: always
      contains:
        code:
          description: Whose problem it is, as in RV(error.code).
          type: str
          returned: always
          sample: unsupported
        reason:
          description: One sentence.
          type: str
          returned: always
          sample: home /home/op/.microsandbox is of generation G3, this collection writes G1 snapshots
archive:
  description: The archive.
  returned: when O(archive) is given
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
      returned: always
      sample: 201344
    sha256:
      description: Its digest, fit for a C(checksum) option.
      type: str
      returned: always
      sample: sha256:1f88a83e2c24afc1b58ad1a5f0f92592ab51369d4fcd9e955e1723025e872e66
    compression:
      description: V(zstd) or V(none).
      type: str
      returned: always
      sample: zstd
    layout:
      description: How the head's layer is stored, V(dense) or V(sparse).
      type: str
      returned: always
      sample: dense
    head:
      description: Digest of the snapshot in it that is nobody's parent.
      type: str
      returned: always
      sample: sha256:f9e56caa42d0da3300e8c96d79b5bc350d795899a8977376ab31c020373816ab
    images:
      description: The images in it, the head's first.
      type: list
      elements: dict
      returned: always
      sample:
        - reference: docker.io/library/python:3.12
          manifest_digest: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    members:
      description: Names of the files in it.
      type: list
      elements: str
      returned: always
      sample: [sha256-f9e56caa42d0da33/manifest.json, sha256-f9e56caa42d0da33/upper.ext4]
check_mode:
  description:
    - Whether the task ran in check mode, be it by the command line or by a keyword of the play, the role or the task.
  returned: success
  type: bool
  sample: false
steps:
  description: What ran. Empty, because the module changes nothing.
  returned: success
  type: list
  elements: str
  sample: []
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

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import (
    HOME_OPTIONS,
    LIMITS_OPTION,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import home_result
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_inspection import (
    inspect_archive,
    inspect_directory,
    store_obstacle,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    **LIMITS_OPTION,
    "name": {"type": "str"},
    "path": {"type": "path"},
    "digest": {"type": "str"},
    "digests": {"type": "list", "elements": "str"},
    "dir": {"type": "path"},
    "archive": {"type": "path"},
    "labels": {"type": "dict", "default": {}},
    "image": {"type": "str"},
    "source_sandbox": {"type": "str"},
    "verify": {"type": "bool", "default": False},
    "strict": {"type": "bool", "default": False},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    results = inspect_directory(task, home) if task.params["archive"] is None else inspect_archive(task)
    found = {**home_result(home), "obstacle": store_obstacle(home)}
    return Outcome(Plan(()), {**results, "home": found, "check_mode": task.check_mode})


def main() -> None:
    """Run the module."""
    run_module(
        ARGUMENT_SPEC,
        work,
        mutually_exclusive=[("name", "path", "archive"), ("path", "dir", "archive")],
    )


if __name__ == "__main__":
    main()
