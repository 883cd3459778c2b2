# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SHA-256 digest of a file, remembered in an extended attribute of it by whoever wrote it.

The record counts for the inode, the size and the mtime that it names. A rename keeps all three, a copy or a later write
does not. Bits that a disk loses change none of them: who wants to know of those has to read the file.
"""

from __future__ import annotations

import contextlib
import os
import stat

from .._core.digests import is_sha256

_ATTRIBUTE = "user.sandboxops.sha256"


def record_digest(fd: int, digest: str) -> None:
    """Remember the digest of an open file that is written to its end.

    A file system without extended attributes, or without room for one, remembers nothing.
    """
    with contextlib.suppress(OSError):
        os.setxattr(fd, _ATTRIBUTE, _record(fd, digest))


def recorded_digest(fd: int) -> str | None:
    """Return the digest that an open file was written with, or None when nothing tells it or the file is another."""
    record = _read(fd)
    digest = record.decode("ascii", "replace").partition(" ")[0]
    return digest if is_sha256(digest) and record == _record(fd, digest) else None


def own_recorded_digest(fd: int) -> str | None:
    """Return the recorded digest of an open file that belongs to this user and that nobody else may write to, or None.

    Whoever may write to a file can give it any content and any record.
    """
    return recorded_digest(fd) if _is_ours(fd) else None


def own_outdated_digest(fd: int) -> str | None:
    """Return the digest of a record that no longer counts: what the file's bytes have if they are still the same.

    As with one that counts, only that of a file that nobody else may write to.
    """
    digest = _read(fd).decode("ascii", "replace").partition(" ")[0]
    return digest if is_sha256(digest) and recorded_digest(fd) is None and _is_ours(fd) else None


def _is_ours(fd: int) -> bool:
    found = os.fstat(fd)
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(fd: int) -> bytes:
    try:
        return os.getxattr(fd, _ATTRIBUTE)
    except OSError:
        return b""


def _record(fd: int, digest: str) -> bytes:
    found = os.fstat(fd)
    return f"{digest} {found.st_ino} {found.st_size} {found.st_mtime_ns}".encode("ascii")
