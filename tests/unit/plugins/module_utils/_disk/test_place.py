# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the file system at a directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.place import (
    observe_place,
    require_space,
    require_space_below,
)


def filesystem_by_df(path: Path) -> str:
    """Return what coreutils calls the file system."""
    command = ["df", "--output=fstype", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def test_the_file_system_is_the_one_that_df_names(tmp_path: Path) -> None:
    assert observe_place(str(tmp_path)).filesystem == filesystem_by_df(tmp_path)


def test_a_directory_that_is_still_to_be_made_is_judged_by_its_parent(tmp_path: Path) -> None:
    missing, there = observe_place(str(tmp_path / "a/b")), observe_place(str(tmp_path))
    assert missing._replace(free_bytes=0) == there._replace(free_bytes=0)


def test_the_free_space_is_that_of_the_file_system(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert abs(observe_place(str(tmp_path)).free_bytes - free) < 1 << 30


def test_memory_has_holes_and_no_reflinks(memory_directory: Path) -> None:
    place = observe_place(str(memory_directory))
    assert (place.filesystem, place.supports_reflink, place.supports_holes) == ("tmpfs", False, True)


def test_a_type_that_does_not_tell_is_not_guessed(reflink_directory: Path) -> None:
    # XFS has reflinks where it was made with them, which its type does not say.
    place = observe_place(str(reflink_directory))
    assert (place.filesystem, place.supports_reflink, place.supports_holes) == ("xfs", None, True)


def test_a_symlink_is_judged_by_where_it_leads(tmp_path: Path, memory_directory: Path) -> None:
    tmp_path.joinpath("link").symlink_to(memory_directory)
    assert observe_place(str(tmp_path / "link")).filesystem == "tmpfs"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    point = tmp_path / "with a space"
    point.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    try:
        assert observe_place(str(point)).filesystem == "tmpfs"
    finally:
        subprocess.run(["umount", point], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_file_system_that_is_mounted_read_only_is_told(tmp_path: Path) -> None:
    assert not observe_place(str(tmp_path)).is_read_only
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr!r}")
    try:
        assert observe_place(str(tmp_path / "snapshots")).is_read_only
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_room_that_is_there_is_enough(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        require_space(fd, 0)
    finally:
        os.close(fd)


def test_room_that_is_not_there_is_told_in_numbers(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(StateError, match=f"{tmp_path} needs {1 << 60} bytes more and .* in reserve") as caught:
            require_space(fd, 1 << 60)
    finally:
        os.close(fd)
    assert caught.value.facts["needed_bytes"] == 1 << 60


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_hundredth_of_a_small_file_system_is_kept_in_reserve(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        require_space(fd, 39 << 20)
        with pytest.raises(StateError, match="needs 41943040 bytes more and 419430 in reserve"):
            require_space(fd, 40 << 20)
    finally:
        os.close(fd)
        subprocess.run(["umount", tmp_path], check=True)


def test_room_is_looked_for_above_directories_that_are_not_there_yet(tmp_path: Path) -> None:
    require_space_below(str(tmp_path / "new/deep"), 0)
    with pytest.raises(StateError, match=f"{tmp_path} needs {1 << 60} bytes more"):
        require_space_below(str(tmp_path / "new/deep"), 1 << 60)
    assert list(tmp_path.iterdir()) == []
