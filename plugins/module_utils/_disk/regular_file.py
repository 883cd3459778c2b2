# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that somebody else wrote: read whole, bounded, and without being held up by what is no file."""

from __future__ import annotations

import errno
import os
import stat

from .._core.errors import FormatError


def read_regular_file(path: str, max_bytes: int, follow_symlink: bool = False) -> bytes:
    """Return the content of a regular file.

    Raises:
        FormatError: The path is no regular file, or the file is longer than ``max_bytes``.
        OSError: There is no such file, or it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_symlink else os.O_NOFOLLOW)
    try:
        fd = os.open(path, flags)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise FormatError(f"{path} is no regular file", path=path) from exc
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FormatError(f"{path} is no regular file", path=path)
        with open(fd, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    finally:
        os.close(fd)
    if len(content) > max_bytes:
        raise FormatError(f"{path} has more than the {max_bytes} bytes that are read", path=path)
    return content
