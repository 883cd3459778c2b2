# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd streams by each library that a host may have."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk import zstd as zstd_adapter
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_source import ByteSource
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame

# What a host with the one library lacks.
LACKING = {
    "zstandard": ("compression", "compression.zstd", "backports", "backports.zstd"),
    "standard library": ("zstandard",),
    "neither": ("zstandard", "compression", "compression.zstd", "backports", "backports.zstd"),
}
MIB = 1 << 20


def adapter_without(monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...]) -> ModuleType:
    """Import the adapter once more, on a Python that lacks some modules."""
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.find_spec(zstd_adapter.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["zstandard", "standard library"])
def zstd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The adapter of a host that has this library only."""
    module = adapter_without(monkeypatch, LACKING[request.param])
    if module.backend() is None:
        pytest.skip(f"this Python has no zstd from the {request.param}")
    return module


@pytest.fixture(scope="module")
def content() -> bytes:
    """Some MiB that compress a little, with zeros between."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() + b"words, words " * 3 for number in range(30000))
    return noise[:MIB] + bytes(2 * MIB) + noise[MIB:] + bytes(12345)


def compress(zstd: Any, content: bytes, level: int = 3, threads: int = 1, chunk: int = MIB) -> bytes:
    frame = bytearray()
    writer = zstd.FrameWriter(level, threads, len(content), frame.extend)
    for start in range(0, len(content), chunk):
        writer.put(memoryview(content)[start : start + chunk])
    writer.finish()
    return bytes(frame)


def compress_open_ended(zstd: Any, parts: list[bytes | int], level: int = 3, threads: int = 1) -> bytes:
    """Return a frame of parts, numbers among them for so many zeros."""
    frame = bytearray()
    writer = zstd.FrameWriter(level, threads, None, frame.extend)
    for part in parts:
        if isinstance(part, int):
            writer.put_zeros(part)
        else:
            writer.put(memoryview(part))
    writer.finish()
    return bytes(frame)


def source_of(compressed: bytes) -> ByteSource:
    with tempfile.TemporaryFile() as file:
        file.write(compressed)
        file.seek(0)
        return ByteSource(os.dup(file.fileno()))


def decompress(zstd: Any, source: ByteSource, chunk: int = MIB) -> bytes:
    reader, pieces = zstd.FrameReader(source), []
    while True:
        piece = bytearray(chunk)
        count = reader.read_into(memoryview(piece))
        pieces.append(bytes(piece[:count]))
        if count < chunk:
            return b"".join(pieces)


def by_program(content: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "-qc", *options], input=content, stdout=subprocess.PIPE, check=True).stdout


def test_the_library_in_use_is_named(zstd: Any, request: pytest.FixtureRequest) -> None:
    name = "zstandard " if "zstandard" in request.node.name else ("compression.zstd ", "backports.zstd ")
    assert zstd.backend().startswith(name)


def test_what_is_compressed_is_read_back(zstd: Any, content: bytes) -> None:
    assert decompress(zstd, source_of(compress(zstd, content))) == content


def test_what_is_compressed_is_one_frame_that_the_zstd_program_reads(zstd: Any, content: bytes) -> None:
    frame = compress(zstd, content)
    assert by_program(frame, "-d") == content
    assert zstd.parse_frame_header(frame).content_bytes == len(content)


@pytest.mark.parametrize("level", [1, 3, 9])
def test_the_number_of_threads_does_not_change_the_bytes(zstd: Any, content: bytes, level: int) -> None:
    # Several jobs' worth, so that more than one thread works.
    large = content * 3
    assert len({hashlib.sha256(compress(zstd, large, level, threads)).digest() for threads in (1, 2, 3)}) == 1


def test_the_size_of_the_chunks_does_not_change_the_bytes(zstd: Any, content: bytes) -> None:
    digests = {hashlib.sha256(compress(zstd, content, chunk=chunk)).digest() for chunk in (512, 4096, 100001, 8 * MIB)}
    assert len(digests) == 1


@pytest.mark.parametrize("chunk", [1, 4096, 100001, 16 * MIB])
def test_the_size_of_the_reads_does_not_change_the_content(zstd: Any, content: bytes, chunk: int) -> None:
    wanted = content[:50000] if chunk == 1 else content
    assert decompress(zstd, source_of(compress(zstd, wanted)), chunk) == wanted


def test_an_empty_stream_is_a_frame(zstd: Any) -> None:
    frame = compress(zstd, b"")
    assert by_program(frame, "-d") == b""
    assert decompress(zstd, source_of(frame)) == b""


@pytest.mark.parametrize(
    "options", [("-1",), ("-19",), ("--no-check",), ("--check",), ("-T2", "-B1MB"), ("--long=27",)]
)
def test_the_frames_of_the_zstd_program_are_read(zstd: Any, content: bytes, options: tuple[str, ...]) -> None:
    wanted = content[: MIB // 2] if options == ("-19",) else content
    assert decompress(zstd, source_of(by_program(wanted, *options))) == wanted


@pytest.mark.parametrize("check", ["--check", "--no-check"])
@pytest.mark.parametrize("size", [0, 1, 100000, 3 * MIB])
def test_the_end_of_the_frame_is_found_exactly(zstd: Any, content: bytes, check: str, size: int) -> None:
    frame, behind = by_program(content[:size], check), skippable_frame(b"ours") + b"\x28\xb5\x2f\xfd and more"
    source = source_of(frame + behind)
    assert decompress(zstd, source) == content[:size]
    assert source.position == len(frame)
    assert source.read(1000) == behind


def test_a_second_frame_is_left_alone(zstd: Any) -> None:
    first, second = compress(zstd, b"first"), compress(zstd, b"second")
    source = source_of(first + second)
    assert decompress(zstd, source) == b"first"
    assert decompress(zstd, source) == b"second"


@pytest.mark.parametrize("check", ["--check", "--no-check"])
def test_a_frame_that_is_cut_off_anywhere_is_refused(zstd: Any, content: bytes, check: str) -> None:
    frame = by_program(content[:30000], check)
    for length in (*range(1, 30), len(frame) // 2, *range(len(frame) - 8, len(frame))):
        with pytest.raises(FormatError, match="ends inside|starts with|damaged"):
            decompress(zstd, source_of(frame[:length]))


def test_a_damaged_byte_is_noticed(zstd: Any, content: bytes) -> None:
    frame = by_program(content[:60000], "--check")
    for position in (*range(6, 20), len(frame) // 2, len(frame) - 1):
        damaged = bytearray(frame)
        damaged[position] ^= 0x10
        with pytest.raises(FormatError):
            decompress(zstd, source_of(bytes(damaged)))


def test_content_shorter_than_the_frame_announces_is_refused(zstd: Any) -> None:
    # One segment of 5 bytes, whose last block brings 4.
    frame = bytes.fromhex("28b52ffd2005") + (4 << 3 | 1).to_bytes(3, "little") + b"four"
    with pytest.raises(FormatError):
        decompress(zstd, source_of(frame))


def test_a_window_beyond_the_limit_is_refused_before_memory_is_taken(zstd: Any) -> None:
    # What --long=28 writes: window exponent 18.
    frame = bytes.fromhex("28b52ffd00") + bytes([18 << 3]) + b"\x01\0\0"
    with pytest.raises(FormatError, match="needs a window of 268435456 bytes, at most 134217728") as caught:
        zstd.FrameReader(source_of(frame))
    assert caught.value.facts == {"window_bytes": 1 << 28, "limit_bytes": 1 << 27}


def test_a_smaller_limit_is_obeyed(zstd: Any) -> None:
    frame = bytes.fromhex("28b52ffd00") + bytes([3 << 3]) + b"\x01\0\0"
    assert decompress(zstd, source_of(frame)) == b""
    with pytest.raises(FormatError, match="needs a window of 8192 bytes, at most 4096"):
        zstd.FrameReader(source_of(frame), 4096)


def test_a_frame_that_needs_a_dictionary_is_refused(zstd: Any) -> None:
    # A dictionary's number of one byte, then an empty last block.
    frame = bytes.fromhex("28b52ffd01") + bytes([0, 7]) + b"\x01\0\0"
    with pytest.raises(FormatError, match="needs a dictionary"):
        zstd.FrameReader(source_of(frame))


def test_what_is_no_frame_is_refused(zstd: Any) -> None:
    with pytest.raises(FormatError, match="starts with"):
        zstd.FrameReader(source_of(b"sha256-0000000000000000/manifest.json"))


def test_both_libraries_read_each_other(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    frames = []
    for name in ("zstandard", "standard library"):
        with monkeypatch.context() as patch:
            module = adapter_without(patch, LACKING[name])
            if module.backend() is None:
                pytest.skip(f"this Python has no zstd from the {name}")
            frames.append((module, compress(module, content)))
    (one, first), (two, second) = frames
    assert decompress(one, source_of(second)) == decompress(two, source_of(first)) == content


def test_a_host_without_a_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = by_program(b"content")
    module = adapter_without(monkeypatch, LACKING["neither"])
    assert module.backend() is None
    message = "install python3-zstandard .* or zstandard with pip"
    with pytest.raises(UnsupportedError, match=message) as caught:
        module.FrameWriter(3, 1, 10, bytearray().extend)
    assert caught.value.facts == {"library": "zstandard"}
    with pytest.raises(UnsupportedError, match=message):
        module.FrameReader(source_of(frame))


STREAMED = ("--no-check", "--no-content-size")  # as microsandbox 0.5.8 to 0.6.6 writes


def with_long_runs_of_zeros() -> bytes:
    noise = hashlib.shake_256(b"noise").digest(100_000)
    # What follows a run refers to what stands in front of it, as far as the window reaches.
    return noise + bytes(5 * MIB + 3) + noise[:5000] + bytes(300_000) + noise + bytes(40 * MIB) + b"end"


@pytest.mark.parametrize("window", ["--zstd=wlog=10", "--zstd=wlog=17", "--zstd=wlog=21", "--zstd=wlog=23"])
@pytest.mark.parametrize("chunk", [MIB, 4096, 1_000_003])
def test_zeros_that_are_not_decoded_are_read_all_the_same(zstd: Any, window: str, chunk: int) -> None:
    content = with_long_runs_of_zeros()
    assert decompress(zstd, source_of(by_program(content, *STREAMED, window)), chunk) == content


@pytest.mark.parametrize("step", [512, MIB, 100 * MIB])
def test_zeros_can_be_skipped_where_they_come(zstd: Any, step: int) -> None:
    content = with_long_runs_of_zeros()
    reader = zstd.FrameReader(source_of(by_program(content, *STREAMED, "--zstd=wlog=17")))
    piece, found, skipped, reads = bytearray(4096), 0, 0, 0
    while True:
        zeros = reader.skip_zeros(step)
        assert not any(content[found : found + zeros])
        found, skipped = found + zeros, skipped + zeros
        count = reader.read_into(memoryview(piece))
        assert piece[:count] == content[found : found + count]
        found, reads = found + count, reads + 1
        if not count:
            break
    assert found == len(content)
    assert skipped > (30 * MIB if step > 512 else 3 * MIB)


@pytest.mark.parametrize("cut", [1, 3, 4, 100])
def test_a_streamed_frame_that_is_cut_off_is_refused(zstd: Any, cut: int) -> None:
    frame = by_program(with_long_runs_of_zeros(), *STREAMED)
    with pytest.raises(FormatError, match="zstd frame"):
        decompress(zstd, source_of(frame[:-cut]))


def test_the_end_of_a_streamed_frame_is_found_exactly(zstd: Any) -> None:
    source = source_of(by_program(with_long_runs_of_zeros(), *STREAMED) + b"behind")
    decompress(zstd, source)
    assert source.read(100) == b"behind"


NOISE = hashlib.shake_256(b"noise").digest(200_000)
PARTS: list[bytes | int] = [NOISE, 64 * MIB, NOISE[:70_000], 3 * MIB, NOISE, 200 * MIB + 12345, NOISE[100:], 5, b"end"]


def digest_of(parts: list[bytes | int]) -> str:
    running = hashlib.sha256()
    for part in parts:
        running.update(bytes(part) if isinstance(part, int) else part)
    return running.hexdigest()


@pytest.mark.parametrize("level", [1, 3, 9, 19])
def test_runs_of_zeros_that_no_compressor_saw_are_read_by_the_zstd_program(zstd: Any, level: int) -> None:
    frame = compress_open_ended(zstd, PARTS, level)
    done = subprocess.run(["zstd", "-qdc"], input=frame, stdout=subprocess.PIPE, check=True)
    assert hashlib.sha256(done.stdout).hexdigest() == digest_of(PARTS)


def test_runs_of_zeros_take_a_few_bytes_and_are_read_back(zstd: Any) -> None:
    frame = compress_open_ended(zstd, PARTS)
    assert len(frame) < 700_000
    assert decompress(zstd, source_of(frame)) == b"".join(bytes(p) if isinstance(p, int) else p for p in PARTS)


def test_the_number_of_threads_does_not_change_a_frame_with_runs_of_zeros(zstd: Any) -> None:
    assert len({compress_open_ended(zstd, PARTS, threads=threads) for threads in (1, 2, 5)}) == 1


def test_zeros_at_the_very_start_are_compressed(zstd: Any) -> None:
    assert decompress(zstd, source_of(compress_open_ended(zstd, [70 * MIB, b"x"]))) == bytes(70 * MIB) + b"x"


def test_a_frame_that_announces_its_length_has_all_zeros_compressed(zstd: Any) -> None:
    frame = bytearray()
    writer = zstd.FrameWriter(3, 1, 70 * MIB + 1, frame.extend)
    writer.put(memoryview(b"x"))
    writer.put_zeros(70 * MIB)
    writer.finish()
    assert decompress(zstd, source_of(bytes(frame))) == b"x" + bytes(70 * MIB)
