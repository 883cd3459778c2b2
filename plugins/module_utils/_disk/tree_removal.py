# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories removed with all that is below them, which somebody else may have put there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(name: str, dir_fd: int) -> None:
    """Remove an entry of a directory and everything below it, following no symlink; a missing one is fine.

    However deep it is, no more than three descriptors are open for that.

    Raises:
        OSError: Something cannot be removed, or was moved elsewhere meanwhile.
    """
    fd = os.dup(dir_fd)
    # From the given directory down to the open one: which it is, and what is still to be removed from it.
    way = [(os.fstat(fd), [name])]
    try:
        while True:
            entries = way[-1][1]
            if entries:
                next_fd = _remove_or_open(entries[-1], fd)
                if next_fd is None:
                    entries.pop()
                    continue
            elif len(way) > 1:
                way.pop()
                next_fd = _open_above(fd, way[-1][0])
            else:
                return
            fd, done_fd = next_fd, fd
            os.close(done_fd)
            if entries:
                way.append((os.fstat(fd), os.listdir(fd)))
            else:
                os.rmdir(way[-1][1].pop(), dir_fd=fd)
    finally:
        os.close(fd)


def _remove_or_open(name: str, dir_fd: int) -> int | None:
    """Remove what is no directory, and return a descriptor of what is one."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(name, dir_fd=dir_fd).st_mode):
            return os.open(name, _DIRECTORY_FLAGS, dir_fd=dir_fd)
        os.unlink(name, dir_fd=dir_fd)
    return None


def _open_above(fd: int, found: os.stat_result) -> int:
    """Open the directory above an open one, as long as that is where it was found."""
    above_fd = os.open("..", _DIRECTORY_FLAGS, dir_fd=fd)
    if os.path.samestat(os.fstat(above_fd), found):
        return above_fd
    # Who moves a directory that is being removed would have other ones emptied.
    os.close(above_fd)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
