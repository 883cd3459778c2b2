# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EROFS images in the image cache, as far as microsandbox 0.6.9 to 0.7.11 check them: superblock and root directory.

Layout: Linux, fs/erofs/erofs_fs.h, all numbers little-endian. Nothing binds the content to any digest.
"""

from __future__ import annotations

import struct

from .._core.errors import FormatError

BLOCK_BYTES = 4096
# What to read from the start of an image: its superblock and what stands before it.
SUPERBLOCK_BYTES = BLOCK_BYTES
# What to read of an inode to learn how long it is.
INODE_BYTES = 64

_SUPERBLOCK_OFFSET = 1024
_MAGIC = 0xE0F5E1E2
_ROOT_NUMBER_OFFSET = 0x0E
_BLOCK_COUNT_OFFSET = 0x24
_INODES_BLOCK_OFFSET = 0x28
_INODE_SLOT_BYTES = 32
_FILE_TYPE_MASK = 0o170000
_DIRECTORY = 0o040000
_XATTR_HEADER_BYTES = 12
_XATTR_UNIT_BYTES = 4
# user, trusted, security: the name spaces that microsandbox knows.
_XATTR_NAME_SPACES = frozenset({1, 4, 6})


def require_erofs_length(size_bytes: int, what: str) -> None:
    """Check that an image can have this length.

    Raises:
        FormatError: It is empty, or has no whole number of blocks.
    """
    if size_bytes <= 0 or size_bytes % BLOCK_BYTES:
        raise FormatError(
            f"{what} has {size_bytes} bytes, an EROFS image has a positive multiple of {BLOCK_BYTES}", bytes=size_bytes
        )


def parse_root_inode_offset(start: bytes, size_bytes: int, what: str) -> int:
    """Return where in an image the root directory's inode lies.

    Args:
        start: The first ``SUPERBLOCK_BYTES`` of the image.
        size_bytes: Length of the image.
        what: Name of the image in messages.

    Raises:
        FormatError: It is no EROFS image, or part of it is cut off.
    """
    if len(start) < SUPERBLOCK_BYTES or struct.unpack_from("<I", start, _SUPERBLOCK_OFFSET)[0] != _MAGIC:
        raise FormatError(f"{what} is no EROFS image: it has no superblock")
    (blocks,) = struct.unpack_from("<I", start, _SUPERBLOCK_OFFSET + _BLOCK_COUNT_OFFSET)
    if blocks * BLOCK_BYTES > size_bytes:
        raise FormatError(f"{what} is a cut-off EROFS image: it has {size_bytes} of {blocks * BLOCK_BYTES} bytes")
    (inodes_block,) = struct.unpack_from("<I", start, _SUPERBLOCK_OFFSET + _INODES_BLOCK_OFFSET)
    (root,) = struct.unpack_from("<H", start, _SUPERBLOCK_OFFSET + _ROOT_NUMBER_OFFSET)
    offset: int = inodes_block * BLOCK_BYTES + root * _INODE_SLOT_BYTES
    if offset + INODE_BYTES > size_bytes:
        raise FormatError(
            f"{what} is no EROFS image that microsandbox reads: its root directory is at byte {offset} of {size_bytes}"
        )
    return offset


def parse_root_inode_length(inode: bytes, what: str) -> int:
    """Return the length of the root directory's inode and the extended attributes behind it, at most 262 212 bytes.

    Args:
        inode: Its first ``INODE_BYTES`` or more.
        what: Name of the image in messages.

    Raises:
        FormatError: The inode is cut off, or is no directory.
    """
    if len(inode) < INODE_BYTES:
        raise FormatError(f"{what} ends within its root directory's inode")
    xattr_units, mode = struct.unpack_from("<HH", inode, 2)
    if mode & _FILE_TYPE_MASK != _DIRECTORY:
        raise FormatError(f"{what} is no EROFS image that microsandbox reads: its root has mode {mode:#o}")
    xattr_bytes: int = _XATTR_HEADER_BYTES + (xattr_units - 1) * _XATTR_UNIT_BYTES if xattr_units else 0
    return INODE_BYTES + xattr_bytes


def require_root_inode(inode: bytes, what: str) -> None:
    """Check the root directory's inode and its extended attributes.

    Args:
        inode: As many bytes as ``parse_root_inode_length`` says, or more.
        what: Name of the image in messages.

    Raises:
        FormatError: microsandbox would not read it.
    """
    end = parse_root_inode_length(inode, what)
    if len(inode) < end:
        raise FormatError(f"{what} ends within its root directory's extended attributes")
    offset = INODE_BYTES + _XATTR_HEADER_BYTES
    while offset < end:
        name_bytes, name_space, value_bytes = struct.unpack_from("<BBH", inode, offset)
        entry_bytes = 4 + name_bytes + value_bytes
        offset += entry_bytes + -entry_bytes % _XATTR_UNIT_BYTES
        if offset > end or name_space not in _XATTR_NAME_SPACES:
            raise FormatError(f"{what} has extended attributes on its root directory that microsandbox does not read")
