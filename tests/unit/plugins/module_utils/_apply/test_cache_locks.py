# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks of an image cache, between real processes: each that microsandbox takes is honoured."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.cache_locks import locked_cache_files
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.locking import try_lock
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile

TINY = json.loads(Path(__file__).parents[3].joinpath("data/image-cache/tiny.expected.json").read_text("utf-8"))
LEASES = TINY["lease_file_names"]
IMAGE = TINY["manifest_digest"].replace(":", "_")
LAYER = TINY["diff_ids_bottom_to_top"][0].replace(":", "_")
FILES = (
    CacheFile("layers", f"{LAYER}.erofs"),
    CacheFile("fsmeta", f"{IMAGE}.erofs"),
    CacheFile("vmdk", f"{IMAGE}.vmdk"),
    CacheFile("manifests", f"{TINY['key']}.json"),
)
# What microsandbox locks, as measured.
LOCKS = (f"layers/{LAYER}.erofs.lock", f"fsmeta/{IMAGE}.erofs.lock", f"manifests/{TINY['key']}.lock")
LEASE_FILES = (
    *(f"{file.kind}/.msb-leases/{LEASES['/'.join(file)]}" for file in FILES),
    f"manifests/.msb-leases/{LEASES['publication (manifests dir)']}",
)
# Holds a lock, shared or not, until a line arrives, then for as many seconds as it says.
HOLDER = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
fcntl.flock(fd, getattr(fcntl, sys.argv[2]))
print("held", flush=True)
time.sleep(float(sys.stdin.readline()))
"""


@contextlib.contextmanager
def held(path: Path, how: str = "LOCK_EX") -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in another process; what is written to it is how long from then on."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that microsandbox 0.7.7 or later uses: it has leases."""
    for file in FILES:
        tmp_path.joinpath(file.kind, ".msb-leases").mkdir(parents=True)
    return tmp_path


def is_free(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return try_lock(fd)
    finally:
        os.close(fd)


def found(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def test_every_lock_and_lease_is_held_and_left(cache: Path) -> None:
    with locked_cache_files(str(cache), FILES, (), 0):
        assert found(cache) == {*LOCKS, *LEASE_FILES}
        assert [name for name in found(cache) if is_free(cache / name)] == []
    assert [name for name in found(cache) if not is_free(cache / name)] == []
    assert found(cache) == {*LOCKS, *LEASE_FILES}


def test_an_older_cache_gets_no_leases(cache: Path) -> None:
    for file in FILES:
        cache.joinpath(file.kind, ".msb-leases").rmdir()
    with locked_cache_files(str(cache), FILES, (), 0):
        assert found(cache) == set(LOCKS)


@pytest.mark.parametrize("how", ["LOCK_EX", "LOCK_SH"])
@pytest.mark.parametrize("name", [*LOCKS, *LEASE_FILES])
def test_another_holder_of_any_of_them_is_waited_for_and_then_named(cache: Path, name: str, how: str) -> None:
    with held(cache / name, how):
        before = time.monotonic()
        with pytest.raises(StateError, match="is locked by another process, for longer than the 0.2 s") as caught:
            enter(cache, 0.2)
        assert 0.2 <= time.monotonic() - before < 5
    assert caught.value.facts == {"path": str(cache / name), "waited_seconds": 0.2}
    assert [each for each in found(cache) if not is_free(cache / each)] == []


def enter(cache: Path, patience: float) -> None:
    with locked_cache_files(str(cache), FILES, (), patience):
        pass


@pytest.mark.parametrize("name", [LOCKS[1], LEASE_FILES[-1]])
def test_a_holder_that_lets_go_in_time_is_no_obstacle(cache: Path, name: str) -> None:
    with held(cache / name) as process:
        assert process.stdin is not None
        process.stdin.write("0.2\n")
        process.stdin.flush()
        before = time.monotonic()
        enter(cache, 20)
        assert time.monotonic() - before > 0.1


def test_the_lock_that_a_pull_holds_for_its_duration_comes_first(cache: Path) -> None:
    # A pull holds the lock on the metadata and waits for the others: they are free while that one is waited for.
    with held(cache / LOCKS[2]), pytest.raises(StateError):
        enter(cache, 0)
    assert found(cache) == {LOCKS[2]}


@pytest.mark.parametrize(("name", "later"), [(LOCKS[2], LOCKS[0]), (LOCKS[0], LOCKS[1]), (LOCKS[1], LEASE_FILES[1])])
def test_two_runs_take_them_in_one_order(cache: Path, name: str, later: str) -> None:
    with held(cache / name), held(cache / later), pytest.raises(StateError) as caught:
        enter(cache, 0)
    assert caught.value.facts["path"] == str(cache / name)


def test_who_waits_for_a_lease_holds_none(cache: Path) -> None:
    taken = []

    def take_each() -> None:
        time.sleep(0.2)
        for name in LEASE_FILES:
            for dummy in range(20):
                if is_free(cache / name):
                    taken.append(name)
                    break
                time.sleep(0.01)

    enter(cache, 0)
    busy = LEASE_FILES[2]  # the last of them in the order in which they are taken
    with held(cache / busy):
        reader = threading.Thread(target=take_each)
        reader.start()
        with pytest.raises(StateError) as caught:
            enter(cache, 2)
        reader.join()
    assert caught.value.facts["path"] == str(cache / busy)
    assert taken == [name for name in LEASE_FILES if name != busy]


@pytest.mark.parametrize("name", [LOCKS[0], LOCKS[1], LEASE_FILES[0], LEASE_FILES[1]])
def test_what_is_kept_is_shared_with_its_readers_alone(cache: Path, name: str) -> None:
    with held(cache / name, "LOCK_SH"), kept(cache):
        assert not is_free(cache / name)
    with held(cache / name), pytest.raises(StateError, match="is locked"), kept(cache):
        pytest.fail("the lock is held")


def kept(cache: Path) -> AbstractContextManager[None]:
    return locked_cache_files(str(cache), (), FILES[:2], 0)


def test_the_lock_on_a_tree_that_is_kept_is_not_shared_while_its_disk_description_is_written(cache: Path) -> None:
    both = locked_cache_files(str(cache), FILES[2:3], FILES[1:2], 0)
    with held(cache / LOCKS[1], "LOCK_SH"), pytest.raises(StateError, match=LOCKS[1]), both:
        pytest.fail("the lock is held")


def test_leases_that_appear_while_a_lock_is_waited_for_are_honoured(cache: Path) -> None:
    leases = cache / "layers/.msb-leases"
    leases.rmdir()
    with held(cache / LOCKS[0]) as pull, contextlib.ExitStack() as stack:

        def publish() -> None:
            time.sleep(0.3)
            leases.mkdir()
            stack.enter_context(held(cache / LEASE_FILES[0], "LOCK_SH"))
            pull.kill()

        later = threading.Thread(target=publish)
        later.start()
        with pytest.raises(StateError, match="is locked by another process") as caught:
            enter(cache, 8)
        later.join()
    assert caught.value.facts["path"] == str(cache / LEASE_FILES[0])


def test_files_of_one_kind_need_no_locks_of_another(cache: Path) -> None:
    with locked_cache_files(str(cache), FILES[:1], (), 0):
        assert found(cache) == {LOCKS[0], LEASE_FILES[0]}


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_modes_are_those_of_microsandbox(cache: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        enter(cache, 0)
    finally:
        os.umask(before)
    assert {oct(stat.S_IMODE(cache.joinpath(name).stat().st_mode)) for name in LOCKS} == {"0o644"}
    assert {oct(stat.S_IMODE(cache.joinpath(name).stat().st_mode)) for name in LEASE_FILES} == {"0o600"}


@pytest.mark.parametrize("name", [LOCKS[0], LEASE_FILES[0]])
@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink", "dangling symlink"])
def test_a_lock_that_is_no_file_is_refused(cache: Path, name: str, kind: str) -> None:
    path = cache / name
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(__file__ if kind == "symlink" else "/nonexistent/file")
    with pytest.raises(StateError, match=f"{path} is no regular file, a lock file is one"):
        enter(cache, 0)


@pytest.mark.parametrize("name", ["layers", "layers/.msb-leases"])
def test_no_lock_is_made_behind_a_link(cache: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    cache.joinpath(name).rename(elsewhere)
    cache.joinpath(name).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(StateError, match="is no directory, lock files are in one"):
        enter(cache, 0)
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_what_root_makes_belongs_to_the_owner_of_the_directory_and_what_it_finds_stays(cache: Path) -> None:
    for file in FILES:
        os.chown(cache / file.kind, 12345, 23456)
    cache.joinpath(LOCKS[0]).touch()
    enter(cache, 0)
    owners = {name: cache.joinpath(name).stat().st_uid for name in LOCKS}
    assert owners == {LOCKS[0]: 0, LOCKS[1]: 12345, LOCKS[2]: 12345}


def test_no_descriptor_is_left_open(cache: Path) -> None:
    before = os.listdir("/proc/self/fd")
    enter(cache, 0)
    with held(cache / LEASE_FILES[0]), pytest.raises(StateError):
        enter(cache, 0)
    assert os.listdir("/proc/self/fd") == before
