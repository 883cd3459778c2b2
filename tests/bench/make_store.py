# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a store of many artifacts with their index rows, in a process that can import the collection.

usage: make_store.py HOME COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.index import keep_index
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.timestamps import (
    index_text_from_ns,
    rfc3339_from_ns,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Integrity
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import (
    manifest_to_bytes,
    new_manifest,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact

_UPPER_BYTES = 64 << 20
_EPOCH_NS = 1_790_000_000_000_000_000


def main() -> None:
    """Make the artifacts, every tenth the child of the one before it."""
    home, count = Path(sys.argv[1]), int(sys.argv[2])
    artifacts, parent = [], None
    for number in range(count):
        descriptor = new_manifest(
            image_reference="docker.io/library/python:3.12",
            image_manifest_digest="sha256:" + "6d" * 32,
            created_at=rfc3339_from_ns(_EPOCH_NS + number * 1_000_000_000),
            labels={"team": f"team-{number % 7}", "build": str(number)},
            upper_bytes=_UPPER_BYTES,
            integrity=Integrity("msb-sparse-sha256-v1", f"sha256:{number:064x}"),
            source_sandbox=f"sandbox-{number % 50}",
            parent=parent if number % 10 == 0 else None,
        )
        parent = descriptor.digest
        directory = home / f"snapshots/snapshot-{number:05d}"
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_bytes(manifest_to_bytes(descriptor))
        with (directory / "upper.ext4").open("xb") as file:
            file.truncate(_UPPER_BYTES)
        artifacts.append(observe_artifact(str(directory)))
    keep_index(str(home / "db/msb.db"), artifacts, index_text_from_ns(_EPOCH_NS), 60.0)


if __name__ == "__main__":
    main()
