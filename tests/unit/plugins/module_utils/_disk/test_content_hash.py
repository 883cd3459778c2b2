# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests as the real tools computed them, and that holes cost no reads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.content_hash import (
    ALGORITHMS,
    SHA256,
    SPARSE_SHA256,
    ContentHash,
    HashThread,
    hash_extent_framed,
    hash_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import (
    Extent,
    ExtentMap,
    scan_extents,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    BUFFER_BYTES,
    BufferPool,
    Segment,
    Traffic,
    read_segments,
)

VECTORS = Path(__file__).parents[3] / "data/integrity/vectors.json"
CASES = json.loads(VECTORS.read_text("utf-8"))["cases"]

MakeSparse = Callable[..., int]


def build(sparse_file: MakeSparse, case: dict[str, Any]) -> int:
    chunks = [(c["offset"], bytes.fromhex(c["hex"]) * (c["repeat"] or 1)) for c in case["chunks"]]
    return sparse_file(case["size"], *chunks)


def bytes_read_by_this_process() -> int:
    counters = Path("/proc/self/io").read_text("ascii").split()
    return int(counters[counters.index("rchar:") + 1])


def test_there_are_all_the_real_cases() -> None:
    assert len(CASES) == 14
    assert sum("sha256_plain" in case for case in CASES) == 12
    assert max(case["size"] for case in CASES) == (4 << 30) + 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_logical_digest_is_that_of_microsandbox_0_6_2(sparse_file: MakeSparse, case: dict[str, Any]) -> None:
    fd = build(sparse_file, case)
    assert hash_file(fd, scan_extents(fd), SPARSE_SHA256, Traffic()) == case["logical"]


@pytest.mark.parametrize("case", [case for case in CASES if "sha256_plain" in case], ids=lambda case: case["id"])
def test_the_plain_digest_is_that_of_the_bytes(sparse_file: MakeSparse, case: dict[str, Any]) -> None:
    fd = build(sparse_file, case)
    assert hash_file(fd, scan_extents(fd), SHA256, Traffic()) == case["sha256_plain"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_extent_framed_digest_is_that_of_microsandbox_0_4_4(sparse_file: MakeSparse, case: dict[str, Any]) -> None:
    fd, traffic = build(sparse_file, case), Traffic()
    runs = [(start, start + length) for start, length in case["extents"]]
    runs = [(start, min(end, case["size"])) for start, end in runs]
    assert hash_extent_framed(fd, case["size"], runs, traffic) == case["extent_framed"]
    assert traffic.read == sum(end - start for start, end in runs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_file_system_maps_the_file_as_it_did_for_microsandbox(
    sparse_file: MakeSparse, case: dict[str, Any]
) -> None:
    expected = tuple(Extent(start, start + length) for start, length in case["extents"])
    assert scan_extents(build(sparse_file, case)).extents == expected


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hashing_a_hole_reads_nothing(sparse_file: MakeSparse, algorithm: str) -> None:
    fd, traffic = sparse_file(256 << 20, (128 << 20, b"x" * 4096)), Traffic()
    before = bytes_read_by_this_process()
    hash_file(fd, scan_extents(fd), algorithm, traffic)
    assert bytes_read_by_this_process() - before < 64 << 10
    assert traffic == Traffic(read=4096, written=0, holes_skipped=(256 << 20) - 4096)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digest_does_not_depend_on_the_allocation(sparse_file: MakeSparse, algorithm: str) -> None:
    content = b"a" * 4096 + bytes(3 * BUFFER_BYTES) + b"z" * 77
    sparse = sparse_file(len(content), (0, b"a" * 4096), (len(content) - 77, b"z" * 77))
    dense = sparse_file(0, (0, content))
    digests = {hash_file(fd, scan_extents(fd), algorithm, Traffic()) for fd in (sparse, dense)}
    assert len(digests) == 1
    if algorithm == SHA256:
        assert digests == {"sha256:" + hashlib.sha256(content).hexdigest()}


def test_pieces_of_any_length_give_one_digest() -> None:
    whole, pieces = ContentHash(SPARSE_SHA256, 3 * BUFFER_BYTES + 5), ContentHash(SPARSE_SHA256, 3 * BUFFER_BYTES + 5)
    whole.update(memoryview(bytes(3 * BUFFER_BYTES + 5)))
    for length in (0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 5):
        pieces.update_zeros(length)
    assert whole.digest() == pieces.digest()


@pytest.mark.parametrize("algorithm", ["msb-file-merkle-blake3-v1", "SHA256", "", "a\nb"])
def test_an_unknown_algorithm_is_named_with_those_that_are_known(algorithm: str) -> None:
    with pytest.raises(UnsupportedError, match="this collection computes msb-sparse-sha256-v1 and sha256") as caught:
        ContentHash(algorithm, 0)
    assert caught.value.facts == {"algorithm": algorithm, "supported": list(ALGORITHMS)}
    assert "\n" not in caught.value.message


def test_a_file_that_shrinks_ends_the_thread_and_the_error_arrives(sparse_file: MakeSparse) -> None:
    fd = sparse_file(0, (0, b"x" * 8192))
    with pytest.raises(StateError, match="shrank while it was read"):
        hash_file(fd, ExtentMap(1 << 20, (Extent(0, 1 << 20),)), SHA256, Traffic())


def test_an_error_in_the_block_ends_the_thread_without_hashing_the_rest() -> None:
    def feed_and_fail() -> None:
        with HashThread(ContentHash(SHA256, 8 << 40), BufferPool()) as thread:
            # Hashing this hole would take an hour.
            thread.feed(Segment(0, 8 << 40, None))
            raise KeyError

    with pytest.raises(KeyError):
        feed_and_fail()


def test_without_a_digest_to_feed_the_buffers_come_back(sparse_file: MakeSparse) -> None:
    pool = BufferPool(1)
    fd = sparse_file(0, (0, b"x" * 3 * BUFFER_BYTES))
    with HashThread(None, pool) as thread:
        for segment in read_segments(fd, scan_extents(fd), pool, Traffic()):
            thread.feed(segment)
    assert os.fstat(fd).st_size == 3 * BUFFER_BYTES
    assert len(pool.take()) == BUFFER_BYTES
