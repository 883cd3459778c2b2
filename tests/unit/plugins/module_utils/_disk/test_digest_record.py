# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remembered digest of a file: it counts for that file as it was written, and for no other."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import (
    own_outdated_digest,
    own_recorded_digest,
    record_digest,
    recorded_digest,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4
ATTRIBUTE = "user.sandboxops.sha256"


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def recorded(path: Path) -> str | None:
    with opened(path) as fd:
        return recorded_digest(fd)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a record."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with opened(path, os.O_RDWR) as fd:
        record_digest(fd, DIGEST)
    if ATTRIBUTE not in os.listxattr(path):
        pytest.skip("this file system has no extended attributes")
    return path


def test_a_file_without_a_record_tells_nothing(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_bytes(b"content")
    assert recorded(tmp_path / "file") is None


def own_recorded(path: Path) -> str | None:
    with opened(path) as fd:
        return own_recorded_digest(fd)


@pytest.mark.parametrize(("mode", "digest"), [(0o600, DIGEST), (0o644, DIGEST), (0o620, None), (0o602, None)])
def test_a_record_that_others_may_write_is_not_our_own(file: Path, mode: int, digest: str | None) -> None:
    file.chmod(mode)
    assert own_recorded(file) == digest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_record_on_a_file_of_another_user_is_not_our_own(file: Path) -> None:
    os.chown(file, 1234, 1234)
    assert (recorded(file), own_recorded(file)) == (DIGEST, None)


@pytest.mark.parametrize(("mode", "digest"), [(0o644, DIGEST), (0o664, None), (0o646, None)])
def test_what_others_may_write_says_nothing_of_what_the_file_was_either(
    file: Path, mode: int, digest: str | None
) -> None:
    file.chmod(mode)
    os.utime(file, ns=(0, 0))
    with opened(file) as fd:
        assert own_outdated_digest(fd) == digest


def test_a_record_outlives_a_rename_and_a_change_of_mode(file: Path) -> None:
    file.chmod(0o644)
    assert recorded(file.rename(file.with_name("other"))) == DIGEST


def test_a_record_does_not_count_for_a_file_of_another_size_with_the_same_time(file: Path) -> None:
    found = file.stat()
    with file.open("ab") as writer:
        writer.write(b"x")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert recorded(file) is None


def test_a_record_does_not_count_for_a_file_of_another_time(file: Path) -> None:
    found = file.stat()
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert recorded(file) is None


def test_a_record_does_not_count_for_a_copy(file: Path) -> None:
    copy = file.with_name("copy")
    shutil.copy2(file, copy)
    assert os.getxattr(copy, ATTRIBUTE) == os.getxattr(file, ATTRIBUTE)
    assert recorded(copy) is None


@pytest.mark.parametrize("record", [b"", b"\xff", DIGEST.encode(), b"md5:abc 1 7 0", b"x" * 3000])
def test_a_record_of_another_form_tells_nothing(file: Path, record: bytes) -> None:
    os.setxattr(file, ATTRIBUTE, record)
    assert recorded(file) is None


def test_a_digest_of_another_form_tells_nothing_even_with_the_right_facts(file: Path) -> None:
    facts = os.getxattr(file, ATTRIBUTE).removeprefix(DIGEST.encode())
    os.setxattr(file, ATTRIBUTE, b"sha256:abc" + facts)
    assert recorded(file) is None


def test_a_record_that_counts_no_longer_still_says_what_the_file_was(file: Path) -> None:
    with opened(file) as fd:
        assert own_outdated_digest(fd) is None
        os.utime(fd, ns=(0, 0))
        assert own_outdated_digest(fd) == DIGEST
        os.setxattr(fd, ATTRIBUTE, b"sha256:abc 1 7 0")
        assert own_outdated_digest(fd) is None


def test_where_no_record_can_be_kept_nothing_fails() -> None:
    read_end, write_end = os.pipe()
    try:
        record_digest(write_end, DIGEST)
        assert recorded_digest(read_end) is None
        assert own_outdated_digest(read_end) is None
    finally:
        os.close(read_end)
        os.close(write_end)
