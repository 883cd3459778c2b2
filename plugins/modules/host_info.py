#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Say what a host lacks for the other modules, and what would bring it
version_added: 0.1.0
description:
  - Looks at the directories of a home and whose they are, at the zstd library of the Python that the modules run on,
    and at what the file system can do.
  - Says what is missing, and how this host may get it. It never suggests to install with pip into a Python that the
    system manages (PEP 668).
  - Changes nothing. Role P(sandboxops.microsandbox.host_prepare#role) carries out what it suggests.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.attributes.info
  - sandboxops.microsandbox.home
options:
  directories:
    description:
      - Further directories to look at, by absolute paths below V(/). Empty items count as not given.
    type: list
    elements: path
    default: []
  owner:
    description:
      - Name or number of the user whose the directories are to be.
      - Without it, the home's owner counts, or where there is no home that of the directory that it would stand in.
    type: str
  group:
    description:
      - Name or number of the group that they are to have. Without it, any will do.
    type: str
seealso:
  - module: sandboxops.microsandbox.snapshot_info
"""

EXAMPLES = r"""
- name: See what the host lacks
  sandboxops.microsandbox.host_info:
  register: found

- name: Say it
  ansible.builtin.debug:
    var: found.summary
"""

RETURN = r"""
summary:
  description: All of it in one line.
  returned: success
  type: str
  sample: "Python 3.11.2, zstd: zstandard 0.20.0, 73.3 GiB free on ext4, holes: yes, reflink: no, missing: nothing"
missing:
  description: What the host lacks.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description:
        - V(directory), V(owner) or V(mode) for a directory that is absent, somebody else's or closed to its owner.
        - V(foreign) for a directory that holds what belongs to somebody else.
        - V(zstd) for a Python without a zstd library.
      type: str
      returned: always
      sample: directory
    path:
      description: The path that it is about.
      type: str
      returned: always
      sample: /home/op/.microsandbox
    reason:
      description: What is wrong.
      type: str
      returned: always
      sample: /home/op/.microsandbox is absent
repairs:
  description: What the user that the task runs as may do about it.
  returned: success
  type: dict
  contains:
    directories:
      description:
        - Directories to make, or to give another owner or mode. One that the user may not make where it would stand is
          only missing.
      type: list
      elements: dict
      returned: always
      contains:
        path:
          description: The directory.
          type: str
          returned: always
          sample: /home/op/.microsandbox
        owner:
          description: Whose it is to be.
          type: str
          returned: when the task runs as root
          sample: op
        group:
          description: The group that it is to have, or null when any will do.
          type: str
          returned: when the task runs as root
          sample: null
    zstd:
      description: Ways to install a zstd library, the best first.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: V(package) or V(pip).
          type: str
          returned: always
          sample: package
        commands:
          description: What to run, one after the other, each as a list of arguments.
          type: list
          elements: list
          returned: always
          sample: [[/usr/bin/dnf, install, --assumeyes, python3-zstandard]]
        creates:
          description: What is there when it was installed by pip before and yet cannot be used.
          type: str
          returned: always
          sample: /usr/local/lib/python3.11/dist-packages/zstandard
host:
  description: Facts about the host.
  returned: success
  type: dict
  contains:
    python:
      description: The Python that the modules run on.
      type: dict
      returned: always
      contains:
        executable:
          description: Its program.
          type: str
          returned: always
          sample: /usr/bin/python3
        version:
          description: Its version.
          type: str
          returned: always
          sample: 3.11.2
        virtual:
          description: Whether it is that of a virtual environment.
          type: bool
          returned: always
          sample: false
        externally_managed:
          description: Whether the system forbids to install into it with pip.
          type: bool
          returned: always
          sample: true
        pip:
          description: Whether it has pip.
          type: bool
          returned: always
          sample: false
    user:
      description: The user that the task runs as.
      type: str
      returned: always
      sample: op
    package_manager:
      description: Program that installs the system's packages, or null when none is known here.
      type: str
      returned: always
      sample: /usr/bin/apt-get
    directories:
      description: The home, its snapshots, its image cache, and the further ones.
      type: list
      elements: dict
      returned: always
      contains:
        path:
          description: The directory.
          type: str
          returned: always
          sample: /home/op/.microsandbox
        kind:
          description:
            - V(directory), V(absent), V(other) for what is no directory, or V(closed) where the user that the task runs
              as may not look.
          type: str
          returned: always
          sample: directory
        owner:
          description: Its owner, or where it is absent or closed that of the nearest directory above.
          type: str
          returned: always
          sample: op
        group:
          description: Its group, likewise.
          type: str
          returned: always
          sample: op
        mode:
          description: Its permissions, or null where it is no directory that can be looked at.
          type: str
          returned: always
          sample: "0755"
        foreign:
          description: What lies directly in it and belongs to another user than the directory.
          type: list
          elements: str
          returned: always
          sample: []
    filesystem:
      description: Type of the file system of the snapshots.
      type: str
      returned: always
      sample: ext4
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
    supports_holes:
      description: Whether files there can have holes. Null when the type of the file system does not tell.
      type: bool
      returned: always
      sample: true
    supports_reflink:
      description: Whether files there can share blocks. Null when the type of the file system does not tell.
      type: bool
      returned: always
      sample: false
    zstd:
      description: The zstd library in use, or null when the host has none.
      type: str
      returned: always
      sample: zstandard 0.20.0
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
  sample: {"observe": 0.001, "total": 0.002}
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
      sample: {"owner": "nobody-here"}
"""

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.host_inspection import inspect_host
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "directories": {"type": "list", "elements": "path", "default": []},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    return Outcome(Plan(()), inspect_host(task, task.locate_home()))


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work)


if __name__ == "__main__":
    main()
