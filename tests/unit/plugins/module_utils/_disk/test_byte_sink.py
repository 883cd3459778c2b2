# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zeros on their way into a file: spelt out, or in runs that the content alone decides about."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_sink import ZeroRuns, feed_zeros
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import BUFFER_BYTES, Segment
from hypothesis import given
from hypothesis import strategies as st

BLOCK = 4096


class Recorder:
    """Remembers what it takes: bytes, and numbers of zeros."""

    def __init__(self) -> None:
        self.taken: list[bytes | int] = []

    def put(self, view: memoryview) -> None:
        self.taken.append(bytes(view))

    def put_zeros(self, length: int) -> None:
        self.taken.append(length)


def pass_on(segments: list[Segment]) -> list[bytes | int]:
    recorder = Recorder()
    runs = ZeroRuns(recorder)
    for segment in segments:
        runs.put(segment)
    runs.finish()
    return recorder.taken


@pytest.mark.parametrize("length", [0, 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 5])
def test_so_many_zeros_are_fed(length: int) -> None:
    fed: list[bytes] = []
    feed_zeros(length, lambda view: fed.append(bytes(view)))
    assert b"".join(fed) == bytes(length)
    assert all(fed)


def test_zeros_of_data_and_holes_come_as_one_run() -> None:
    data = bytearray(b"x" * BLOCK + bytes(2 * BLOCK))
    segments = [
        Segment(0, 3 * BLOCK, data),
        Segment(3 * BLOCK, 5 * BLOCK, None),
        Segment(8 * BLOCK, BLOCK, bytearray(BLOCK)),
    ]
    assert pass_on(segments) == [b"x" * BLOCK, 8 * BLOCK]


def test_zeros_inside_a_block_are_data() -> None:
    content = bytearray(b"x" + bytes(BLOCK - 1))
    assert pass_on([Segment(0, BLOCK, content)]) == [bytes(content)]


def test_nothing_is_nothing() -> None:
    assert pass_on([]) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=12), st.data())
def test_the_allocation_does_not_matter(parts: list[tuple[bool, int]], data: st.DataObject) -> None:
    allocated, at = [], 0
    sparse = []
    for is_data, blocks in parts:
        length = blocks * BLOCK
        content = bytearray(b"d" * length if is_data else length)
        allocated.append(Segment(at, length, content))
        is_hole = not is_data and data.draw(st.booleans())
        sparse.append(Segment(at, length, None if is_hole else content))
        at += length

    def runs(taken: list[bytes | int]) -> list[bytes | int]:
        """Join neighbouring pieces of data, whose cuts mean nothing."""
        joined: list[bytes | int] = []
        for part in taken:
            if joined and isinstance(part, bytes) and isinstance(joined[-1], bytes):
                joined[-1] += part
            else:
                joined.append(part)
        return joined

    found = runs(pass_on(sparse))
    assert found == runs(pass_on(allocated))
    assert all(type(one) is not type(other) for one, other in zip(found, found[1:]))
