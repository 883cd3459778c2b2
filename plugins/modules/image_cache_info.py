#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_cache_info
short_description: Say what an image cache has of some images
version_added: 0.1.0
description:
  - Says of images whether a sandbox can start from them without a registry, what is missing if not, and how large
    their layers are.
  - Says which layers the image cache has, whatever image they belong to.
  - Changes nothing. Module M(sandboxops.microsandbox.image_cache_bundle) brings what is missing.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.attributes.info
  - sandboxops.microsandbox.home
options:
  images:
    description:
      - References of images to look for.
    type: list
    elements: str
    default: []
  snapshots:
    description:
      - Snapshots whose pinned images to look for, each by name, by digest, or by the absolute path of its directory.
      - Without O(images) and this, only RV(cached_layers) is told.
    type: list
    elements: str
    default: []
  pin:
    description:
      - Digest of the image manifest that each of these references has to stand for, C(sha256:) and 64 hex digits.
      - An image whose reference stands for another one is not whole.
    type: dict
    default: {}
  strict:
    description:
      - Fail when one of the images is not whole.
    type: bool
    default: false
seealso:
  - module: sandboxops.microsandbox.image_cache_bundle
  - module: sandboxops.microsandbox.snapshot_info
"""

EXAMPLES = r"""
- name: See whether two images boot without a registry
  sandboxops.microsandbox.image_cache_info:
    images:
      - docker.io/library/python:3.12
      - docker.io/library/node:22
  register: found

- name: Say what is missing
  ansible.builtin.debug:
    msg: "{{ found.images | map(attribute='missing') | flatten }}"

- name: Fail unless the image is this very one, and whole
  sandboxops.microsandbox.image_cache_info:
    images: [docker.io/library/python:3.12]
    pin:
      docker.io/library/python:3.12: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    strict: true
"""

RETURN = r"""
images:
  description: The images, each reference once.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: Its reference, as the task or the snapshot spells it.
      type: str
      returned: always
      sample: docker.io/library/python:3.12
    manifest_digest:
      description: Digest of the manifest that is wanted, else of that in the cache, else null.
      type: str
      returned: always
      sample: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    boots_offline:
      description: Whether O(cache_dir) has all that a sandbox needs to start from the image without a registry.
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
    layers:
      description: Its distinct layers, from bottom to top. Empty where its metadata is missing.
      type: list
      elements: dict
      returned: always
      contains:
        diff_id:
          description: Digest of the layer's uncompressed content.
          type: str
          returned: always
          sample: sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894
        size_bytes:
          description: Size of its file in the cache, or null where it is missing.
          type: int
          returned: always
          sample: 83886080
    tree_bytes:
      description: Size of the directory tree that the layers make together, or null where it is missing.
      type: int
      returned: always
      sample: 1048576
cached_layers:
  description:
    - Diff ids of all valid layers in O(cache_dir), whatever image they belong to.
    - Fit for O(sandboxops.microsandbox.image_cache_bundle#module:exclude_layers) of an export that is meant for this
      host.
  returned: success
  type: list
  elements: str
  sample: [sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894]
home:
  description:
    - Facts about the home and its host, as RV(sandboxops.microsandbox.snapshot_info#module:home) describes them.
  returned: success
  type: dict
  sample: {"path": "/home/op/.microsandbox", "exists": true, "free_bytes": 85899345920}
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
      sample: 0
    written:
      description: Bytes written to files.
      type: int
      returned: always
      sample: 0
    holes_skipped:
      description: Bytes of zeros that were neither read nor written.
      type: int
      returned: always
      sample: 0
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "total": 0.005}
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

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.image_inspection import inspect_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import home_result
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "images": {"type": "list", "elements": "str", "default": []},
    "snapshots": {"type": "list", "elements": "str", "default": []},
    "pin": {"type": "dict", "default": {}},
    "strict": {"type": "bool", "default": False},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    return Outcome(Plan(()), {**inspect_images(task, home), "home": home_result(home)})


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work)


if __name__ == "__main__":
    main()
