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
from .._disk.locking import LockFile, locked_files
from .._formats.image_files import FSMETA, LAYERS, LEASES, MANIFESTS, lease_name, lock_file, publication_lease
from .._formats.member_names import CacheFile

_LOCK_MODE = 0o644
_LEASE_MODE = 0o600
# A pull holds the lock on the metadata while it waits for the others.
_ORDER = (MANIFESTS, LAYERS, FSMETA)


@contextlib.contextmanager
def locked_cache_files(
    cache_dir: str, written: Iterable[CacheFile], kept: Iterable[CacheFile], patience: float
) -> Iterator[None]:
    """Hold every lock on files of an image cache, in microsandbox's order, the leases last.

    A lease keeps a sandbox from starting, so while one of them is waited for, none is held.

    Args:
        cache_dir: The image cache; the directories of the files exist.
        written: Files to write, which nobody else may use.
        kept: Files to stay as they are, which others may use as well.
        patience: How long to wait for each lock, and for all leases together, in seconds.

    Raises:
        StateError: Another process holds one of them for longer than that, or one is no regular file.
        OSError: A lock file cannot be made.
    """
    is_shared = {**dict.fromkeys(kept, True), **dict.fromkeys(written, False)}
    with contextlib.ExitStack() as stack:
        for lock in _locks(cache_dir, is_shared):
            stack.enter_context(locked_files([lock], patience))
        # Only now: a later version may have used the cache for the first time meanwhile.
        stack.enter_context(locked_files(_leases(cache_dir, is_shared), patience))
        yield


def _locks(cache_dir: str, is_shared: dict[CacheFile, bool]) -> list[LockFile]:
    exclusive = {lock_file(name) for name in is_shared if not is_shared[name]}
    names = exclusive | {lock_file(name) for name in is_shared}
    return [
        LockFile(os.path.join(cache_dir, *name), _LOCK_MODE, name not in exclusive)
        for name in sorted(names, key=lambda name: (_ORDER.index(name.kind), name))
    ]


def _leases(cache_dir: str, is_shared: dict[CacheFile, bool]) -> list[LockFile]:
    found = []
    for name in sorted(is_shared):
        directory = os.path.join(cache_dir, name.kind)
        if os.path.islink(directory):
            raise StateError(f"{directory} is no directory, lock files are in one", path=directory)
        leases = os.path.join(directory, LEASES)
        if os.path.lexists(leases):
            names = [lease_name(name.file)]
            if name.kind == MANIFESTS:
                names.append(publication_lease(name))
            found += [LockFile(os.path.join(leases, each), _LEASE_MODE, is_shared[name]) for each in names]
    return found
