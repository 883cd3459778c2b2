# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be written is counted, and only where the limit can be reached."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Segment, Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import (
    CacheFile,
    SnapshotFile,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_count import ArchiveCount
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits

PLAIN = Path(__file__).parents[3] / "data/g1-archives/nolabels-0.6.2-plain.tar"
UPPER = SnapshotFile("a", "upper.ext4")
LAYER = CacheFile("layers", "a.erofs")
LIMITS = ArchiveLimits(allocated_bytes=8192)


def segment(offset: int, content: bytes) -> Segment:
    return Segment(offset, len(content), bytearray(content))


def test_uppers_and_image_files_are_counted_apart() -> None:
    count = ArchiveCount("archive", LIMITS)
    with count.take_upper(UPPER, None, 0, 0) as put_upper, count.take_cache_file(LAYER, 8192) as put_file:
        assert put_upper is not None
        assert put_file is not None
        for put in (put_upper, put_file):
            put(segment(0, b"x" * 8192))
            put(Segment(8192, 1 << 30, None))
            put(segment(8192 + (1 << 30), bytes(4096)))
        with pytest.raises(FormatError, match="^uppers in the archive take more than the 8192 bytes that are allowed"):
            put_upper(segment(1 << 31, b"x"))
        with pytest.raises(FormatError, match="^image cache files in the archive take more than the 8192 bytes"):
            put_file(segment(1 << 31, b"x"))


def test_what_is_there_already_is_not_counted() -> None:
    count = ArchiveCount("archive", LIMITS, {"there"}.__contains__, lambda name, size_bytes: size_bytes == 4096)
    with count.take_upper(UPPER, "there", 0, 0) as put_upper, count.take_cache_file(LAYER, 4096) as put_file:
        assert (put_upper, put_file) == (None, None)
    with count.take_upper(UPPER, "new", 0, 0) as put_upper, count.take_cache_file(LAYER, 8192) as put_file:
        assert None not in (put_upper, put_file)


@pytest.mark.parametrize("limits", [ArchiveLimits(), ArchiveLimits(apparent_bytes=1 << 20, allocated_bytes=1 << 20)])
def test_nothing_is_counted_where_the_apparent_size_is_limited_as_well(limits: ArchiveLimits) -> None:
    count = ArchiveCount("archive", limits)
    with count.take_upper(UPPER, None, 0, 0) as put_upper, count.take_cache_file(LAYER, 8192) as put_file:
        assert (put_upper, put_file) == (None, None)


def test_a_walk_that_keeps_nothing_counts() -> None:
    with tarfile.open(PLAIN) as archive:
        file = archive.extractfile(next(member for member in archive if member.name.endswith("upper.ext4")))
        assert file is not None
        needed = sum(4096 for block in iter(lambda: file.read(4096), b"") if any(block))
    assert observe_archive(str(PLAIN), ArchiveLimits(allocated_bytes=needed), True, Traffic()).snapshots
    with pytest.raises(FormatError, match=f"take more than the {needed - 1} bytes that are allowed"):
        observe_archive(str(PLAIN), ArchiveLimits(allocated_bytes=needed - 1), True, Traffic())
