# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a file in a file of its own, for the user of the connection to fetch."""

from __future__ import annotations

import contextlib
import os

from .._disk.directories import adopt_owner
from .._disk.sparse_file import BUFFER_BYTES, read_at, write_at


def read_part(fd: int, offset: int, length: int) -> bytes:
    """Return a part of an open file.

    Raises:
        StateError: The file ends first.
    """
    buffer = bytearray(length)
    read_at(fd, memoryview(buffer), offset)
    return bytes(buffer)


def copy_part(fd: int, offset: int, length: int, path: str, is_made: bool) -> None:
    """Copy a part of an open file into a file that only its owner may read.

    Args:
        fd: The file.
        offset: Where the part begins.
        length: Its length.
        path: The part's file.
        is_made: Whether that is there, made by the connection's user and open to this one; else it is made anew, and
            given by root to the owner of its directory, who is the connection's user.

    Raises:
        StateError: The file ends first.
        OSError: The part cannot be written.
    """
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if is_made:
        part_fd = os.open(path, flags | os.O_TRUNC)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        part_fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if not is_made:
            adopt_owner(part_fd, os.stat(os.path.dirname(path)))
        buffer = memoryview(bytearray(min(length, BUFFER_BYTES)))
        for start in range(0, length, BUFFER_BYTES):
            view = buffer[: length - start]
            read_at(fd, view, offset + start)
            write_at(part_fd, view, start)
    finally:
        os.close(part_fd)
