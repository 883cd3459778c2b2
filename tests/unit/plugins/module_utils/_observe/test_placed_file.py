# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at the path that a transfer is to fill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import (
    record_digest,
    recorded_digest,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.placed_file import (
    PlacedFile,
    observe_placed_file,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(b"content" * 500_000)
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("size", [None, 3_500_000])
def test_a_file_that_may_be_the_wanted_one_is_hashed(path: Path, size: int | None) -> None:
    traffic = Traffic()
    found = observe_placed_file(str(path), size, traffic)
    assert found == PlacedFile(3_500_000, 0o640, sha256_digest(path.read_bytes()))
    assert traffic.read == 3_500_000


@pytest.mark.parametrize("is_read", [False, True])
def test_a_file_with_a_recorded_digest_is_read_only_on_request(path: Path, is_read: bool) -> None:
    recorded = sha256_digest(b"what its writer wrote")
    with path.open("r+b") as file:
        record_digest(file.fileno(), recorded)
        if recorded_digest(file.fileno()) is None:
            pytest.skip("this file system has no extended attributes")
    traffic = Traffic()
    found = observe_placed_file(str(path), 3_500_000, traffic, is_read=is_read)
    wanted = (sha256_digest(path.read_bytes()), 3_500_000) if is_read else (recorded, 0)
    assert found is not None
    assert (found.digest, traffic.read) == wanted


def test_a_file_of_another_size_is_not_read(path: Path) -> None:
    traffic = Traffic()
    assert observe_placed_file(str(path), 1, traffic) == PlacedFile(3_500_000, 0o640, None)
    assert traffic.read == 0


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert observe_placed_file(str(tmp_path / "missing/a"), None, Traffic()) is None


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo"])
def test_what_is_no_regular_file_is_refused(path: Path, kind: str) -> None:
    other = path.with_name("other")
    if kind == "directory":
        other.mkdir()
    elif kind == "symlink":
        other.symlink_to(path)
    else:
        os.mkfifo(other)
    with pytest.raises(StateError, match="no regular file"):
        observe_placed_file(str(other), None, Traffic())


def test_a_path_below_a_file_is_refused(path: Path) -> None:
    with pytest.raises(StateError, match="no directory"):
        observe_placed_file(str(path / "a"), None, Traffic())


def test_a_file_that_cannot_be_read_is_named() -> None:
    # Nothing is mapped at the start of a process's memory.
    with pytest.raises(OSError, match="Input/output error") as caught:
        observe_placed_file("/proc/self/mem", None, Traffic())
    assert caught.value.filename == f"/proc/{os.getpid()}/mem"
