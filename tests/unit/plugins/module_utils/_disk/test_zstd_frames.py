# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer structure of zstd frames, checked against frames that the zstd program makes."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import (
    FRAME_MAGIC,
    MAX_BLOCK_BYTES,
    MAX_HEADER_BYTES,
    FrameHeader,
    is_skippable_frames,
    parse_frame_header,
    skip_blocks,
    skippable_frame,
)
from hypothesis import given
from hypothesis import strategies as st


def compress(content: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *options], input=content, stdout=subprocess.PIPE, check=True).stdout


def test_the_program_writes_a_header_that_is_understood() -> None:
    frame = compress(b"x" * 100000, "-3", "--no-check")
    header = parse_frame_header(frame[:MAX_HEADER_BYTES])
    assert not header.has_checksum
    assert header.content_bytes is None
    assert header.window_bytes >= 100000
    assert parse_frame_header(compress(b"", "--check")).has_checksum


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65791, 65792, 100000])
def test_a_size_of_any_width_is_read(size: int) -> None:
    frame = compress(bytes(size), f"--stream-size={size}", "--no-check")
    header = parse_frame_header(frame)
    assert header.content_bytes == size
    assert header.window_bytes == size


@pytest.mark.parametrize(
    ("descriptor", "rest", "header"),
    [
        # No content size, window 1 KiB.
        (0x00, b"\x00", FrameHeader(6, 1 << 10, None, False)),
        (0x04, b"\x00", FrameHeader(6, 1 << 10, None, True)),
        # Exponent 1 and mantissa 7: 2 KiB and seven eighths of it.
        (0x00, b"\x0f", FrameHeader(6, 2048 + 7 * 256, None, False)),
        # 128 MiB, the largest that archives have.
        (0x00, bytes([17 << 3]), FrameHeader(6, 1 << 27, None, False)),
        # One segment: the content is the window.
        (0x20, b"\x07", FrameHeader(6, 7, 7, False)),
        (0x60, b"\x00\x01", FrameHeader(7, 512, 512, False)),
        (0xA0, b"\x00\x00\x01\x00", FrameHeader(9, 65536, 65536, False)),
        (0xE0, b"\0\0\0\0\1\0\0\0", FrameHeader(13, 1 << 32, 1 << 32, False)),
        # A dictionary field that names no dictionary.
        (0x01, b"\x00\x00", FrameHeader(7, 1 << 10, None, False)),
    ],
)
def test_the_fields_of_the_specification_are_read(descriptor: int, rest: bytes, header: FrameHeader) -> None:
    assert parse_frame_header(FRAME_MAGIC + bytes([descriptor]) + rest + b"more") == header


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with , expected 28b52ffd"),
        (b"ustar", "starts with 75737461"),
        (FRAME_MAGIC, "ends inside its header"),
        (FRAME_MAGIC + b"\x00", "ends inside its header"),
        (FRAME_MAGIC + b"\xe0\0\0\0", "ends inside its header"),
        (FRAME_MAGIC + b"\x08\0\0\0", "sets a reserved bit"),
        (FRAME_MAGIC + b"\x01\0\x07", "needs a dictionary"),
        (FRAME_MAGIC + b"\x03\0\0\0\0\x01", "needs a dictionary"),
    ],
)
def test_what_is_no_header_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_frame_header(content)


def block(kind: int, size: int, is_last: bool) -> bytes:
    return (size << 3 | kind << 1 | is_last).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("kind", "size", "stored"), [(0, 5, 5), (0, 0, 0), (1, 100000, 1), (2, MAX_BLOCK_BYTES, MAX_BLOCK_BYTES)]
)
@pytest.mark.parametrize("is_last", [False, True])
def test_a_block_says_how_much_of_it_follows(kind: int, size: int, stored: int, is_last: bool) -> None:
    assert skip_blocks(block(kind, size, is_last), 0) == (3 + stored, is_last)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x06\0\0", "of the reserved kind"),
        ((MAX_BLOCK_BYTES + 1 << 3).to_bytes(3, "little"), "has 131073 bytes, at most 131072"),
    ],
)
def test_what_is_no_block_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        skip_blocks(content, 0)


def test_a_header_that_is_cut_off_is_left_for_the_next_piece() -> None:
    assert skip_blocks(block(0, 0, False) + b"\0\0", 0) == (3, False)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.lists(st.integers(1, 9)))
def test_the_end_is_found_however_the_frame_is_cut(sizes: list[int], cuts: list[int]) -> None:
    blocks = [block(0, size, number == len(sizes)) + bytes(size) for number, size in enumerate(sizes, 1)]
    frame = b"".join(blocks) + b"more"
    start, left, is_complete = 0, 0, False
    for cut in [*cuts, *[3] * len(frame)]:
        if not is_complete:
            left, is_complete = skip_blocks(frame[start : start + cut], left)
        step = min(cut, left)
        start, left = start + step, left - step
    assert is_complete
    assert frame[start:] == b"more"


@given(st.binary(max_size=100), st.integers(0, 15))
def test_a_skippable_frame_is_one(content: bytes, variant: int) -> None:
    frame = skippable_frame(content, variant)
    assert is_skippable_frames(frame)
    assert is_skippable_frames(frame + frame)
    assert not is_skippable_frames(frame + b"x")
    assert not is_skippable_frames(frame[:-1])


def test_the_zstd_program_skips_what_we_append() -> None:
    done = subprocess.run(
        ["zstd", "-dqc"], input=compress(b"content") + skippable_frame(b"ours"), stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == b"content"


def test_other_bytes_are_no_skippable_frames() -> None:
    assert is_skippable_frames(b"")
    assert not is_skippable_frames(compress(b"content"))
    assert not is_skippable_frames(bytes(8))
