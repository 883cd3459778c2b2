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
import errno
import fcntl
import os
import sqlite3
import stat
import tempfile
import time
import urllib.parse
from typing import Callable, TypeVar

from .._core.errors import FormatError, MicrosandboxError, StateError, excerpt
from .byte_source import ByteSource
from .error_paths import naming_file
from .sparse_file import write_at

_Result = TypeVar("_Result")

_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.02
# Byte ranges that SQLite locks: SHARED in the database (os.h), the checkpointer's in the wal-index (wal.c, os_unix.c).
_SHARED_LOCK = (0x40000002, 510)
_CHECKPOINT_LOCK = (121, 1)
# The log's header is written anew, with another salt, before any frame is overwritten.
_LOG_HEADER_BYTES = 32
_COPY_BYTES = 1 << 20
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
        StateError: The database is no regular file, or stays locked for longer than that; or SQLite cannot use the
            copy, for lack of space for example.
        FormatError: The file is no database.
        OSError: There is no such file, or it cannot be read or copied; the error names the file or its copy.
    """
    with tempfile.TemporaryDirectory(prefix="microsandbox-") as private:
        copy = os.path.join(private, "copy.db")
        deadline = time.monotonic() + patience
        while not _try_copy(database, copy):
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


def _try_copy(database: str, copy: str) -> bool:
    """Copy a database with its log, and return whether nobody interfered.

    The SHARED lock keeps away writers that want the whole database, the checkpointer's lock keeps the database as it
    is while others append to the log. Both are read locks: two readers do not disturb each other.
    """
    with contextlib.ExitStack() as stack:
        database_fd = _open(database, stack)
        if not _try_read_lock(database_fd, _SHARED_LOCK):
            return False
        index_fd = _open_if_exists(database + "-shm", stack)
        if index_fd is not None and not _try_read_lock(index_fd, _CHECKPOINT_LOCK):
            return False
        _copy_file(database_fd, copy)
        for suffix in ("-wal", "-journal"):
            side_fd = _open_if_exists(database + suffix, stack)
            if side_fd is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(copy + suffix)
                continue
            header = _read_log_header(side_fd)
            _copy_file(side_fd, copy + suffix)
            if _read_log_header(side_fd) != header:
                return False
        # A process that came meanwhile has not seen a lock on an index that did not exist.
        return index_fd is not None or not os.path.lexists(database + "-shm")


def _open(path: str, stack: contextlib.ExitStack) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_regular(path) from exc
        raise
    stack.callback(os.close, fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise _not_regular(path)
    return fd


def _open_if_exists(path: str, stack: contextlib.ExitStack) -> int | None:
    try:
        return _open(path, stack)
    except FileNotFoundError:
        return None


def _try_read_lock(fd: int, byte_range: tuple[int, int]) -> bool:
    start, length = byte_range
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


def _read_log_header(fd: int) -> bytes:
    with naming_file(fd):
        return os.pread(fd, _LOG_HEADER_BYTES, 0)


def _copy_file(source_fd: int, target: str) -> None:
    """Copy a whole file; an error names the one of the two that it is about."""
    source = ByteSource(source_fd)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while piece := source.read(_COPY_BYTES):
            with naming_file(fd):
                write_at(fd, memoryview(piece), source.position - len(piece))
    finally:
        os.close(fd)


def _require_regular(database: str) -> None:
    if not os.path.lexists(database):
        raise StateError(f"there is no database {database}", path=database)
    for path in (database, database + "-wal", database + "-shm"):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise _not_regular(path)


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


def _not_regular(path: str) -> StateError:
    return StateError(f"{path} is no regular file, a database is one", path=path)
