# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases are read without a trace, beside live writers, and written in one transaction."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.database import (
    read_database,
    write_database,
)

Unpack = Callable[[str], Path]
Listing = Callable[[Path], object]

# Connects, runs the statements it is given, says so, and waits to be told to end.
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def holder(database: Path, *statements: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process that has the database open, and end it without letting SQLite tidy up."""
    command = [sys.executable, "-c", HOLDER, str(database), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def count_sandboxes(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sandbox").fetchone()[0])


def values(connection: sqlite3.Connection) -> list[object]:
    return [row[0] for row in connection.execute("SELECT value FROM t ORDER BY rowid")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database in WAL mode with one table and one row."""
    path = tmp_path / "made" / "msb.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (value)")
        connection.execute("INSERT INTO t VALUES ('first')")
    return path


@pytest.mark.parametrize(
    ("missing", "count"),
    [
        ((), 5),
        (("-shm",), 5),
        (("-wal",), 4),
        (("-wal", "-shm"), 4),
    ],
)
def test_a_real_database_is_read_with_its_log_and_without_a_trace(
    unpack_home: Unpack, list_tree: Listing, missing: tuple[str, ...], count: int
) -> None:
    home = unpack_home("0.7.11")
    for suffix in missing:
        home.joinpath(f"db/msb.db{suffix}").unlink()
    before = list_tree(home)
    assert read_database(str(home / "db/msb.db"), count_sandboxes) == count
    assert list_tree(home) == before


@pytest.mark.parametrize(("truncated", "count"), [("-shm", 5), ("-wal", 4)])
def test_an_empty_file_beside_the_database_is_no_obstacle(
    unpack_home: Unpack, list_tree: Listing, truncated: str, count: int
) -> None:
    home = unpack_home("0.7.11")
    os.truncate(home / f"db/msb.db{truncated}", 0)
    before = list_tree(home)
    assert read_database(str(home / "db/msb.db"), count_sandboxes) == count
    assert list_tree(home) == before


def test_a_torn_end_of_the_log_is_ignored(unpack_home: Unpack, list_tree: Listing) -> None:
    home = unpack_home("0.7.11")
    with home.joinpath("db/msb.db-wal").open("ab") as log:
        log.write(b"\x01" * 4120)
    before = list_tree(home)
    assert read_database(str(home / "db/msb.db"), count_sandboxes) == 5
    assert list_tree(home) == before


@pytest.mark.parametrize(
    ("statements", "seen"),
    [
        (["SELECT * FROM t"], ["first"]),
        (["INSERT INTO t VALUES ('second')"], ["first", "second"]),
        (["BEGIN IMMEDIATE", "INSERT INTO t VALUES ('second')"], ["first"]),
        (["BEGIN EXCLUSIVE", "INSERT INTO t VALUES ('second')"], ["first"]),
        (["INSERT INTO t VALUES ('second')", "PRAGMA wal_checkpoint(TRUNCATE)"], ["first", "second"]),
        (["BEGIN", "SELECT * FROM t"], ["first"]),
    ],
)
def test_what_a_live_process_has_committed_is_seen_without_a_trace(
    database: Path, list_tree: Listing, statements: list[str], seen: list[str]
) -> None:
    with holder(database, *statements):
        before = list_tree(database.parent)
        assert read_database(str(database), values) == seen
        assert list_tree(database.parent) == before


def test_a_process_that_died_has_left_what_it_committed(database: Path, list_tree: Listing) -> None:
    with holder(database, "INSERT INTO t VALUES ('second')", "BEGIN", "INSERT INTO t VALUES ('third')"):
        pass
    before = list_tree(database.parent)
    assert os.path.getsize(f"{database}-wal") > 0
    assert read_database(str(database), values) == ["first", "second"]
    assert list_tree(database.parent) == before


def test_a_rollback_journal_of_a_process_that_died_is_honoured(tmp_path: Path, list_tree: Listing) -> None:
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (value)")
        connection.executemany("INSERT INTO t VALUES (?)", [(f"{i:01000d}",) for i in range(100)])
    with holder(path, "PRAGMA cache_size=2", "BEGIN", "UPDATE t SET value = zeroblob(1000)"):
        pass
    assert os.path.getsize(f"{path}-journal") > 0
    before = list_tree(tmp_path)
    assert read_database(str(path), values) == [f"{i:01000d}" for i in range(100)]
    assert list_tree(tmp_path) == before


def test_every_read_beside_a_busy_writer_is_one_moment(database: Path) -> None:
    # Both tables always hold the same number; a copy that mixes two moments would not, or would be malformed.
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("PRAGMA wal_autocheckpoint=3")
connection.execute("PRAGMA synchronous=OFF")
connection.execute("CREATE TABLE a (n, filler)")
connection.execute("CREATE TABLE b (n, filler)")
for table in "ab":
    connection.executemany(f"INSERT INTO {table} VALUES (0, ?)", [(b"x" * 2000,)] * 400)
print("ready", flush=True)
n = 0
while True:
    n += 1
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE a SET n = ?", (n,))
    connection.execute("UPDATE b SET n = ?", (n,))
    connection.execute("COMMIT")
"""

    def numbers(connection: sqlite3.Connection) -> set[int]:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in connection.execute("SELECT n FROM a UNION ALL SELECT n FROM b")}

    moments: set[int] = set()
    command = [sys.executable, "-c", script, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            start = time.monotonic()
            while time.monotonic() < start + 2 or (len(moments) <= 5 and time.monotonic() < start + 60):
                (moment,) = read_database(str(database), numbers)
                moments.add(moment)
            assert process.poll() is None
        finally:
            process.kill()
    assert len(moments) > 5


def test_a_database_that_another_process_has_for_itself_is_called_locked(database: Path, list_tree: Listing) -> None:
    with holder(database, "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "INSERT INTO t VALUES ('second')"):
        before = list_tree(database.parent)
        with pytest.raises(StateError, match=r"msb\.db is locked by another process, for longer than the 0\.2 seconds"):
            read_database(str(database), values, patience=0.2)
        assert list_tree(database.parent) == before


def test_the_private_copy_is_private_and_gone_afterwards(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    during: list[int] = []

    def read(connection: sqlite3.Connection) -> None:
        during.extend(os.stat(path).st_mode & 0o777 for path in scratch.iterdir())
        raise StateError("stop here")

    with pytest.raises(StateError, match="stop here"):
        read_database(str(database), read)
    assert during == [0o700]
    assert list(scratch.iterdir()) == []


def test_the_private_copy_needs_no_shared_memory(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    with holder(database, "INSERT INTO t VALUES ('second')"):
        found = read_database(
            str(database), lambda connection: (values(connection), [path.name for path in scratch.glob("*/*-shm")])
        )

    # Where its disk has no block left for a page that is mapped, the kernel ends the process.
    assert found == (["first", "second"], [])


def test_a_path_is_not_mistaken_for_a_query(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory&x=#%41 é.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (value)")
    write_database(str(path), lambda connection: connection.execute("INSERT INTO t VALUES ('here')"), 1)
    assert read_database(str(path), values) == ["here"]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_text_that_is_not_utf8_does_not_hide_its_table(database: Path) -> None:
    write_database(str(database), lambda c: c.execute("INSERT INTO t VALUES (CAST(x'ff61' AS TEXT))"), 1)
    assert read_database(str(database), values) == ["first", "\udcffa"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_is_no_regular_file_is_neither_read_nor_written(
    database: Path, tmp_path: Path, suffix: str, kind: str
) -> None:
    path = Path(f"{database}{suffix}")
    if suffix == "":
        path.rename(tmp_path / "elsewhere")
    if kind == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(StateError, match=f"msb.db{suffix} is no regular file, a database is one"):
        read_database(str(database), values)
    with pytest.raises(StateError, match=f"msb.db{suffix} is no regular file, a database is one"):
        write_database(str(database), values, 1)


def test_a_missing_database_is_neither_read_nor_made(tmp_path: Path) -> None:
    path = tmp_path / "msb.db"
    with pytest.raises(FileNotFoundError):
        read_database(str(path), values)
    with pytest.raises(StateError, match="there is no database"):
        write_database(str(path), values, 1)
    assert list(tmp_path.iterdir()) == []


def _with_huge_cell() -> bytes:
    """Return a database whose schema has an entry too long for any memory, as a fuzzer found it."""
    content = bytearray(7 * 512)  # pages of 512 bytes
    content[:18] = b"SQLite format 3\0\x02\0"
    content[21:24] = bytes([64, 32, 32])
    content[100], content[111] = 5, 7  # the schema goes on in page 7
    page = 6 * 512
    content[page], content[page + 4], content[page + 8 : page + 10] = 13, 3, bytes([1, 195])
    content[page + 451 : page + 461] = b"\xff" * 10
    content[page + 462] = 97
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4080, _with_huge_cell()],
    ids=["text", "header alone", "huge cell"],
)
def test_a_file_that_is_no_database_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "msb.db"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"msb\.db is no sound SQLite database"):
        read_database(str(path), values)
    with pytest.raises(FormatError, match=r"msb\.db is no sound SQLite database"):
        write_database(str(path), values, 1)
    assert path.read_bytes() == content


def test_a_missing_table_is_named(database: Path) -> None:
    with pytest.raises(StateError, match=r"SQLite refuses to work on .*: no such table: sandbox"):
        read_database(str(database), count_sandboxes)


def test_a_write_is_committed_whole(database: Path) -> None:
    def write(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO t VALUES ('second')")
        connection.execute("INSERT INTO t VALUES ('third')")
        return "done"

    assert write_database(str(database), write, 1) == "done"
    assert read_database(str(database), values) == ["first", "second", "third"]


def test_a_write_that_fails_changes_nothing(database: Path) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES ('second')")
        raise StateError("changed my mind")

    with pytest.raises(StateError, match="changed my mind"):
        write_database(str(database), write, 1)
    assert read_database(str(database), values) == ["first"]


def test_a_write_waits_for_another_writer(database: Path) -> None:
    with holder(database, "BEGIN IMMEDIATE", "INSERT INTO t VALUES ('theirs')") as process:
        releaser = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; kill {process.pid}"])
        write_database(str(database), lambda connection: connection.execute("INSERT INTO t VALUES ('ours')"), 20)
        releaser.wait()
    assert read_database(str(database), values) == ["first", "ours"]


def test_a_database_that_stays_locked_is_named(database: Path) -> None:
    with holder(database, "BEGIN IMMEDIATE"):
        start = time.monotonic()
        with pytest.raises(StateError, match=r"msb\.db is locked by another process") as caught:
            write_database(str(database), values, 0.3)
        assert 0.3 <= time.monotonic() - start < 3
    assert caught.value.facts == {"path": str(database), "waited_seconds": 0.3}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that lock out the owner of a home")
def test_what_root_writes_stays_the_owners(database: Path) -> None:
    for path in (database.parent, database):
        os.chown(path, 12345, 12346)
    database.chmod(0o600)

    def write(connection: sqlite3.Connection) -> set[tuple[str, int, int, int]]:
        connection.execute("INSERT INTO t VALUES ('second')")
        found = {path.name: path.stat() for path in database.parent.iterdir()}
        return {(name, stat.st_uid, stat.st_gid, stat.st_mode & 0o777) for name, stat in found.items()}

    owned = (12345, 12346, 0o600)
    assert write_database(str(database), write, 1) == {
        ("msb.db", *owned),
        ("msb.db-wal", *owned),
        ("msb.db-shm", *owned),
    }
    assert [(path.name, path.stat().st_uid) for path in database.parent.iterdir()] == [("msb.db", 12345)]
