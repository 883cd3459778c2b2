# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories made durably, for the owner of the one above them, and removed again while they are empty."""

from __future__ import annotations

import contextlib
import os


def make_directories(path: str, mode: int = 0o755) -> list[str]:
    """Create the directory and its missing parents durably, with this mode, and return those created, outermost first.

    Root gives each to the owner of the directory above it, so that a user's home stays the user's.
    """
    missing = []
    current = path
    while not os.path.lexists(current):
        missing.append(current)
        current = os.path.dirname(current)
    made: list[str] = []
    try:
        for directory in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, mode)
                made.append(directory)
                adopt_owner(directory, os.stat(os.path.dirname(directory)))
                _sync_directory(os.path.dirname(directory))
    except OSError:
        remove_empty(made)
        raise
    return made


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as exc:
        exc.filename = path
        raise
    finally:
        os.close(fd)


def remove_empty(directories: list[str]) -> None:
    """Remove the directories that are empty, innermost first."""
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def adopt_owner(path: str, like: os.stat_result, dir_fd: int | None = None) -> None:
    """Give a path that root has made to the owner of ``like``; for other users do nothing."""
    if os.geteuid() == 0:
        os.chown(path, like.st_uid, like.st_gid, dir_fd=dir_fd, follow_symlinks=False)
