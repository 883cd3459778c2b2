# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of an upper's content depends on the content alone, and a reader accepts it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import SparsePair
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.content_map import (
    scan_blocks,
    scan_content,
)

BLOCK = 4096
Chunks = tuple[tuple[int, bytes], ...]


def write_upper(path: Path, size: int, chunks: Chunks) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, content in chunks:
            os.pwrite(file.fileno(), content, offset)
    return path


def content_map(upper: Path, limit: int = 1000) -> tuple[SparsePair, ...] | None:
    with upper.open("rb") as file:
        return scan_content(file.fileno(), Traffic(), limit)


@pytest.mark.parametrize(
    ("size", "chunks", "pairs"),
    [
        pytest.param(0, (), None, id="an empty upper"),
        pytest.param(5, ((0, b"hello"),), None, id="less than a block"),
        pytest.param(3 * BLOCK, ((0, b"x" * 3 * BLOCK),), None, id="no hole at all"),
        pytest.param(3 * BLOCK, (), [(3 * BLOCK, 0)], id="nothing but a hole"),
        pytest.param(3 * BLOCK, ((3 * BLOCK - 1, b"x"),), [(2 * BLOCK, BLOCK)], id="the upper ends in data"),
        pytest.param(3 * BLOCK, ((5, b"x"),), [(0, BLOCK), (3 * BLOCK, 0)], id="the upper ends in a hole"),
        pytest.param(BLOCK + 7, ((BLOCK, b"x"),), [(BLOCK, 7)], id="a tail that is no block"),
    ],
)
def test_the_map_is_that_of_the_blocks_with_content(
    tmp_path: Path, size: int, chunks: Chunks, pairs: list[tuple[int, int]] | None
) -> None:
    found = content_map(write_upper(tmp_path / "upper", size, chunks))
    assert found == (None if pairs is None else tuple(SparsePair(*pair) for pair in pairs))


def test_zeros_that_are_allocated_change_nothing(tmp_path: Path) -> None:
    data = ((BLOCK, b"x" * BLOCK), (9 * BLOCK, b"y" * 100))
    plain = write_upper(tmp_path / "plain", 20 * BLOCK, data)
    spelt_out = tmp_path / "spelt-out"
    spelt_out.write_bytes(plain.read_bytes())
    assert spelt_out.stat().st_blocks > plain.stat().st_blocks
    assert (
        content_map(plain)
        == content_map(spelt_out)
        == (
            SparsePair(BLOCK, BLOCK),
            SparsePair(9 * BLOCK, BLOCK),
            SparsePair(20 * BLOCK, 0),
        )
    )


def test_near_runs_are_joined_where_a_reader_would_refuse_their_number(tmp_path: Path) -> None:
    blocks = (0, 3, 6, 100)
    upper = write_upper(tmp_path / "upper", 200 * BLOCK, tuple((block * BLOCK, b"x") for block in blocks))
    assert content_map(upper, limit=5) == (
        *(SparsePair(block * BLOCK, BLOCK) for block in blocks),
        SparsePair(200 * BLOCK, 0),
    )
    assert content_map(upper, limit=3) == (
        SparsePair(0, 8 * BLOCK),
        SparsePair(100 * BLOCK, 4 * BLOCK),
        SparsePair(200 * BLOCK, 0),
    )


def test_allocation_is_seen_in_whole_blocks(tmp_path: Path) -> None:
    upper = write_upper(tmp_path / "upper", 20 * BLOCK + 7, ((8 * BLOCK, b"x"), (20 * BLOCK, b"y")))
    with upper.open("rb") as file:
        found = scan_blocks(file.fileno())
    assert found.size_bytes == 20 * BLOCK + 7
    assert [extent.start % BLOCK for extent in found.extents] == [0] * len(found.extents)
    assert found.extents[-1].end == found.size_bytes
