# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an image cache where a file is to be installed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._core.errors import FormatError
from .._disk.content_hash import SHA256, hash_file
from .._disk.extents import scan_extents
from .._disk.regular_file import read_regular_file
from .._disk.sparse_file import Traffic
from .._formats.member_names import CacheFile
from .image_cache import open_cache_file, require_valid_erofs


@dataclass(frozen=True)
class CacheTarget:
    """The place of a file in an image cache.

    Attributes:
        path: Where the file belongs.
        is_absent: Whether the place is free.
        is_file: Whether a regular file is there.
        size_bytes: Size of the file that is there.
        sha256: Its digest, where it was worth computing: when it has the size of the one that is to be installed.
        content: Its bytes, when it is small enough to be metadata or a descriptor.
        is_valid: Whether it passes for an EROFS image.
    """

    path: str
    is_absent: bool = True
    is_file: bool = False
    size_bytes: int = 0
    sha256: str | None = None
    content: bytes | None = None
    is_valid: bool = False

    @property
    def is_foreign(self) -> bool:
        """Return whether something is there that is no regular file."""
        return not (self.is_absent or self.is_file)


def look_at_target(cache_dir: str, name: CacheFile) -> CacheTarget:
    """Look at a place without reading what is there, and without following a symlink in the cache."""
    directory = os.path.join(cache_dir, name.kind)
    path = os.path.join(directory, name.file)
    if os.path.lexists(directory) and not stat.S_ISDIR(os.lstat(directory).st_mode):
        return CacheTarget(path, is_absent=False)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return CacheTarget(path)
    return CacheTarget(path, False, stat.S_ISREG(found.st_mode), found.st_size)


def is_kept(cache_dir: str, name: CacheFile, size_bytes: int, replace_all: bool) -> bool:
    """Return whether an EROFS file of an archive is not taken, because the cache has one of the same size."""
    target = look_at_target(cache_dir, name)
    return target.is_file and target.size_bytes == size_bytes and not replace_all


def observe_erofs_targets(
    cache_dir: str, sizes: Mapping[CacheFile, int], traffic: Traffic
) -> dict[CacheFile, CacheTarget]:
    """Look at the places of EROFS files, and hash what may be the same file already.

    Args:
        cache_dir: The image cache.
        sizes: Size of each file to install.
        traffic: Where the bytes are counted.
    """
    targets = {}
    for name, size in sizes.items():
        target = look_at_target(cache_dir, name)
        if target.is_file and target.size_bytes == size:
            with open_cache_file(cache_dir, name) as fd:
                digest = hash_file(fd, scan_extents(fd), SHA256, traffic)
                try:
                    require_valid_erofs(fd, target.path)
                    is_valid = True
                except FormatError:
                    is_valid = False
            target = CacheTarget(target.path, False, True, size, digest, None, is_valid)
        targets[name] = target
    return targets


def observe_text_targets(cache_dir: str, names: Iterable[CacheFile], limit: int) -> dict[CacheFile, CacheTarget]:
    """Look at the places of metadata and descriptors, and read those of at most ``limit`` bytes."""
    targets = {}
    for name in names:
        target = look_at_target(cache_dir, name)
        if target.is_file and target.size_bytes <= limit:
            content = read_regular_file(target.path, limit)
            target = CacheTarget(target.path, False, True, target.size_bytes, None, content)
        targets[name] = target
    return targets
