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

from .._disk.locking import adopt_owner, wait_for_lock
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
        StateError: Another process holds one of them for longer than that.
        OSError: A lock file cannot be made.
    """
    with contextlib.ExitStack() as stack:
        for directory, name, mode in sorted(_lock_files(cache_dir, names)):
            wait_for_lock(stack.enter_context(_opened(directory, name, mode)), os.path.join(directory, name), patience)
        yield


def _lock_files(cache_dir: str, names: Iterable[CacheFile]) -> set[tuple[str, str, int]]:
    found = set()
    for name in names:
        directory = os.path.join(cache_dir, name.kind)
        lock = lock_file(name)
        if lock is not None:
            found.add((directory, lock, _LOCK_MODE))
        leases = os.path.join(directory, LEASES)
        if os.path.isdir(leases):
            found.add((leases, lease_name(name.file), _LEASE_MODE))
            if name.kind == MANIFESTS:
                found.add((leases, publication_lease(name), _LEASE_MODE))
    return found


@contextlib.contextmanager
def _opened(directory: str, name: str, mode: int) -> Iterator[int]:
    """Open a lock file, which stays: to remove one takes the lock from whoever waits for it."""
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, mode, dir_fd=directory_fd)
        try:
            adopt_owner(name, os.fstat(directory_fd), dir_fd=directory_fd)
            yield fd
        finally:
            os.close(fd)
    finally:
        os.close(directory_fd)
