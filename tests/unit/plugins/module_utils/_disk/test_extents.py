# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocation maps as the file system gives them, and their arithmetic."""

from __future__ import annotations

from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import (
    Extent,
    ExtentMap,
    align_extents,
    scan_extents,
)
from hypothesis import given
from hypothesis import strategies as st

MakeSparse = Callable[..., int]


@pytest.mark.parametrize(
    ("size", "chunks", "extents"),
    [
        pytest.param(0, [], (), id="an empty file"),
        pytest.param(1 << 20, [], (), id="nothing but a hole"),
        pytest.param(5, [(0, b"hello")], ((0, 5),), id="less than a block"),
        pytest.param(4096, [(0, b"a")], ((0, 4096),), id="one block"),
        pytest.param(4097, [(4096, b"a")], ((4096, 4097),), id="a tail of one byte after a hole"),
        pytest.param(10000, [(0, b"a")], ((0, 4096),), id="a hole that ends inside a block"),
        pytest.param(1 << 20, [(8192, b"a" * 4096)], ((8192, 12288),), id="holes on both sides"),
        pytest.param(65536, [(0, bytes(8192))], ((0, 8192),), id="allocated zeros are data"),
        pytest.param(
            (4 << 30) + 1, [(0, b"a"), (4 << 30, b"z")], ((0, 4096), (4 << 30, (4 << 30) + 1)), id="beyond 32 bits"
        ),
    ],
)
def test_the_map_of_a_file_is_found(
    sparse_file: MakeSparse, size: int, chunks: list[tuple[int, bytes]], extents: tuple[Extent, ...]
) -> None:
    assert scan_extents(sparse_file(size, *chunks)) == ExtentMap(size, extents)


def test_segments_cover_the_file_in_order() -> None:
    extent_map = ExtentMap(100, (Extent(10, 20), Extent(20, 30), Extent(90, 100)))
    assert list(extent_map.segments()) == [
        (False, 0, 10),
        (True, 10, 20),
        (True, 20, 30),
        (False, 30, 90),
        (True, 90, 100),
    ]
    assert extent_map.data_bytes == 30


def test_a_hole_at_the_end_is_a_segment() -> None:
    assert list(ExtentMap(100, (Extent(0, 10),)).segments()) == [(True, 0, 10), (False, 10, 100)]
    assert list(ExtentMap(100, ()).segments()) == [(False, 0, 100)]
    assert list(ExtentMap(0, ()).segments()) == []


@pytest.mark.parametrize(
    ("extents", "unit", "size", "aligned"),
    [
        ([], 4096, 100, ()),
        ([(0, 4096)], 4096, 8192, ((0, 4096),)),
        ([(1, 2)], 4096, 8192, ((0, 4096),)),
        ([(4095, 4097)], 4096, 8192, ((0, 8192),)),
        ([(8192, 8193)], 4096, 8193, ((8192, 8193),)),
        ([(0, 1), (4095, 4096)], 4096, 8192, ((0, 4096),)),
        ([(0, 1), (4096, 4097)], 4096, 9000, ((0, 8192),)),
        ([(0, 1), (8192, 8193)], 4096, 9000, ((0, 4096), (8192, 9000))),
        ([(0, 9000), (10, 20)], 4096, 9000, ((0, 9000),)),
    ],
)
def test_extents_are_widened_and_merged(
    extents: list[tuple[int, int]], unit: int, size: int, aligned: tuple[Extent, ...]
) -> None:
    assert align_extents([Extent(*extent) for extent in extents], unit, size) == aligned


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40))), st.sampled_from([1, 8, 16]))
def test_aligned_extents_are_disjoint_and_cover_every_byte(pieces: list[tuple[int, int]], unit: int) -> None:
    size = 250
    extents = sorted(Extent(start, min(start + length, size)) for start, length in pieces)
    aligned = align_extents(extents, unit, size)
    covered = {byte for extent in aligned for byte in range(extent.start, extent.end)}
    assert covered >= {byte for extent in extents for byte in range(extent.start, extent.end)}
    assert all(before.end < after.start for before, after in zip(aligned, aligned[1:]))
    assert all(e.start % unit == 0 and (e.end % unit == 0 or e.end == size) for e in aligned)
