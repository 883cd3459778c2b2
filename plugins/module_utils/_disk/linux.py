# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux calls that Python's os module lacks: reflinks, early write-back, renames that never clobber."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os

_FICLONE = 0x40049409  # linux/fs.h
_SYNC_FILE_RANGE_WRITE = 2
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

# What a file system answers when it has no reflinks, or none between these two files.
_NO_REFLINK = frozenset(
    {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.ETXTBSY}
)
_NO_RENAME_FLAGS = frozenset({errno.ENOSYS, errno.EINVAL})

_libc = ctypes.CDLL(None, use_errno=True)


def reflink(source_fd: int, target_fd: int) -> bool:
    """Share the source's extents with the empty target, and return whether the file system could.

    Raises:
        OSError: The file system has reflinks and failed, for lack of space for example.
    """
    try:
        fcntl.ioctl(target_fd, _FICLONE, source_fd)
    except OSError as exc:
        if exc.errno in _NO_REFLINK:
            return False
        raise
    return True


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing dirty pages of the range, so that a later fsync has less to wait for.

    A hint: an error, or a libc without the call, changes nothing, because the fsync reports what counts.
    """
    call = getattr(_libc, "sync_file_range", None)
    if call is not None:
        call(fd, ctypes.c_int64(offset), ctypes.c_int64(length), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def rename_new(source_dir_fd: int, source: str, target_dir_fd: int, target: str) -> None:
    """Rename to a name that must not exist yet.

    Raises:
        FileExistsError: The target exists, whatever it is.
        OSError: The rename failed.
    """
    if _renameat2(source_dir_fd, source, target_dir_fd, target, _RENAME_NOREPLACE):
        return
    try:
        os.lstat(target, dir_fd=target_dir_fd)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_dir_fd, dst_dir_fd=target_dir_fd)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def exchange(first_dir_fd: int, first: str, second_dir_fd: int, second: str) -> bool:
    """Swap two existing names in one atomic step, and return whether the file system could.

    Raises:
        OSError: The file system knows the call and failed.
    """
    return _renameat2(first_dir_fd, first, second_dir_fd, second, _RENAME_EXCHANGE)


def _renameat2(source_dir_fd: int, source: str, target_dir_fd: int, target: str, flags: int) -> bool:
    call = getattr(_libc, "renameat2", None)
    if call is None:
        return False
    if call(source_dir_fd, os.fsencode(source), target_dir_fd, os.fsencode(target), ctypes.c_uint(flags)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_RENAME_FLAGS:
        return False
    raise OSError(code, os.strerror(code), target)
