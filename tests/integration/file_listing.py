# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings of directories, which prove that something changed nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """Everything about a path that a change of it could show in; only reading leaves no trace."""

    kind: str
    mode: str
    uid: int
    gid: int
    inode: int
    size: int
    blocks: int
    mtime_ns: int
    ctime_ns: int
    content: str


Listing = dict[str, Entry]


def list_tree(directory: Path) -> Listing:
    """List everything below a directory, the directory included."""
    return {str(path): _entry(path) for path in _walk(directory)}


def changes(before: Listing, after: Listing) -> list[str]:
    """Return what differs between two listings, for a message that a person can read."""
    differences = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            differences.append(f"{path}: {'new' if was is None else 'gone'}")
        elif was != now:
            pairs = ((name, getattr(was, name), getattr(now, name)) for name in Entry._fields)
            differences += [f"{path}: {name} {old} is now {new}" for name, old, new in pairs if old != new]
    return differences


def _walk(directory: Path) -> Iterator[Path]:
    yield directory
    for parent, directories, files in os.walk(directory):
        yield from (Path(parent, name) for name in sorted(directories + files))


def _entry(path: Path) -> Entry:
    found = path.lstat()
    content = ""
    if stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(found.st_mode):
        content = os.readlink(path)
    mode = stat.filemode(found.st_mode)
    return Entry(
        kind=mode[0],
        mode=mode[1:],
        uid=found.st_uid,
        gid=found.st_gid,
        inode=found.st_ino,
        size=found.st_size,
        blocks=found.st_blocks,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        content=content,
    )
