# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive would take on the disk: counted where nothing is written, so that the same archives are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Callable

from .._disk.nonzero_runs import nonzero_bytes
from .._disk.sparse_file import Segment
from .._formats.member_names import CacheFile, SnapshotFile
from .archive_limits import ArchiveLimits, require_allocated
from .upper_spool import spooled_upper


class ArchiveCount:
    """Counts what those that install an archive would write, in their place.

    Nothing is looked at where the limit cannot be reached, because the apparent size has one that is no higher.

    Args:
        path: The archive, from which an upper is read once more when it has to be.
        limits: What it may demand.
        is_installed: Tells by digest whether the store has a snapshot; its upper is not counted.
        is_cached: Tells by name and size whether the cache has a file that stays; it is not counted.
    """

    def __init__(
        self,
        path: str,
        limits: ArchiveLimits,
        is_installed: Callable[[str], bool] = lambda digest: False,
        is_cached: Callable[[CacheFile, int], bool] = lambda name, size_bytes: False,
    ) -> None:
        self._path = path
        self._limits = limits
        self._is_installed = is_installed
        self._is_cached = is_cached
        self._is_needed = limits.allocated_bytes < limits.apparent_bytes
        self._taken = {"uppers": 0, "image cache files": 0}

    @contextlib.contextmanager
    def take_upper(
        self, name: SnapshotFile, digest: str | None, size_bytes: int, least_bytes: int
    ) -> Iterator[Callable[[Segment], None] | None]:
        """Count an upper that would be installed."""
        is_wanted = self._is_needed and (digest is None or not self._is_installed(digest))
        yield (lambda segment: self._count("uppers", segment)) if is_wanted else None

    @contextlib.contextmanager
    def take_cache_file(self, name: CacheFile, size_bytes: int) -> Iterator[Callable[[Segment], None] | None]:
        """Count a file of the image cache that would be installed."""
        is_wanted = self._is_needed and not self._is_cached(name, size_bytes)
        yield (lambda segment: self._count("image cache files", segment)) if is_wanted else None

    def open_upper(self, name: SnapshotFile) -> contextlib.AbstractContextManager[int]:
        """Open an upper for reading, from the archive."""
        return spooled_upper(self._path, self._limits, name)

    def _count(self, what: str, segment: Segment) -> None:
        self._taken[what] += nonzero_bytes(segment)
        require_allocated(what, self._taken[what], self._limits.allocated_bytes)
