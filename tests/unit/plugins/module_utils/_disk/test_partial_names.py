# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How partial files are called, found and swept."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import (
    find_partials,
    partial_bytes,
    partial_name,
    sweep_partials,
)

CHECKSUM = "sha256:" + "3" * 64
NAME = partial_name("a", CHECKSUM)


def leave(directory: Path, name: str) -> None:
    (directory / name).write_bytes(b"x")


def test_others_of_the_same_target_are_found_and_swept_unless_in_use(tmp_path: Path) -> None:
    one, two = partial_name("a", "sha256:" + "1" * 64), partial_name("a", "sha256:" + "2" * 64)
    for name in (one, two, partial_name("b", CHECKSUM)):
        leave(tmp_path, name)
    assert find_partials(str(tmp_path), "a") == [one, two]
    fd = os.open(tmp_path / one, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert sweep_partials(str(tmp_path), [one, two]) == [two]
    os.close(fd)
    assert sweep_partials(str(tmp_path), [one, two]) == [one]
    assert [path.name for path in tmp_path.iterdir()] == [partial_name("b", CHECKSUM)]


def test_no_partial_files_are_found_where_no_directory_is(tmp_path: Path) -> None:
    assert find_partials(str(tmp_path / "missing"), "a") == []
    assert partial_bytes(str(tmp_path / "missing"), NAME) == 0


def test_how_much_is_there_is_said_without_opening_it(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"12345")
    assert partial_bytes(str(tmp_path), NAME) == 5


def test_the_longest_name_has_a_partial_file_too(tmp_path: Path) -> None:
    name = partial_name("é" * 127, CHECKSUM)
    leave(tmp_path, name)
    assert (tmp_path / name).read_bytes() == b"x"
