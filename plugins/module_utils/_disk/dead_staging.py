# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging areas that dead runs left: found without a trace, and swept."""

from __future__ import annotations

import errno
import os

from .locking import try_lock
from .staging import STAGING_PREFIX, clear_area


def dead_staging_areas(parent: str) -> list[str]:
    """Return the names of the staging areas in a directory whose process is gone, sorted.

    Those of users other than this one and the directory's owner are none of ours.

    Raises:
        OSError: The directory cannot be read.
    """
    dead = []
    try:
        owners = (os.geteuid(), os.stat(parent).st_uid)
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith(STAGING_PREFIX))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for name in names:
        try:
            fd = os.open(os.path.join(parent, name), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                continue
            raise
        try:
            if os.fstat(fd).st_uid in owners and try_lock(fd):
                dead.append(name)
        finally:
            os.close(fd)
    return dead


def sweep(parent: str) -> list[str]:
    """Remove the staging areas of dead runs from a directory, and return their names.

    An entry that a dead run had moved aside goes back to its place when that place is empty.

    Raises:
        OSError: An area cannot be removed.
    """
    swept = dead_staging_areas(parent)
    for name in swept:
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            clear_area(name, parent_fd)
        finally:
            os.close(parent_fd)
    return swept
