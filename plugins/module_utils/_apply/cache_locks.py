# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks that microsandbox takes on files of its image cache, taken as it takes them.

Until 0.7.6 it locks a file beside the one that it makes; from 0.7.7 on it holds leases in a directory beside the files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from .._core.errors import StateError
from .._disk.locking import open_lock_file, wait_for_lock
from .._formats.image_files import LEASES, MANIFESTS, lease_name, lock_file, publication_lease
from .._formats.member_names import CacheFile

_LOCK_MODE = 0o644
_LEASE_MODE = 0o600


@contextlib.contextmanager
def locked_cache_files(cache_dir: str, names: Iterable[CacheFile], patience: float) -> Iterator[None]:
    """Hold every lock on files of an image cache, in one order for all.

    Args:
        cache_dir: The image cache; the directories of the files exist.
        names: The files.
        patience: How long to wait for each lock, in seconds.

    Raises:
        StateError: Another process holds one of them for longer than that, or one is no regular file.
        OSError: A lock file cannot be made.
    """
    with contextlib.ExitStack() as stack:
        for path, mode in sorted(_lock_files(cache_dir, names)):
            fd = open_lock_file(path, mode)
            # They stay: to remove one takes the lock from whoever waits for it.
            stack.callback(os.close, fd)
            wait_for_lock(fd, path, patience)
        yield


def _lock_files(cache_dir: str, names: Iterable[CacheFile]) -> set[tuple[str, int]]:
    found = set()
    for name in names:
        directory = os.path.join(cache_dir, name.kind)
        if os.path.islink(directory):
            raise StateError(f"{directory} is no directory, lock files are in one", path=directory)
        lock = lock_file(name)
        if lock is not None:
            found.add((os.path.join(directory, lock), _LOCK_MODE))
        leases = os.path.join(directory, LEASES)
        if os.path.lexists(leases):
            found.add((os.path.join(leases, lease_name(name.file)), _LEASE_MODE))
            if name.kind == MANIFESTS:
                found.add((os.path.join(leases, publication_lease(name)), _LEASE_MODE))
    return found
