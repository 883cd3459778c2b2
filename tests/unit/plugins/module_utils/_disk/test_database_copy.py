# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private copies of databases; ``test_database.py`` reads them beside other processes."""

from __future__ import annotations

import contextlib
import sqlite3
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


def test_a_link_in_the_place_of_the_log_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("a.db").write_bytes(b"content")
    tmp_path.joinpath("a.db-wal").symlink_to("a.db")
    with pytest.raises(StateError, match=r"a\.db-wal is no regular file"):
        try_copy(str(tmp_path / "a.db"), str(tmp_path / "copy.db"))
