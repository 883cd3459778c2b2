# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real homes, and the listing that proves that nothing was touched."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Callable

import pytest

_HOMES = Path(__file__).parents[2] / "data/homes"

# Every path below a directory with inode, size, mode, mtime and ctime.
Listing = dict[str, tuple[int, int, int, int, int]]


@pytest.fixture
def unpack_home(tmp_path: Path) -> Callable[[str], Path]:
    """Unpack the home that a version of microsandbox wrote, and return its directory."""

    def unpack(version: str) -> Path:
        target = tmp_path / version
        target.mkdir()
        with tarfile.open(_HOMES / f"home-{version}.tar.xz") as archive:
            archive.extractall(target, filter="data")
        return target / ".microsandbox"

    return unpack


@pytest.fixture
def list_tree() -> Callable[[Path], Listing]:
    """List everything below a directory, the directory included."""

    def listing(directory: Path) -> Listing:
        paths = [str(directory)]
        for parent, directories, files in os.walk(directory):
            paths += [os.path.join(parent, name) for name in directories + files]
        found = {path: os.lstat(path) for path in paths}
        return {
            path: (stat.st_ino, stat.st_size, stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns)
            for path, stat in found.items()
        }

    return listing
