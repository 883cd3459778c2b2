# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk over an archive's members: bodies are read, skipped or left half read, and the next member is found."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import BUFFER_BYTES, BufferPool
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import (
    CacheFile,
    SnapshotDirectory,
    SnapshotFile,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import SparsePair
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_records import (
    END_OF_ARCHIVE,
    sparse_header,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_member import Member
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_reader import ArchiveReader

LARGE = bytes(range(256)) * 12345
CONTENTS = {"a/manifest.json": b"{}", "a/upper.ext4": LARGE, "cache/layers/x.erofs": b"x" * 512, "b/empty": b""}

Open = Callable[..., ArchiveReader]


def archive_of(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(params=["none", "zstd"])
def open_reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open a reader over these bytes, plain or compressed."""
    path = tmp_path / "archive"
    opened = []

    def open_archive(content: bytes, seen: bytearray | None = None) -> ArchiveReader:
        if request.param == "zstd":
            content = subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout
        path.write_bytes(content)
        opened.append(path.open("rb"))
        reader = ArchiveReader(opened[-1].fileno(), ArchiveLimits(), None if seen is None else seen.extend)
        assert reader.compression == request.param
        return reader

    yield open_archive
    for file in opened:
        file.close()


def read_whole(reader: ArchiveReader, member: Member) -> bytes:
    pool, pieces = BufferPool(1), []
    for segment in reader.body_segments(member, pool):
        if segment.buffer is None:
            pieces.append(bytes(segment.length))
        else:
            pieces.append(bytes(segment.view))
            pool.give(segment.buffer)
    return b"".join(pieces)


def test_members_come_in_order_whether_or_not_they_are_read(open_reader: Open) -> None:
    names = [member.name for member in open_reader(archive_of(CONTENTS)).members()]
    assert names == [
        SnapshotFile("a", "manifest.json"),
        SnapshotFile("a", "upper.ext4"),
        CacheFile("layers", "x.erofs"),
        SnapshotFile("b", "empty"),
    ]


def test_bodies_are_read_whole(open_reader: Open) -> None:
    reader = open_reader(archive_of(CONTENTS))
    assert [read_whole(reader, member) for member in reader.members()] == list(CONTENTS.values())


def test_a_body_that_is_left_half_read_does_not_lose_the_next_member(open_reader: Open) -> None:
    reader = open_reader(archive_of(CONTENTS))
    found = []
    for member in reader.members():
        segment = next(reader.body_segments(member, BufferPool()), None)
        found.append(0 if segment is None else segment.length)
    assert found == [2, BUFFER_BYTES, 512, 0]


def test_a_small_body_is_read_at_once(open_reader: Open) -> None:
    reader = open_reader(archive_of({"a/one": b"1" * 1000, "a/two": b"2"}))
    assert [reader.read_body(member, 1 << 20) for member in reader.members()] == [b"1" * 1000, b"2"]


def test_a_body_beyond_the_limit_is_not_read(open_reader: Open) -> None:
    reader = open_reader(archive_of({"a/upper.ext4": LARGE}))
    with pytest.raises(FormatError, match="member 'a/upper.ext4' has 3160320 bytes, at most 1048576 stored ones"):
        reader.read_body(next(iter(reader.members())), 1 << 20)


def test_the_observer_sees_the_whole_file(open_reader: Open, tmp_path: Path) -> None:
    seen = bytearray()
    for dummy in open_reader(archive_of(CONTENTS), seen).members():
        pass
    assert seen == tmp_path.joinpath("archive").read_bytes()


def test_the_holes_of_a_sparse_member_are_segments_without_bytes(open_reader: Open) -> None:
    pairs = (SparsePair(4096, 4096), SparsePair(100000, 512), SparsePair(1 << 40, 0))
    content = sparse_header("a/upper.ext4", pairs, 1 << 40) + b"x" * 4096 + b"y" * 512 + END_OF_ARCHIVE
    reader, found = open_reader(content), []
    for member in reader.members():
        assert (member.is_sparse, member.stored_bytes, member.real_bytes) == (True, 4608, 1 << 40)
        found = [(s.offset, s.length, s.buffer is None) for s in reader.body_segments(member, BufferPool())]
    assert found == [
        (0, 4096, True),
        (4096, 4096, False),
        (8192, 91808, True),
        (100000, 512, False),
        (100512, (1 << 40) - 100512, True),
    ]


def test_directories_are_members(open_reader: Open) -> None:
    info = tarfile.TarInfo("a")
    info.type = tarfile.DIRTYPE
    (member,) = open_reader(info.tobuf(tarfile.GNU_FORMAT) + END_OF_ARCHIVE).members()
    assert member == Member(SnapshotDirectory("a"), False, 0, 0, ())


def test_a_file_that_ends_inside_a_body_is_refused(open_reader: Open) -> None:
    content = archive_of({"a/upper.ext4": b"x" * 5000})[:3000]
    with pytest.raises(FormatError, match="archive ends 2632 bytes before what it announces"):
        list(open_reader(content).members())


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("empty").touch()
    with tmp_path.joinpath("empty").open("rb") as file, pytest.raises(FormatError, match="archive is empty"):
        ArchiveReader(file.fileno(), ArchiveLimits())
