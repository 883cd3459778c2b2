# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames are read to their exact end, whoever wrote them, and damage is noticed."""

from __future__ import annotations

import hashlib
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame

MIB = 1 << 20

Program = Callable[..., bytes]


@pytest.mark.parametrize("chunk", [1, 4096, 100001, 16 * MIB])
def test_the_size_of_the_reads_does_not_change_the_content(zstd: Any, content: bytes, chunk: int) -> None:
    wanted = content[:50000] if chunk == 1 else content
    assert zstd.decompress(zstd.source_of(zstd.compress(wanted)), chunk) == wanted


@pytest.mark.parametrize(
    "options", [("-1",), ("-19",), ("--no-check",), ("--check",), ("-T2", "-B1MB"), ("--long=27",)]
)
def test_the_frames_of_the_zstd_program_are_read(
    zstd: Any, content: bytes, options: tuple[str, ...], by_program: Program
) -> None:
    wanted = content[: MIB // 2] if options == ("-19",) else content
    assert zstd.decompress(zstd.source_of(by_program(wanted, *options))) == wanted


@pytest.mark.parametrize("check", ["--check", "--no-check"])
@pytest.mark.parametrize("size", [0, 1, 100000, 3 * MIB])
def test_the_end_of_the_frame_is_found_exactly(
    zstd: Any, content: bytes, check: str, size: int, by_program: Program
) -> None:
    frame, behind = by_program(content[:size], check), skippable_frame(b"ours") + b"\x28\xb5\x2f\xfd and more"
    source = zstd.source_of(frame + behind)
    assert zstd.decompress(source) == content[:size]
    assert source.position == len(frame)
    assert source.read(1000) == behind


def test_a_second_frame_is_left_alone(zstd: Any) -> None:
    first, second = zstd.compress(b"first"), zstd.compress(b"second")
    source = zstd.source_of(first + second)
    assert zstd.decompress(source) == b"first"
    assert zstd.decompress(source) == b"second"


@pytest.mark.parametrize("check", ["--check", "--no-check"])
def test_a_frame_that_is_cut_off_anywhere_is_refused(
    zstd: Any, content: bytes, check: str, by_program: Program
) -> None:
    frame = by_program(content[:30000], check)
    for length in (*range(1, 30), len(frame) // 2, *range(len(frame) - 8, len(frame))):
        with pytest.raises(FormatError, match="ends inside|starts with|damaged"):
            zstd.decompress(zstd.source_of(frame[:length]))


def test_a_damaged_byte_is_noticed(zstd: Any, content: bytes, by_program: Program) -> None:
    frame = by_program(content[:60000], "--check")
    for position in (*range(6, 20), len(frame) // 2, len(frame) - 1):
        damaged = bytearray(frame)
        damaged[position] ^= 0x10
        with pytest.raises(FormatError):
            zstd.decompress(zstd.source_of(bytes(damaged)))


def test_content_shorter_than_the_frame_announces_is_refused(zstd: Any) -> None:
    # One segment of 5 bytes, whose last block brings 4.
    frame = bytes.fromhex("28b52ffd2005") + (4 << 3 | 1).to_bytes(3, "little") + b"four"
    with pytest.raises(FormatError):
        zstd.decompress(zstd.source_of(frame))


def test_a_window_beyond_the_limit_is_refused_before_memory_is_taken(zstd: Any) -> None:
    # What --long=28 writes: window exponent 18.
    frame = bytes.fromhex("28b52ffd00") + bytes([18 << 3]) + b"\x01\0\0"
    with pytest.raises(FormatError, match="needs a window of 268435456 bytes, at most 134217728") as caught:
        zstd.FrameReader(zstd.source_of(frame))
    assert caught.value.facts == {"window_bytes": 1 << 28, "limit_bytes": 1 << 27}


def test_a_smaller_limit_is_obeyed(zstd: Any) -> None:
    frame = bytes.fromhex("28b52ffd00") + bytes([3 << 3]) + b"\x01\0\0"
    assert zstd.decompress(zstd.source_of(frame)) == b""
    with pytest.raises(FormatError, match="needs a window of 8192 bytes, at most 4096"):
        zstd.FrameReader(zstd.source_of(frame), 4096)


def test_a_frame_that_needs_a_dictionary_is_refused(zstd: Any) -> None:
    # A dictionary's number of one byte, then an empty last block.
    frame = bytes.fromhex("28b52ffd01") + bytes([0, 7]) + b"\x01\0\0"
    with pytest.raises(FormatError, match="needs a dictionary"):
        zstd.FrameReader(zstd.source_of(frame))


def test_what_is_no_frame_is_refused(zstd: Any) -> None:
    with pytest.raises(FormatError, match="starts with"):
        zstd.FrameReader(zstd.source_of(b"sha256-0000000000000000/manifest.json"))


STREAMED = ("--no-check", "--no-content-size")  # as microsandbox 0.5.8 to 0.6.6 writes


def with_long_runs_of_zeros() -> bytes:
    noise = hashlib.shake_256(b"noise").digest(100_000)
    # What follows a run refers to what stands in front of it, as far as the window reaches.
    return noise + bytes(5 * MIB + 3) + noise[:5000] + bytes(300_000) + noise + bytes(40 * MIB) + b"end"


@pytest.mark.parametrize("window", ["--zstd=wlog=10", "--zstd=wlog=17", "--zstd=wlog=21", "--zstd=wlog=23"])
@pytest.mark.parametrize("chunk", [MIB, 4096, 1_000_003])
def test_zeros_that_are_not_decoded_are_read_all_the_same(
    zstd: Any, window: str, chunk: int, by_program: Program
) -> None:
    content = with_long_runs_of_zeros()
    assert zstd.decompress(zstd.source_of(by_program(content, *STREAMED, window)), chunk) == content


@pytest.mark.parametrize("step", [512, MIB, 100 * MIB])
def test_zeros_can_be_skipped_where_they_come(zstd: Any, step: int, by_program: Program) -> None:
    content = with_long_runs_of_zeros()
    reader = zstd.FrameReader(zstd.source_of(by_program(content, *STREAMED, "--zstd=wlog=17")))
    piece, found, skipped, reads = bytearray(4096), 0, 0, 0
    while True:
        zeros = reader.skip_zeros(step)
        assert not any(content[found : found + zeros])
        found, skipped = found + zeros, skipped + zeros
        count = reader.read_into(memoryview(piece))
        assert piece[:count] == content[found : found + count]
        found, reads = found + count, reads + 1
        if not count:
            break
    assert found == len(content)
    assert skipped > (30 * MIB if step > 512 else 3 * MIB)


@pytest.mark.parametrize("cut", [1, 3, 4, 100])
def test_a_streamed_frame_that_is_cut_off_is_refused(zstd: Any, cut: int, by_program: Program) -> None:
    frame = by_program(with_long_runs_of_zeros(), *STREAMED)
    with pytest.raises(FormatError, match="zstd frame"):
        zstd.decompress(zstd.source_of(frame[:-cut]))


def test_the_end_of_a_streamed_frame_is_found_exactly(zstd: Any, by_program: Program) -> None:
    source = zstd.source_of(by_program(with_long_runs_of_zeros(), *STREAMED) + b"behind")
    zstd.decompress(source)
    assert source.read(100) == b"behind"
