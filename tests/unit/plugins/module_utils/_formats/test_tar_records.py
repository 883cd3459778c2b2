# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar records: other programs read what we write, and we read what they write."""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import (
    SparsePair,
    parse_sparse_extension,
    require_sparse_map,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_fields import RECORD_BYTES
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_records import (
    DIRECTORY_TYPE,
    END_OF_ARCHIVE,
    SPARSE_TYPE,
    file_header,
    padding_bytes,
    parse_header,
    parse_pax_path,
    sparse_header,
)
from hypothesis import given
from hypothesis import strategies as st

NAME = "sha256-0123456789abcdef/upper.ext4"
BLOCK = 4096


def tar_info(record: bytes) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(record, "utf-8", "strict")


def put(record: bytes, at: int, content: bytes) -> bytes:
    """Change bytes of a header and make its checksum fit again."""
    changed = bytearray(record)
    changed[at : at + len(content)] = content
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def runs(count: int) -> tuple[SparsePair, ...]:
    """Return so many runs of a block with holes between, and the end of a file that ends in a hole."""
    pairs = [SparsePair(3 * BLOCK * number, BLOCK) for number in range(count)]
    return (*pairs, SparsePair(3 * BLOCK * count, 0))


@pytest.mark.parametrize("size", [0, 1, 8589934591, 8589934592, (1 << 63) - 1])
def test_a_regular_header_is_read_alike_by_us_and_by_python(size: int) -> None:
    record = file_header(NAME, size)
    assert len(record) == RECORD_BYTES
    info = tar_info(record)
    assert (info.name, info.size, info.type) == (NAME, size, tarfile.REGTYPE)
    assert (info.mode & 0o7777, info.uid, info.gid, info.mtime, info.uname) == (0o644, 0, 0, 0, "")
    header = parse_header(record)
    assert (header.name, header.stored_bytes, header.real_bytes, header.type) == (NAME.encode(), size, size, b"0")
    assert header.pairs == ()
    assert not header.is_extended


def test_a_regular_member_is_unpacked_by_gnu_tar(tmp_path: Path) -> None:
    content = b"content" * 100
    archive = file_header("file", len(content)) + content + bytes(padding_bytes(len(content))) + END_OF_ARCHIVE
    subprocess.run(["tar", "-xf", "-", "-C", tmp_path], input=archive, check=True)
    assert tmp_path.joinpath("file").read_bytes() == content


def test_a_size_beyond_eight_gibibytes_is_understood_by_gnu_tar() -> None:
    listed = subprocess.run(["tar", "-tvf", "-"], input=file_header("file", 9 << 30), capture_output=True, check=False)
    assert b" %d " % (9 << 30) in listed.stdout


@pytest.mark.parametrize("pairs", [0, 1, 3, 4, 5, 24, 25, 26, 100], ids=lambda count: f"{count} runs")
@pytest.mark.parametrize("program", ["tar", "bsdtar", "python"])
def test_a_sparse_member_is_unpacked_alike_by_every_program(tmp_path: Path, program: str, pairs: int) -> None:
    sparse_map = runs(pairs)
    real = sparse_map[-1].offset
    blocks = [hashlib.shake_128(b"%d" % number).digest(BLOCK) for number in range(pairs)]
    archive = sparse_header("file", sparse_map, real) + b"".join(blocks) + END_OF_ARCHIVE
    if program == "python":
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            opened.extractall(tmp_path, filter="data")
    else:
        subprocess.run([program, "-xSf" if program == "tar" else "-xf", "-", "-C", tmp_path], input=archive, check=True)
    assert tmp_path.joinpath("file").read_bytes() == b"".join(block + bytes(2 * BLOCK) for block in blocks)


@pytest.mark.parametrize("pairs", [0, 1, 3, 4, 5, 24, 25, 26, 100], ids=lambda count: f"{count} runs")
def test_a_sparse_member_is_read_back(pairs: int) -> None:
    sparse_map = runs(pairs)
    assert read_map(sparse_header(NAME, sparse_map, sparse_map[-1].offset)) == sparse_map


@pytest.mark.parametrize("pairs", [1, 4, 5, 25, 26, 100], ids=lambda count: f"{count} runs")
def test_the_map_that_gnu_tar_writes_is_read(tmp_path: Path, pairs: int) -> None:
    with tmp_path.joinpath("file").open("wb") as file:
        file.truncate(3 * BLOCK * pairs)
        for number in range(pairs):
            file.seek(3 * BLOCK * number)
            file.write(b"x" * BLOCK)
    packed = subprocess.run(
        ["tar", "--format=gnu", "-cSf", "-", "-C", tmp_path, "file"], stdout=subprocess.PIPE, check=True
    ).stdout
    assert parse_header(packed[:RECORD_BYTES]).type == SPARSE_TYPE
    assert parse_header(packed[:RECORD_BYTES]).real_bytes == 3 * BLOCK * pairs
    assert read_map(packed) == runs(pairs)


def read_map(archive: bytes) -> tuple[SparsePair, ...]:
    header = parse_header(archive[:RECORD_BYTES])
    pairs, is_extended, at = header.pairs, header.is_extended, RECORD_BYTES
    while is_extended:
        more, is_extended = parse_sparse_extension(archive[at : at + RECORD_BYTES], header.name)
        pairs += more
        at += RECORD_BYTES
    require_sparse_map(pairs, header.stored_bytes, header.real_bytes, header.name)
    return pairs


def test_sparse_offsets_beyond_eight_gibibytes_are_read_back() -> None:
    sparse_map = (SparsePair(9 << 30, BLOCK), SparsePair(1 << 40, 0))
    assert read_map(sparse_header(NAME, sparse_map, 1 << 40)) == sparse_map


def test_a_name_that_is_too_long_for_a_header_is_refused() -> None:
    assert parse_header(file_header("x" * 100, 0)).name == b"x" * 100
    with pytest.raises(FormatError, match="member name has 101 bytes, a header holds 100"):
        file_header("x" * 99 + "\u00e9", 0)


def test_the_prefix_of_a_posix_header_is_part_of_the_name() -> None:
    info = tarfile.TarInfo("p" * 120 + "/" + "n" * 60)
    record = info.tobuf(tarfile.USTAR_FORMAT)
    assert parse_header(record).name == info.name.encode()


def test_a_directory_of_gnu_tar_is_one(tmp_path: Path) -> None:
    tmp_path.joinpath("directory").mkdir()
    packed = subprocess.run(["tar", "-cf", "-", "-C", tmp_path, "directory"], stdout=subprocess.PIPE, check=True).stdout
    header = parse_header(packed[:RECORD_BYTES])
    assert (header.type, header.name, header.stored_bytes) == (DIRECTORY_TYPE, b"directory/", 0)


@pytest.mark.parametrize("text", ["%06o\0 ", "%07o\0", "%06o  ", " %05o\0 "])
@pytest.mark.parametrize("is_signed", [False, True])
def test_checksums_of_either_kind_in_any_spelling_are_accepted(text: str, is_signed: bool) -> None:
    # Old programs added up signed bytes, which differs for names beyond ASCII.
    record = bytearray(file_header("\u00e9", 10))
    record[148:156] = b" " * 8
    total = sum(byte - 256 if is_signed and byte > 127 else byte for byte in record)
    record[148:156] = (text % total).encode("ascii").ljust(8)[:8]
    assert parse_header(bytes(record)).name == "\u00e9".encode()


@pytest.mark.parametrize("position", [0, 101, 130, 150, 156, 257, 511])
def test_a_changed_byte_breaks_the_checksum(position: int) -> None:
    record = bytearray(file_header(NAME, 12345))
    record[position] ^= 0x01
    with pytest.raises(FormatError, match="it is damaged, or no tar archive"):
        parse_header(bytes(record))


@pytest.mark.parametrize("checksum", [b"        ", b"garbage\0", b"-00001\0 "])
def test_a_checksum_that_is_no_number_is_refused(checksum: bytes) -> None:
    record = file_header(NAME, 0)
    with pytest.raises(FormatError, match="tar header has the checksum"):
        parse_header(record[:148] + checksum + record[156:])


@pytest.mark.parametrize(("at", "name"), [(124, "size"), (100, "mode"), (483, "real size")])
def test_a_number_that_is_none_is_named(at: int, name: str) -> None:
    header = sparse_header(NAME, runs(1), 3 * BLOCK)
    with pytest.raises(FormatError, match=f"has the {name} 'x......', expected octal digits"):
        parse_header(put(header, at, b"x......\0".ljust(8 if at == 100 else 12)))


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_no_record_does_worse_than_be_refused(record: bytes) -> None:
    for content in (record, put(record, 0, b"")):
        with contextlib.suppress(FormatError):
            parse_header(content)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", None),
        (b"13 path=name\n", b"name"),
        (b"30 mtime=1700000000.123456789\n13 path=name\n", b"name"),
        (b"13 path=name\n14 path=other\n", b"other"),
        (b"13 path=a=b\xc3\n", b"a=b\xc3"),
        (b"11 uid=123\n14 comment=hi\n", None),
    ],
)
def test_a_pax_header_gives_the_path(body: bytes, path: bytes | None) -> None:
    assert parse_pax_path(body) == path


@pytest.mark.parametrize("name", ["short", "n" * 99, "\u00fc" * 300, "directory/" * 50 + "name"])
def test_the_pax_path_that_python_writes_is_read(name: str) -> None:
    info = tarfile.TarInfo(name)
    info.pax_headers = {"path": name}
    buffer = info.tobuf(tarfile.PAX_FORMAT)
    size = parse_header(buffer[:RECORD_BYTES]).stored_bytes
    assert parse_pax_path(buffer[RECORD_BYTES : RECORD_BYTES + size]) == name.encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"path=name\n", "a record without a length at byte 0"),
        (b" path=name\n", "a record without a length"),
        (b"013 path=name\n", "a record without a length"),
        (b"-3 path=name\n", "a record without a length"),
        (b"99999999999 path=name\n", "a record without a length"),
        (b"14 path=name\n", "a record of 14 bytes at byte 0 that is cut off"),
        (b"12 path=name\n", "cut off"),
        (b"2 path=name\n", "cut off"),
        (b"13 path name\n", "cut off"),
        (b"13 path=name\njunk", "a record without a length at byte 13"),
        (b"12 size=123\n", "sets 'size'"),
        (b"22 GNU.sparse.major=1\n", "sets 'GNU.sparse.major'"),
        (b"17 linkpath=name\n", "sets 'linkpath'"),
        (b"14 \x1b[31m=name\n", r"sets '\\x1b\[31m'"),
    ],
)
def test_a_pax_header_that_does_more_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_pax_path(body)


def test_padding_fills_whole_records() -> None:
    assert [padding_bytes(size) for size in (0, 1, 511, 512, 513)] == [0, 511, 1, 0, 511]
