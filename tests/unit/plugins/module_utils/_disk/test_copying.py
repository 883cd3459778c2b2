# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies by every method: the content is the same, and nothing becomes denser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.content_hash import ALGORITHMS, hash_file
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.copying import CopyMethod, copy_sparse
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import scan_extents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic

MakeSparse = Callable[..., int]

MIB = 1 << 20
# Holes at both ends and between, a run over several buffers, a tail that is no block.
SIZE = 40 * MIB + 12345
CHUNKS = ((4 * MIB, b"a" * 4096), (10 * MIB, bytes(range(256)) * 12288), (30 * MIB, b"z" * 8192), (SIZE - 5, b"tail!"))


def require_same(source: int, target: int) -> None:
    assert os.fstat(target).st_size == os.fstat(source).st_size
    assert scan_extents(target) == scan_extents(source)
    assert os.fstat(target).st_blocks <= os.fstat(source).st_blocks
    for start, end in scan_extents(source).extents:
        assert os.pread(target, end - start, start) == os.pread(source, end - start, start)


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
def test_blocks_are_shared_where_the_file_system_can(
    sparse_file: MakeSparse, reflink_directory: Path, algorithm: str | None
) -> None:
    source = sparse_file(SIZE, *CHUNKS, directory=reflink_directory)
    target = sparse_file(0, directory=reflink_directory)
    os.fsync(source)
    free = os.statvfs(reflink_directory).f_bfree
    copied = copy_sparse(source, target, algorithm, traffic := Traffic())
    os.fsync(target)
    assert copied.method is CopyMethod.REFLINK
    require_same(source, target)
    assert traffic.written == 0
    assert (free - os.statvfs(reflink_directory).f_bfree) * 4096 < MIB
    expected = None if algorithm is None else hash_file(source, scan_extents(source), algorithm, Traffic())
    assert copied.digest == expected


def test_the_kernel_copies_the_data_where_blocks_cannot_be_shared(
    sparse_file: MakeSparse, memory_directory: Path
) -> None:
    # tmpfs has no reflinks, and copy_file_range works within it.
    source = sparse_file(SIZE, *CHUNKS, directory=memory_directory)
    target = sparse_file(0, directory=memory_directory)
    copied = copy_sparse(source, target, None, traffic := Traffic())
    assert copied == (CopyMethod.COPY_FILE_RANGE, None)
    require_same(source, target)
    assert traffic.read == traffic.written == scan_extents(source).data_bytes
    assert traffic.read + traffic.holes_skipped == SIZE


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_digest_is_computed_in_the_pass_that_copies(
    sparse_file: MakeSparse, memory_directory: Path, algorithm: str
) -> None:
    source = sparse_file(SIZE, *CHUNKS, directory=memory_directory)
    target = sparse_file(0, directory=memory_directory)
    copied = copy_sparse(source, target, algorithm, traffic := Traffic())
    assert copied.method is CopyMethod.READ_WRITE
    require_same(source, target)
    assert copied.digest == hash_file(source, scan_extents(source), algorithm, Traffic())
    assert traffic.read == scan_extents(source).data_bytes


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
def test_a_copy_to_another_file_system_keeps_the_holes(
    sparse_file: MakeSparse, memory_directory: Path, algorithm: str | None
) -> None:
    source = sparse_file(SIZE, *CHUNKS, directory=memory_directory)
    target = sparse_file(0)
    assert os.fstat(source).st_dev != os.fstat(target).st_dev
    copied = copy_sparse(source, target, algorithm, Traffic())
    assert copied.method is CopyMethod.READ_WRITE
    require_same(source, target)
    expected = None if algorithm is None else hash_file(source, scan_extents(source), algorithm, Traffic())
    assert copied.digest == expected


def test_zeros_that_the_source_has_allocated_become_a_hole(sparse_file: MakeSparse, memory_directory: Path) -> None:
    source = sparse_file(0, (0, bytes(MIB) + b"x"), directory=memory_directory)
    target = sparse_file(0)
    copy_sparse(source, target, None, Traffic())
    assert os.fstat(target).st_size == MIB + 1
    assert os.pread(target, 2 * MIB, 0) == bytes(MIB) + b"x"
    assert os.fstat(target).st_blocks * 512 <= 4096


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
@pytest.mark.parametrize("size", [0, 1, 64 << 20])
def test_files_without_data_are_copied(sparse_file: MakeSparse, size: int, algorithm: str | None) -> None:
    source, target = sparse_file(size), sparse_file(0)
    copied = copy_sparse(source, target, algorithm, traffic := Traffic())
    assert os.fstat(target).st_size == size
    assert os.fstat(target).st_blocks == 0
    assert traffic.read == traffic.written == 0
    expected = None if algorithm is None else hash_file(source, scan_extents(source), algorithm, Traffic())
    assert copied.digest == expected


def test_an_unknown_algorithm_is_refused(sparse_file: MakeSparse) -> None:
    with pytest.raises(UnsupportedError, match="'blake3'"):
        copy_sparse(sparse_file(10), sparse_file(0), "blake3", Traffic())
