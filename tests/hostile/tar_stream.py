# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar records put together by hand, right or wrong, independent of the library under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RECORD = 512
END = bytes(2 * RECORD)
GNU = b"ustar  \0"
POSIX = b"ustar\x0000"


@dataclass(frozen=True)
class Head:
    """The fields of a header that a case may want to bend.

    Attributes:
        kind: Type byte.
        mode: Mode field.
        link: Link name.
        mtime: Modification time.
        magic: Magic and version.
        prefix: The ustar prefix.
        raw: Bytes to put at offsets at the end, before the checksum is taken.
        checksum_error: What to add to the right checksum.
    """

    kind: bytes = b"0"
    mode: int = 0o100644
    link: bytes = b""
    mtime: int = 0
    magic: bytes = GNU
    prefix: bytes = b""
    raw: Mapping[int, bytes] = field(default_factory=dict)
    checksum_error: int = 0


def number(value: int, width: int) -> bytes:
    """Return a number field: octal where it fits, else base-256."""
    digits = f"{value:o}".encode()
    if len(digits) < width:
        return digits.rjust(width - 1, b"0") + b"\0"
    return b"\x80" + value.to_bytes(width - 1, "big")


def to_bytes(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8")


def header(name: str | bytes, size: int = 0, head: Head = Head()) -> bytes:
    """Return one header record."""
    fields = {
        0: to_bytes(name),
        100: number(head.mode, 8),
        108: number(0, 8),
        116: number(0, 8),
        124: number(size, 12),
        136: number(head.mtime, 12),
        156: head.kind,
        157: head.link,
        257: head.magic,
        345: head.prefix,
        **head.raw,
    }
    record = bytearray(RECORD)
    for at, content in fields.items():
        record[at : at + len(content)] = content
    record[148:156] = b" " * 8
    record[148:156] = b"%06o\0 " % (sum(record) + head.checksum_error)
    return bytes(record)


def padded(content: bytes) -> bytes:
    """Return the content filled up to whole records."""
    return content + bytes(-len(content) % RECORD)


def member(name: str | bytes, content: bytes = b"", head: Head = Head()) -> bytes:
    """Return a header and its body."""
    return header(name, len(content), head) + padded(content)


def directory(name: str | bytes, mode: int = 0o40755) -> bytes:
    return header(name, 0, Head(kind=b"5", mode=mode))


def long_name(name: str | bytes) -> bytes:
    """Return the record by which GNU tar names the next member."""
    return member("././@LongLink", to_bytes(name) + b"\0", Head(kind=b"L"))


def long_member(name: str, content: bytes) -> bytes:
    """Return a member, its name in a record of its own where a header is too small for it."""
    encoded = name.encode("utf-8")
    before = long_name(encoded) if len(encoded) > 100 else b""
    return before + member(encoded[:100], content)


def pax_record(key: str | bytes, value: str | bytes) -> bytes:
    """Return one PAX record, whose length counts itself."""
    rest = b" " + to_bytes(key) + b"=" + to_bytes(value) + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def pax_raw(content: bytes, kind: bytes = b"x") -> bytes:
    return member("PaxHeaders/member", content, Head(kind=kind))


def pax(*records: tuple[str | bytes, str | bytes], kind: bytes = b"x") -> bytes:
    """Return a PAX header for the next member."""
    return pax_raw(b"".join(pax_record(key, value) for key, value in records), kind)


@dataclass(frozen=True)
class Sparse:
    """An old-GNU sparse member.

    Attributes:
        pairs: Its map, (offset, length) each.
        real: Its real size.
        stored: What its size field says, if not what its pairs add up to.
        raw: Bytes to put at offsets of the header at the end.
        extended: What the header's flag says, if not whether pairs are left for extension records.
        last_extended: What the flag of the last extension record says.
    """

    pairs: Sequence[tuple[int, int]]
    real: int
    stored: int | None = None
    raw: Mapping[int, bytes] = field(default_factory=dict)
    extended: bool | None = None
    last_extended: bool = False


def sparse_map(name: str | bytes, sparse: Sparse) -> bytes:
    """Return the header of a sparse member and its extension records."""
    pairs = list(sparse.pairs)
    inline, rest = pairs[:4], pairs[4:]
    fields = {386: b"".join(number(offset, 12) + number(length, 12) for offset, length in inline)}
    fields[482] = bytes([bool(rest) if sparse.extended is None else sparse.extended])
    fields[483] = number(sparse.real, 12)
    stored = sum(length for dummy, length in pairs) if sparse.stored is None else sparse.stored
    records = [header(name, stored, Head(kind=b"S", raw={**fields, **sparse.raw}))]
    while rest:
        record = bytearray(RECORD)
        content = b"".join(number(offset, 12) + number(length, 12) for offset, length in rest[:21])
        record[: len(content)] = content
        rest = rest[21:]
        record[504] = 1 if rest else sparse.last_extended
        records.append(bytes(record))
    return b"".join(records)


def sparse_member(name: str | bytes, sparse: Sparse, stored: bytes) -> bytes:
    return sparse_map(name, sparse) + padded(stored)
