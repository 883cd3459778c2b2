# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that somebody else wrote: opened without being held up by what is no file, and small ones read whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from .._core.errors import FormatError, StateError
from .error_paths import name_file


def read_regular_file(path: str, max_bytes: int, follow_symlink: bool = False, dir_fd: int | None = None) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file.
        max_bytes: How much to read at most.
        follow_symlink: Whether the path may be a symlink to a regular file.
        dir_fd: Directory in which the path's last component is looked up, instead of following the path.

    Raises:
        FormatError: The path is no regular file, or the file is longer than ``max_bytes``.
        OSError: There is no such file, or it cannot be read; the error names it.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_symlink else os.O_NOFOLLOW)
    try:
        fd = os.open(path if dir_fd is None else path.rpartition("/")[2], flags, dir_fd=dir_fd)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise FormatError(f"{path} is no regular file", path=path) from exc
        exc.filename = path
        raise
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise FormatError(f"{path} is no regular file", path=path)
        content = b""
        wanted = found.st_size + 1  # one byte more than there should be, to see the end
        while len(content) <= max_bytes:
            asked = min(wanted, max_bytes + 1 - len(content))
            piece = os.read(fd, asked)
            content += piece
            if not piece or (len(piece) < asked and len(content) >= found.st_size):
                return content
            wanted = max(wanted - len(piece), 1)
    except OSError as exc:
        name_file(exc, fd)
        raise
    finally:
        os.close(fd)
    raise FormatError(f"{path} has more than the {max_bytes} bytes that are read", path=path)


@contextlib.contextmanager
def open_regular_file(path: str, what: str) -> Iterator[int]:
    """Yield a descriptor of a regular file, or of one that a symlink leads to, for reading.

    Args:
        path: The file.
        what: What it is, for messages.

    Raises:
        StateError: There is no such file, or it is no regular one.
        OSError: It cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise StateError(f"there is no {what} at {path}", path=path) from exc
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StateError(f"{path} is no regular file", path=path)
        yield fd
    finally:
        os.close(fd)
