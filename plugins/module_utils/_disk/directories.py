# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories made durably, for the owner of the one above them, and removed again while they are empty."""

from __future__ import annotations

import contextlib
import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def make_directories(path: str, mode: int = 0o755) -> list[str]:
    """Create the directory and its missing parents durably, with this mode, and return those created, outermost first.

    Root gives each to the owner of the directory above it, so that a user's home stays the user's.

    Raises:
        OSError: One of them cannot be made.
    """
    missing = []
    current = path.rstrip("/") or "/"
    while not os.path.lexists(current):
        missing.append(current)
        current = os.path.dirname(current)
    made: list[str] = []
    if not missing:
        return made
    fd = os.open(current, _FLAGS)
    try:
        for directory in reversed(missing):
            next_fd = _make_or_open(directory, mode, fd, made)
            fd, done_fd = next_fd, fd
            os.close(done_fd)
    except OSError:
        remove_empty(made)
        raise
    finally:
        os.close(fd)
    return made


def require_makeable(path: str) -> None:
    """Check, changing nothing, that a directory is there or that there is one to make it in.

    Raises:
        OSError: What is in its way, as the making would say it.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    os.close(os.open(path, _FLAGS))


def _make_or_open(path: str, mode: int, above_fd: int, made: list[str]) -> int:
    """Return a descriptor of a directory, which is added to those that were made unless it is there."""
    name, about = os.path.basename(path), path
    try:
        try:
            fd = make_directory(name, mode, above_fd)
        except FileExistsError:
            return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=above_fd)
        made.append(path)
        try:
            # With something in it, it may be another one that the owner of the directory above has put there.
            if not os.listdir(fd):
                adopt_owner(fd, os.fstat(above_fd))
            about = os.path.dirname(path)
            os.fsync(above_fd)
        except OSError:
            os.close(fd)
            raise
    except OSError as exc:
        exc.filename = about
        raise
    return fd


def make_directory(name: str, mode: int, dir_fd: int) -> int:
    """Create a directory in an open one, and return a descriptor of it, which the caller closes."""
    os.mkdir(name, mode, dir_fd=dir_fd)
    try:
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=dir_fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=dir_fd)
        raise


def remove_empty(directories: list[str]) -> None:
    """Remove the directories that are empty, innermost first."""
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def adopt_owner(fd: int, like: os.stat_result) -> None:
    """Give what root has made and has open to the owner of ``like``; for other users do nothing.

    Not by its name: under that, the owner of the directory may have put another file of root meanwhile.
    """
    if os.geteuid() == 0:
        os.fchown(fd, like.st_uid, like.st_gid)
