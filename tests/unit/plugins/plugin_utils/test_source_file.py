# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller: hashed once, and cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import (
    record_digest,
    recorded_digest,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.source_file import (
    SourceFile,
    open_source,
    require_source,
    temporary_piece,
)

CONTENT = b"0123456789" * 300_000


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


@pytest.fixture
def source(tmp_path: Path, temporary: Path) -> Iterator[SourceFile]:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    with open_source(str(path), str(temporary)) as source:
        yield source


def test_a_file_is_hashed_once_for_all_processes_of_a_run(source: SourceFile, temporary: Path) -> None:
    assert source.digest() == sha256_digest(CONTENT)
    (note,) = temporary.iterdir()
    assert note.read_text(encoding="ascii") == sha256_digest(CONTENT)
    note.write_text(sha256_digest(b"as another process found it"), encoding="ascii")
    assert source.digest() == sha256_digest(b"as another process found it")


@pytest.mark.parametrize(("mode", "is_believed"), [(0o644, True), (0o666, False)])
def test_a_recorded_digest_is_believed_where_nobody_else_can_have_written_it(
    source: SourceFile, temporary: Path, mode: int, is_believed: bool
) -> None:
    recorded = sha256_digest(b"what its writer wrote")
    record_digest(source.fd, recorded)
    if recorded_digest(source.fd) is None:
        pytest.skip("this file system has no extended attributes")
    os.chmod(source.path, mode)
    assert source.digest() == (recorded if is_believed else sha256_digest(CONTENT))
    assert len(list(temporary.iterdir())) == (0 if is_believed else 1)


def test_a_note_that_was_cut_short_is_written_again(source: SourceFile, temporary: Path) -> None:
    source.digest()
    (note,) = temporary.iterdir()
    note.write_text("sha256:123", encoding="ascii")
    assert source.digest() == sha256_digest(CONTENT) == note.read_text(encoding="ascii")


def test_a_file_that_has_changed_is_hashed_again(source: SourceFile) -> None:
    source.digest()
    Path(source.path).write_bytes(CONTENT[::-1])
    os.utime(source.path, ns=(1, 1))
    assert source.digest() == sha256_digest(CONTENT[::-1])


def test_the_beginning_is_hashed_by_itself(source: SourceFile) -> None:
    assert source.prefix_digest(2_000_001) == sha256_digest(CONTENT[:2_000_001])


def test_a_file_is_cut_into_pieces_that_take_each_others_place(source: SourceFile, temporary: Path) -> None:
    with temporary_piece(str(temporary)) as own:
        for offset, length in ((0, 2_000_000), (2_000_000, 1_000_000), (5, 3)):
            piece = source.piece(offset, length, own)
            assert Path(piece).read_bytes() == CONTENT[offset : offset + length]
    assert list(temporary.iterdir()) == []


def test_the_whole_needs_no_copy(source: SourceFile, temporary: Path) -> None:
    with temporary_piece(str(temporary)) as own:
        assert source.piece(0, len(CONTENT), own) == source.path


def test_a_file_that_shrinks_is_an_error(source: SourceFile, temporary: Path) -> None:
    os.truncate(source.path, 10)
    with temporary_piece(str(temporary)) as own, pytest.raises(StateError, match="shrank"):
        source.piece(5, 100, own)


def test_a_file_that_is_what_the_task_says_is_taken(source: SourceFile) -> None:
    require_source(source, sha256_digest(CONTENT), len(CONTENT))
    require_source(source, sha256_digest(CONTENT), None)


@pytest.mark.parametrize(
    ("checksum", "size", "message"),
    [
        (sha256_digest(b""), len(CONTENT), "has the checksum"),
        (sha256_digest(CONTENT), 5, "has the size 3000000, wanted 5"),
    ],
)
def test_another_file_is_refused(source: SourceFile, checksum: str, size: int, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        require_source(source, checksum, size)


def test_what_is_no_regular_file_is_refused(tmp_path: Path, temporary: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StateError, match="no regular file"), open_source(str(tmp_path / "fifo"), str(temporary)):
        pass
