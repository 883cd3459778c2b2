# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing a hostile archive into a home that has something to lose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_import import import_snapshots
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_import import import_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from case import Case
from samples import CACHE_CONTENT, CACHE_NAMES, EROFS, PLAIN, image_metadata, snapshot

NOW_NS = 1_795_230_000_000_000_001
KEPT = snapshot(b"kept".ljust(4096, b"\0"), "kept-here", labels={"keep": "this"})

_TARGET = PLAIN.prefix
# By the last words of a set-up's name.
_OTHER_CONTENT = {
    "differs": b"\xdd" * 4096,
    "longer": EROFS + bytes(4096),
    "moved": image_metadata(manifest_digest="sha256:" + "b" * 64),
    "damaged": b'{"manifest_digest":',
    "foreign": b'# Disk DescriptorFile\nRW 8 FLAT "/etc/shadow" 0\n',
    "kind-file": b"mine\n",
}


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


def at_rest(entries: Mapping[str, Entry], *others: str) -> dict[str, Entry]:
    """Return a listing without what changes of the store, the cache, and others while something comes and goes."""
    passed = {
        path: entries[path]._replace(size=0, mtime_ns=0, ctime_ns=0)
        for path in ("home/snapshots", "home/cache", *others)
        if path in entries
    }
    return {**entries, **passed}


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
    part, dummy, how = what.partition("-")
    if what == "identical":
        for name, content in zip(CACHE_NAMES.values(), CACHE_CONTENT.values()):
            _put_file(home / name, content)
    elif part in CACHE_NAMES and not how.startswith("kind-"):
        _put_in_place_of(home / CACHE_NAMES[part], how)
    else:
        _put_in_place_of(home / "cache" / part, how)


def _put_in_place_of(path: Path, how: str) -> None:
    """Put something into the place of a file of the cache, or of the directory of its kind."""
    elsewhere = path.parents[3 if path.suffix else 2] / "elsewhere"
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "directory":
        path.mkdir()
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "dangling":
        path.symlink_to(elsewhere)
    elif how == "symlink" and path.suffix:
        elsewhere.write_bytes(next(CACHE_CONTENT[part] for part, name in CACHE_NAMES.items() if path.name in name))
        path.symlink_to(elsewhere)
    elif how.endswith("symlink"):
        path.rename(elsewhere) if path.exists() else elsewhere.mkdir()
        path.symlink_to(elsewhere)
    else:
        _put_file(path, _OTHER_CONTENT[how])


def _put_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def import_archive(archive: Path, home: Path, check_mode: bool = False, **params: Any) -> Outcome:
    """Import as the module does, in this process."""
    task = _task(archive, home, check_mode, {"digest": None, "name": None, "verify": True, **params})
    return import_snapshots(task, task.observe_home())


def import_bundle(bundle: Path, home: Path, check_mode: bool = False, **params: Any) -> Outcome:
    """Import a bundle of images as the module does, in this process."""
    task = _task(bundle, home, check_mode, {"pin": {}, **params})
    return import_images(task, task.observe_home())


def _task(path: Path, home: Path, check_mode: bool, params: Mapping[str, Any]) -> Task:
    options = {
        "home": str(home),
        "snapshots_dir": None,
        "cache_dir": None,
        "lock_timeout": 1,
        "path": str(path),
        "checksum": None,
        "force": False,
        "limits": {},
        **params,
    }
    return Task(options, check_mode, NOW_NS)
