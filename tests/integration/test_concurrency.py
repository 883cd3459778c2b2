# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at the same time: they wait for each other, and the second finds its wish fulfilled."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from file_listing import list_tree
from real_ansible import Ansible, Result
from sample_homes import index_rows, make_home

PATIENCE_SECONDS = 60


def test_the_same_capture_twice_at_once_is_made_once(new_ansible: Callable[[], Ansible], home: Path) -> None:
    request = {"home": home, "name": "golden", "sandbox": "base"}
    results = run_twice_at_once(new_ansible, home / "snapshots", "snapshot", request)
    (digest,) = {result["snapshot"]["digest"] for result in results}
    assert index_rows(home)["golden"] == digest
    assert sorted(os.listdir(home / "snapshots")) == ["child", "first", "golden", "second"]


def test_the_same_export_twice_at_once_is_made_once(
    new_ansible: Callable[[], Ansible], machine: Path, home: Path
) -> None:
    archives = machine / "archives"
    archives.mkdir()
    request = {"home": home, "state": "exported", "snapshot": "first", "path": archives / "a.tar.zst"}
    results = run_twice_at_once(new_ansible, archives, "snapshot_archive", request)
    (digest,) = {result["archive"]["sha256"] for result in results}
    assert digest == "sha256:" + list_tree(archives)[f"{archives}/a.tar.zst"].content
    assert os.listdir(archives) == ["a.tar.zst"]


def test_the_same_import_twice_at_once_is_made_once(
    new_ansible: Callable[[], Ansible], machine: Path, home: Path
) -> None:
    archive = machine / "a.tar.zst"
    new_ansible().run("snapshot_archive", home=home, state="exported", snapshot="first", path=archive)
    target = make_home(machine / "target", "0.4.4")
    request = {"home": target, "state": "imported", "path": archive, "name": "golden"}
    results = run_twice_at_once(new_ansible, target / "snapshots", "snapshot_archive", request)
    (digest,) = {result["snapshots"][0]["digest"] for result in results}
    assert index_rows(target)["golden"] == digest
    assert sorted(os.listdir(target / "snapshots")) == ["child", "first", "golden", "second"]


def run_twice_at_once(
    new_ansible: Callable[[], Ansible], directory: Path, module: str, options: Mapping[str, Any]
) -> list[Result]:
    """Run a module in two processes that both wait for a directory's lock when it is let go."""
    fd = os.open(directory, os.O_RDONLY)
    with ThreadPoolExecutor(2) as pool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            before = list_tree(directory)
            runs = [pool.submit(new_ansible().run, module, **options) for dummy in range(2)]
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(_others_with_open(directory)) < 2:
                assert time.monotonic() < deadline, "the modules never came to the lock"
                time.sleep(0.05)
            assert list_tree(directory) == before
        finally:
            os.close(fd)
        results = [run.result() for run in runs]
    for result in results:
        assert not result["failed"], result["msg"]
    assert sorted(result["changed"] for result in results) == [False, True]
    return results


def _others_with_open(directory: Path) -> set[str]:
    """Return the processes besides this one that have a directory open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            if process.name != str(os.getpid()) and str(directory) in map(os.readlink, (process / "fd").iterdir()):
                found.add(process.name)
    return found
