# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that grow over several runs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import recorded_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_file import (
    PartialFile,
    open_partial,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import (
    partial_name,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic

CONTENT = b"0123456789" * 300_000
CHECKSUM = sha256_digest(CONTENT)
NAME = partial_name("a", CHECKSUM)

# Makes a partial file, while the owner of the directory puts a file of root into its place.
SWAPPED = f"""
import os, sys
from {open_partial.__module__} import open_partial

def swap(event, arguments):
    if event == "os.chown" and os.path.exists("victim"):
        os.rename("{NAME}", "aside")
        os.rename("victim", "{NAME}")

os.chdir(sys.argv[1])
sys.addaudithook(swap)
with open_partial(sys.argv[1], "{NAME}", 1, None):
    pass
"""


@contextmanager
def opened(directory: Path, traffic: Traffic | None = None, name: str = NAME) -> Iterator[PartialFile]:
    with open_partial(str(directory), name, 0.2, traffic or Traffic()) as partial:
        yield partial


def leave(directory: Path, content: bytes, name: str = NAME) -> None:
    with opened(directory, name=name) as partial:
        partial.append(memoryview(content))


def test_a_file_grows_over_runs_and_gets_into_its_place(tmp_path: Path) -> None:
    leave(tmp_path, CONTENT[:1_000_000])
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    with opened(tmp_path) as partial:
        assert partial.size == 1_000_000
        partial.append(memoryview(CONTENT[1_000_000:]))
        assert partial.digest() == CHECKSUM
        partial.place("a", 0o640, CHECKSUM)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_placed_file_remembers_its_digest(tmp_path: Path) -> None:
    with opened(tmp_path) as partial:
        partial.append(memoryview(CONTENT))
        partial.place("a", 0o600, CHECKSUM)
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    assert recorded_digest(fd) in (CHECKSUM, None)  # not every file system has extended attributes
    os.close(fd)


def test_what_comes_in_one_run_is_hashed_without_being_read(tmp_path: Path) -> None:
    traffic = Traffic()
    with opened(tmp_path, traffic) as partial:
        partial.append(memoryview(CONTENT))
        assert partial.digest() == CHECKSUM
    assert (traffic.read, traffic.written) == (0, len(CONTENT))


def test_what_came_in_an_earlier_run_is_read_to_be_hashed(tmp_path: Path) -> None:
    leave(tmp_path, CONTENT)
    traffic = Traffic()
    with opened(tmp_path, traffic) as partial:
        assert partial.digest() == CHECKSUM
    assert traffic.read == len(CONTENT)


def test_a_digest_in_between_changes_nothing_of_the_last_one(tmp_path: Path) -> None:
    leave(tmp_path, CONTENT[:5])
    with opened(tmp_path) as partial:
        assert partial.digest() == sha256_digest(CONTENT[:5])
        partial.append(memoryview(CONTENT[5:]))
        assert partial.digest() == CHECKSUM


def test_a_new_start_forgets_what_was_there(tmp_path: Path) -> None:
    leave(tmp_path, b"something else, and longer than" * 200_000)
    with opened(tmp_path) as partial:
        partial.truncate()
        partial.append(memoryview(CONTENT))
        assert partial.digest() == CHECKSUM
        partial.place("a", 0o600, CHECKSUM)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_partial_file_is_its_owners_alone(tmp_path: Path) -> None:
    leave(tmp_path, b"x")
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_it_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    leave(tmp_path, b"x")
    found = (tmp_path / NAME).stat()
    assert (found.st_uid, found.st_gid) == (12345, 12346)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_was_put_into_its_place_is_not_given_away(tmp_path: Path, environment: dict[str, str]) -> None:
    os.chown(tmp_path, 12345, 12346)
    (tmp_path / "victim").write_bytes(b"precious")
    subprocess.run([sys.executable, "-B", "-c", SWAPPED, str(tmp_path)], env=environment, check=True)
    assert (tmp_path / "aside").stat().st_uid == 12345
    assert [path.stat().st_uid for path in tmp_path.iterdir() if path.read_bytes() == b"precious"] == [0]


def test_nothing_is_left_where_no_byte_came(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_file_is_gone(tmp_path: Path) -> None:
    leave(tmp_path, b"x")
    with opened(tmp_path) as partial:
        partial.discard()
    assert list(tmp_path.iterdir()) == []


def test_only_one_run_adds_to_it_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.append(memoryview(b"x"))
        with pytest.raises(StateError, match="locked by another process"), opened(tmp_path):
            pass
    assert (tmp_path / NAME).read_bytes() == b"x"


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "socket"])
def test_what_somebody_planted_is_replaced_and_never_written_to(tmp_path: Path, kind: str) -> None:
    directory, victim = tmp_path / "d", tmp_path / "victim"
    directory.mkdir()
    victim.write_bytes(b"precious")
    if kind == "symlink":
        (directory / NAME).symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, directory / NAME)
    elif kind == "socket":
        os.mknod(directory / NAME, 0o600 | stat.S_IFSOCK)
    else:
        os.mkfifo(directory / NAME)
    leave(directory, CONTENT)
    assert victim.read_bytes() == b"precious"
    assert (directory / NAME).read_bytes() == CONTENT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_what_a_third_user_left_is_replaced(tmp_path: Path) -> None:
    leave(tmp_path, b"evil")
    os.chown(tmp_path / NAME, 12345, 12345)
    with opened(tmp_path) as partial:
        assert partial.size == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_what_a_third_user_adds_to_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        os.chown(tmp_path / NAME, 12345, 12345)
        first.append(memoryview(CONTENT))
        with pytest.raises(StateError, match="locked by another process"), opened(tmp_path):
            pass
        first.place("a", 0o600, CHECKSUM)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_only_what_was_written_gets_into_the_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with opened(tmp_path) as first:
        first.append(memoryview(CONTENT))
        (tmp_path / NAME).unlink()
        leave(tmp_path, b"not all")
        with pytest.raises(StateError, match="somebody has removed that"):
            first.place("a", 0o600, CHECKSUM)
        first.discard()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert (tmp_path / NAME).read_bytes() == b"not all"


@contextmanager
def acting_as_somebody_else() -> Iterator[None]:
    os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_what_cannot_be_asked_is_left_alone(memory_directory: Path) -> None:
    memory_directory.chmod(0o777)
    leave(memory_directory, b"of root")
    with acting_as_somebody_else(), pytest.raises(StateError, match="not open to user 12345"), opened(memory_directory):
        pass
    assert (memory_directory / NAME).read_bytes() == b"of root"


@pytest.mark.skipif(os.geteuid() != 0, reason="root may write to what is only to be read")
def test_what_may_only_be_read_is_replaced_unless_somebody_adds_to_it(memory_directory: Path) -> None:
    memory_directory.chmod(0o777)
    with acting_as_somebody_else():
        with opened(memory_directory) as first:
            first.append(memoryview(b"x"))
            (memory_directory / NAME).chmod(0o400)
            with pytest.raises(StateError, match="locked by another process"), opened(memory_directory):
                pass
        with opened(memory_directory) as second:
            assert second.size == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root may write to any directory")
def test_a_directory_that_cannot_be_written_to_is_an_error(memory_directory: Path) -> None:
    memory_directory.chmod(0o755)
    with acting_as_somebody_else(), pytest.raises(PermissionError) as caught, opened(memory_directory):
        pass
    assert caught.value.filename == str(memory_directory / NAME)


def test_a_directory_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(StateError, match="is a directory"), opened(tmp_path):
        pass


def test_a_file_system_without_room_is_found_before_it_is_full(tmp_path: Path) -> None:
    with opened(tmp_path) as partial, pytest.raises(StateError, match="needs 1152921504606846976 bytes more"):
        partial.require_space(1 << 60)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, opened(tmp_path / "missing"):
        pass
    assert caught.value.filename == str(tmp_path / "missing")
