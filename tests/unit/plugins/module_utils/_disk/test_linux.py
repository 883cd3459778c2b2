# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux calls on real file systems, and their stand-ins where the kernel refuses them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.linux import (
    exchange,
    reflink,
    rename_new,
    start_writeback,
)

MakeSparse = Callable[..., int]

# Calls rename_new or exchange in a directory and prints what came of it.
CALLER = """
import os, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.linux import exchange, rename_new
fd = os.open(sys.argv[2], os.O_RDONLY)
try:
    print({"exchange": exchange, "rename_new": rename_new}[sys.argv[1]](fd, "a", fd, "b"))
except OSError as exc:
    print(type(exc).__name__)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """A descriptor of the directory that the names below stand in."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def without_renameat2(collections_path: Path, name: str, directory: Path) -> str:
    """Run a call on a kernel that knows no flags of renameat2."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=renameat2:error=EINVAL"]
    command = [*strace, sys.executable, "-c", CALLER, name, str(directory)]
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_renaming_to_a_free_name_moves_the_entry(directory: int, tmp_path: Path) -> None:
    tmp_path.joinpath("a").write_text("a", "ascii")
    rename_new(directory, "a", directory, "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("kind", ["file", "empty directory", "dangling symlink"])
def test_renaming_never_replaces_what_exists(directory: int, tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    if kind == "file":
        target.touch()
    elif kind == "empty directory":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    before = os.lstat(target)
    with pytest.raises(FileExistsError):
        rename_new(directory, "a", directory, "b")
    assert os.lstat(target) == before
    assert source.is_dir()


def test_a_missing_source_is_an_error(directory: int) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new(directory, "a", directory, "b")


def test_two_names_swap(directory: int, tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    tmp_path.joinpath("b").write_text("b", "ascii")
    assert exchange(directory, "a", directory, "b")
    assert tmp_path.joinpath("b").is_dir()
    assert tmp_path.joinpath("a").read_text("ascii") == "b"


def test_swapping_with_nothing_is_an_error(directory: int, tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(directory, "a", directory, "b")


def test_without_the_kernels_help_a_name_that_exists_is_refused_too(collections_path: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    tmp_path.joinpath("b").mkdir()
    assert without_renameat2(collections_path, "rename_new", tmp_path) == "FileExistsError"
    tmp_path.joinpath("b").rmdir()
    assert without_renameat2(collections_path, "rename_new", tmp_path) == "None"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_system_that_cannot_swap_is_told(collections_path: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("a").write_text("a", "ascii")
    tmp_path.joinpath("b").write_text("b", "ascii")
    assert without_renameat2(collections_path, "exchange", tmp_path) == "False"
    assert tmp_path.joinpath("a").read_text("ascii") == "a"


def test_blocks_are_not_shared_on_a_file_system_without_reflinks(
    sparse_file: MakeSparse, memory_directory: Path
) -> None:
    source = sparse_file(0, (0, b"x" * 4096), directory=memory_directory)
    target = sparse_file(0, directory=memory_directory)
    assert not reflink(source, target)
    assert os.fstat(target).st_size == 0


def test_blocks_are_not_shared_between_file_systems(sparse_file: MakeSparse, memory_directory: Path) -> None:
    assert not reflink(sparse_file(0, (0, b"x")), sparse_file(0, directory=memory_directory))


def test_blocks_are_shared_on_xfs(sparse_file: MakeSparse, reflink_directory: Path) -> None:
    source = sparse_file(1 << 20, (4096, b"x" * 4096), directory=reflink_directory)
    target = sparse_file(0, directory=reflink_directory)
    assert reflink(source, target)
    assert os.pread(target, 1 << 20, 0) == os.pread(source, 1 << 20, 0)


def test_an_error_that_is_not_for_want_of_reflinks_is_raised(sparse_file: MakeSparse, reflink_directory: Path) -> None:
    source = sparse_file(1 << 20, (0, b"x" * 4096), directory=reflink_directory)
    unwritable = os.open(reflink_directory / "only-for-reading", os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            reflink(source, unwritable)
    finally:
        os.close(unwritable)


def test_writing_back_early_changes_nothing(sparse_file: MakeSparse) -> None:
    fd = sparse_file(0, (0, b"x" * 8192))
    start_writeback(fd, 0, 8192)
    start_writeback(fd, 1 << 40, 4096)
    assert os.pread(fd, 10000, 0) == b"x" * 8192
