#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_cache_bundle
short_description: Carry images of the image cache to hosts without a registry
version_added: 0.1.0
description:
  - Writes images of microsandbox's image cache into one file, a bundle, or installs what such a file holds.
  - A snapshot boots only where the image that it pins is in the cache. With this module an image travels once for many
    snapshots, and layers that the target has already stay behind.
  - The same images and options give the same bytes on every host that has the same version of the zstd library.
  - An import reads the bundle once, front to back, beside the cache. The files appear there only after the whole bundle
    was judged, under the locks of microsandbox, all of them or none.
  - The VMDK descriptor of an image holds absolute paths of the host that wrote it. It is compared with what it has to
    say, never installed, and written anew for O(cache_dir).
  - Nothing in microsandbox binds the content of an image's layers to a digest, so give the O(checksum) of bundles that
    come from elsewhere.
  - Bundles are read by this collection alone. microsandbox imports images with snapshots only, see
    O(sandboxops.microsandbox.snapshot_archive#module:with_image).
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
      - An import reads and judges the whole bundle in check mode too.
      - A snapshot or a bundle that is not there yet, or an image that is not whole yet, is reported as a change with a
        warning, because an earlier task of the same play may be about to make it.
  diff_mode:
    support: full
requirements:
  - For zstd compression, Python 3.14 or the Python package C(zstandard) on the managed host; plain bundles need
    neither.
options:
  state:
    description:
      - With V(exported), the bundle at O(path) carries O(images) and the images of O(snapshots).
      - With V(imported), the images of the bundle at O(path) are whole in O(cache_dir).
    type: str
    choices: [exported, imported]
    required: true
  path:
    description:
      - Absolute path of the bundle on the managed host. An export makes missing directories.
    type: path
    required: true
  images:
    description:
      - References of the images to export.
      - O(state=exported) needs an image or a snapshot.
    type: list
    elements: str
    default: []
  snapshots:
    description:
      - Snapshots whose pinned images to export, each by name, by digest, or by the absolute path of its directory.
      - The snapshots themselves do not become part of the bundle.
    type: list
    elements: str
    default: []
  exclude_layers:
    description:
      - Diff ids of layers to leave out, because the target has them already. This module and
        M(sandboxops.microsandbox.snapshot_info) return those of a host as RV(cached_layers).
      - Layers that none of the images has may be among them.
      - A bundle that is there already and leaves out fewer of these layers is kept. So once the target has everything,
        another run of the same play writes nothing.
      - The bundle is installed only where the cache has each layer that was left out, in the same size.
    type: list
    elements: str
    default: []
  pin:
    description:
      - Digest of the image manifest that each of these references must stand for, C(sha256:) and 64 hex digits.
      - A tag moves when it is pulled or built anew. Where it stands for another image than expected, the task fails and
        changes nothing.
      - The images of O(snapshots) are pinned by their snapshots anyway.
    type: dict
    default: {}
  checksum:
    description:
      - SHA-256 digest that the bundle must have for its import, C(sha256:) and 64 hex digits.
      - Checked in the pass that reads the bundle, before anything is installed.
    type: str
  compression:
    description:
      - Compression of the exported bundle.
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
      - Threads that compress. V(0) means one for each processor. The bytes of the bundle do not depend on it.
    type: int
    default: 0
  force:
    description:
      - With O(state=imported), replace files of the image cache whose content differs, and metadata of a reference that
        stands for another image here. Also read the bundle when its images are whole in the cache, to compare them.
      - With O(state=exported), replace a file that is no archive.
    type: bool
    default: false
seealso:
  - module: sandboxops.microsandbox.snapshot_archive
  - module: sandboxops.microsandbox.snapshot_info
"""

EXAMPLES = r"""
- name: Export two images, with the layers that they share once
  sandboxops.microsandbox.image_cache_bundle:
    state: exported
    path: /srv/images.tar.zst
    images:
      - docker.io/library/python:3.12
      - docker.io/library/node:22

- name: Install them on another host, where the bundle was copied to
  sandboxops.microsandbox.image_cache_bundle:
    state: imported
    path: /srv/images.tar.zst

- name: Export the image that a snapshot pins, and nothing else under its tag
  sandboxops.microsandbox.image_cache_bundle:
    state: exported
    path: /srv/golden-image.tar.zst
    snapshots: [golden]
    pin:
      docker.io/library/python:3.12: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714

# A host that has most layers gets only what it lacks.
- name: Ask the host what it has
  sandboxops.microsandbox.snapshot_info:
  register: found

- name: Export on the builder only what the host lacks
  sandboxops.microsandbox.image_cache_bundle:
    state: exported
    path: /srv/bundles/{{ inventory_hostname }}.tar.zst
    snapshots: [golden]
    exclude_layers: "{{ found.cached_layers }}"
  delegate_to: builder
  register: exported

- name: Take the bundle to the controller
  sandboxops.microsandbox.archive_fetch:
    src: /srv/bundles/{{ inventory_hostname }}.tar.zst
    dest: bundles/{{ inventory_hostname }}.tar.zst
    checksum: "{{ exported.bundle.sha256 }}"
  delegate_to: builder
  when: not ansible_check_mode  # which exports nothing

- name: Bring it to the host
  sandboxops.microsandbox.archive_transfer:
    src: bundles/{{ inventory_hostname }}.tar.zst
    dest: /srv/image.tar.zst
    checksum: "{{ exported.bundle.sha256 }}"
  when: not ansible_check_mode

- name: Install it, and make sure that every image boots offline
  sandboxops.microsandbox.image_cache_bundle:
    state: imported
    path: /srv/image.tar.zst
    checksum: "{{ exported.bundle.sha256 | default(omit) }}"
  register: installed
  failed_when: installed is failed or installed.images | rejectattr('boots_offline') | length > 0
"""

RETURN = r"""
bundle:
  description:
    - The bundle, as far as it is known.
  returned: success
  type: dict
  contains:
    path:
      description: The file.
      type: str
      returned: always
      sample: /srv/images.tar.zst
    size:
      description: Its size in bytes.
      type: int
      returned: when the file was read or written
      sample: 41287680
    sha256:
      description:
        - Its digest, fit for O(checksum).
        - An export that has nothing to do reads it from the extended attribute C(user.sandboxops.sha256) where that
          counts, as RV(sandboxops.microsandbox.snapshot_archive#module:archive.sha256) says.
      type: str
      returned: when the file was read or written; for an import without O(checksum) that has nothing to do, never
      sample: sha256:1f88a83e2c24afc1b58ad1a5f0f92592ab51369d4fcd9e955e1723025e872e66
    compression:
      description: V(zstd) or V(none).
      type: str
      returned: when the file was read or written, and in check mode before an export
      sample: zstd
    members:
      description: Names of the files in it.
      type: list
      elements: str
      returned: when its images are known
      sample:
        - cache/manifests/67beb1cae516629e39709875a7311227ecdc4546d01cfdb047e32bab725e6a68.json
        - cache/fsmeta/sha256_9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714.erofs
        - cache/vmdk/sha256_9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714.vmdk
    excluded_layers:
      description: Diff ids of the layers of its images that it leaves out.
      type: list
      elements: str
      returned: when its images are known
      sample: [sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894]
    carried_bytes:
      description: Size of all files in it, before compression.
      type: int
      returned: with O(state=exported), when its images are known
      sample: 119537664
    added_bytes:
      description: Size of the layers and directory trees that the import adds to the cache, or in check mode would add.
      type: int
      returned: with O(state=imported), when its images are known
      sample: 119537664
    saved_bytes:
      description:
        - With O(state=exported), size of the layers that are left out.
        - With O(state=imported), size of the layers and directory trees that the cache had already.
      type: int
      returned: when its images are known
      sample: 83886080
images:
  description: The images in the bundle, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: Its reference, as the exporting task or the snapshot spells it.
      type: str
      returned: always
      sample: docker.io/library/python:3.12
    manifest_digest:
      description: Digest of its manifest, fit for O(pin).
      type: str
      returned: always
      sample: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    status:
      description:
        - V(exported), with O(state=exported).
        - V(installed) when the import adds a file of it to the cache, or in check mode would add one.
        - V(present) when the cache had all of it.
      type: str
      returned: always
      sample: installed
    layers:
      description: Its distinct layers, from bottom to top.
      type: list
      elements: dict
      returned: always
      contains:
        diff_id:
          description: Digest of the layer's uncompressed content, fit for O(exclude_layers).
          type: str
          returned: always
          sample: sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894
        size_bytes:
          description: Size of its file in the cache.
          type: int
          returned: always
          sample: 83886080
        status:
          description: V(exported) or V(excluded), V(installed) or V(present).
          type: str
          returned: always
          sample: present
    boots_offline:
      description:
        - Whether O(cache_dir) has all that a sandbox needs to start from the image without a registry; in check mode,
          whether it will have.
      type: bool
      returned: always
      sample: true
    missing:
      description: A sentence for every file of the image that is missing, damaged, or that of something else.
      type: list
      elements: str
      returned: always
      sample: []
cached_layers:
  description:
    - Diff ids of all valid layers in O(cache_dir) when the task is done, whatever image they belong to.
    - Fit for O(exclude_layers) of an export that is meant for this host.
  returned: success
  type: list
  elements: str
  sample: [sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894]
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["write image 'docker.io/library/python:3.12' (sha256:9dfd...) to /srv/images.tar.zst"]
bytes:
  description: What the task moved.
  returned: success
  type: dict
  contains:
    read:
      description: Bytes read from files.
      type: int
      returned: always
      sample: 119537664
    written:
      description: Bytes written to files.
      type: int
      returned: always
      sample: 41287680
    holes_skipped:
      description: Bytes of zeros that were neither read nor written.
      type: int
      returned: always
      sample: 0
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "apply": 1.1, "total": 1.2}
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
      sample: {"image": "docker.io/library/python:3.12", "missing": []}
"""

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import (
    HOME_OPTIONS,
    LIMITS_OPTION,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_export import export_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_import import import_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import NO_COMPRESSION, ZSTD

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    **LIMITS_OPTION,
    "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
    "path": {"type": "path", "required": True},
    "images": {"type": "list", "elements": "str", "default": []},
    "snapshots": {"type": "list", "elements": "str", "default": []},
    "exclude_layers": {"type": "list", "elements": "str", "default": []},
    "pin": {"type": "dict", "default": {}},
    "checksum": {"type": "str"},
    "compression": {"type": "str", "choices": [ZSTD, NO_COMPRESSION]},
    "level": {"type": "int", "default": 3},
    "threads": {"type": "int", "default": 0},
    "force": {"type": "bool", "default": False},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    return export_images(task, home) if task.params["state"] == "exported" else import_images(task, home)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work)


if __name__ == "__main__":
    main()
