# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that makes one disk of an image's files: ``cache/vmdk/<image>.vmdk``, microsandbox 0.4.4 to 0.7.11.

It holds absolute paths, so it is right in the cache that wrote it and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._core.errors import FormatError, excerpt
from .._core.unicode_text import is_unicode

MAX_VMDK_BYTES = 1 << 20
SECTOR_BYTES = 512

_MAX_EXTENT_SECTORS = 4_194_304
_HEADS = 16
_SECTORS_PER_TRACK = 63
_UNWRITABLE = re.compile('["\x00-\x1f\x7f-\x9f]')
_EXTENT = re.compile(r'RW (?P<sectors>[1-9][0-9]{0,9}) FLAT "(?P<path>[^"]+)" (?P<offset>0|[1-9][0-9]{0,17})\Z')
_START = (
    "# Disk DescriptorFile",
    "version=1",
    "CID=fffffffe",
    "parentCID=ffffffff",
    'createType="twoGbMaxExtentFlat"',
    "",
    "# Extent description",
)


class VmdkExtent(NamedTuple):
    """A range of a file that is the next part of the disk.

    Attributes:
        sectors: Its length.
        path: The file's canonical absolute path.
        offset: Where in the file it starts, in sectors.
    """

    sectors: int
    path: str
    offset: int


def vmdk_extents(files: Iterable[tuple[str, int]]) -> tuple[VmdkExtent, ...]:
    """Return the extents of a disk that consists of whole files, at most 2 GiB each.

    Args:
        files: Canonical absolute path and length in bytes of every file, in the order of the disk.

    Raises:
        FormatError: A file is empty, or no whole number of sectors long.
    """
    extents = []
    for path, size_bytes in files:
        if size_bytes <= 0 or size_bytes % SECTOR_BYTES:
            raise FormatError(
                f"{path} has {size_bytes} bytes, an extent has a positive multiple of {SECTOR_BYTES}", bytes=size_bytes
            )
        end = size_bytes // SECTOR_BYTES
        for offset in range(0, end, _MAX_EXTENT_SECTORS):
            extents.append(VmdkExtent(min(end - offset, _MAX_EXTENT_SECTORS), path, offset))
    return tuple(extents)


def vmdk_to_bytes(extents: Sequence[VmdkExtent]) -> bytes:
    """Return the text as microsandbox writes it.

    Raises:
        FormatError: A path cannot stand in it, which has no escapes.
    """
    for extent in extents:
        if _UNWRITABLE.search(extent.path) or not is_unicode(extent.path):
            raise FormatError(
                f"a disk cannot be made of {excerpt(extent.path, 255)}: its path has a quote, a control character, or"
                " bytes that are not UTF-8"
            )
    return "\n".join(_lines(extents)).encode("utf-8")


def parse_vmdk(text: bytes, what: str) -> tuple[VmdkExtent, ...]:
    """Parse a text that microsandbox wrote; not one byte may differ from what it writes for these extents.

    A text without anything but comments names no disk and has no extents.

    Args:
        text: The file's content.
        what: Name of the file in messages.

    Raises:
        FormatError: It is too long, not UTF-8, or other than microsandbox writes it.
    """
    if len(text) > MAX_VMDK_BYTES:
        raise FormatError(f"{what} has {len(text)} bytes, at most {MAX_VMDK_BYTES} are read", bytes=len(text))
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as exc:
        raise FormatError(f"{what} is not UTF-8 at byte {exc.start}", offset=exc.start) from None
    if all(not line or line.startswith("#") for line in lines):
        return ()
    extents = _parse_extents(lines[len(_START) :])
    expected = _lines(extents)
    for number, (ours, theirs) in enumerate(zip(expected, lines), 1):
        if ours != theirs:
            wanted = excerpt(ours) if ours else "an empty line or an extent of a flat file"
            raise FormatError(f"line {number} of {what} is {excerpt(theirs)}, expected is {wanted}", line=number)
    if len(lines) != len(expected):
        raise FormatError(f"{what} has {len(lines)} lines, expected are {len(expected)}")
    return extents


def _parse_extents(lines: Iterable[str]) -> tuple[VmdkExtent, ...]:
    extents = []
    for line in lines:
        match = _EXTENT.match(line)
        if match is None or int(match["sectors"]) > _MAX_EXTENT_SECTORS or _UNWRITABLE.search(match["path"]):
            break
        extents.append(VmdkExtent(int(match["sectors"]), match["path"], int(match["offset"])))
    return tuple(extents)


def _lines(extents: Sequence[VmdkExtent]) -> list[str]:
    total = sum(extent.sectors for extent in extents)
    cylinders = -(-total // (_HEADS * _SECTORS_PER_TRACK))
    return [
        *_START,
        *(f'RW {extent.sectors} FLAT "{extent.path}" {extent.offset}' for extent in extents),
        "",
        "# The Disk Data Base",
        "#DDB",
        'ddb.virtualHWVersion = "4"',
        f'ddb.geometry.cylinders = "{cylinders}"',
        f'ddb.geometry.heads = "{_HEADS}"',
        f'ddb.geometry.sectors = "{_SECTORS_PER_TRACK}"',
        'ddb.adapterType = "ide"',
        "",
    ]
