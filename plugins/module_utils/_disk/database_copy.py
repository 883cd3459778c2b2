# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private copy of an SQLite database that others may be writing to, taken under SQLite's own locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from .._core.errors import StateError
from .byte_source import ByteSource
from .error_paths import naming_file
from .sparse_file import write_at

# Byte ranges that SQLite locks: SHARED in the database (os.h), the checkpointer's in the wal-index (wal.c, os_unix.c).
_SHARED_LOCK = (0x40000002, 510)
_CHECKPOINT_LOCK = (121, 1)
# The log's header is written anew, with another salt, before any frame is overwritten.
_LOG_HEADER_BYTES = 32
_COPY_BYTES = 1 << 20


def try_copy(database: str, copy: str) -> bool:
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
            raise not_regular(path) from exc
        raise
    stack.callback(os.close, fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise not_regular(path)
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


def not_regular(path: str) -> StateError:
    """Return the error for what is no regular file where a database or its log should be."""
    return StateError(f"{path} is no regular file, a database is one", path=path)
