# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is read once, front to back, and every byte is witnessed once and in order."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_source import ByteSource
from hypothesis import given, settings
from hypothesis import strategies as st


def source_of(content: bytes, seen: bytearray) -> ByteSource:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        # The duplicate shares the position and outlives the file object.
        fd = os.dup(file.fileno())
    return ByteSource(fd, seen.extend)


operations = st.lists(st.tuples(st.sampled_from(["peek", "read", "read_into"]), st.integers(0, 900)), max_size=20)


@settings(deadline=None)
@given(st.binary(max_size=3000), operations)
def test_it_reads_what_the_file_holds(content: bytes, steps: list[tuple[str, int]]) -> None:
    seen = bytearray()
    source = source_of(content, seen)
    position = 0
    for name, count in steps:
        wanted = content[position : position + count]
        if name == "peek":
            assert source.peek(count) == wanted
            continue
        if name == "read":
            assert source.read(count) == wanted
        else:
            view = bytearray(count)
            assert source.read_into(memoryview(view)) == len(wanted)
            assert view[: len(wanted)] == wanted
        position += len(wanted)
        assert source.position == position
    while source.read(1000):
        pass
    assert seen == content


def test_looking_ahead_consumes_nothing() -> None:
    source = source_of(b"abcdef", bytearray())
    assert source.peek(3) == b"abc"
    assert source.peek(6) == b"abcdef"
    assert source.position == 0
    assert source.read(6) == b"abcdef"
    assert source.peek(1) == b""


def test_a_large_read_after_a_look_ahead_is_whole(tmp_path: Path) -> None:
    content = os.urandom(5 << 20)
    tmp_path.joinpath("file").write_bytes(content)
    seen = bytearray()
    with tmp_path.joinpath("file").open("rb") as file:
        source = ByteSource(file.fileno(), seen.extend)
        source.peek(10)
        view = bytearray(5 << 20)
        assert source.read_into(memoryview(view)) == len(content)
    assert view == content == seen


@pytest.mark.parametrize("count", [3, 100])
def test_the_end_of_the_file_is_short_and_stays_so(count: int) -> None:
    source = source_of(b"abc", bytearray())
    assert source.read(count) == b"abc"
    assert source.read(count) == b""
    assert source.read_into(memoryview(bytearray(count))) == 0
    assert source.position == 3


@pytest.mark.parametrize("how", ["peek", "read_into"])
def test_a_file_that_cannot_be_read_is_named(how: str) -> None:
    # Nothing is mapped at the start of a process's memory.
    fd = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        source = ByteSource(fd)
        with pytest.raises(OSError, match="Input/output error") as caught:
            source.peek(1) if how == "peek" else source.read_into(memoryview(bytearray(8)))
    finally:
        os.close(fd)
    assert caught.value.filename == f"/proc/{os.getpid()}/mem"
