# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not zero is found in whole blocks, whatever is allocated, and counted as it is written."""

from __future__ import annotations

import os
import tempfile
from typing import Callable

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import (
    Extent,
    ExtentMap,
    scan_extents,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.nonzero_runs import (
    nonzero_bytes,
    nonzero_runs,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    BUFFER_BYTES,
    BufferPool,
    SparseWriter,
    Traffic,
    read_segments,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MakeSparse = Callable[..., int]
BLOCK = 4096

# Zeros and data in lengths around the block, in any order.
pieces = st.lists(
    st.tuples(st.booleans(), st.sampled_from([1, 511, 512, 4095, 4096, 4097, 8192, 12289, 40960])), max_size=12
)


def join(parts: list[tuple[bool, int]]) -> bytes:
    return b"".join((b"x" if is_data else b"\0") * length for is_data, length in parts)


@settings(deadline=None, max_examples=40)
@given(pieces)
def test_runs_that_are_not_zero_are_found_whatever_is_allocated(parts: list[tuple[bool, int]]) -> None:
    content = join(parts)
    size = len(content)
    starts = [start for start in range(0, size, BLOCK) if any(content[start : start + BLOCK])]
    expected: list[tuple[int, int]] = []
    for start in starts:
        end = min(start + BLOCK, size)
        if expected and expected[-1][1] == start:
            expected[-1] = (expected[-1][0], end)
        else:
            expected.append((start, end))
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        dense = ExtentMap(size, (Extent(0, size),) if size else ())
        assert list(nonzero_runs(file.fileno(), dense, Traffic())) == expected
        os.truncate(file.fileno(), 0)
        SparseWriter(file.fileno(), Traffic(), size).write(memoryview(content))
        assert list(nonzero_runs(file.fileno(), scan_extents(file.fileno()), Traffic())) == expected


def test_runs_meet_across_buffers(sparse_file: MakeSparse) -> None:
    fd = sparse_file(5 * BUFFER_BYTES, (BUFFER_BYTES, b"x" * 2 * BUFFER_BYTES))
    assert list(nonzero_runs(fd, scan_extents(fd), Traffic())) == [(BUFFER_BYTES, 3 * BUFFER_BYTES)]


@settings(deadline=None, max_examples=40)
@given(pieces)
def test_as_much_is_counted_as_a_writer_writes(parts: list[tuple[bool, int]]) -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        content = join(parts)
        source.write(content)
        source.flush()
        writer = SparseWriter(target.fileno(), Traffic(), len(content))
        counted, pool = 0, BufferPool()
        for segment in read_segments(source.fileno(), scan_extents(source.fileno()), pool, Traffic()):
            writer.put(segment)
            counted += nonzero_bytes(segment)
            pool.take_back(segment)
        assert counted == writer.data_bytes
