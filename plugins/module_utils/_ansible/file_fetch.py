# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of the host that goes to the controller: the task of module ``archive_fetch``, which hands out pieces.

The action plugin of the same name runs it as often as needed and puts the file together. What it returns in
``transfer`` is for the action plugin alone.
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

from .._apply.piece import copy_part, read_part
from .._core.digests import require_sha256
from .._core.errors import RequestError
from .._disk.digest_record import own_recorded_digest
from .._disk.regular_file import open_regular_file
from .._disk.sparse_file import BUFFER_BYTES, read_at
from .._observe.placed_file import hash_open_file
from .._plan.plan import Plan
from .task import Outcome, Task
from .transfer_options import transfer_path


def fetch_file(task: Task) -> Outcome:
    """Carry out the part of the task that the action plugin asks for."""
    path = transfer_path(task, "src")
    part = dict(task.params["part"] or {})
    if not part:
        raise RequestError("dest is a file on the controller, which this module writes only by its action plugin")
    with open_regular_file(path, "file") as fd:
        size_bytes = os.fstat(fd).st_size
        if part["do"] == "probe":
            with task.phase("observe"):
                checksum = _checksum(task, fd)
            return Outcome(Plan(()), {"src": path, "checksum": checksum, "size_bytes": size_bytes})
        if part["do"] == "prefix":
            return Outcome(Plan(()), {"transfer": {"digest": _prefix_digest(fd, part["length"])}})
        with task.phase("cut"):
            return Outcome(Plan(()), {"transfer": _cut(task, fd, part)})


def _checksum(task: Task, fd: int) -> str:
    """Return the wanted checksum, or else that of the file: recorded where nobody else can have, or computed."""
    wanted = task.params["checksum"]
    if wanted is not None:
        return require_sha256(wanted, "checksum")
    return own_recorded_digest(fd) or hash_open_file(fd, task.traffic)


def _prefix_digest(fd: int, length: int) -> str:
    running = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    for start in range(0, length, BUFFER_BYTES):
        view = buffer[: length - start]
        read_at(fd, view, start)
        running.update(view)
    return "sha256:" + running.hexdigest()


def _cut(task: Task, fd: int, part: dict[str, Any]) -> dict[str, Any]:
    """Hand a piece out: in a file for the connection's user, or where that cannot be made, in the result."""
    offset, length = part["offset"], part["length"]
    task.traffic.read += length
    if part["to"] is None:
        return {"content": base64.b64encode(read_part(fd, offset, length)).decode("ascii")}
    copy_part(fd, offset, length, part["to"], part["is_made"])
    task.traffic.written += length
    return {}
