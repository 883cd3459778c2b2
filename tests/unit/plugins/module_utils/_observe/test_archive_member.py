# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of files and directories make members, others do not."""

from __future__ import annotations

import tarfile

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_records import Header, parse_header
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_member import (
    Member,
    require_file_or_directory,
    shown_name,
)


def header(type_: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o644, name: str = "a/b") -> Header:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = type_, size, mode
    return parse_header(info.tobuf(tarfile.GNU_FORMAT)[:512])


def test_a_file_is_told_from_a_directory() -> None:
    assert not require_file_or_directory(header(size=7))
    assert require_file_or_directory(header(tarfile.DIRTYPE, mode=0o755))


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
)
def test_nothing_else_is_a_member(type_: bytes) -> None:
    with pytest.raises(FormatError, match="member 'a/b' is of tar type .*, only files and directories are allowed"):
        require_file_or_directory(header(type_))


def test_a_directory_has_no_body() -> None:
    with pytest.raises(FormatError, match="directory member 'a/b/' has a body of 5 bytes"):
        require_file_or_directory(header(tarfile.DIRTYPE, size=5))


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777])
def test_a_mode_with_more_than_rights_is_refused(mode: int) -> None:
    with pytest.raises(FormatError, match=f"has mode {mode:04o}, with a setuid, setgid or sticky bit"):
        require_file_or_directory(header(mode=mode))


def test_names_are_shown_on_one_line() -> None:
    assert shown_name(header(name="a\nb")) == r"'a\nb'"
    assert Member(CacheFile("layers", "x.erofs"), False, 1, 1, ()).shown == "'layers/x.erofs'"
