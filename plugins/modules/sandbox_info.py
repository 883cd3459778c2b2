#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sandbox_info
short_description: Say which sandboxes a home has, and which of them can be captured
version_added: 0.1.0
description:
  - Reads the sandboxes of a home from microsandbox's database, with their states, images and disks.
  - Says of each whether M(sandboxops.microsandbox.snapshot) can capture it now, and what is in the way if not.
  - Changes nothing, and leaves no trace in the database.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.attributes.info
  - sandboxops.microsandbox.home
options:
  names:
    description:
      - Names of the sandboxes to look at. Without it, all of them.
    type: list
    elements: str
seealso:
  - module: sandboxops.microsandbox.snapshot
"""

EXAMPLES = r"""
- name: See which sandboxes can be captured now
  sandboxops.microsandbox.sandbox_info:
  register: found

- name: Name them
  ansible.builtin.debug:
    msg: "{{ found.sandboxes | selectattr('obstacle', 'none') | map(attribute='name') }}"
"""

RETURN = r"""
sandboxes:
  description: The sandboxes, in the order asked for, else by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: base
    status:
      description: Its state as microsandbox recorded it, V(null) when it cannot be read.
      type: str
      returned: always
      sample: Stopped
    busy:
      description: Whether it runs, pauses, drains or starts, so that its disk may change; V(null) when that is unknown.
      type: bool
      returned: always
      sample: false
    image:
      description: The OCI image that it is rooted in, with V(null) where it is rooted in none.
      type: dict
      returned: always
      contains:
        reference:
          description: Its reference.
          type: str
          returned: always
          sample: docker.io/library/python:3.12
        manifest_digest:
          description: Digest of the manifest that the sandbox pins.
          type: str
          returned: always
          sample: sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714
    upper:
      description: Its writable layer, V(null) while there is none, and when it cannot be looked at.
      type: dict
      returned: always
      contains:
        path:
          description: The file.
          type: str
          returned: always
          sample: /home/op/.microsandbox/sandboxes/base/upper.ext4
        apparent_bytes:
          description: Size with holes.
          type: int
          returned: always
          sample: 4294967296
        allocated_bytes:
          description: Bytes on disk.
          type: int
          returned: always
          sample: 1458176
    obstacle:
      description: What keeps it from being captured now, V(null) when nothing does.
      type: dict
      returned: always
      contains:
        code:
          description: Whose problem it is, as in RV(error.code).
          type: str
          returned: always
          sample: state
        reason:
          description: One sentence.
          type: str
          returned: always
          sample: sandbox base is Running, a capture needs one that is Stopped, Crashed or Created
missing:
  description: Those of O(names) that the home does not know.
  returned: success
  type: list
  elements: str
  sample: []
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
  description: Seconds per phase.
  returned: always
  type: dict
  sample: {observe: 0.004, total: 0.005}
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
      sample: {path: /home/op/.microsandbox/db/msb.db}
"""

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.sandbox_inspection import (
    inspect_sandboxes,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "names": {"type": "list", "elements": "str"},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    return Outcome(Plan(()), inspect_sandboxes(task, task.observe_home()))


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work)


if __name__ == "__main__":
    main()
