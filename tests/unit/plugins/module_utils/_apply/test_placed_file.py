# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces that come from the controller, and files that go."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.placed_file import (
    apply_piece,
    apply_removals,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_file import open_partial
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import partial_name
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.placed_file import WantedFile, plan_absence

CONTENT = b"0123456789" * 300_000
CHECKSUM = sha256_digest(CONTENT)
NAME = partial_name("a", CHECKSUM)


def put(directory: Path, content: bytes, offset: int, needs_bytes: int = 0) -> bool:
    """Put a piece at an offset, and return whether the file is whole."""
    wanted = WantedFile(str(directory / "a"), CHECKSUM, len(CONTENT), 0o600)
    piece = directory / "piece"
    piece.write_bytes(content)
    try:
        with open_partial(str(directory), NAME, 1, Traffic()) as partial:
            return apply_piece(partial, wanted, str(piece), offset, needs_bytes)
    finally:
        piece.unlink()


def test_pieces_make_the_file(tmp_path: Path) -> None:
    assert [put(tmp_path, CONTENT[at : at + 1_000_000], at) for at in (0, 1_000_000, 2_000_000)] == [False, False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_piece_that_belongs_elsewhere_is_dropped(tmp_path: Path) -> None:
    put(tmp_path, CONTENT[:1_000_000], 0)
    assert not put(tmp_path, CONTENT[:1_000_000], 0)
    assert not put(tmp_path, CONTENT[2_000_000:], 2_000_000)
    assert (tmp_path / NAME).read_bytes() == CONTENT[:1_000_000]


def test_no_more_is_taken_than_the_file_has(tmp_path: Path) -> None:
    assert put(tmp_path, CONTENT + b"more", 0)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_other_content_is_refused(tmp_path: Path) -> None:
    put(tmp_path, CONTENT[:1_000_000], 0)
    with pytest.raises(IntegrityError) as caught:
        put(tmp_path, b"x" * 2_000_000, 1_000_000)
    assert caught.value.facts["expected"] == CHECKSUM
    assert not (tmp_path / "a").exists()


def test_without_room_no_piece_is_taken(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="its file system has"):
        put(tmp_path, CONTENT, 0, needs_bytes=1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_a_symlink_is_no_piece(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    wanted = WantedFile(str(tmp_path / "a"), CHECKSUM, len(CONTENT), 0o600)
    with open_partial(str(tmp_path), NAME, 1, Traffic()) as partial, pytest.raises(OSError, match="symbolic link"):
        apply_piece(partial, wanted, str(tmp_path / "link"), 0, 0)


def test_files_of_a_plan_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    assert apply_removals(plan_absence(str(tmp_path / "a"), True, [str(tmp_path / "b")]), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_all_others_go_when_one_was_gone_before(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert not apply_removals(plan_absence(str(tmp_path / "gone"), True, [str(tmp_path / "a")]), 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["symlink", "socket"])
def test_what_cannot_be_opened_is_removed(tmp_path: Path, kind: str) -> None:
    directory, victim = tmp_path / "d", tmp_path / "victim"
    directory.mkdir()
    victim.write_bytes(b"precious")
    if kind == "symlink":
        (directory / NAME).symlink_to(victim)
    else:
        os.mknod(directory / NAME, 0o600 | stat.S_IFSOCK)
    assert apply_removals(plan_absence(str(directory / "a"), False, [str(directory / NAME)]), 1)
    assert list(directory.iterdir()) == []
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("is_followed", [False, True])
def test_what_got_into_its_place_meanwhile_is_not_removed_by_its_old_name(tmp_path: Path, is_followed: bool) -> None:
    left = tmp_path / NAME
    left.touch()
    fd = os.open(left, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    def place() -> None:
        left.rename(tmp_path / "a")
        if is_followed:
            left.write_bytes(b"of the next transfer")
        os.close(fd)

    timer = threading.Timer(0.3, place)
    timer.start()
    assert not apply_removals(plan_absence(str(tmp_path / "a"), False, [str(left)]), 10)
    timer.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == ([NAME, "a"] if is_followed else ["a"])


def test_what_a_transfer_adds_to_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(StateError, match="locked by another process"):
        apply_removals(plan_absence(str(path), True, []), 0.1)
    os.close(fd)
    assert path.exists()
