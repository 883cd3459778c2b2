# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a directory tree looks like, to prove that something changed nothing in it, and how much disk a file takes."""

from __future__ import annotations

import os
from pathlib import Path


def tree(directory: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return inode, size, mtime and ctime of everything below a directory, by relative path.

    Left out are the index file of SQLite's write-ahead log, which readers write too, and lock files.
    """
    entries = {}
    for path in sorted(directory.rglob("*")):
        if path.name.endswith(("-shm", ".lock")):
            continue
        status = path.lstat()
        entries[str(path.relative_to(directory))] = (
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
    return entries


def allocated_bytes(path: Path) -> int:
    """Return how many bytes of disk a file takes."""
    return path.stat().st_blocks * 512


def copy_sparse(source: Path, target: Path) -> None:
    """Copy the data of a file and leave its holes, at a data range a time."""
    with source.open("rb") as reader, target.open("xb") as writer:
        size = os.fstat(reader.fileno()).st_size
        writer.truncate(size)
        end = 0
        while True:
            try:
                start = os.lseek(reader.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: no data after this offset
                return
            end = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            os.pwrite(writer.fileno(), os.pread(reader.fileno(), end - start, start), start)
