# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EROFS images, real ones and damaged ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.erofs import (
    BLOCK_BYTES,
    INODE_BYTES,
    SUPERBLOCK_BYTES,
    parse_root_inode_length,
    parse_root_inode_offset,
    require_erofs_length,
    require_root_inode,
)

REAL = sorted(Path(__file__).parents[3].glob("data/image-cache/*/cache/*/*.erofs"))
WHAT = "layers/x.erofs"


def start(root: int = 64, inodes_block: int = 0, blocks: int = 1, magic: int = 0xE0F5E1E2) -> bytes:
    """Return the first block of an image."""
    content = bytearray(SUPERBLOCK_BYTES)
    struct.pack_into("<I", content, 1024, magic)
    struct.pack_into("<H", content, 1024 + 0x0E, root)
    struct.pack_into("<II", content, 1024 + 0x24, blocks, inodes_block)
    return bytes(content)


def inode(mode: int = 0o040755, xattrs: bytes = b"", units: int | None = None) -> bytes:
    """Return an inode with a header and entries of extended attributes behind it, where there are any."""
    area = bytes(12) + xattrs if xattrs else b""
    count = (1 + len(xattrs) // 4 if xattrs else 0) if units is None else units
    return struct.pack("<HHH", 5, count, mode).ljust(INODE_BYTES, b"\0") + area


def xattr(name: bytes, value: bytes, name_space: int = 4) -> bytes:
    entry = struct.pack("<BBH", len(name), name_space, len(value)) + name + value
    return entry + bytes(-len(entry) % 4)


def judge(content: bytes) -> None:
    """Judge a whole image the way that a reader of a file does."""
    require_erofs_length(len(content), WHAT)
    offset = parse_root_inode_offset(content[:SUPERBLOCK_BYTES], len(content), WHAT)
    require_root_inode(content[offset : offset + parse_root_inode_length(content[offset:], WHAT)], WHAT)


def test_there_are_real_images() -> None:
    assert len(REAL) == 5


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name[:20])
def test_a_real_image_is_valid(path: Path) -> None:
    judge(path.read_bytes())


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name[:20])
def test_a_real_image_that_lost_its_last_block_is_found(path: Path) -> None:
    with pytest.raises(FormatError, match="layers/x.erofs is a cut-off EROFS image: it has"):
        judge(path.read_bytes()[:-BLOCK_BYTES])


def test_bytes_behind_the_image_are_allowed() -> None:
    judge(REAL[0].read_bytes() + b"\xee" * BLOCK_BYTES)


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 8191])
def test_a_length_that_no_image_has_is_refused(size: int) -> None:
    with pytest.raises(FormatError, match=f"layers/x.erofs has {size} bytes, an EROFS image has a positive multiple"):
        require_erofs_length(size, WHAT)


@pytest.mark.parametrize("content", [bytes(4096), b"\xee" * 4096, b"", start()[:1024], start(magic=0xE0F5E1E3)])
def test_what_has_no_superblock_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError, match="layers/x.erofs is no EROFS image: it has no superblock"):
        parse_root_inode_offset(content, 4096, WHAT)


def test_the_root_is_found_by_its_number() -> None:
    assert parse_root_inode_offset(start(root=64), 4096, WHAT) == 2048
    assert parse_root_inode_offset(start(root=3, inodes_block=1, blocks=2), 8192, WHAT) == 4096 + 96


@pytest.mark.parametrize("block", [1, 2, 0xFFFFFFFF])
def test_a_root_outside_of_the_image_is_refused(block: int) -> None:
    with pytest.raises(FormatError, match=f"its root directory is at byte {block * 4096} of 4096"):
        parse_root_inode_offset(start(root=0, inodes_block=block), 4096, WHAT)


def test_a_root_at_the_very_end_of_the_image_is_allowed() -> None:
    assert parse_root_inode_offset(start(root=126), 4096, WHAT) == 4096 - INODE_BYTES


def test_a_root_that_leaves_no_room_for_an_inode_is_refused() -> None:
    with pytest.raises(FormatError, match="at byte 4064 of 4096"):
        parse_root_inode_offset(start(root=127), 4096, WHAT)


@pytest.mark.parametrize("mode", [0, 0o100644, 0o120777, 0o060644, 0o755])
def test_a_root_that_is_no_directory_is_refused(mode: int) -> None:
    with pytest.raises(FormatError, match=f"its root has mode {mode:#o}"):
        require_root_inode(inode(mode), WHAT)


def test_an_inode_that_is_cut_off_is_refused() -> None:
    with pytest.raises(FormatError, match="ends within its root directory's inode"):
        parse_root_inode_length(inode()[:-1], WHAT)


def test_an_inode_without_extended_attributes_has_one_length() -> None:
    assert parse_root_inode_length(inode(), WHAT) == INODE_BYTES


def test_extended_attributes_are_part_of_the_length() -> None:
    entries = xattr(b"overlay.opaque", b"y") + xattr(b"a", b"", 1)
    content = inode(xattrs=entries)
    assert parse_root_inode_length(content, WHAT) == len(content)
    require_root_inode(content, WHAT)


def test_the_longest_extended_attributes_are_bounded() -> None:
    assert parse_root_inode_length(inode(units=0xFFFF), WHAT) == 262_212


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (inode(units=2), "ends within its root directory's extended attributes"),
        (inode(xattrs=xattr(b"a", b"b", 2)), "extended attributes on its root directory"),
        (inode(xattrs=b"\x01\x01\xff\xff"), "extended attributes on its root directory"),
        (inode(xattrs=xattr(b"abcd", b""), units=2), "extended attributes on its root directory"),
    ],
)
def test_extended_attributes_that_microsandbox_does_not_read_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        require_root_inode(content, WHAT)
