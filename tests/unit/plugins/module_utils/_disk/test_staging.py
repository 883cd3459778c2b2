# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging: what is promoted is whole, what fails leaves nothing, and what dead runs left goes."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import (
    STAGING_PREFIX,
    StagingArea,
    dead_staging_areas,
    remove_tree,
    staging_area,
    sweep,
)

# Makes a staging area with a file in it, says so, and waits.
LIVE = """
import sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area
with staging_area(sys.argv[1]) as area:
    area.create_file("content")
    print("ready", flush=True)
    sys.stdin.readline()
"""
# Replaces "target" by a new directory.
REPLACER = """
import os, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area
with staging_area(sys.argv[1]) as area:
    os.close(area.make_directory("new"))
    area.replace("new", "target")
"""

Listing = Callable[[Path], object]


@pytest.fixture
def environment(collections_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(collections_path)}


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


def test_an_area_is_private_and_goes_with_the_block(tmp_path: Path) -> None:
    with staging_area(str(tmp_path)) as area:
        path = Path(area.path)
        assert path.parent == tmp_path
        assert path.name.startswith(STAGING_PREFIX)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        os.close(area.create_file("left"))
        os.close(area.make_directory("also left"))
    assert names(tmp_path) == []


def test_an_area_goes_when_the_block_fails(tmp_path: Path) -> None:
    def fill_and_fail() -> None:
        with staging_area(str(tmp_path)) as area:
            os.close(area.create_file("left"))
            raise KeyError

    with pytest.raises(KeyError):
        fill_and_fail()
    assert names(tmp_path) == []


def test_two_areas_have_two_names(tmp_path: Path) -> None:
    with staging_area(str(tmp_path)) as one, staging_area(str(tmp_path)) as two:
        assert one.path != two.path
        assert len(names(tmp_path)) == 2


def test_a_missing_parent_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staging_area(str(tmp_path / "missing")):
        pytest.fail("an area was made")
    assert names(tmp_path) == []


def test_an_error_on_a_descriptor_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as caught, staging_area(str(tmp_path)):
        os.write(1 << 20, b"")
    assert caught.value.filename == str(tmp_path)


def test_a_promoted_directory_stands_beside_with_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with staging_area(str(tmp_path)) as area:
            directory_fd = area.make_directory("artifact")
            fd = area.create_file("upper", directory_fd)
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
            os.write(fd, b"content")
            area.seal_file(fd)
            area.seal_directory(directory_fd)
            os.close(fd)
            os.close(directory_fd)
            area.promote("artifact", "target")
    finally:
        os.umask(before)
    assert names(tmp_path) == ["target"]
    assert stat.S_IMODE(tmp_path.joinpath("target").stat().st_mode) == 0o755
    assert stat.S_IMODE(tmp_path.joinpath("target/upper").stat().st_mode) == 0o644
    assert tmp_path.joinpath("target/upper").read_bytes() == b"content"


@pytest.mark.parametrize("kind", ["empty directory", "file", "dangling symlink"])
def test_promoting_never_replaces(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    if kind == "empty directory":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")
    before = os.lstat(target)
    with staging_area(str(tmp_path)) as area:
        os.close(area.make_directory("artifact"))
        with pytest.raises(StateError, match="target exists, though it did not when this run looked") as caught:
            area.promote("artifact", "target")
    assert caught.value.facts == {"path": str(target)}
    assert os.lstat(target) == before
    assert names(tmp_path) == ["target"]


def test_a_replaced_directory_stays_until_the_swap_and_goes_with_the_area(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    target.joinpath("old").touch()
    with staging_area(str(tmp_path)) as area:
        os.close(area.create_file("new", fd := area.make_directory("artifact")))
        os.close(fd)
        assert names(target) == ["old"]
        area.replace("artifact", "target")
        assert names(target) == ["new"]
        assert Path(area.path, "artifact/old").exists()
    assert names(tmp_path) == ["target"]


def test_a_file_takes_the_place_of_another_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "archive"
    target.write_text("old", "ascii")
    with staging_area(str(tmp_path)) as area:
        fd = area.create_file("new")
        os.write(fd, b"new")
        area.seal_file(fd, 0o600)
        os.close(fd)
        assert target.read_text("ascii") == "old"
        area.replace_file("new", "archive")
    assert target.read_text("ascii") == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(tmp_path) == ["archive"]


def test_a_withdrawn_directory_leaves_in_one_step(tmp_path: Path) -> None:
    tmp_path.joinpath("target/below").mkdir(parents=True)
    with staging_area(str(tmp_path)) as area:
        area.withdraw("target")
        assert not tmp_path.joinpath("target").exists()
    assert names(tmp_path) == []


def test_withdrawing_a_symlink_leaves_its_target_alone(tmp_path: Path) -> None:
    tmp_path.joinpath("elsewhere").mkdir()
    tmp_path.joinpath("elsewhere/file").touch()
    tmp_path.joinpath("link").symlink_to("elsewhere")
    with staging_area(str(tmp_path)) as area:
        area.withdraw("link")
    assert names(tmp_path) == ["elsewhere"]
    assert names(tmp_path / "elsewhere") == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_stages_belongs_to_the_owner_of_the_place(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    with staging_area(str(tmp_path)) as area:
        assert os.stat(area.path).st_uid == 12345
        directory_fd = area.make_directory("artifact")
        fd = area.create_file("upper", directory_fd)
        area.seal_file(fd)
        area.seal_directory(directory_fd)
        os.close(fd)
        os.close(directory_fd)
        area.promote("artifact", "target")
    for path in tmp_path.rglob("*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


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


@pytest.mark.parametrize(("fatal_rename", "survivor"), [(1, "old"), (2, "old"), (None, "new")])
def test_where_names_cannot_be_swapped_a_kill_at_any_rename_loses_neither(
    tmp_path: Path, environment: dict[str, str], fatal_rename: int | None, survivor: str
) -> None:
    tmp_path.joinpath("target").mkdir()
    tmp_path.joinpath("target/old").touch()
    inject = ["-e", "inject=renameat2:error=EINVAL"]
    if fatal_rename is not None:
        # The process dies in place of the rename.
        inject += ["-e", f"inject=?rename,?renameat:error=EIO:signal=KILL:when={fatal_rename}"]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-B", "-c", REPLACER, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=False)
    assert (done.returncode != 0) == (fatal_rename is not None)
    assert tmp_path.joinpath("target").exists() == (fatal_rename != 2)
    sweep(str(tmp_path))
    assert names(tmp_path) == ["target"]
    assert names(tmp_path / "target") == ([survivor] if survivor == "old" else [])


def test_where_names_cannot_be_swapped_a_failing_rename_brings_the_old_entry_back(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    tmp_path.joinpath("target").mkdir()
    tmp_path.joinpath("target/old").touch()
    inject = ["-e", "inject=renameat2:error=EINVAL", "-e", "inject=?rename,?renameat:error=EIO:when=2"]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-B", "-c", REPLACER, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert "Input/output error" in done.stderr
    assert names(tmp_path) == ["target"]
    assert names(tmp_path / "target") == ["old"]


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


def stage(area: StagingArea, name: str, content: bytes) -> None:
    fd = area.create_file(name)
    os.write(fd, content)
    area.seal_file(fd)
    os.close(fd)


@pytest.fixture
def kind(tmp_path: Path) -> Iterator[int]:
    """A directory beside the staging area, as a descriptor."""
    tmp_path.joinpath("kind").mkdir()
    fd = os.open(tmp_path / "kind", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_file_is_placed_in_another_directory_and_taken_back(tmp_path: Path, kind: int) -> None:
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        area.place_file("file-0", kind, "target", replace=False)
        assert tmp_path.joinpath("kind/target").read_bytes() == b"new"
        assert names(Path(area.path)) == []
        area.take_back("file-0", kind, "target", replaced=False)
        assert names(Path(area.path)) == ["file-0"]
    assert names(tmp_path / "kind") == []


@pytest.mark.parametrize("there", ["file", "directory", "dangling symlink"])
def test_placing_replaces_nothing_unless_asked(tmp_path: Path, kind: int, there: str) -> None:
    target = tmp_path / "kind/target"
    if there == "dangling symlink":
        target.symlink_to("/nonexistent")
    else:
        target.touch() if there == "file" else target.mkdir()
    before = target.lstat()
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        with pytest.raises(StateError, match="target exists, though it did not when this run looked"):
            area.place_file("file-0", kind, "target", replace=False)
        assert names(Path(area.path)) == ["file-0"]
    assert (target.lstat().st_ino, target.lstat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_what_is_replaced_comes_back_as_it_was(tmp_path: Path, kind: int) -> None:
    target = tmp_path / "kind/target"
    target.write_bytes(b"old")
    before = target.stat()
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        area.place_file("file-0", kind, "target", replace=True)
        assert (target.read_bytes(), target.stat().st_nlink) == (b"new", 1)
        area.take_back("file-0", kind, "target", replaced=True)
    after = target.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)
    assert target.read_bytes() == b"old"


def test_what_is_replaced_goes_with_the_area(tmp_path: Path, kind: int) -> None:
    tmp_path.joinpath("kind/target").write_bytes(b"old")
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        area.place_file("file-0", kind, "target", replace=True)
    assert names(tmp_path) == ["kind"]
    assert tmp_path.joinpath("kind/target").read_bytes() == b"new"


def test_what_is_to_be_replaced_has_to_be_there(tmp_path: Path, kind: int) -> None:
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        with pytest.raises(FileNotFoundError):
            area.place_file("file-0", kind, "target", replace=True)
        assert names(Path(area.path)) == ["file-0"]


def test_a_directory_is_not_replaced_by_a_file(tmp_path: Path, kind: int) -> None:
    tmp_path.joinpath("kind/target").mkdir()
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        with pytest.raises(OSError, match="Operation not permitted"):
            area.place_file("file-0", kind, "target", replace=True)
    assert tmp_path.joinpath("kind/target").is_dir()


def test_a_link_that_is_replaced_leaves_what_it_leads_to_alone(tmp_path: Path, kind: int) -> None:
    tmp_path.joinpath("elsewhere").write_bytes(b"mine")
    tmp_path.joinpath("kind/target").symlink_to("../elsewhere")
    with staging_area(str(tmp_path)) as area:
        stage(area, "file-0", b"new")
        area.place_file("file-0", kind, "target", replace=True)
        area.take_back("file-0", kind, "target", replaced=True)
    assert tmp_path.joinpath("kind/target").is_symlink()
    assert tmp_path.joinpath("elsewhere").read_bytes() == b"mine"
