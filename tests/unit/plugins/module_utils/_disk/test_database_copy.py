# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private copies of databases; ``test_database.py`` reads them beside other processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.database_copy import try_copy


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An open database whose only row is in its log."""
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("CREATE TABLE t (value)")
        connection.execute("INSERT INTO t VALUES (1)")
        yield connection


def test_the_log_is_copied_with_its_database(connection: sqlite3.Connection, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert try_copy(str(tmp_path / "a.db"), str(copy))
    assert copy.read_bytes() == tmp_path.joinpath("a.db").read_bytes()
    assert tmp_path.joinpath("copy.db-wal").read_bytes() == tmp_path.joinpath("a.db-wal").read_bytes() != b""
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_log_of_an_earlier_try_does_not_stay(tmp_path: Path) -> None:
    tmp_path.joinpath("a.db").write_bytes(b"content")
    tmp_path.joinpath("copy.db-wal").write_bytes(b"of another moment")
    assert try_copy(str(tmp_path / "a.db"), str(tmp_path / "copy.db"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "copy.db"]


def test_holes_of_a_database_and_its_log_are_not_written(tmp_path: Path) -> None:
    """Anybody can make holes of any size, and a copy is often in memory."""
    size = 1 << 30
    for name in ("a.db", "a.db-wal"):
        with tmp_path.joinpath(name).open("wb") as file:
            file.write(b"start" * 1000)
            file.seek(size // 2)
            file.write(b"between holes")
            file.truncate(size)
    assert try_copy(str(tmp_path / "a.db"), str(tmp_path / "copy.db"))
    for suffix in ("", "-wal"):
        found = tmp_path.joinpath("copy.db" + suffix).stat()
        assert (found.st_size, found.st_blocks * 512) == (size, 12288)
        with (
            tmp_path.joinpath("a.db" + suffix).open("rb") as one,
            tmp_path.joinpath("copy.db" + suffix).open("rb") as two,
        ):
            for start in (0, size // 2, size - 4096):
                assert os.pread(one.fileno(), 8192, start) == os.pread(two.fileno(), 8192, start)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 16 MiB, of which a hundredth is a reserve."""
    point = tmp_path / "small"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(point)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("a small file system needs the right to mount one")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def test_a_large_copy_needs_room_and_a_reserve_and_a_small_one_takes_what_there_is(
    tmp_path: Path, small_disk: Path
) -> None:
    database = tmp_path / "a.db"
    almost_all = (16 << 20) - 8192
    database.write_bytes(b"x" * almost_all)
    with pytest.raises(StateError, match=rf"copy\.db needs {almost_all} bytes more and 167772 in reserve"):
        try_copy(str(database), str(small_disk / "copy.db"))
    assert small_disk.joinpath("copy.db").stat().st_size == 0
    small_disk.joinpath("filler").write_bytes(b"x" * ((8 << 20) - 8192))
    os.truncate(database, 8 << 20)
    assert try_copy(str(database), str(small_disk / "copy.db"))
    assert small_disk.joinpath("copy.db").read_bytes() == database.read_bytes()


def test_a_link_in_the_place_of_the_log_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("a.db").write_bytes(b"content")
    tmp_path.joinpath("a.db-wal").symlink_to("a.db")
    with pytest.raises(StateError, match=r"a\.db-wal is no regular file"):
        try_copy(str(tmp_path / "a.db"), str(tmp_path / "copy.db"))
