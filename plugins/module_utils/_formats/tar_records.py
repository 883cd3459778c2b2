# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a tar archive that lead to a member: headers, GNU long names and PAX records.

Sources: POSIX.1-2024 pax (ustar and pax interchange formats) and the GNU tar manual's "Basic Tar Format"; what
microsandbox 0.4.4 to 0.7.11 write and read of them.
"""

from __future__ import annotations

from typing import NamedTuple

from .._core.errors import FormatError, bytes_excerpt
from .sparse_map import SparsePair, parse_inline_pairs, put_inline_pairs, sparse_extensions
from .tar_fields import OCTAL_DIGITS, RECORD_BYTES, number_to_bytes, parse_number

END_OF_ARCHIVE = bytes(2 * RECORD_BYTES)

REGULAR_TYPES = (b"0", b"\0", b"7")
SPARSE_TYPE = b"S"
DIRECTORY_TYPE = b"5"
LONG_NAME_TYPE = b"L"
PAX_TYPE = b"x"

_NAME = slice(0, 100)
_MODE = slice(100, 108)
_UID = slice(108, 116)
_GID = slice(116, 124)
_SIZE = slice(124, 136)
_MTIME = slice(136, 148)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_MAGIC = slice(257, 265)
_DEVICES = slice(329, 345)
_PREFIX = slice(345, 500)
_REAL_SIZE = slice(483, 495)

_GNU_MAGIC = b"ustar  \0"
_POSIX_MAGIC = b"ustar\x0000"


class Header(NamedTuple):
    """A member's header.

    Attributes:
        name: The member's name as stored, the ustar prefix included.
        type: The type byte.
        mode: Permission bits and whatever else the mode field holds.
        stored_bytes: Length of the body that follows, without padding.
        real_bytes: Apparent size of a sparse member; the stored size for any other.
        pairs: Sparse pairs that stand in the header itself.
        is_extended: Whether records with more pairs follow the header.
    """

    name: bytes
    type: bytes
    mode: int
    stored_bytes: int
    real_bytes: int
    pairs: tuple[SparsePair, ...]
    is_extended: bool


def parse_header(record: bytes) -> Header:
    """Parse a header record.

    Args:
        record: 512 bytes that are not all zero.

    Raises:
        FormatError: The checksum or a number is wrong.
    """
    _require_checksum(record)
    kind = record[_TYPE]
    name = record[_NAME].split(b"\0", 1)[0]
    if record[_MAGIC] == _POSIX_MAGIC:
        prefix = record[_PREFIX].split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    what = bytes_excerpt(name)
    stored = parse_number(record[_SIZE], what, "size")
    mode = parse_number(record[_MODE], what, "mode")
    if kind != SPARSE_TYPE:
        return Header(name, kind, mode, stored, stored, (), False)
    if record[_MAGIC] != _GNU_MAGIC:
        # Others read the same bytes as a ustar prefix, or no map at all.
        raise FormatError(f"sparse member {what} has the magic {bytes_excerpt(record[_MAGIC])}, expected GNU tar's")
    pairs, is_extended = parse_inline_pairs(record, name)
    real = parse_number(record[_REAL_SIZE], what, "real size")
    return Header(name, kind, mode, stored, real, pairs, is_extended)


def file_header(name: str, size_bytes: int) -> bytes:
    """Return the header of a regular member, the same on every host: mode 0644, owner 0, time 0."""
    return _header(name, b"0", size_bytes)


def sparse_header(name: str, pairs: tuple[SparsePair, ...], real_bytes: int) -> bytes:
    """Return the header of an old-GNU sparse member and the extension records of its map.

    Args:
        name: The member's name, at most 100 bytes.
        pairs: The complete map, with the terminating (real size, 0) where the file ends in a hole.
        real_bytes: Apparent size of the file.
    """
    record = bytearray(_header(name, SPARSE_TYPE, sum(pair.length for pair in pairs)))
    rest = put_inline_pairs(record, pairs)
    record[_REAL_SIZE] = number_to_bytes(real_bytes, 12)
    return _with_checksum(record) + sparse_extensions(rest)


def padding_bytes(size_bytes: int) -> int:
    """Return how many bytes pad a body of this size to whole records."""
    return -size_bytes % RECORD_BYTES


def parse_pax_path(body: bytes) -> bytes | None:
    """Return the path that a PAX record gives the member after it, or None when it gives none.

    Keys that change nothing for a snapshot (times, owners, comments) are passed over.

    Raises:
        FormatError: A record is malformed, or its key changes how the member is read.
    """
    path = None
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 8)
        length_text = body[at:space] if space > at else b""
        if not length_text.isdigit() or length_text.startswith(b"0"):
            raise FormatError(f"PAX header has a record without a length at byte {at}")
        end = at + int(length_text)
        record = body[space + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(body) or not equals or not value.endswith(b"\n"):
            raise FormatError(f"PAX header has a record of {int(length_text)} bytes at byte {at} that is cut off")
        if key == b"path":
            path = value[:-1]
        elif key not in _HARMLESS_PAX_KEYS:
            raise FormatError(f"PAX header sets {bytes_excerpt(key)}, which archives of snapshots do not use")
        at = end
    return path


_HARMLESS_PAX_KEYS = frozenset({b"atime", b"ctime", b"mtime", b"uid", b"gid", b"uname", b"gname", b"comment"})


def _header(name: str, kind: bytes, size_bytes: int) -> bytes:
    encoded = name.encode("utf-8")
    if len(encoded) > _NAME.stop:
        raise FormatError(f"member name has {len(encoded)} bytes, a header holds {_NAME.stop}")
    record = bytearray(RECORD_BYTES)
    record[: len(encoded)] = encoded
    record[_MODE] = b"0100644\0"
    record[_UID] = record[_GID] = number_to_bytes(0, 8)
    record[_SIZE] = number_to_bytes(size_bytes, 12)
    record[_MTIME] = number_to_bytes(0, 12)
    record[_TYPE] = kind
    record[_MAGIC] = _GNU_MAGIC
    if kind != SPARSE_TYPE:
        record[_DEVICES] = b"0000000\0" * 2
    return _with_checksum(record)


def _with_checksum(record: bytearray) -> bytes:
    record[_CHECKSUM] = b" " * 8
    record[_CHECKSUM] = b"%06o\0 " % sum(record)
    return bytes(record)


def _require_checksum(record: bytes) -> None:
    field = record[_CHECKSUM]
    blanked = record[: _CHECKSUM.start] + b" " * 8 + record[_CHECKSUM.stop :]
    unsigned = sum(blanked)
    signed = unsigned - 256 * sum(byte > 127 for byte in blanked)
    text = field.strip(b" \0")
    if not text or not OCTAL_DIGITS.issuperset(text) or int(text, 8) not in (unsigned, signed):
        raise FormatError(
            f"tar header has the checksum {bytes_excerpt(text)}, its bytes give {unsigned:o}:"
            " it is damaged, or no tar archive"
        )
