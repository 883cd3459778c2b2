# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file system at a directory can do."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .._core.errors import StateError

_RESERVE_BYTES = 64 << 20
_ESCAPED = re.compile(r"\\([0-7]{3})")
_WITH_REFLINK = frozenset({"btrfs", "bcachefs", "ocfs2"})
_WITHOUT_REFLINK = frozenset({"ext2", "ext3", "ext4", "tmpfs", "vfat", "exfat", "msdos", "f2fs"})
_WITH_HOLES = frozenset({"btrfs", "bcachefs", "ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs", "zfs", "overlay"})
_WITHOUT_HOLES = frozenset({"vfat", "exfat", "msdos"})


class Place(NamedTuple):
    """A directory's file system.

    Attributes:
        filesystem: Its type, or None when the kernel does not say.
        free_bytes: Space that an unprivileged user can still fill.
        is_read_only: Whether it is mounted so that nobody can write to it.
        supports_reflink: Whether its files can share blocks; None when the type does not tell.
        supports_holes: Whether its files can have holes; None when the type does not tell.
    """

    filesystem: str | None
    free_bytes: int
    is_read_only: bool
    supports_reflink: bool | None
    supports_holes: bool | None


def observe_place(path: str) -> Place:
    """Look at the file system of a directory, or of its nearest parent that exists.

    Raises:
        OSError: The directory cannot be looked at.
    """
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    space = os.statvfs(path)
    kind = _filesystem(os.path.realpath(path))
    return Place(
        filesystem=kind,
        free_bytes=space.f_bavail * space.f_frsize,
        is_read_only=bool(space.f_flag & os.ST_RDONLY),
        supports_reflink=_tell(kind, _WITH_REFLINK, _WITHOUT_REFLINK),
        supports_holes=_tell(kind, _WITH_HOLES, _WITHOUT_HOLES),
    )


def require_space(fd: int, needed_bytes: int) -> None:
    """Check that a file system has room for so many bytes and a reserve for its other users.

    The reserve is 64 MiB, or a hundredth of a file system that is smaller than 6.25 GiB.

    Args:
        fd: Descriptor of a file or directory on it.
        needed_bytes: How much is about to be written at least.

    Raises:
        StateError: It has less.
    """
    space = os.fstatvfs(fd)
    free = (space.f_bfree if os.geteuid() == 0 else space.f_bavail) * space.f_frsize
    reserve = min(_RESERVE_BYTES, space.f_blocks * space.f_frsize // 100)
    if free < needed_bytes + reserve:
        raise StateError(
            f"{os.readlink(f'/proc/self/fd/{fd}')} needs {needed_bytes} bytes more and {reserve} in reserve,"
            f" its file system has {free} free",
            needed_bytes=needed_bytes,
            reserve_bytes=reserve,
            free_bytes=free,
        )


def require_space_below(path: str, needed_bytes: int) -> None:
    """Check that the file system of a directory, or of its nearest parent that exists, has room for so many bytes.

    Raises:
        StateError: It has less, with the reserve.
        OSError: The directory cannot be opened.
    """
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        require_space(fd, needed_bytes)
    finally:
        os.close(fd)


def _tell(kind: str | None, yes: frozenset[str], no: frozenset[str]) -> bool | None:
    return True if kind in yes else False if kind in no else None


def _filesystem(path: str) -> str | None:
    """Return the type of the file system that is mounted nearest above a path; of several there, the last one."""
    best, kind = "", None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                fields = line.split()
                point = _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
                if len(point) >= len(best) and os.path.commonpath([point, path]) == point:
                    best, kind = point, fields[fields.index("-") + 1]
    except OSError:
        return None
    return kind
