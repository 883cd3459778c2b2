# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that every zstd reads: the same bytes by any number of threads, zeros in a few of them."""

from __future__ import annotations

import hashlib
import subprocess
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import parse_frame_header

MIB = 1 << 20

Program = Callable[..., bytes]


def test_what_is_compressed_is_read_back(zstd: Any, content: bytes) -> None:
    assert zstd.decompress(zstd.source_of(zstd.compress(content))) == content


def test_what_is_compressed_is_one_frame_that_the_zstd_program_reads(
    zstd: Any, content: bytes, by_program: Program
) -> None:
    frame = zstd.compress(content)
    assert by_program(frame, "-d") == content
    assert parse_frame_header(frame).content_bytes == len(content)


@pytest.mark.parametrize("level", [1, 3, 9])
def test_the_number_of_threads_does_not_change_the_bytes(zstd: Any, content: bytes, level: int) -> None:
    # Several jobs' worth, so that more than one thread works.
    large = content * 3
    assert len({hashlib.sha256(zstd.compress(large, level, threads)).digest() for threads in (1, 2, 3)}) == 1


def test_the_size_of_the_chunks_does_not_change_the_bytes(zstd: Any, content: bytes) -> None:
    digests = {hashlib.sha256(zstd.compress(content, chunk=chunk)).digest() for chunk in (512, 4096, 100001, 8 * MIB)}
    assert len(digests) == 1


def test_an_empty_stream_is_a_frame(zstd: Any, by_program: Program) -> None:
    frame = zstd.compress(b"")
    assert by_program(frame, "-d") == b""
    assert zstd.decompress(zstd.source_of(frame)) == b""


def test_both_libraries_read_each_other(zstd_of: Callable[[str], Any], content: bytes) -> None:
    one, two = zstd_of("zstandard"), zstd_of("standard library")
    first, second = one.compress(content), two.compress(content)
    assert one.decompress(one.source_of(second)) == two.decompress(two.source_of(first)) == content


NOISE = hashlib.shake_256(b"noise").digest(200_000)
PARTS: list[bytes | int] = [NOISE, 64 * MIB, NOISE[:70_000], 3 * MIB, NOISE, 200 * MIB + 12345, NOISE[100:], 5, b"end"]


def digest_of(parts: list[bytes | int]) -> str:
    running = hashlib.sha256()
    for part in parts:
        running.update(bytes(part) if isinstance(part, int) else part)
    return running.hexdigest()


@pytest.mark.parametrize("level", [1, 3, 9, 19])
def test_runs_of_zeros_that_no_compressor_saw_are_read_by_the_zstd_program(zstd: Any, level: int) -> None:
    frame = zstd.compress_open_ended(PARTS, level)
    done = subprocess.run(["zstd", "-qdc"], input=frame, stdout=subprocess.PIPE, check=True)
    assert hashlib.sha256(done.stdout).hexdigest() == digest_of(PARTS)


def test_runs_of_zeros_take_a_few_bytes_and_are_read_back(zstd: Any) -> None:
    frame = zstd.compress_open_ended(PARTS)
    assert len(frame) < 700_000
    assert zstd.decompress(zstd.source_of(frame)) == b"".join(bytes(p) if isinstance(p, int) else p for p in PARTS)


def test_the_number_of_threads_does_not_change_a_frame_with_runs_of_zeros(zstd: Any) -> None:
    assert len({zstd.compress_open_ended(PARTS, threads=threads) for threads in (1, 2, 5)}) == 1


def test_zeros_at_the_very_start_are_compressed(zstd: Any) -> None:
    assert zstd.decompress(zstd.source_of(zstd.compress_open_ended([70 * MIB, b"x"]))) == bytes(70 * MIB) + b"x"


def test_a_frame_that_announces_its_length_has_all_zeros_compressed(zstd: Any) -> None:
    frame = bytearray()
    writer = zstd.FrameWriter(3, 1, 70 * MIB + 1, frame.extend)
    writer.put(memoryview(b"x"))
    writer.put_zeros(70 * MIB)
    writer.finish()
    assert zstd.decompress(zstd.source_of(bytes(frame))) == b"x" + bytes(70 * MIB)
