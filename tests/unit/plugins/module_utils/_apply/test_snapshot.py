# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures from a real home, and removals: whole and durable, or without a trace."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.snapshot import (
    apply_capture,
    apply_removal,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.copying import CopyMethod
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.locking import try_lock
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import Home, observe_home
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import (
    IntegrityState,
    verify_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.sandbox import (
    observe_sandbox,
    require_capturable,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import observe_target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.snapshot import (
    Capture,
    Remove,
    WantedSnapshot,
    plan_capture,
)

NOW_NS = 1795230000123456789
SIZE = 8 << 20
CHUNKS = ((4096, b"a" * 5000), (4 << 20, b"\xff" * 8192), (SIZE - 10, b"the tail.."))

# Captures a sandbox, and says during the copy whether others find its lifecycle lock held.
CAPTURER = f"""
import sys
from {apply_capture.__module__} import apply_capture
from {try_lock.__module__} import try_lock
from {observe_home.__module__} import observe_home
from {Traffic.__module__} import Traffic
from {Capture.__module__} import Capture, WantedSnapshot

class Watching(Traffic):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "read" and value:
            with open(sys.argv[2]) as lock:
                print("free" if try_lock(lock.fileno()) else "held")
            self.__class__ = Traffic

home = observe_home(sys.argv[1], None, None, {{}})
path = home.snapshots_dir + "/new"
asked = WantedSnapshot(path, "base", (), True, recreate="never", force=True)
apply_capture(Capture(path, "base", None), asked, home, 1, Watching())
"""

Unpack = Callable[[str], Path]
Listing = Callable[[Path], object]


class Meddler(Traffic):
    """Counts like any other, and does something in the middle of the copy, when the first bytes have been read."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle: Callable[[], object] | None = None
        super().__init__()
        self._meddle = meddle

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "read" and value and self._meddle is not None:
            meddle, self._meddle = self._meddle, None
            meddle()


@pytest.fixture
def home(unpack_home: Unpack) -> Home:
    """The home of a real 0.6.2, whose sandbox has a larger disk now."""
    found = observe_home(str(unpack_home("0.6.2")), None, None, {})
    write_upper(found)
    return found


def upper_of(home: Home) -> Path:
    return Path(home.sandboxes_dir, "base/upper.ext4")


def write_upper(home: Home, mode: int = 0o644) -> None:
    path = upper_of(home)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(SIZE)
        for offset, content in CHUNKS:
            os.pwrite(file.fileno(), content, offset)
    path.chmod(mode)


def wanted(home: Home, name: str = "new", integrity: bool = True) -> WantedSnapshot:
    return WantedSnapshot(
        f"{home.snapshots_dir}/{name}", "base", (("a", "1"), ("\u00fc", "\n")), integrity, recreate="never", force=True
    )


def capture(home: Home, asked: WantedSnapshot, replaces: str | None = None, traffic: Traffic | None = None) -> Artifact:
    apply_capture(Capture(asked.path, "base", replaces), asked, home, NOW_NS, traffic or Traffic())
    return observe_artifact(asked.path)


def decide(home: Home, asked: WantedSnapshot) -> Plan:
    source = require_capturable(observe_sandbox(home, asked.sandbox))
    return plan_capture(asked, observe_target(asked.path), source, upper_differs=False)


def set_status(home: Home, status: str) -> None:
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("UPDATE sandbox SET status = ? WHERE name = 'base'", (status,))


def lock_of(home: Home) -> Path:
    return Path(home.path, "run/locks", hashlib.sha256(b"base").hexdigest()[:32] + ".lock")


@contextlib.contextmanager
def lock_held(path: Path) -> Iterator[None]:
    """Hold the lifecycle lock in another process, as a sandbox that lives does."""
    script = """
import fcntl, sys
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield
        finally:
            process.kill()


def test_a_stopped_sandbox_is_captured_whole(home: Home, list_tree: Listing) -> None:
    before = list_tree(Path(home.sandboxes_dir))
    artifact = capture(home, wanted(home))
    assert list_tree(Path(home.sandboxes_dir)) == before
    found, path = artifact.descriptor, Path(artifact.path)
    assert sorted(os.listdir(path)) == ["manifest.json", "upper.ext4"]
    assert path.joinpath("upper.ext4").read_bytes() == upper_of(home).read_bytes()
    assert path.joinpath("upper.ext4").stat().st_blocks <= upper_of(home).stat().st_blocks
    assert found.digest == "sha256:" + hashlib.sha256(path.joinpath("manifest.json").read_bytes()).hexdigest()
    assert found.created_at == "2026-11-21T03:00:00.123456789+00:00"
    assert found.labels == (("a", "1"), ("\u00fc", "\n"))
    assert (found.source_sandbox, found.parent, found.upper_bytes) == ("base", None, SIZE)
    assert found.image_reference == "localhost/tiny:1"
    assert verify_artifact(artifact, Traffic()) == IntegrityState("verified", "logical")
    assert sorted(os.listdir(home.snapshots_dir)) == ["child", "first", "new", "second"]


def test_without_integrity_none_is_recorded(home: Home) -> None:
    assert capture(home, wanted(home, integrity=False)).descriptor.integrity is None


@pytest.mark.parametrize("integrity", [True, False])
def test_the_way_of_copying_is_told(home: Home, integrity: bool) -> None:
    asked, traffic = wanted(home, integrity=integrity), Traffic()
    method = apply_capture(Capture(asked.path, "base", None), asked, home, NOW_NS, traffic)
    assert method in (CopyMethod.REFLINK, CopyMethod.READ_WRITE if integrity else CopyMethod.COPY_FILE_RANGE)
    if method is not CopyMethod.REFLINK:
        assert 13192 <= traffic.read <= 13192 + 5 * 4096
        assert traffic.read + traffic.holes_skipped == SIZE


@pytest.mark.parametrize(("mode", "captured"), [(0o600, 0o600), (0o640, 0o644), (0o644, 0o644), (0o666, 0o644)])
def test_a_private_upper_stays_private(home: Home, mode: int, captured: int) -> None:
    write_upper(home, mode)
    before = os.umask(0)
    try:
        path = Path(capture(home, wanted(home)).path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.joinpath("upper.ext4").stat().st_mode) == captured
    assert stat.S_IMODE(path.joinpath("manifest.json").stat().st_mode) == 0o644
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_what_was_captured_is_not_captured_again(home: Home) -> None:
    asked = wanted(home)
    plan = decide(home, asked)
    assert len(plan.steps) == 1
    artifact = capture(home, asked)
    again = decide(home, asked)
    assert again.steps == ()
    assert again.after == plan.after
    assert again.before["path"] == artifact.path


def meddle_with_mtime(home: Home) -> None:
    os.utime(upper_of(home))


def meddle_with_content(home: Home) -> None:
    with upper_of(home).open("r+b") as file:
        file.write(b"x")


def meddle_with_size(home: Home) -> None:
    os.truncate(upper_of(home), SIZE + 4096)


def meddle_with_status(home: Home) -> None:
    set_status(home, "Running")


@pytest.mark.parametrize(
    ("meddle", "message"),
    [
        (meddle_with_mtime, "upper.ext4 changed while it was read: "),
        (meddle_with_content, "upper.ext4 changed while it was read: "),
        (meddle_with_size, "upper.ext4 changed while it was read: "),
        (meddle_with_status, "sandbox 'base' is Running"),
    ],
)
@pytest.mark.parametrize("replaces", [None, "sha256:old"])
def test_a_sandbox_that_changes_during_the_copy_is_not_captured(
    home: Home, list_tree: Listing, meddle: Callable[[Home], None], message: str, replaces: str | None
) -> None:
    asked = wanted(home, "new" if replaces is None else "second")
    before = {path: list_tree(path) for path in Path(home.snapshots_dir).iterdir()}
    with pytest.raises(StateError, match=message):
        capture(home, asked, replaces, Meddler(lambda: meddle(home)))
    assert {path: list_tree(path) for path in Path(home.snapshots_dir).iterdir()} == before


def test_the_lifecycle_lock_is_held_during_the_copy_and_free_afterwards(home: Home) -> None:
    taken = []

    def try_it() -> None:
        with lock_of(home).open() as lock:
            taken.append(try_lock(lock.fileno()))

    capture(home, wanted(home), traffic=Meddler(try_it))
    try_it()
    assert taken == [False, True]


def test_a_sandbox_whose_lifecycle_lock_is_held_is_alive(home: Home, list_tree: Listing) -> None:
    with lock_held(lock_of(home)):
        before = {path: list_tree(path) for path in Path(home.path).glob("*/*")}
        with pytest.raises(StateError, match="sandbox base is alive or starting: .* which is held") as caught:
            capture(home, wanted(home))
        assert {path: list_tree(path) for path in Path(home.path).glob("*/*")} == before
    assert caught.value.facts == {"sandbox": "base", "path": str(lock_of(home))}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lifecycle_lock_that_is_removed_before_it_is_locked_is_taken_anew(
    home: Home, collections_path: Path, is_replaced: bool
) -> None:
    lock = lock_of(home)
    # The kernel gets the lock late; the first one is that of the staging area.
    command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=flock:delay_enter=4000000:when=2"]
    command += [sys.executable, "-B", "-c", CAPTURER, home.path, str(lock)]
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while not lock.exists():
            assert process.poll() is None
            time.sleep(0.01)
        lock.unlink()
        if is_replaced:
            lock.touch()
        assert process.communicate(timeout=60)[0] == "held\n"
    assert process.returncode == 0


def test_a_lock_that_is_a_symlink_is_not_followed(home: Home) -> None:
    lock_of(home).parent.mkdir(parents=True)
    lock_of(home).symlink_to(upper_of(home))
    with pytest.raises(StateError, match="is no regular file, a lock file is one"):
        capture(home, wanted(home))
    assert "new" not in os.listdir(home.snapshots_dir)


@pytest.mark.parametrize("status", ["Running", "Draining", "Paused", "Starting", "Hibernating"])
def test_a_sandbox_that_started_since_the_plan_is_not_captured(home: Home, list_tree: Listing, status: str) -> None:
    set_status(home, status)
    before = {path: list_tree(path) for path in Path(home.snapshots_dir).iterdir()}
    with pytest.raises(MicrosandboxError, match=status):
        capture(home, wanted(home))
    assert {path: list_tree(path) for path in Path(home.snapshots_dir).iterdir()} == before


def test_an_upper_that_became_a_symlink_is_not_followed(home: Home) -> None:
    upper_of(home).rename(upper_of(home).with_name("elsewhere"))
    upper_of(home).symlink_to("elsewhere")
    with pytest.raises(StateError, match="is no regular file"):
        capture(home, wanted(home))
    assert "new" not in os.listdir(home.snapshots_dir)


def test_the_old_snapshot_stays_in_place_until_the_new_one_is_whole(home: Home, list_tree: Listing) -> None:
    old = Path(home.snapshots_dir, "second")
    before, seen = list_tree(old), []
    digest = observe_artifact(str(old)).descriptor.digest
    new = capture(home, wanted(home, "second"), digest, Meddler(lambda: seen.append(list_tree(old))))
    assert seen == [before]
    assert new.descriptor.digest != digest
    assert sorted(os.listdir(home.snapshots_dir)) == ["child", "first", "second"]


@pytest.mark.parametrize("kind", ["directory", "file", "dangling symlink"])
def test_what_appeared_at_the_path_meanwhile_is_left(home: Home, kind: str) -> None:
    path = Path(home.snapshots_dir, "new")

    def appear() -> None:
        if kind == "directory":
            path.mkdir()
        elif kind == "file":
            path.touch()
        else:
            path.symlink_to("nowhere")

    with pytest.raises(StateError, match="new exists, though it did not when this run looked"):
        capture(home, wanted(home), traffic=Meddler(appear))
    assert sorted(os.listdir(home.snapshots_dir)) == ["child", "first", "new", "second"]
    assert not path.is_dir() or list(path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_file_system_leaves_nothing_behind(home: Home, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    try:
        asked = dataclasses.replace(wanted(home), path=str(small / "new"))
        with pytest.raises((OSError, StateError), match="space|room|free"):
            capture(home, asked)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_what_root_captures_belongs_to_the_owner_of_the_store(home: Home) -> None:
    for path in (home.path, home.snapshots_dir):
        os.chown(path, 12345, 23456)
    captured = Path(capture(home, wanted(home)).path)
    for found in (captured, *captured.iterdir(), lock_of(home), lock_of(home).parent):
        assert (found.stat().st_uid, found.stat().st_gid) == (12345, 23456)


def test_a_removed_snapshot_is_gone_and_the_others_stay(home: Home, list_tree: Listing) -> None:
    kept = Path(home.snapshots_dir, "first")
    before = list_tree(kept)
    apply_removal(Remove(f"{home.snapshots_dir}/second", "snapshot"))
    assert sorted(os.listdir(home.snapshots_dir)) == ["child", "first"]
    assert list_tree(kept) == before


def test_removing_follows_no_symlink(home: Home, tmp_path: Path) -> None:
    tmp_path.joinpath("precious").mkdir()
    tmp_path.joinpath("precious/file").touch()
    Path(home.snapshots_dir, "second/link").symlink_to(tmp_path / "precious")
    apply_removal(Remove(f"{home.snapshots_dir}/second", "snapshot"))
    assert tmp_path.joinpath("precious/file").exists()


def test_what_is_gone_already_cannot_be_removed(home: Home) -> None:
    with pytest.raises(FileNotFoundError):
        apply_removal(Remove(f"{home.snapshots_dir}/missing", "snapshot"))
    assert sorted(os.listdir(home.snapshots_dir)) == ["child", "first", "second"]
