# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of a file that goes to the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.file_fetch import fetch_file
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import (
    record_digest,
    recorded_digest,
)

CONTENT = b"content" * 1000


@pytest.mark.parametrize(("mode", "is_believed"), [(0o644, True), (0o664, False)])
def test_a_recorded_digest_is_told_only_where_nobody_else_can_have_written_it(
    new_task: Callable[..., Task], tmp_path: Path, mode: int, is_believed: bool
) -> None:
    path, recorded = tmp_path / "file", sha256_digest(b"what its writer wrote")
    path.write_bytes(CONTENT)
    with path.open("r+b") as file:
        record_digest(file.fileno(), recorded)
        if recorded_digest(file.fileno()) is None:
            pytest.skip("this file system has no extended attributes")
    path.chmod(mode)
    task = new_task(tmp_path, src=path, part={"do": "probe"})
    told = fetch_file(task).results
    assert told == {
        "src": str(path),
        "checksum": recorded if is_believed else sha256_digest(CONTENT),
        "size_bytes": len(CONTENT),
    }
    assert task.traffic.read == (0 if is_believed else len(CONTENT))
