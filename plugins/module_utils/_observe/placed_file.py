# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file at a path that a transfer is to fill: what is there."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass

from .._core.errors import StateError
from .._disk.digest_record import own_recorded_digest
from .._disk.error_paths import naming_file
from .._disk.sparse_file import BUFFER_BYTES, Traffic


@dataclass(frozen=True)
class PlacedFile:
    """A regular file.

    Attributes:
        size_bytes: Its size.
        mode: Its permissions.
        digest: SHA-256 digest of its content; None when its size tells already that it is another than the wanted one.
    """

    size_bytes: int
    mode: int
    digest: str | None


def observe_placed_file(
    path: str, size_bytes: int | None, traffic: Traffic, *, is_read: bool = False
) -> PlacedFile | None:
    """Look at the file at a path; None when nothing is there.

    It is read only where its size may be the wanted one and no digest is recorded that nobody else can have written.

    Args:
        path: Where.
        size_bytes: The wanted size, or None when nobody knows it.
        traffic: Where the bytes are counted.
        is_read: Read it whatever is recorded.

    Raises:
        StateError: Something else than a regular file is there.
        OSError: It cannot be read.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError as exc:
        raise StateError(f"{os.path.dirname(path)} is no directory", path=path) from exc
    if not stat.S_ISREG(found.st_mode):
        raise StateError(f"{path} is no regular file, and is not replaced by one", path=path)
    if size_bytes not in (None, found.st_size):
        return PlacedFile(found.st_size, stat.S_IMODE(found.st_mode), None)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        digest = (None if is_read else own_recorded_digest(fd)) or hash_open_file(fd, traffic)
    finally:
        os.close(fd)
    return PlacedFile(found.st_size, stat.S_IMODE(found.st_mode), digest)


def hash_open_file(fd: int, traffic: Traffic) -> str:
    """Return the digest of an open file, whose position must be its start."""
    running = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with naming_file(fd):
        while True:
            count = os.readv(fd, [buffer])
            if not count:
                return "sha256:" + running.hexdigest()
            traffic.read += count
            running.update(buffer[:count])
