# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees go whole, and nothing beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.tree_removal import remove_tree

# Removes "tree", while another process moves a directory out of it that is being emptied.
MOVED_WHILE_REMOVED = """
import os, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.tree_removal import remove_tree

def move(event, arguments):
    if event == "os.remove":
        os.rename("tree/a/b", "elsewhere/b")

os.chdir(sys.argv[1])
fd = os.open(".", os.O_RDONLY)
sys.addaudithook(move)
remove_tree("tree", fd)
"""

# Makes directories in each other, and removes them with few descriptors.
DEEP = """
import os, resource, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.tree_removal import remove_tree

os.chdir(sys.argv[1])
fd = os.open(".", os.O_RDONLY)
for number in range(5000):
    os.mkdir("d")
    open("file", "w").close()
    os.chdir("d")
os.fchdir(fd)
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
remove_tree("d", fd)
"""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_removing_a_tree_follows_no_symlink(tmp_path: Path) -> None:
    tmp_path.joinpath("elsewhere").mkdir()
    tmp_path.joinpath("elsewhere/precious").touch()
    tree = tmp_path / "tree"
    tree.joinpath("a/b").mkdir(parents=True)
    tree.joinpath("a/b/file").touch()
    tree.joinpath("a/link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tree / "fifo")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        remove_tree("tree", fd)
        assert names(tmp_path) == ["elsewhere"]
        tmp_path.joinpath("tree").symlink_to("elsewhere")
        remove_tree("tree", fd)
        remove_tree("tree", fd)
    finally:
        os.close(fd)
    assert names(tmp_path) == ["elsewhere"]
    assert names(tmp_path / "elsewhere") == ["precious"]


def test_a_tree_of_any_depth_is_removed(tmp_path: Path, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-B", "-c", DEEP, str(tmp_path)], env=environment, check=True)
    assert names(tmp_path) == ["file"]


def test_nothing_is_removed_beside_a_directory_that_was_moved_out_of_the_tree(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    tmp_path.joinpath("tree/a/b").mkdir(parents=True)
    tmp_path.joinpath("tree/a/b/file").touch()
    tmp_path.joinpath("elsewhere/a").mkdir(parents=True)
    command = [sys.executable, "-B", "-c", MOVED_WHILE_REMOVED, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert "Device or resource busy" in done.stderr
    assert names(tmp_path / "elsewhere") == ["a", "b"]
