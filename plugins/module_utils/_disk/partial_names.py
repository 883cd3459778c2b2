# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of partial files, by which a later run finds and judges them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from .locking import leads_to, try_lock

PARTIAL_PREFIX = ".sandboxops-partial-"


def partial_name(target: str, checksum: str) -> str:
    """Return the name of the partial file of a target name that is to have a checksum."""
    return f"{_prefix_of(target)}{checksum.rpartition(':')[2]}"


def find_partials(directory: str, target: str) -> list[str]:
    """Return the names of the partial files of a target name, sorted.

    A directory is nothing that a transfer has left, whatever its name is.
    """
    prefix = _prefix_of(target)
    try:
        with os.scandir(directory) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(prefix) and not entry.is_dir(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def partial_bytes(directory: str, name: str) -> int:
    """Return how much of a partial file is there."""
    try:
        found = os.lstat(os.path.join(directory, name))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def sweep_partials(directory: str, names: list[str]) -> list[str]:
    """Remove partial files that nobody adds to, and return their names.

    Those that this user can neither ask nor remove stay: they are in nobody's way.
    """
    swept = []
    for name in names:
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if try_lock(fd) and leads_to(path, fd):
                    os.unlink(path)
                    swept.append(name)
            finally:
                os.close(fd)
    return swept


def _prefix_of(target: str) -> str:
    # A hash of the name, for a name may be as long as a name can be.
    return f"{PARTIAL_PREFIX}{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}-"
