# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How partial files are called, found and swept."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import (
    find_partials,
    partial_bytes,
    partial_name,
    sweep_partials,
)

CHECKSUM = "sha256:" + "3" * 64
NAME = partial_name("a", CHECKSUM)

# Sweeps a partial file, while its transfer ends and the next one of the same content begins.
SWAPPED = f"""
import os, sys
from {sweep_partials.__module__} import sweep_partials

def swap(event, arguments):
    if event == "fcntl.flock":
        os.rename("{NAME}", "a")
        os.link("next", "{NAME}")

os.chdir(sys.argv[1])
with open("next", "w") as file:
    file.write("another")
sys.addaudithook(swap)
sweep_partials(sys.argv[1], ["{NAME}"])
"""


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


@pytest.mark.parametrize("kind", ["symlink", "socket"])
def test_what_cannot_be_opened_is_passed_over(tmp_path: Path, kind: str) -> None:
    planted, other = partial_name("a", "sha256:" + "1" * 64), partial_name("a", "sha256:" + "2" * 64)
    if kind == "symlink":
        (tmp_path / planted).symlink_to("/etc/passwd")
    else:
        os.mknod(tmp_path / planted, 0o600 | stat.S_IFSOCK)
    leave(tmp_path, other)
    assert sweep_partials(str(tmp_path), [planted, other]) == [other]
    assert [path.name for path in tmp_path.iterdir()] == [planted]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_belongs_to_somebody_else_is_passed_over(memory_directory: Path, mode: int) -> None:
    memory_directory.chmod(0o1777)
    leave(memory_directory, NAME)
    (memory_directory / NAME).chmod(mode)
    os.seteuid(12345)
    try:
        assert sweep_partials(str(memory_directory), [NAME]) == []
    finally:
        os.seteuid(0)
    assert (memory_directory / NAME).read_bytes() == b"x"


def test_what_took_the_place_of_an_open_one_is_not_swept(tmp_path: Path, collections_path: Path) -> None:
    leave(tmp_path, NAME)
    command = [sys.executable, "-B", "-c", SWAPPED, str(tmp_path)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(collections_path)}, check=True)
    assert (tmp_path / NAME).read_bytes() == b"another"


def test_a_directory_is_no_partial_file(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert find_partials(str(tmp_path), "a") == []


def test_how_much_is_there_is_said_without_opening_it(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"12345")
    assert partial_bytes(str(tmp_path), NAME) == 5


def test_the_longest_name_has_a_partial_file_too(tmp_path: Path) -> None:
    name = partial_name("é" * 127, CHECKSUM)
    leave(tmp_path, name)
    assert (tmp_path / name).read_bytes() == b"x"
