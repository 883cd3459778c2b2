# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of zeros that a decoder need not see are left out, and nothing else is."""

from __future__ import annotations

import os
import tempfile

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_source import ByteSource
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_blocks import (
    BlockSource,
    blocks_of_zeros,
    has_droppable_zeros,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import (
    FRAME_MAGIC,
    parse_frame_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RAW, RLE = 0, 1
FULL = 1 << 17
# A descriptor without content size and checksum, and a window of 128 KiB.
START = FRAME_MAGIC + b"\0\x38"


def block(kind: int, size: int, is_last: bool = False, byte: bytes = b"\0") -> bytes:
    header = (size << 3 | kind << 1 | is_last).to_bytes(3, "little")
    return header + (byte if kind == RLE else byte * size)


def source_of(frame: bytes) -> BlockSource:
    with tempfile.TemporaryFile() as file:
        file.write(frame)
        file.seek(0)
        source = ByteSource(os.dup(file.fileno()))
    return BlockSource(source, parse_frame_header(source.peek(18)))


def read_all(source: BlockSource) -> tuple[bytes, int]:
    """Return all that is to be decoded, and how many zeros were left out."""
    kept, dropped = b"", 0
    while not source.is_complete:
        piece, zeros = source.read()
        kept += piece
        dropped += zeros
    return kept, dropped


END = block(RAW, 1, True, b"x")


@pytest.mark.parametrize("size", [1, 31, 32, 255, 1024, 8191, 8192, 65536, FULL - 1, FULL])
@pytest.mark.parametrize("count", [1, 2, 1023, 1024, 1025, 5000])
def test_zeros_beyond_the_window_are_left_out(size: int, count: int) -> None:
    window = block(RLE, FULL)
    kept, dropped = read_all(source_of(START + window + block(RLE, size) * count + END))
    assert (kept, dropped) == (START + window + END, size * count)


@settings(deadline=None)
@given(st.lists(st.integers(1, FULL), max_size=40))
def test_blocks_of_any_sizes_count_as_what_they_stand_for(sizes: list[int]) -> None:
    zeros = b"".join(block(RLE, size) for size in sizes)
    kept, dropped = read_all(source_of(START + block(RLE, FULL) + zeros + END))
    assert (kept, dropped) == (START + block(RLE, FULL) + END, sum(sizes))


def test_as_many_zeros_stay_as_the_window_reaches_back() -> None:
    zeros = block(RLE, 50_000)
    kept, dropped = read_all(source_of(START + zeros * 10 + END))
    assert (kept, dropped) == (START + zeros * 3 + END, 7 * 50_000)


def test_other_content_between_zeros_starts_the_window_anew() -> None:
    zeros, other = block(RLE, 100_000), block(RAW, 1, byte=b"y")
    kept, dropped = read_all(source_of(START + zeros * 4 + other + zeros * 4 + END))
    assert (kept, dropped) == (START + zeros * 2 + other + zeros * 2 + END, 400_000)


@pytest.mark.parametrize("other", [block(RLE, 8192, byte=b"\1"), block(RAW, 8192), block(2, 8192)])
def test_blocks_of_another_kind_stay(other: bytes) -> None:
    frame = START + block(RLE, FULL) + other * 3 + END
    assert read_all(source_of(frame)) == (frame, 0)


def test_a_last_block_of_zeros_stays() -> None:
    frame = START + block(RLE, FULL) + block(RLE, 10, True)
    assert read_all(source_of(frame)) == (frame, 0)


def test_a_group_is_little_content() -> None:
    source, sizes = source_of(START + block(RLE, FULL, byte=b"x") * 20 + END), []
    while not source.is_complete:
        sizes.append(len(source.read()[0]))
    assert sizes == [len(START) + 8 * 4, 8 * 4, 4 * 4 + len(END)]


def test_a_group_is_little_of_what_is_stored() -> None:
    source, sizes = source_of(START + block(RAW, 30_000, byte=b"x") * 4 + END), []
    while not source.is_complete:
        sizes.append(len(source.read()[0]))
    assert sizes == [len(START) + 2 * 30_003, 2 * 30_003, len(END)]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (START, "ends inside its zstd frame"),
        (START + b"\0\0", "ends inside its zstd frame"),
        (START + block(RAW, 100)[:-1], "ends inside its zstd frame"),
        (START + block(RLE, 100)[:-1], "ends inside its zstd frame"),
        (START + block(RLE, FULL) * 2, "ends inside its zstd frame"),
        (START + block(3, 1), "reserved kind"),
        (START + block(RLE, FULL + 1), "at most 131072 are allowed"),
        (START + block(RLE, FULL) + block(RLE, FULL + 1), "at most 131072 are allowed"),
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_all(source_of(frame))


@pytest.mark.parametrize(("descriptor", "expected"), [(0x00, True), (0x04, False), (0x80, False), (0x84, False)])
def test_a_frame_that_announces_its_size_or_a_checksum_is_decoded_whole(descriptor: int, expected: bool) -> None:
    header = parse_frame_header(FRAME_MAGIC + bytes([descriptor, 0x38]) + bytes(12))
    assert has_droppable_zeros(header) == expected


def test_a_frame_with_a_window_smaller_than_a_block_is_decoded_whole() -> None:
    assert not has_droppable_zeros(parse_frame_header(FRAME_MAGIC + b"\0\x37" + bytes(12)))


@pytest.mark.parametrize("empty", [block(RAW, 0), block(RLE, 0, byte=b"x")])
def test_blocks_without_content_come_in_groups_as_well(empty: bytes) -> None:
    source, sizes = source_of(START + empty * 200_000 + END), []
    while not source.is_complete:
        sizes.append(len(source.read()[0]))
    assert max(sizes) <= FULL + len(START) + 4
    assert sum(sizes) == len(START) + 200_000 * len(empty) + len(END)


def test_full_and_other_blocks_may_take_turns() -> None:
    mixed = block(RLE, FULL) + block(RLE, 77)
    kept, dropped = read_all(source_of(START + mixed + mixed * 5000 + END))
    assert (kept, dropped) == (START + block(RLE, FULL) + END, 5000 * (FULL + 77) + 77)


@pytest.mark.parametrize("length", [1, FULL - 1, FULL, FULL + 1, 70_000 * FULL + 5])
def test_zeros_are_written_as_blocks_that_are_dropped_again(length: int) -> None:
    blocks = b"".join(blocks_of_zeros(length))
    assert read_all(source_of(START + block(RLE, FULL) + blocks + END)) == (START + block(RLE, FULL) + END, length)
