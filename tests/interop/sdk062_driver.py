# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one operation of the microsandbox 0.6.2 SDK; runs inside that version's own environment.

usage: sdk062_driver.py < COMMAND    with MSB_HOME set

COMMAND is ``{"operation": NAME, "arguments": {KEYWORD: VALUE}}`` as JSON. The answer on standard output is
``{"result": VALUE}``, or ``{"error": {"class": NAME, "message": TEXT}}`` when the SDK raises.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from microsandbox import Image, MicrosandboxError, PullPolicy, Sandbox, Snapshot

_SNAPSHOT = (
    "path",
    "digest",
    "size_bytes",
    "image_ref",
    "image_manifest_digest",
    "format",
    "fstype",
    "parent",
    "created_at",
    "labels",
    "source_sandbox",
)
_HANDLE = ("digest", "name", "parent_digest", "image_ref", "format", "size_bytes", "created_at", "path")


async def _verify(path_or_name: str) -> object:
    return await (await Snapshot.open(path_or_name)).verify()


async def _create_sandbox(name: str, reference: str, upper_size_mib: int, pull_policy: str) -> None:
    image = Image.oci(reference, upper_size_mib=upper_size_mib)
    await Sandbox.create(name, image=image, pull_policy=PullPolicy[pull_policy])


_OPERATIONS = {
    "create": Snapshot.create,
    "open": Snapshot.open,
    "get": Snapshot.get,
    "list": Snapshot.list,
    "list_dir": Snapshot.list_dir,
    "remove": Snapshot.remove,
    "reindex": Snapshot.reindex,
    "verify": _verify,
    "export": Snapshot.export,
    "import": Snapshot.import_,
    "create_sandbox": _create_sandbox,
}


def _plain(value: object) -> object:
    """Return the JSON form of what an operation returned."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Snapshot):
        return {name: getattr(value, name) for name in _SNAPSHOT}
    if type(value).__name__ == "SnapshotHandle":
        return {name: getattr(value, name) for name in _HANDLE}
    return value


async def _answer(command: dict) -> dict:
    try:
        return {"result": _plain(await _OPERATIONS[command["operation"]](**command["arguments"]))}
    except MicrosandboxError as exc:
        return {"error": {"class": type(exc).__name__, "message": str(exc)}}


if __name__ == "__main__":
    json.dump(asyncio.run(_answer(json.load(sys.stdin))), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads sometimes panic while Python exits
