# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of an old-GNU sparse member: its runs, in the member's header and in extension records behind it.

Source: the GNU tar manual's "Basic Tar Format" and "Storing Sparse Files"; what microsandbox 0.4.4 to 0.7.11 write and
read of them.
"""

from __future__ import annotations

from typing import NamedTuple

from .._core.errors import FormatError, bytes_excerpt
from .tar_fields import RECORD_BYTES, number_to_bytes, parse_number

_PAIR_BYTES = 24


class SparsePair(NamedTuple):
    """A stored run of a sparse member, in bytes."""

    offset: int
    length: int


class _Slots(NamedTuple):
    """Where a record holds pairs: from where on, how many, and the byte that says whether more records follow."""

    at: int
    capacity: int
    is_extended_at: int


_HEADER = _Slots(386, 4, 482)
_EXTENSION = _Slots(0, 21, 504)


def parse_inline_pairs(header: bytes, member: bytes) -> tuple[tuple[SparsePair, ...], bool]:
    """Parse the pairs in the header of a sparse member, and return them and whether an extension record follows.

    Raises:
        FormatError: A number is wrong, or the map ends before its last record.
    """
    return _parse_pairs(header, _HEADER, member)


def parse_sparse_extension(record: bytes, member: bytes) -> tuple[tuple[SparsePair, ...], bool]:
    """Parse a record of further sparse pairs, and return them and whether another such record follows.

    Raises:
        FormatError: A number is wrong, or the map ends before its last record.
    """
    return _parse_pairs(record, _EXTENSION, member)


def require_sparse_map(pairs: tuple[SparsePair, ...], stored_bytes: int, real_bytes: int, member: bytes) -> None:
    """Check a complete sparse map as microsandbox does.

    Runs ascend without overlap, each but the last is a multiple of 512 bytes long, the last pair ends at the real size,
    and their lengths add up to the stored size.

    Raises:
        FormatError: The map breaks one of these rules.
    """
    what = bytes_excerpt(member)
    end = stored = 0
    for pair in pairs:
        if stored % RECORD_BYTES and pair.length:
            raise FormatError(f"sparse member {what} has a run that starts inside a stored record")
        if pair.offset < end:
            raise FormatError(f"sparse member {what} has a run at {pair.offset}, before byte {end} where the last ends")
        end = pair.offset + pair.length
        stored += pair.length
        if end > real_bytes:
            raise FormatError(f"sparse member {what} has a run that ends at {end}, its real size is {real_bytes}")
    if end != real_bytes:
        raise FormatError(f"sparse member {what} ends its map at {end}, its real size is {real_bytes}")
    if stored != stored_bytes:
        raise FormatError(f"sparse member {what} stores {stored_bytes} bytes, its map adds up to {stored}")


def put_inline_pairs(header: bytearray, pairs: tuple[SparsePair, ...]) -> tuple[SparsePair, ...]:
    """Put the first pairs of a map into the header of a sparse member, and return those that are left."""
    return _put_pairs(header, _HEADER, pairs)


def sparse_extensions(pairs: tuple[SparsePair, ...]) -> bytes:
    """Return the extension records for the pairs that the header has no room for."""
    records = []
    while pairs:
        record = bytearray(RECORD_BYTES)
        pairs = _put_pairs(record, _EXTENSION, pairs)
        records.append(record)
    return b"".join(records)


def _parse_pairs(record: bytes, slots: _Slots, member: bytes) -> tuple[tuple[SparsePair, ...], bool]:
    """Return the pairs up to the first unused slot, and whether the map goes on in another record."""
    what = bytes_excerpt(member)
    is_extended = record[slots.is_extended_at] != 0
    pairs: list[SparsePair] = []
    for at in range(slots.at, slots.at + slots.capacity * _PAIR_BYTES, _PAIR_BYTES):
        field = record[at : at + _PAIR_BYTES]
        if field[0] == 0 and field[12] == 0:
            if is_extended:
                raise FormatError(f"sparse member {what} says that its map goes on after its end")
            break
        if field[0] == 0 or field[12] == 0:
            # Some programs read this as a zero, others as the end of the map.
            raise FormatError(f"sparse member {what} has half a pair in its map")
        pairs.append(
            SparsePair(parse_number(field[:12], what, "run offset"), parse_number(field[12:], what, "run length"))
        )
    return tuple(pairs), is_extended


def _put_pairs(record: bytearray, slots: _Slots, pairs: tuple[SparsePair, ...]) -> tuple[SparsePair, ...]:
    """Fill the slots of a record, say whether another one follows, and return the pairs for it."""
    at = slots.at
    for offset, length in pairs[: slots.capacity]:
        record[at : at + _PAIR_BYTES] = number_to_bytes(offset, 12) + number_to_bytes(length, 12)
        at += _PAIR_BYTES
    rest = pairs[slots.capacity :]
    record[slots.is_extended_at] = 1 if rest else 0
    return rest
