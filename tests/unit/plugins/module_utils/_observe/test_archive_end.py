# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind an archive is zeros and frames that are skipped, or a reason to refuse it."""

from __future__ import annotations

import os
import tempfile

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_source import ByteSource
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.frame_reader import FrameReader
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.frame_writer import FrameWriter
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_end import require_clean_end

MIB = 1 << 20


def source_of(content: bytes) -> ByteSource:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return ByteSource(os.dup(file.fileno()))


def frame_of(content: bytes) -> bytes:
    frame = bytearray()
    writer = FrameWriter(3, 1, len(content), frame.extend)
    writer.put(memoryview(content))
    writer.finish()
    return bytes(frame)


def judge(padding: bytes, trailer: bytes, is_compressed: bool) -> None:
    if is_compressed:
        source = source_of(frame_of(padding) + trailer)
        require_clean_end(FrameReader(source), source)
    else:
        source = source_of(padding + trailer)
        require_clean_end(source, source)


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("trailer", [b"", skippable_frame(b"ours"), skippable_frame(b"") + skippable_frame(b"x" * 9)])
@pytest.mark.parametrize("padding", [0, 1, 10240, MIB - 100])
def test_zeros_and_skippable_frames_may_follow(padding: int, trailer: bytes, is_compressed: bool) -> None:
    judge(bytes(padding), trailer, is_compressed)


@pytest.mark.parametrize(
    ("padding", "trailer", "is_compressed"),
    [
        (b"\0x", b"", False),
        (b"\0x", b"", True),
        (skippable_frame(b"inside"), b"", True),
        (b"", b"x", False),
        (b"", b"\0", True),
        (b"", frame_of(b"another"), True),
        (b"", skippable_frame(b"ours") + b"x", False),
        (b"", skippable_frame(b"cut off")[:-1], True),
    ],
)
def test_nothing_else_may_follow(padding: bytes, trailer: bytes, is_compressed: bool) -> None:
    with pytest.raises(FormatError, match="archive holds data after its end marker"):
        judge(padding, trailer, is_compressed)


@pytest.mark.parametrize(
    ("padding", "trailer", "is_compressed", "limit"),
    [
        (2 * MIB, b"", False, MIB),
        (2 * MIB, b"", True, MIB),
        (0, skippable_frame(bytes(5 * MIB)), True, 4 * MIB),
    ],
)
def test_not_much_may_follow(padding: int, trailer: bytes, is_compressed: bool, limit: int) -> None:
    with pytest.raises(FormatError, match=f"more than {limit} bytes after its end marker") as caught:
        judge(bytes(padding), trailer, is_compressed)
    assert caught.value.facts == {"limit": limit}
