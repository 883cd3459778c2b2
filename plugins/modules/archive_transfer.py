#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive_transfer
short_description: Have a file with a checksum on the host, from the controller or a web server
version_added: 0.1.0
description:
  - Brings a large file to the host, and puts it into its place only once all of it is there and hashes to O(checksum).
  - What an interrupted transfer brought stays beside O(dest) under a hidden name that carries the checksum, and the
    next run goes on from there.
  - Free space is checked before the first byte moves, and again while bytes come.
  - A file from the controller goes in pieces, so that neither side holds it in memory or has a second copy of it on
    its disk. It works with every connection that can put a file, and with C(become) to any user.
  - A file from a web server goes straight to the host. A connection that breaks is taken up again.
  - Says every few seconds how far it is.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
attributes:
  check_mode:
    support: full
    details: Moves no byte, but checks for free space, and hashes a file on the controller that would be moved.
  diff_mode:
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details: The file moves in pieces, each a call of its own. With C(async) the task fails, in check mode too.
options:
  dest:
    description:
      - Path of the file on the host. A relative one is below C(.sandboxops-transfer) in O(home).
      - Directories that are missing are made for their owner only.
      - A regular file that is there is replaced. Anything else is an error.
    type: str
    required: true
  state:
    description:
      - V(absent) removes the file, and what an interrupted transfer left of it.
    type: str
    choices: [present, absent]
    default: present
  checksum:
    description:
      - SHA-256 digest that the file must have, as V(sha256:) and 64 lower-case hex digits.
      - Required with O(state=present).
    type: str
  size_bytes:
    description:
      - Size that the file must have. Without it, the source tells.
    type: int
  src:
    description:
      - Path of the file on the controller. A relative one is looked for like that of M(ansible.builtin.copy).
      - One of O(src) and O(url) is required with O(state=present).
    type: str
  url:
    description:
      - URL of the file on a web server, V(http://) or V(https://), with what is not ASCII escaped.
      - What stands behind a question mark in it, and a user with a password, are secrets, and nowhere to be seen in
        results, messages and logs.
    type: str
  url_query:
    description:
      - What stands behind the question mark in the URL, if it does not stand in O(url).
    type: str
  url_username:
    description:
      - User for basic authentication.
      - It goes, like O(url_password) and O(url_headers), to the server that O(url) names and to no other that this one
        may redirect to.
    type: str
  url_password:
    description:
      - Password of that user.
    type: str
  url_headers:
    description:
      - Further headers of the requests. A value has no line break, not even at its end, and nothing beyond Latin-1.
    type: dict
  validate_certs:
    description:
      - Whether the certificate of the server must be valid.
    type: bool
    default: true
  ca_path:
    description:
      - File on the host with the certificates to trust, in PEM form, instead of the system's.
    type: path
  timeout:
    description:
      - How long to wait for a byte before the connection counts as broken, in seconds, at most a day.
    type: float
    default: 60
  retries:
    description:
      - How often in a row to try again after a connection to the web server broke or could not be made.
    type: int
    default: 4
  needs_bytes:
    description:
      - Free space that has to remain on the file system of O(dest) beyond the file, for what is to come of it.
    type: int
    default: 0
  mode:
    description:
      - Permissions of the file, as an octal text.
    type: raw
    default: "0600"
  verify:
    description:
      - Read the file that is there, too, when its extended attribute tells its digest. Without this, such a file is
        taken to be whole. One that has no such attribute, was written to since, or can be written to by anybody but
        the task's user, is read.
    type: bool
    default: false
  piece_bytes:
    description:
      - How large a piece of a file from the controller becomes at most. The first ones are smaller.
      - So much temporary space is needed at a time on the controller, for each host, and on the host.
    type: int
    default: 67108864
  part:
    description:
      - What the module's own action plugin asks for. A task that sets it is refused.
    type: dict
notes:
  - The directory for temporary files on the controller is that of Ansible (C(local_tmp)).
seealso:
  - module: sandboxops.microsandbox.snapshot_archive
  - module: ansible.builtin.copy
  - module: ansible.builtin.get_url
"""

EXAMPLES = r"""
- name: Have the archive on the host, from the controller
  sandboxops.microsandbox.archive_transfer:
    src: /srv/store/golden/golden.tar.zst
    dest: /srv/golden.tar.zst
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: Have it from a web server, and room for what the import writes
  sandboxops.microsandbox.archive_transfer:
    url: https://releases.example.com/golden/golden.tar.zst
    url_username: fleet
    url_password: "{{ store_password }}"
    dest: golden.tar.zst
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    needs_bytes: 2147483648

- name: Remove it, and what an interrupted transfer left
  sandboxops.microsandbox.archive_transfer:
    dest: /srv/golden.tar.zst
    state: absent
"""

RETURN = r"""
path:
  description: Where the file is.
  returned: success
  type: str
  sample: /srv/golden.tar.zst
checksum:
  description: Its SHA-256 digest.
  returned: success, with O(state=present)
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
size_bytes:
  description: Its size.
  returned: success, with O(state=present), when it is known
  type: int
  sample: 1073741824
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["remove /srv/golden.tar.zst"]
bytes:
  description: What the task moved.
  returned: success
  type: dict
  contains:
    received:
      description: Bytes that came to the host in this task.
      type: int
      returned: always
      sample: 1073741824
    resumed:
      description: Bytes that were there from an interrupted transfer.
      type: int
      returned: always
      sample: 0
    read:
      description: Bytes read from files on the host.
      type: int
      returned: always
      sample: 0
    written:
      description: Bytes written to files on the host.
      type: int
      returned: always
      sample: 1073741824
    holes_skipped:
      description: Bytes of zeros that were neither read nor written; none.
      type: int
      returned: always
      sample: 0
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "receive": 9.1, "total": 9.3}
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
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.file_transfer import transfer_file

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "dest": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "checksum": {"type": "str"},
    "size_bytes": {"type": "int"},
    "src": {"type": "str"},
    "url": {"type": "str"},
    "url_query": {"type": "str", "no_log": True},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "url_headers": {"type": "dict", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "float", "default": 60},
    "retries": {"type": "int", "default": 4},
    "needs_bytes": {"type": "int", "default": 0},
    "mode": {"type": "raw", "default": "0600"},
    "verify": {"type": "bool", "default": False},
    "piece_bytes": {"type": "int", "default": 67108864},
    "part": {"type": "dict"},
}


def main() -> None:
    """Run the module."""
    run_module(
        ARGUMENT_SPEC,
        transfer_file,
        mutually_exclusive=[("src", "url")],
        required_if=[("state", "present", ("checksum",)), ("state", "present", ("src", "url"), True)],
    )


if __name__ == "__main__":
    main()
