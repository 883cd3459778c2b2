# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between real processes, on directories that come and go with them and on files that stay."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.locking import (
    LockFile,
    locked_directory,
    locked_files,
    open_lock_file,
    try_lock,
    wait_for_lock,
)

# Holds a lock until a line arrives, then for as many seconds as it says.
HOLDER = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.stdin.readline()))
"""

LOCKER = f"""
import sys
from {LockFile.__module__} import LockFile, locked_files
with locked_files([LockFile(sys.argv[1])], 20):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in another process; what is written to it is how long from then on."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def is_free(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return try_lock(fd)
    finally:
        os.close(fd)


def test_a_second_process_waits_and_gets_the_lock(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write("0.2\n")
        process.stdin.flush()
        before = time.monotonic()
        with locked_directory(str(tmp_path), 20):
            assert time.monotonic() - before > 0.1
            assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_a_second_process_that_waits_in_vain_says_so(tmp_path: Path) -> None:
    with held(tmp_path):
        before = time.monotonic()
        message = "is locked by another process, for longer than the 0.2 seconds"
        with pytest.raises(StateError, match=message) as caught, locked_directory(str(tmp_path), 0.2):
            pytest.fail("the lock is held")
        assert 0.2 <= time.monotonic() - before < 5
    assert caught.value.facts == {"path": str(tmp_path), "waited_seconds": 0.2}


def test_no_patience_asks_once(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(StateError, match="0 seconds"), locked_directory(str(tmp_path), 0):
        pytest.fail("the lock is held")


def test_a_process_that_dies_frees_its_lock(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        assert not is_free(tmp_path)
        process.kill()
        process.wait()
        assert is_free(tmp_path)


def test_a_missing_directory_needs_no_lock_and_is_not_made(tmp_path: Path) -> None:
    entered = False
    with locked_directory(str(tmp_path / "missing"), 0):
        entered = True
    assert entered
    assert not tmp_path.joinpath("missing").exists()


def test_a_directory_is_made_with_its_parents_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c"
    before = os.umask(0o077)
    try:
        with locked_directory(str(path), 0, create=True):
            assert not is_free(path)
    finally:
        os.umask(before)
    assert path.is_dir()


def test_directories_made_in_vain_go_again(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked_directory(str(tmp_path / "a/b/c"), 0, create=True):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_directories_that_are_used_by_now_stay(tmp_path: Path) -> None:
    def use_and_fail() -> None:
        with locked_directory(str(tmp_path / "a/b/c"), 0, create=True):
            tmp_path.joinpath("a/file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        use_and_fail()
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"a", "a/file"}


def test_directories_that_stood_before_stay_when_the_block_fails(tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    with pytest.raises(KeyError), locked_directory(str(tmp_path / "a/b"), 0, create=True):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert list(tmp_path.joinpath("a").iterdir()) == []


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    tmp_path.joinpath("a").touch()
    with pytest.raises(NotADirectoryError), locked_directory(str(tmp_path / "a"), 0, create=True):
        pytest.fail("a file was locked as a directory")


def test_a_lock_is_refused_to_a_second_descriptor_of_the_same_process(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for dummy in range(2))
    try:
        wait_for_lock(first, "it", 0)
        with pytest.raises(StateError, match="^it is locked"):
            wait_for_lock(second, "it", 0)
    finally:
        os.close(first)
        os.close(second)


def lock_all(directory: Path, patience: float, is_shared: bool = False) -> None:
    with locked_files([LockFile(str(directory / name), 0o600, is_shared) for name in ("a", "b")], patience):
        assert not is_free(directory / "a")
        assert not is_free(directory / "b")


def test_lock_files_are_held_together_and_stay(tmp_path: Path) -> None:
    lock_all(tmp_path, 0)
    assert [is_free(path) for path in tmp_path.iterdir()] == [True, True]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_no_lock_file_is_held_while_another_is_waited_for(tmp_path: Path) -> None:
    lock_all(tmp_path, 0)
    looks = []

    def look() -> None:
        time.sleep(0.2)
        for dummy in range(50):
            looks.append(is_free(tmp_path / "a"))
            time.sleep(0.01)

    with held(tmp_path / "b"):
        reader = threading.Thread(target=look)
        reader.start()
        with pytest.raises(StateError, match=f"^{tmp_path}/b is locked") as caught:
            lock_all(tmp_path, 1)
        reader.join()
    assert caught.value.facts == {"path": str(tmp_path / "b"), "waited_seconds": 1}
    assert True in looks


def test_lock_files_can_be_shared(tmp_path: Path) -> None:
    tmp_path.joinpath("a").touch()
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        assert try_lock(fd, is_shared=True)
        lock_all(tmp_path, 0, is_shared=True)
        with pytest.raises(StateError, match="a is locked"):
            lock_all(tmp_path, 0)
    finally:
        os.close(fd)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lock_file_that_its_holder_removes_is_made_anew(tmp_path: Path, is_replaced: bool) -> None:
    lock = tmp_path / "x.lock"
    lock.touch()
    with held(lock) as pruning:

        def prune() -> None:
            time.sleep(0.2)
            lock.unlink()
            if is_replaced:
                lock.touch()
            pruning.kill()

        pruner = threading.Thread(target=prune)
        pruner.start()
        with locked_files([LockFile(str(lock))], 20):
            pruner.join()
            assert not is_free(lock)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lock_on_a_file_that_is_removed_before_it_is_locked_is_taken_anew(
    tmp_path: Path, environment: dict[str, str], is_replaced: bool
) -> None:
    lock = tmp_path / "x.lock"
    # The kernel gets the first flock late.
    command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=flock:delay_enter=4000000:when=1"]
    command += [sys.executable, "-B", "-c", LOCKER, str(lock)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while not lock.exists():
            assert process.poll() is None
            time.sleep(0.01)
        lock.unlink()
        if is_replaced:
            lock.touch()
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert not is_free(lock)
        process.communicate()
    assert is_free(lock)


def test_a_lock_file_may_be_removed_while_it_is_made(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    is_over = threading.Event()

    def prune() -> None:
        while not is_over.is_set():
            lock.unlink(missing_ok=True)

    pruner = threading.Thread(target=prune)
    pruner.start()
    try:
        for dummy in range(2000):
            os.close(open_lock_file(str(lock), 0o600))
    finally:
        is_over.set()
        pruner.join()


def test_a_lock_file_is_made_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    for dummy in range(2):
        fd = open_lock_file(str(path), 0o600)
        assert try_lock(fd)
        os.close(fd)
        assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 0)


def test_a_lock_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_bytes(b"theirs")
    before = path.stat()
    os.close(open_lock_file(str(path)))
    assert (path.stat().st_ino, path.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink", "dangling symlink", "loop"])
def test_a_lock_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.lock"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"symlink": __file__, "loop": "x.lock"}.get(kind, tmp_path / "made"))
    with pytest.raises(StateError, match=f"{path} is no regular file, a lock file is one"):
        open_lock_file(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.lock"]


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_a_lock_file_is_made_in_a_directory_alone(tmp_path: Path, kind: str) -> None:
    directory = tmp_path / "locks"
    directory.symlink_to(tmp_path) if kind == "symlink" else directory.touch()
    with pytest.raises(StateError, match=f"{directory} is no directory, lock files are in one"):
        open_lock_file(str(directory / "x.lock"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["locks"]


def test_a_lock_file_without_a_directory_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        open_lock_file(str(tmp_path / "missing/x.lock"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_a_lock_file_that_root_makes_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    os.close(open_lock_file(str(tmp_path / "x.lock")))
    assert (tmp_path.joinpath("x.lock").stat().st_uid, tmp_path.joinpath("x.lock").stat().st_gid) == (12345, 23456)
