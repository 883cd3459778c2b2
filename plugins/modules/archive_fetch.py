#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive_fetch
short_description: Have a large file of a host on the controller
version_added: 0.1.0
description:
  - Brings a file from the host to the controller, and puts it into its place there only once all of it has come and
    hashes to what it has to.
  - The file goes in pieces, so that neither side holds it in memory or has a second copy of it on its disk, with
    C(become) too. On the host, a piece can be read by the user of the connection and nobody else.
  - What an interrupted run brought stays beside O(dest) under a hidden name that carries the checksum, and the next run
    goes on from there when the file still begins with it.
  - Says every few seconds how far it is.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
attributes:
  check_mode:
    support: full
    details: Moves no byte. Without O(checksum), the file is hashed on the host.
  diff_mode:
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details: The file moves in pieces, each a call of its own. With C(async) the task fails, in check mode too.
options:
  src:
    description:
      - Path of the file on the host. A relative one is below C(.sandboxops-transfer) in O(home).
    type: str
    required: true
  dest:
    description:
      - Path of the file on the controller. A relative one begins at the playbook.
      - A regular file that is there is replaced. Anything else is an error.
    type: str
    required: true
  checksum:
    description:
      - SHA-256 digest that the file must have, as V(sha256:) and 64 lower-case hex digits.
      - Without it, the host says what the file has. With it, a controller that has the file already does not ask the
        host.
    type: str
  mode:
    description:
      - Permissions of the file on the controller, as an octal text.
    type: raw
    default: "0600"
  verify:
    description:
      - Read the file at O(dest), too, when its extended attribute tells its digest. Without this, such a file is
        taken to be whole. One that has no such attribute, was written to since, or can be written to by anybody but
        the task's user, is read.
    type: bool
    default: false
  piece_bytes:
    description:
      - How large a piece becomes at most. The first ones are smaller.
      - So much temporary space is needed at a time on the controller, for each host, and on the host.
    type: int
    default: 67108864
  part:
    description:
      - What the module's own action plugin asks for. A task that sets it is refused.
    type: dict
notes:
  - Where the user of the connection is not root, becomes another user who is not root either, and the host cannot give
    that one rights to a single file (C(setfacl)), pieces of 4 MiB come in the module's result, which is slower.
seealso:
  - module: sandboxops.microsandbox.archive_transfer
  - module: ansible.builtin.fetch
"""

EXAMPLES = r"""
- name: Take the archive from the builder to the controller
  sandboxops.microsandbox.archive_fetch:
    src: /srv/golden.tar.zst
    dest: /srv/store/golden.tar.zst
  register: fetched
"""

RETURN = r"""
dest:
  description: Where the file is on the controller.
  returned: success
  type: str
  sample: /srv/store/golden.tar.zst
src:
  description: Where it is on the host.
  returned: success, when the host was asked
  type: str
  sample: /srv/golden.tar.zst
checksum:
  description: Its SHA-256 digest.
  returned: success
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
size_bytes:
  description: Its size.
  returned: success
  type: int
  sample: 1073741824
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["set the mode of /srv/store/golden.tar.zst to 0600"]
bytes:
  description: What the task moved.
  returned: success
  type: dict
  contains:
    received:
      description: Bytes that came to the controller in this task.
      type: int
      returned: always
      sample: 1073741824
    resumed:
      description: Bytes that were there from an interrupted run.
      type: int
      returned: always
      sample: 0
    read:
      description: Bytes read from files on the host.
      type: int
      returned: when the host was asked
      sample: 1073741824
    written:
      description: Bytes written to files on the host.
      type: int
      returned: when the host was asked
      sample: 1073741824
    holes_skipped:
      description: Bytes of zeros that were neither read nor written; none.
      type: int
      returned: when the host was asked
      sample: 0
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "cut": 2.1, "total": 9.3}
error:
  description: What went wrong, for playbooks to branch on.
  returned: failure
  type: dict
  contains:
    code:
      description: One of V(request), V(state), V(format), V(integrity), V(unsupported) and V(os).
      type: str
      returned: always
      sample: integrity
    facts:
      description: The values behind the message.
      type: dict
      returned: always
      sample: {"expected": "sha256:9f86d081...", "actual": "sha256:60303ae2..."}
"""

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.file_fetch import fetch_file

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "src": {"type": "str", "required": True},
    "dest": {"type": "str", "required": True},
    "checksum": {"type": "str"},
    "mode": {"type": "raw", "default": "0600"},
    "verify": {"type": "bool", "default": False},
    "piece_bytes": {"type": "int", "default": 67108864},
    "part": {"type": "dict"},
}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, fetch_file)


if __name__ == "__main__":
    main()
