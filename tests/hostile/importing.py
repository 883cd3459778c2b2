# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing a hostile archive into a home that has something to lose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_import import import_snapshots
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from case import Case
from samples import CACHE_CONTENT, CACHE_NAMES, EROFS, PLAIN, snapshot

NOW_NS = 1_795_230_000_000_000_001
KEPT = snapshot(b"kept".ljust(4096, b"\0"), "kept-here", labels={"keep": "this"})

_TARGET = PLAIN.prefix


class Entry(NamedTuple):
    """What a listing says of a path."""

    inode: int
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    link: str


def listing(directory: Path) -> dict[str, Entry]:
    """List a directory and everything below it, following no symlink."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        status = path.lstat()
        link = os.readlink(path) if path.is_symlink() else ""
        found[str(path.relative_to(directory))] = Entry(
            status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, link
        )
    return found


def make_home(world: Path) -> Path:
    """Make a home with a snapshot, a cache and a stranger's file in it, and a file beside it."""
    home = world / "home"
    kept = home / "snapshots" / KEPT.prefix
    kept.mkdir(parents=True)
    kept.joinpath("manifest.json").write_bytes(KEPT.manifest)
    kept.joinpath("upper.ext4").write_bytes(KEPT.upper)
    home.joinpath("snapshots/notes.txt").write_text("mine\n", encoding="utf-8")
    home.joinpath("cache/layers").mkdir(parents=True)
    home.joinpath("cache/layers/sha256_00.erofs").write_bytes(bytes(4096))
    world.joinpath("outside").write_text("outside\n", encoding="utf-8")
    return home


def set_up(case: Case, home: Path) -> None:
    """Put what the case wants into the home."""
    kind, dummy, what = case.setup.partition("-")
    if kind == "target":
        _put_target(home / "snapshots" / _TARGET, what)
    elif kind == "cache":
        _put_cache(home, what)


def _put_target(target: Path, what: str) -> None:
    if what in ("dir", "empty-dir"):
        target.mkdir()
        if what == "dir":
            target.joinpath("file").write_text("mine\n", encoding="utf-8")
    elif what == "file":
        target.write_text("mine\n", encoding="utf-8")
    elif what == "fifo":
        os.mkfifo(target)
    else:
        elsewhere = target.parents[2] / "elsewhere"
        if what == "symlink-dir":
            elsewhere.mkdir()
        target.symlink_to(elsewhere)


def _put_cache(home: Path, what: str) -> None:
    for part in CACHE_NAMES if what == "identical" else ():
        path = home / CACHE_NAMES[part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CACHE_CONTENT[part])
    layer = home / CACHE_NAMES["layer"]
    if what == "layer-differs":
        layer.write_bytes(b"\xdd" * 4096)
    elif what == "layer-directory":
        layer.mkdir()
    elif what == "layer-symlink":
        elsewhere = home.parent / "layer.erofs"
        elsewhere.write_bytes(EROFS)
        layer.symlink_to(elsewhere)


def import_archive(archive: Path, home: Path, check_mode: bool = False, **params: Any) -> Outcome:
    """Import as the module does, in this process."""
    options = {
        "home": str(home),
        "snapshots_dir": None,
        "cache_dir": None,
        "lock_timeout": 1,
        "path": str(archive),
        "digest": None,
        "name": None,
        "checksum": None,
        "verify": True,
        "force": False,
        "limits": {},
        **params,
    }
    task = Task(options, check_mode, NOW_NS)
    return import_snapshots(task, task.observe_home())
