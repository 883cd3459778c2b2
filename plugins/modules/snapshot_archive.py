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
  - The same snapshot under the same name, exported with the same options, gives the same bytes on every host that has
    the same version of the zstd library.
  - An import reads the archive once, front to back, beside the store. The snapshots appear in the store only after the
    whole archive was judged; an archive that breaks any rule changes nothing. Holes stay holes, also those that an
    archive spells out as zeros.
  - An image that an archive carries is installed in O(cache_dir), with a VMDK descriptor written for that cache.
    Nothing in microsandbox binds the content of an image's layers to a digest, so give the O(checksum) of archives that
    come from elsewhere.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
  - sandboxops.microsandbox.long_tasks
  - sandboxops.microsandbox.limits
attributes:
  check_mode:
    support: full
    details:
      - An import reads and judges the whole archive in check mode too.
      - A snapshot or an archive that is not there yet, or an image that is not whole yet, is reported as a change with
        a warning, because an earlier task of the same play may be about to make it.
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
      - An export does not write into the directory of a snapshot, whose removal would take the archive along.
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
  with_image:
    description:
      - Export the files of the image that the snapshot pins as well, so that the snapshot boots on a host that cannot
        pull the image. With O(with_parents=true), those of every distinct image of its ancestors too.
      - The image has to be whole in O(cache_dir). When its reference was pulled or built anew since the capture, the
        cache holds another image under that reference, and the export is refused.
      - microsandbox imports an archive with one image. One with several is imported by this collection alone.
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
      - Checked in the pass that reads the archive, before anything is installed. Where nothing is left to install, only
        an archive with a table of contents of this collection is checked, and with O(digest) only that of this head.
    type: str
  digest:
    description:
      - Digest that the head of the imported archive must have.
      - When that snapshot is installed already, the archive need not be there, and whatever else is at O(path) is no
        error. The archive of this head is read only where its table of contents lists an image that does not boot
        offline here. Archives of microsandbox have no such table.
        To have the image of one installed after the snapshot, leave the digest out.
    type: str
  name:
    description:
      - Name that the head of the imported archive gets.
      - Without it, the name that the archive suggests, or else the name of its directory in the archive. Ancestors
        always get the latter.
    type: str
  verify:
    description:
      - Compute the recorded integrity of every snapshot in the pass that packs or unpacks it, and write or install
        nothing if one differs.
      - It covers the apparent size. About half a second for each GiB, whatever the layer holds.
      - With O(state=exported), an archive that is there already is written anew when it is damaged. One whose
        RV(archive.sha256) is known from its extended attribute is taken to be whole. One that was written to since is
        read and has to have that digest. One without the attribute, such as a copy, is unpacked and verified as by an
        import, to which damage in the content of an image's layers is no damage. So is one that belongs to another user
        than the task's, or that others may write to, for they could have written the attribute, too.
    type: bool
    default: true
  force:
    description:
      - With O(state=imported), replace a snapshot of the same name and another digest, files of the image cache whose
        content differs, and metadata of an image reference that names another image here.
      - With O(state=exported), replace a file that is no archive.
    type: bool
    default: false
seealso:
  - module: sandboxops.microsandbox.image_cache_bundle
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

- name: Export a snapshot with its image, for hosts without a network
  sandboxops.microsandbox.snapshot_archive:
    state: exported
    snapshot: golden
    path: /srv/golden-offline.tar.zst
    with_image: true

- name: Install both, and make sure that the snapshot boots offline
  sandboxops.microsandbox.snapshot_archive:
    state: imported
    path: /srv/golden-offline.tar.zst
    name: golden
  register: installed
  failed_when: installed is failed or not (installed.snapshots[-1].image.boots_offline | default(ansible_check_mode))
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
      description:
        - Its digest, fit for O(checksum).
        - An export that has nothing to do reads it from the extended attribute C(user.sandboxops.sha256), which the
          export that wrote the file left on it. The attribute counts while the file has the inode, the size and the
          mtime of then, belongs to the task's user, and nobody else may write to it; otherwise, and where the file
          system keeps none, the whole file is read. Bits that the disk has lost since are not seen that way, but by an
          import with this digest as O(checksum).
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
    images:
      description: The images in it, the head's first.
      type: list
      elements: dict
      returned: when the file was read or written, and in check mode before an export
      sample:
        - reference: docker.io/library/python:3.12
          manifest_digest: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    members:
      description: Names of the files in it.
      type: list
      elements: str
      returned: when the file was read or written
      sample: [sha256-f9e56caa42d0da33/manifest.json, sha256-f9e56caa42d0da33/upper.ext4]
    unpacked_bytes:
      description: How many bytes of a disk an import of it takes, holes left out.
      type: int
      returned: exported, and not in check mode when it would be written
      sample: 1458176
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
        boots_offline:
          description:
            - Whether the home's image cache has all that a sandbox needs to start from the image without a registry.
            - That is its metadata, its merged metadata, every layer, and a disk description with this home's paths.
          type: bool
          returned: always
          sample: true
        missing:
          description:
            - A sentence for every file of the image that is missing, damaged, or that of something else.
            - Without its metadata nobody knows which layers it has, and they are not listed.
          type: list
          elements: str
          returned: always
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

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_export import export_snapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_import import import_snapshots
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import (
    HOME_OPTIONS,
    LIMITS_OPTION,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    LAYOUT_AUTO,
    LAYOUT_DENSE,
    LAYOUT_SPARSE,
    NO_COMPRESSION,
    ZSTD,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    **LIMITS_OPTION,
    "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
    "path": {"type": "path", "required": True},
    "snapshot": {"type": "str"},
    "with_parents": {"type": "bool", "default": False},
    "with_image": {"type": "bool", "default": False},
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
    return export_snapshot(task, home) if task.params["state"] == "exported" else import_snapshots(task, home)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work, required_if=[("state", "exported", ("snapshot",))])


if __name__ == "__main__":
    main()
