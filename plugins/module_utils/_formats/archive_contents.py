# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of contents that this collection appends to its archives, behind everything that microsandbox reads.

It lets a host see what an archive holds and how it was made without unpacking it. It is a hint: whoever imports reads
the members themselves. Layout of the content of the skippable frame: JSON, its length as u32le, and the mark.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from .._core.errors import FormatError
from .._core.strict_json import Fields, parse_json

MAX_CONTENTS_BYTES = 1 << 20
# microsandbox from 0.6.7 on follows no more generations.
MAX_SNAPSHOTS = 128
MARK = b"SBXTOC1\n"
FOOTER_BYTES = 4 + len(MARK)

_SCHEMA = "sandboxops.archive-contents/1"
_WHAT = "the archive's table of contents"
_U64_MAX = (1 << 64) - 1


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive says of itself.

    Attributes:
        head: Digest of the head.
        digests: Digests of all snapshots, in archive order.
        suggested_name: Name that the head had where it was exported.
        compression: ``zstd`` or ``none``.
        level: Compression level; 0 without compression.
        layout: ``dense`` or ``sparse``.
        archive_bytes: Length of the archive in front of the table of contents.
    """

    head: str
    digests: tuple[str, ...]
    suggested_name: str | None
    compression: str
    level: int
    layout: str
    archive_bytes: int


def contents_to_bytes(contents: ArchiveContents) -> bytes:
    """Return the content of the skippable frame, the footer included."""
    text = json.dumps(
        {
            "schema": _SCHEMA,
            "head": contents.head,
            "digests": list(contents.digests),
            "suggested_name": contents.suggested_name,
            "compression": contents.compression,
            "level": contents.level,
            "layout": contents.layout,
            "archive_bytes": contents.archive_bytes,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8")
    return text + struct.pack("<I", len(text)) + MARK


def parse_contents_footer(footer: bytes) -> int | None:
    """Return the length of the JSON in front of a footer, or None when these are not the last bytes of a table."""
    if len(footer) != FOOTER_BYTES or footer[4:] != MARK:
        return None
    (length,) = struct.unpack_from("<I", footer)
    return length if 0 < length <= MAX_CONTENTS_BYTES else None


def parse_contents(text: bytes) -> ArchiveContents:
    """Parse the JSON of a table of contents.

    Raises:
        FormatError: It is malformed, or of another schema.
    """
    fields = Fields(parse_json(text, what=_WHAT, max_bytes=MAX_CONTENTS_BYTES), _WHAT)
    if fields.text("schema") != _SCHEMA:
        raise FormatError(f"{_WHAT} has an unknown schema, expected {_SCHEMA}")
    digests = fields.items("digests")
    if len(digests) > MAX_SNAPSHOTS or not all(isinstance(digest, str) for digest in digests):
        raise FormatError(f"digests in {_WHAT} are no list of at most {MAX_SNAPSHOTS} texts")
    return ArchiveContents(
        head=fields.text("head"),
        digests=tuple(str(digest) for digest in digests),
        suggested_name=fields.text_or_null("suggested_name"),
        compression=fields.text("compression"),
        level=fields.integer("level", _U64_MAX),
        layout=fields.text("layout"),
        archive_bytes=fields.integer("archive_bytes", _U64_MAX),
    )
