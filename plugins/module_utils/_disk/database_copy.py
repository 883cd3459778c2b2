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
from .error_paths import naming_file
from .extents import Extent, scan_extents
from .place import require_space
from .sparse_file import write_at

# Byte ranges that SQLite locks: SHARED in the database (os.h), the checkpointer's in the wal-index (wal.c, os_unix.c).
_SHARED_LOCK = (0x40000002, 510)
_CHECKPOINT_LOCK = (121, 1)
# The log's header is written anew, with another salt, before any frame is overwritten.
_LOG_HEADER_BYTES = 32
_COPY_BYTES = 1 << 20
# So much is copied without a reserve, for a removal has to work on a disk that is almost full.
_SMALL_BYTES = 8 << 20


def try_copy(database: str, copy: str) -> bool:
    """Copy a database with its log, and return whether nobody interfered.

    The SHARED lock keeps away writers that want the whole database, the checkpointer's lock keeps the database as it
    is while others append to the log. Both are read locks: two readers do not disturb each other.

    Raises:
        StateError: One of them is no regular file, or there is no room for a large copy.
        OSError: One cannot be read or copied.
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
    """Copy a file but for its holes; an error names the one of the two that it is about."""
    found = os.fstat(source_fd)
    has_holes = found.st_blocks * 512 < found.st_size
    extents = scan_extents(source_fd).extents if has_holes else (Extent(0, found.st_size),)
    data_bytes = sum(end - start for start, end in extents)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if data_bytes > _SMALL_BYTES:
            require_space(fd, data_bytes)
        for extent in extents:
            _copy_extent(source_fd, fd, extent)
        if has_holes:
            with naming_file(fd):
                os.ftruncate(fd, found.st_size)
    finally:
        os.close(fd)


def _copy_extent(source_fd: int, fd: int, extent: Extent) -> None:
    position, end = extent
    while position < end:
        with naming_file(source_fd):
            piece = os.pread(source_fd, min(_COPY_BYTES, end - position), position)
        if not piece:
            # The log of a writer that has given up; what is left of it says so.
            return
        with naming_file(fd):
            write_at(fd, memoryview(piece), position)
        position += len(piece)


def not_regular(path: str) -> StateError:
    """Return the error for what is no regular file where a database or its log should be."""
    return StateError(f"{path} is no regular file, a database is one", path=path)
