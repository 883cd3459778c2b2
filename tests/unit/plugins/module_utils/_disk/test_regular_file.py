# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are opened without waiting, and small ones are read whole and bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.regular_file import (
    open_regular_file,
    read_regular_file,
)


def test_a_file_up_to_the_limit_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular_file(str(path), 5) == b"12345"
    with pytest.raises(FormatError, match="file has more than the 4 bytes that are read"):
        read_regular_file(str(path), 4)


def test_a_symlink_is_followed_only_when_asked(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to("file")
    assert read_regular_file(str(link), 5, follow_symlink=True) == b"x"
    with pytest.raises(FormatError, match="link is no regular file"):
        read_regular_file(str(link), 5)


def test_a_fifo_and_a_directory_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(FormatError, match="is no regular file"):
            read_regular_file(str(path), 5)


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        for dir_fd in (None, fd):
            with pytest.raises(FileNotFoundError) as caught:
                read_regular_file(str(tmp_path / "none"), 5, dir_fd=dir_fd)
            assert caught.value.filename == str(tmp_path / "none")
    finally:
        os.close(fd)


def test_a_file_that_cannot_be_read_is_named() -> None:
    # Nothing is mapped at the start of a process's memory.
    with pytest.raises(OSError, match="Input/output error") as caught:
        read_regular_file("/proc/self/mem", 5)
    assert caught.value.filename == f"/proc/{os.getpid()}/mem"


def test_a_file_is_opened_through_a_symlink_too(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_bytes(b"12345")
    tmp_path.joinpath("link").symlink_to("file")
    with open_regular_file(str(tmp_path / "link"), "thing") as fd:
        assert os.read(fd, 10) == b"12345"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_is_no_file_or_missing_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(StateError, match="is no regular file"), open_regular_file(str(path), "thing"):
            pytest.fail("it was opened")
    with (
        pytest.raises(StateError, match="there is no thing at .*/none"),
        open_regular_file(f"{tmp_path}/none", "thing"),
    ):
        pytest.fail("it was opened")
