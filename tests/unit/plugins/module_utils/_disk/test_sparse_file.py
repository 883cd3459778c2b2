# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse files in one pass: holes are neither read nor written, and the content stays the same."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import (
    Extent,
    ExtentMap,
    scan_extents,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    BUFFER_BYTES,
    BufferPool,
    Segment,
    SparseWriter,
    Traffic,
    read_at,
    read_segments,
    write_at,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MakeSparse = Callable[..., int]
BLOCK = 4096

# Zeros and data in lengths around the block, in any order.
pieces = st.lists(
    st.tuples(st.booleans(), st.sampled_from([1, 511, 512, 4095, 4096, 4097, 8192, 12289, 40960])), max_size=12
)
cuts = st.lists(st.integers(100, 9000), min_size=1, max_size=8)


def join(parts: list[tuple[bool, int]]) -> bytes:
    return b"".join((b"x" if is_data else b"\0") * length for is_data, length in parts)


def zero_blocks(content: bytes) -> set[int]:
    """Return the starts of the whole blocks of zeros."""
    starts = range(0, len(content) - BLOCK + 1, BLOCK)
    return {start for start in starts if not any(content[start : start + BLOCK])}


def data_starts(extent_map: ExtentMap) -> set[int]:
    return {start for extent in extent_map.extents for start in range(extent.start, extent.end, BLOCK)}


@settings(deadline=None, max_examples=40)
@given(pieces, cuts)
def test_the_written_file_has_the_content_and_no_block_of_zeros(
    parts: list[tuple[bool, int]], lengths: list[int]
) -> None:
    content = join(parts)
    traffic = Traffic()
    with tempfile.TemporaryFile() as file:
        writer = SparseWriter(file.fileno(), traffic, len(content))
        at = 0
        while at < len(content):
            # Chunks that end anywhere, as from a network: a zero block may lie across two of them.
            length = lengths[at % len(lengths)]
            writer.write(memoryview(content)[at : at + length])
            at += length
        file.seek(0)
        assert file.read() == content
    assert traffic.written + traffic.holes_skipped == len(content)


@settings(deadline=None, max_examples=40)
@given(pieces)
def test_every_block_of_zeros_becomes_a_hole(parts: list[tuple[bool, int]]) -> None:
    content = join(parts)
    with tempfile.TemporaryFile() as file:
        writer = SparseWriter(file.fileno(), Traffic(), len(content))
        for start in range(0, len(content), 3 * BLOCK):
            writer.write(memoryview(content)[start : start + 3 * BLOCK])
        assert not data_starts(scan_extents(file.fileno())) & zero_blocks(content)


def test_a_block_of_zeros_across_two_chunks_becomes_a_hole(sparse_file: MakeSparse) -> None:
    fd = sparse_file(0)
    writer = SparseWriter(fd, Traffic(), 3 * BLOCK)
    for chunk in (b"a" * BLOCK + bytes(1000), bytes(BLOCK - 1000) + b"b" * BLOCK):
        writer.write(memoryview(chunk))
    assert scan_extents(fd) == ExtentMap(3 * BLOCK, (Extent(0, BLOCK), Extent(2 * BLOCK, 3 * BLOCK)))


def test_a_file_of_zeros_takes_no_space(sparse_file: MakeSparse) -> None:
    fd, traffic = sparse_file(0), Traffic()
    size_bytes = BUFFER_BYTES + 100 + (64 << 30)
    writer = SparseWriter(fd, traffic, size_bytes)
    writer.write(memoryview(bytes(BUFFER_BYTES)))
    writer.write(memoryview(bytes(100)))
    writer.skip(64 << 30)
    assert os.fstat(fd).st_size == size_bytes
    assert os.fstat(fd).st_blocks == 0
    assert traffic == Traffic(read=0, written=0, holes_skipped=size_bytes)
    assert writer.data_bytes == 0


def test_a_hole_takes_no_space_on_a_file_system_that_allocates_ahead(
    sparse_file: MakeSparse, reflink_directory: Path
) -> None:
    fd, count, step = sparse_file(0, directory=reflink_directory), 8, 64 * BLOCK
    writer = SparseWriter(fd, Traffic(), count * step)
    for dummy in range(count):
        writer.write(memoryview(b"x" * BLOCK))
        writer.skip(step - BLOCK)
    os.fsync(fd)
    assert os.fstat(fd).st_blocks * 512 == count * BLOCK


def test_segments_are_put_as_they_were_read(sparse_file: MakeSparse) -> None:
    source = sparse_file(3 * BUFFER_BYTES + 17, (BUFFER_BYTES - 5, b"across"), (3 * BUFFER_BYTES, b"tail"))
    target, pool = sparse_file(0), BufferPool(1)
    writer = SparseWriter(target, Traffic(), 3 * BUFFER_BYTES + 17)
    for segment in read_segments(source, scan_extents(source), pool, Traffic()):
        writer.put(segment)
        if segment.buffer is not None:
            pool.give(segment.buffer)
    assert scan_extents(target) == scan_extents(source)
    assert os.pread(target, 1 << 30, 0) == os.pread(source, 1 << 30, 0)


def test_holes_come_as_one_segment_and_are_not_read(sparse_file: MakeSparse) -> None:
    traffic, pool = Traffic(), BufferPool(2)
    fd = sparse_file(8 << 40, (1 << 40, b"data"))
    found = [
        (segment.offset, segment.length, segment.buffer is None)
        for segment in read_segments(fd, scan_extents(fd), pool, traffic)
    ]
    after = (1 << 40) + BLOCK
    assert found == [(0, 1 << 40, True), (1 << 40, BLOCK, False), (after, (8 << 40) - after, True)]
    assert traffic.read == BLOCK


def test_data_comes_in_pieces_that_begin_on_blocks(sparse_file: MakeSparse) -> None:
    fd, pool = sparse_file(0, (0, b"x" * (2 * BUFFER_BYTES + 100))), BufferPool(1)
    offsets = []
    extent_map = ExtentMap(2 * BUFFER_BYTES + 100, (Extent(7, 2 * BUFFER_BYTES),))
    for segment in read_segments(fd, extent_map, pool, Traffic()):
        offsets.append(segment.offset)
        assert segment.buffer is None or bytes(segment.view) == b"x" * segment.length
        if segment.buffer is not None:
            pool.give(segment.buffer)
    assert offsets[:2] == [0, 7]
    assert all(offset % BLOCK == 0 for offset in offsets[2:])


def test_a_file_that_shrank_is_told_from_one_that_ends(sparse_file: MakeSparse) -> None:
    fd = sparse_file(0, (0, b"12345"))
    with pytest.raises(StateError, match="ends at byte 5, 10 are mapped: it shrank while it was read") as caught:
        list(read_segments(fd, ExtentMap(10, (Extent(0, 10),)), BufferPool(), Traffic()))
    assert caught.value.facts == {"expected": 10, "actual": 5}


def test_reading_and_writing_at_an_offset_move_every_byte(sparse_file: MakeSparse) -> None:
    fd = sparse_file(0)
    content = os.urandom(3 << 20)
    write_at(fd, memoryview(content), 12345)
    found = bytearray(3 << 20)
    read_at(fd, memoryview(found), 12345)
    assert found == content


def test_a_file_that_cannot_be_read_is_named() -> None:
    # Nothing is mapped at the start of a process's memory.
    fd = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Input/output error") as caught:
            read_at(fd, memoryview(bytearray(8)), 0)
    finally:
        os.close(fd)
    assert caught.value.filename == f"/proc/{os.getpid()}/mem"


def test_a_pool_gives_no_more_buffers_than_it_has() -> None:
    pool = BufferPool(2)
    first, second = pool.take(), pool.take()
    assert first is not second
    taken: list[bytearray] = []
    waiting = threading.Thread(target=lambda: taken.append(pool.take()))
    waiting.start()
    waiting.join(0.05)
    assert not taken
    pool.give(second)
    waiting.join(5)
    assert taken == [second]
    assert taken[0] is second


def test_a_hole_has_no_bytes() -> None:
    with pytest.raises(ValueError, match="a hole has no bytes"):
        dummy = Segment(0, 10, None).view
