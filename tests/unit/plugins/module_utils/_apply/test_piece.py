# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of files, for the user of the connection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.piece import copy_part, read_part
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError

CONTENT = b"0123456789" * 300_000

# Copies a part, while the owner of the directory puts a file of root into its place.
SWAPPED = f"""
import os, sys
from {copy_part.__module__} import copy_part

def swap(event, arguments):
    if event == "os.chown" and os.path.exists("victim"):
        os.rename("part", "aside")
        os.rename("victim", "part")

os.chdir(sys.argv[1])
fd = os.open("victim", os.O_RDONLY)
sys.addaudithook(swap)
copy_part(fd, 0, 5, sys.argv[1] + "/part", is_made=False)
"""


@pytest.fixture
def source(tmp_path: Path) -> int:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    os.unlink(path)
    return fd


def test_a_part_is_read(source: int) -> None:
    assert read_part(source, 3, 2_000_000) == CONTENT[3:2_000_003]


def test_a_part_becomes_a_file_for_its_owner_alone(source: int, tmp_path: Path) -> None:
    part = tmp_path / "part"
    copy_part(source, 3, 2_500_000, str(part), is_made=False)
    assert part.read_bytes() == CONTENT[3:2_500_003]
    assert part.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("is_made", [False, True])
def test_the_next_part_takes_the_place_of_the_last(source: int, tmp_path: Path, is_made: bool) -> None:
    part = tmp_path / "part"
    copy_part(source, 0, 100, str(part), is_made=False)
    copy_part(source, 100, 7, str(part), is_made=is_made)
    assert part.read_bytes() == CONTENT[100:107]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_it_to_the_owner_of_its_directory(source: int, tmp_path: Path) -> None:
    directory = tmp_path / "of-the-connection"
    directory.mkdir()
    os.chown(directory, 12345, 12346)
    copy_part(source, 0, 10, str(directory / "part"), is_made=False)
    assert (directory / "part").stat().st_uid == 12345


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_was_put_into_its_place_is_not_given_away(tmp_path: Path, collections_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    (tmp_path / "victim").write_bytes(b"precious")
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    subprocess.run([sys.executable, "-B", "-c", SWAPPED, str(tmp_path)], env=environment, check=True)
    assert (tmp_path / "part").stat().st_uid == 0
    assert ((tmp_path / "aside").stat().st_uid, (tmp_path / "aside").read_bytes()) == (12345, b"preci")


def test_what_somebody_planted_is_not_written_to(source: int, tmp_path: Path) -> None:
    victim, part = tmp_path / "victim", tmp_path / "part"
    victim.write_bytes(b"precious")
    part.symlink_to(victim)
    copy_part(source, 0, 10, str(part), is_made=False)
    part.unlink()
    part.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        copy_part(source, 0, 10, str(part), is_made=True)
    assert victim.read_bytes() == b"precious"


def test_a_file_that_ends_before_is_an_error(source: int, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="file ends at byte"):
        copy_part(source, len(CONTENT) - 1, 2, str(tmp_path / "part"), is_made=False)
