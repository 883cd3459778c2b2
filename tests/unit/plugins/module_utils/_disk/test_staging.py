# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging: what is promoted is whole, what fails leaves nothing, and nobody's work is lost."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.dead_staging import sweep
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import (
    STAGING_PREFIX,
    StagingArea,
    staging_area,
)

# Replaces "target" by a new directory.
REPLACER = """
import os, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area
with staging_area(sys.argv[1]) as area:
    os.close(area.make_directory("new"))
    area.replace("new", "target")
"""

# Makes a staging area, while the owner of the directory puts something of root's into its place.
SWAPPED = """
import os, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import staging_area

def swap(event, arguments):
    areas = [name for name in os.listdir(".") if name.startswith(".")] if event == sys.argv[2] else []
    if areas and os.path.exists("victim"):
        os.rename(areas[0], "aside")
        os.rename("victim", areas[0])

os.chdir(sys.argv[1])
sys.addaudithook(swap)
with staging_area(sys.argv[1]):
    pass
"""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_in_the_place_of_an_area_is_not_given_away(tmp_path: Path, environment: dict[str, str]) -> None:
    os.chown(tmp_path, 12345, 23456)
    tmp_path.joinpath("victim").touch()
    command = [sys.executable, "-B", "-c", SWAPPED, str(tmp_path), "os.chown"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert "NotADirectoryError" in done.stderr
    (victim,) = tmp_path.glob(f"{STAGING_PREFIX}*")
    assert victim.stat().st_uid == 0
    assert tmp_path.joinpath("aside").stat().st_uid == 12345


def test_a_directory_in_the_place_of_an_area_is_neither_given_away_nor_cleared(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    tmp_path.joinpath("victim/precious").mkdir(parents=True)
    owner = tmp_path.joinpath("victim").stat().st_uid
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 23456)
    command = [sys.executable, "-B", "-c", SWAPPED, str(tmp_path), "open"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert "is another directory than the one that this run has made" in done.stderr
    (victim,) = tmp_path.glob(f"{STAGING_PREFIX}*")
    assert (victim.stat().st_uid, names(victim)) == (owner, ["precious"])


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
