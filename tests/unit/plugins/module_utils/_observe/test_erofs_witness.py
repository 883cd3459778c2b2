# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EROFS images are judged alike, however they are cut into pieces on their way."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Segment
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.erofs_witness import ErofsWitness
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import require_valid_erofs

DATA = Path(__file__).parents[3] / "data"
REAL = sorted(DATA.glob("image-cache/*/cache/*/*.erofs"))
PIECES = (1, 63, 64, 512, 1025, 2048, 2100, 4095, 4096, 4097, 1 << 20)


def erofs(inode_at: int = 2048, blocks: int = 1, xattrs: bytes = b"", units: int | None = None, **at: int) -> bytes:
    """Return an image with its root directory's inode somewhere, and extended attributes behind it."""
    content = bytearray(4096 * blocks)
    struct.pack_into("<I", content, 1024, 0xE0F5E1E2)
    struct.pack_into("<H", content, 1024 + 0x0E, inode_at % 4096 // 32)
    struct.pack_into("<I", content, 1024 + 0x24, at.get("said_blocks", blocks))
    struct.pack_into("<I", content, 1024 + 0x28, inode_at // 4096)
    count = (len(xattrs) // 4 + 1 if xattrs else 0) if units is None else units
    struct.pack_into("<HHH", content, inode_at, 1, count, at.get("mode", 0o040755))
    content[inode_at + 64 + 12 : inode_at + 64 + 12 + len(xattrs)] = xattrs
    return bytes(content)


def xattr(name: bytes, name_space: int, value: bytes) -> bytes:
    entry = struct.pack("<BBH", len(name), name_space, len(value)) + name + value
    return entry + bytes(-len(entry) % 4)


def cut(content: bytes, piece: int) -> Iterator[Segment]:
    for start in range(0, len(content), piece):
        part = content[start : start + piece]
        yield Segment(start, len(part), bytearray(part + b"garbage behind"))


def judge(content: bytes, piece: int) -> None:
    witness = ErofsWitness(len(content), "image x")
    for segment in cut(content, piece):
        witness.feed(segment)
    witness.judge()


def test_there_are_real_images() -> None:
    assert len(REAL) >= 5


@pytest.mark.parametrize("piece", PIECES)
def test_a_real_image_is_one(piece: int) -> None:
    for path in REAL:
        judge(path.read_bytes(), piece)


GOOD = {
    "inode in the first block": erofs(),
    "inode in front of the superblock": erofs(inode_at=0),
    "inode over two blocks": erofs(inode_at=4096 - 32, blocks=2),
    "inode in a later block": erofs(inode_at=8192 + 64, blocks=4),
    "inode at the very end": erofs(inode_at=4096 * 3 - 64, blocks=3),
    "extended attributes": erofs(xattrs=xattr(b"a", 1, b"v") + xattr(b"selinux", 6, b"x" * 30)),
    "extended attributes over many blocks": erofs(blocks=40, xattrs=xattr(b"big", 4, b"v" * 60_000) * 2),
    "longer than it says": erofs(blocks=3, said_blocks=1),
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", GOOD)
def test_an_image_is_one_wherever_its_root_is(name: str, piece: int) -> None:
    judge(GOOD[name], piece)


BAD = {
    "no superblock": (bytes(4096), "has no superblock"),
    "root beyond the end": (erofs(inode_at=8192, blocks=4)[:8192], "cut-off EROFS image"),
    "root is a file": (erofs(mode=0o100755), "its root has mode 0o100755"),
    "attributes beyond the end": (erofs(units=2000), "ends within its root directory's extended attributes"),
    "attributes of no name space": (erofs(xattrs=xattr(b"a", 2, b"")), "that microsandbox does not read"),
    "an attribute over the end of all": (erofs(xattrs=struct.pack("<BBH", 9, 1, 9)), "does not read"),
    "attributes that end before the last": (
        erofs(blocks=40, xattrs=xattr(b"a", 1, b"v" * 50_000) + struct.pack("<BBH", 1, 9, 0)),
        "does not read",
    ),
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", BAD)
def test_what_is_none_is_refused(name: str, piece: int) -> None:
    content, message = BAD[name]
    with pytest.raises(FormatError, match=f"^image x .*{message}"):
        judge(content, piece)


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_an_image_is_judged_alike_in_an_archive_and_in_a_cache(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(GOOD[name] if name in GOOD else BAD[name][0])
    fd = os.open(path, os.O_RDONLY)
    try:
        if name in GOOD:
            assert require_valid_erofs(fd, "image x") == path.stat().st_size
        else:
            with pytest.raises(FormatError) as there:
                require_valid_erofs(fd, "image x")
            with pytest.raises(FormatError) as here:
                judge(BAD[name][0], 1 << 20)
            assert there.value.message == here.value.message
    finally:
        os.close(fd)


@pytest.mark.parametrize("name", [*GOOD, *BAD])
@pytest.mark.parametrize("piece", [512, 4096])
def test_zeros_may_come_as_holes(name: str, piece: int) -> None:
    content = GOOD[name] if name in GOOD else BAD[name][0]
    witness = ErofsWitness(len(content), "image x")

    def feed_all() -> None:
        for segment in cut(content, piece):
            is_hole = not any(segment.view)
            witness.feed(Segment(segment.offset, segment.length, None) if is_hole else segment)
        witness.judge()

    if name in GOOD:
        feed_all()
    else:
        with pytest.raises(FormatError):
            feed_all()


@pytest.mark.parametrize("size", [0, 1, 4095, 4097])
def test_a_length_that_no_image_has_is_refused_before_the_first_byte(size: int) -> None:
    with pytest.raises(FormatError, match=f"image x has {size} bytes"):
        ErofsWitness(size, "image x")


def test_a_wrong_superblock_is_refused_before_the_rest_is_read() -> None:
    witness = ErofsWitness(1 << 40, "image x")
    with pytest.raises(FormatError, match="has no superblock"):
        witness.feed(Segment(0, 4096, bytearray(4096)))


@pytest.mark.parametrize("length", [0, 1000, 4095])
def test_an_image_that_ends_early_is_refused(length: int) -> None:
    witness = ErofsWitness(4096, "image x")
    for segment in cut(erofs()[:length], 1 << 20):
        witness.feed(segment)
    with pytest.raises(FormatError, match="ends before its EROFS superblock"):
        witness.judge()


def test_little_of_an_image_is_kept() -> None:
    content = erofs(blocks=16)
    witness = ErofsWitness(len(content), "image x")
    for segment in cut(content, 4096):
        witness.feed(segment)
        for value in vars(witness).values():
            assert not isinstance(value, bytearray) or len(value) <= 4096
    witness.judge()
