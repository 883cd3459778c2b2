# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dead runs left goes, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.dead_staging import (
    dead_staging_areas,
    sweep,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import STAGING_PREFIX, staging_area

# Makes a staging area with a file in it, says so, and waits.
LIVE = """
import sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area
with staging_area(sys.argv[1]) as area:
    area.create_file("content")
    print("ready", flush=True)
    sys.stdin.readline()
"""

Listing = Callable[[Path], object]


@pytest.fixture
def live_area(environment: dict[str, str]) -> Callable[[Path], contextlib.AbstractContextManager[int]]:
    """Hold a staging area in another process, and kill that process at the end of the block."""

    @contextlib.contextmanager
    def hold(parent: Path) -> Iterator[int]:
        command = [sys.executable, "-c", LIVE, str(parent)]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n"
                yield process.pid
            finally:
                process.kill()

    return hold


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def leave_dead_area(parent: Path, name: str = "dead") -> Path:
    area = parent / (STAGING_PREFIX + name)
    area.mkdir(mode=0o700)
    area.joinpath("artifact").mkdir()
    area.joinpath("artifact/upper.ext4").write_bytes(b"x" * 100)
    return area


def test_sweeping_removes_what_a_dead_process_left(
    tmp_path: Path, live_area: Callable[[Path], contextlib.AbstractContextManager[int]]
) -> None:
    with live_area(tmp_path) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        (area,) = names(tmp_path)
        assert dead_staging_areas(str(tmp_path)) == [area]
        assert sweep(str(tmp_path)) == [area]
    assert names(tmp_path) == []


def test_sweeping_leaves_the_area_of_a_live_process_alone(
    tmp_path: Path,
    live_area: Callable[[Path], contextlib.AbstractContextManager[int]],
    list_tree: Listing,
) -> None:
    with live_area(tmp_path):
        before = list_tree(tmp_path)
        assert dead_staging_areas(str(tmp_path)) == []
        assert sweep(str(tmp_path)) == []
        assert list_tree(tmp_path) == before


def test_sweeping_leaves_this_runs_own_area_alone(tmp_path: Path) -> None:
    dead = leave_dead_area(tmp_path)
    with staging_area(str(tmp_path)) as area:
        assert sweep(str(tmp_path)) == [dead.name]
        assert names(tmp_path) == [Path(area.path).name]


def test_looking_for_dead_areas_touches_nothing(tmp_path: Path, list_tree: Listing) -> None:
    dead = leave_dead_area(tmp_path)
    before = list_tree(tmp_path)
    assert dead_staging_areas(str(tmp_path)) == [dead.name]
    assert list_tree(tmp_path) == before


def test_what_only_looks_like_an_area_is_left_alone(tmp_path: Path) -> None:
    tmp_path.joinpath(STAGING_PREFIX + "file").touch()
    tmp_path.joinpath("elsewhere").mkdir()
    tmp_path.joinpath("elsewhere/precious").touch()
    tmp_path.joinpath(STAGING_PREFIX + "link").symlink_to("elsewhere")
    os.mkfifo(tmp_path / (STAGING_PREFIX + "fifo"))
    tmp_path.joinpath(".other").mkdir()
    before = names(tmp_path)
    assert sweep(str(tmp_path)) == []
    assert names(tmp_path) == before
    assert names(tmp_path / "elsewhere") == ["precious"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make an area of another user")
def test_the_areas_of_other_users_are_none_of_ours(tmp_path: Path) -> None:
    area = leave_dead_area(tmp_path)
    os.chown(area, 12345, 12345)
    assert sweep(str(tmp_path)) == []
    os.chown(tmp_path, 12345, 12345)
    assert sweep(str(tmp_path)) == [area.name]


def test_a_missing_directory_has_no_dead_areas(tmp_path: Path) -> None:
    assert sweep(str(tmp_path / "missing")) == []
    tmp_path.joinpath("file").touch()
    assert sweep(str(tmp_path / "file")) == []


def test_what_a_dead_run_moved_aside_comes_back(tmp_path: Path) -> None:
    area = leave_dead_area(tmp_path)
    area.joinpath("aside-target").mkdir()
    area.joinpath("aside-target/upper").write_text("precious", "ascii")
    assert sweep(str(tmp_path)) == [area.name]
    assert names(tmp_path) == ["target"]
    assert tmp_path.joinpath("target/upper").read_text("ascii") == "precious"


def test_what_was_moved_aside_does_not_come_back_over_its_successor(tmp_path: Path) -> None:
    area = leave_dead_area(tmp_path)
    area.joinpath("aside-target").mkdir()
    tmp_path.joinpath("target").mkdir()
    tmp_path.joinpath("target/new").touch()
    sweep(str(tmp_path))
    assert names(tmp_path) == ["target"]
    assert names(tmp_path / "target") == ["new"]
