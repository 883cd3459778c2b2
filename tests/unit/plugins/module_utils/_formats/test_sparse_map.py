# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sparse map is read back as it was written, and every rule of it holds."""

from __future__ import annotations

import contextlib
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import (
    SparsePair,
    parse_inline_pairs,
    parse_sparse_extension,
    put_inline_pairs,
    require_sparse_map,
    sparse_extensions,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_fields import RECORD_BYTES
from hypothesis import given
from hypothesis import strategies as st

BLOCK = 4096


def runs(count: int) -> tuple[SparsePair, ...]:
    """Return so many runs of a block with holes between, and the end of a file that ends in a hole."""
    pairs = [SparsePair(3 * BLOCK * number, BLOCK) for number in range(count)]
    return (*pairs, SparsePair(3 * BLOCK * count, 0))


def records_of(pairs: tuple[SparsePair, ...]) -> bytes:
    """Return the records that a map stands in, the header without anything else."""
    header = bytearray(RECORD_BYTES)
    extensions = sparse_extensions(put_inline_pairs(header, pairs))
    return bytes(header) + extensions


def read_map(records: bytes) -> tuple[SparsePair, ...]:
    pairs, is_extended = parse_inline_pairs(records[:RECORD_BYTES], b"m")
    at = RECORD_BYTES
    while is_extended:
        more, is_extended = parse_sparse_extension(records[at : at + RECORD_BYTES], b"m")
        pairs += more
        at += RECORD_BYTES
    return pairs


@pytest.mark.parametrize("pairs", [0, 1, 3, 4, 5, 24, 25, 26, 100], ids=lambda count: f"{count} runs")
def test_a_map_is_read_back(pairs: int) -> None:
    assert read_map(records_of(runs(pairs))) == runs(pairs)


def test_offsets_beyond_eight_gibibytes_are_read_back() -> None:
    sparse_map = (SparsePair(9 << 30, BLOCK), SparsePair(1 << 40, 0))
    assert read_map(records_of(sparse_map)) == sparse_map


@pytest.mark.parametrize(("at", "parse"), [(482, parse_inline_pairs), (504, parse_sparse_extension)])
def test_a_map_that_goes_on_after_its_end_is_refused(at: int, parse: Callable[[bytes, bytes], object]) -> None:
    record = bytearray(RECORD_BYTES)
    record[at] = 1
    with pytest.raises(FormatError, match="sparse member 'm' says that its map goes on after its end"):
        parse(bytes(record), b"m")


@pytest.mark.parametrize("at", [386, 386 + 12])
def test_half_a_pair_is_refused(at: int) -> None:
    record = bytearray(RECORD_BYTES)
    record[at] = ord("7")
    with pytest.raises(FormatError, match="sparse member 'm' has half a pair in its map"):
        parse_inline_pairs(bytes(record), b"m")


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_no_record_does_worse_than_be_refused(record: bytes) -> None:
    for parse in (parse_inline_pairs, parse_sparse_extension):
        with contextlib.suppress(FormatError):
            parse(record, b"m")


@pytest.mark.parametrize(
    ("pairs", "stored", "real", "message"),
    [
        pytest.param([(0, 512), (1024, 512)], 1024, 1536, None, id="the file ends in data"),
        pytest.param([(0, 512), (1024, 0)], 512, 1024, None, id="the file ends in a hole"),
        pytest.param([(1024, 0)], 0, 1024, None, id="nothing but a hole"),
        pytest.param([], 0, 0, None, id="an empty file"),
        pytest.param([(0, 512), (1024, 7)], 519, 1031, None, id="a tail that is no record"),
        pytest.param([(0, 0), (512, 512)], 512, 1024, None, id="an empty run in front"),
        pytest.param([(0, 512), (512, 512)], 1024, 1024, None, id="runs that touch"),
        pytest.param([(100, 512), (700, 0)], 512, 700, None, id="a run that starts inside a record of the file"),
        pytest.param([(0, 512)], 512, 1024, "ends its map at 512, its real size is 1024", id="no pair at the end"),
        pytest.param([], 0, 1, "ends its map at 0, its real size is 1", id="no pair at all"),
        pytest.param([(0, 1024)], 1024, 512, "ends at 1024, its real size is 512", id="beyond the file"),
        pytest.param([(2048, 0)], 0, 1024, "ends at 2048, its real size is 1024", id="a hole beyond the file"),
        pytest.param([(512, 512), (0, 512)], 1024, 1024, "at 0, before byte 1024", id="descending"),
        pytest.param([(0, 1024), (512, 512)], 1536, 1024, "at 512, before byte 1024", id="overlapping"),
        pytest.param([(0, 100), (512, 512)], 612, 1024, "starts inside a stored record", id="a short run within"),
        pytest.param([(0, 512), (1024, 0)], 1024, 1024, "stores 1024 bytes, its map adds up to 512", id="too many"),
        pytest.param([(0, 512), (1024, 0)], 0, 1024, "stores 0 bytes, its map adds up to 512", id="too few"),
    ],
)
def test_a_sparse_map_follows_every_rule(
    pairs: list[tuple[int, int]], stored: int, real: int, message: str | None
) -> None:
    sparse_map = tuple(SparsePair(*pair) for pair in pairs)
    if message is None:
        require_sparse_map(sparse_map, stored, real, b"m")
    else:
        with pytest.raises(FormatError, match="sparse member 'm' .*" + message):
            require_sparse_map(sparse_map, stored, real, b"m")
