# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases of another program: read without a trace, written in short transactions.

SQLite itself cannot read a database in WAL mode without a trace: opening one creates ``-wal`` and ``-shm`` where they
are missing, and as root gives both to the database's owner again, which changes their ctime, even with ``mode=ro`` and
``readonly_shm``. The ``immutable`` mode leaves no trace and ignores the write-ahead log, where recent data often is.
So a read copies the database and its log under SQLite's own locks, and opens the copy.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import tempfile
import time
import urllib.parse
from typing import Callable, TypeVar

from .._core.errors import FormatError, MicrosandboxError, StateError, excerpt
from .database_copy import not_regular, try_copy

_Result = TypeVar("_Result")

_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.02
_SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError, MemoryError)  # the last where a damaged length is huge
# What SQLite says of a file that it cannot read, write or make.
_DISK_ERRORS = ("disk I/O error", "database or disk is full", "unable to open database file")


def read_database(database: str, read: Callable[[sqlite3.Connection], _Result], patience: float = 5.0) -> _Result:
    """Run a function on a consistent private copy of a database.

    Nothing of the database, its log or their directory changes, and no writer has to wait. The process must have no
    connection to the database itself, for closing any descriptor of a file gives up the process's locks on it.

    Args:
        database: The file.
        read: Queries the connection it is given and returns the answers. It runs again where a text is not UTF-8.
        patience: How long to wait for a process that holds the whole database, in seconds.

    Raises:
        StateError: The database is no regular file, or stays locked for longer than that; or there is no room for a
            copy, or SQLite cannot use it.
        FormatError: The file is no database.
        OSError: There is no such file, or it cannot be read or copied; the error names the file or its copy.
    """
    with tempfile.TemporaryDirectory(prefix="microsandbox-") as private:
        copy = os.path.join(private, "copy.db")
        deadline = time.monotonic() + patience
        while not try_copy(database, copy):
            if time.monotonic() >= deadline:
                raise _locked(database, patience)
            time.sleep(_RETRY_SECONDS)
        try:
            with contextlib.closing(_connect(copy, _BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # no shared memory: on a full disk, that kills
                connection.execute("PRAGMA synchronous=OFF")
                return _read_strictly_first(connection, read)
        except _SQLITE_ERRORS as exc:
            if isinstance(exc, sqlite3.OperationalError) and str(exc) in _DISK_ERRORS:
                raise StateError(f"SQLite cannot use {copy}, a copy of {database}: {exc}", path=copy) from exc
            raise _translated(database, exc) from exc


def _read_strictly_first(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
    """Let SQLite decode all texts, which is much faster than a function of ours that also decodes damaged ones."""
    lenient, connection.text_factory = connection.text_factory, str
    try:
        return read(connection)
    except (sqlite3.OperationalError, UnicodeDecodeError):
        connection.text_factory = lenient
        return read(connection)


def write_database(database: str, write: Callable[[sqlite3.Connection], _Result], patience: float) -> _Result:
    """Run a function in one immediate transaction, which commits when the function returns.

    Args:
        database: The file; it is never created.
        write: Changes the connection it is given. It runs again, from the start, when the database turns out busy.
        patience: How long to wait for other writers, in seconds.

    Raises:
        StateError: The database is missing or no regular file, cannot be written, or stays locked for longer than that.
        FormatError: The file is no database.
    """
    _require_regular(database)
    deadline = time.monotonic() + patience
    while True:
        remaining = deadline - time.monotonic()
        try:
            with contextlib.closing(_connect(database, max(0.0, min(_BUSY_SECONDS, remaining)))) as connection:
                connection.execute("PRAGMA foreign_keys=ON")
                return _run_immediate(connection, write)
        except _SQLITE_ERRORS as exc:
            if not _is_busy(exc):
                raise _translated(database, exc) from exc
            if time.monotonic() >= deadline:
                raise _locked(database, patience) from exc
        time.sleep(_RETRY_SECONDS)


def _run_immediate(connection: sqlite3.Connection, write: Callable[[sqlite3.Connection], _Result]) -> _Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = write(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return result


def _connect(database: str, busy_seconds: float) -> sqlite3.Connection:
    uri = "file:" + urllib.parse.quote(os.fsencode(os.path.abspath(database))) + "?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None)
    # Text that is not UTF-8 must not make its whole table unreadable.
    connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
    # What a schema brought along in triggers or views may call no function with side effects.
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _require_regular(database: str) -> None:
    if not os.path.lexists(database):
        raise StateError(f"there is no database {database}", path=database)
    for path in (database, database + "-wal", database + "-shm"):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise not_regular(path)


def _is_busy(exc: Exception) -> bool:
    # Python before 3.11 does not tell SQLite's code.
    return isinstance(exc, sqlite3.OperationalError) and "locked" in str(exc)


def _translated(database: str, exc: Exception) -> MicrosandboxError:
    # Python fails to decode SQLite's own message where that quotes a damaged schema.
    if _is_busy(exc):
        return StateError(f"the database {database} is locked by another process", path=database)
    if not isinstance(exc, (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError)):
        return FormatError(f"{database} is no sound SQLite database: {_shown(exc)}", path=database)
    return StateError(f"SQLite refuses to work on {database}: {_shown(exc)}", path=database)


def _shown(exc: Exception) -> str:
    """Return SQLite's message, which may quote what stands in the database, as one short line."""
    return excerpt(str(exc) or "out of memory", 200)[1:-1]


def _locked(database: str, patience: float) -> StateError:
    return StateError(
        f"the database {database} is locked by another process, for longer than the {patience:g} seconds to wait",
        path=database,
        waited_seconds=patience,
    )
