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
from typing import NamedTuple

from .._core.digests import is_sha256
from .._core.errors import FormatError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import JsonValue, parse_json
from .member_names import parse_member_name

MAX_CONTENTS_BYTES = 1 << 20
# microsandbox from 0.6.7 on follows no more generations.
MAX_SNAPSHOTS = 128
MAX_IMAGES = 256
MAX_CACHE_FILES = 4096
# Manifests, metadata and descriptors together: what they say stays in memory until the archive is judged.
MAX_BODIES_BYTES = 8 << 20
MARK = b"SBXTOC1\n"
FOOTER_BYTES = 4 + len(MARK)

_SCHEMA = "sandboxops.archive-contents/1"
_WHAT = "the archive's table of contents"
_U64_MAX = (1 << 64) - 1
_COMPRESSIONS = ("zstd", "none")
_LAYOUTS = ("dense", "sparse")


class ContentsImage(NamedTuple):
    """An image whose cache files an archive carries."""

    reference: str
    manifest_digest: str


class ContentsFile(NamedTuple):
    """An image cache file that an archive carries; its name below the cache, and its size."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive says of itself.

    Attributes:
        head: Digest of the head; None when it carries images alone.
        digests: Digests of all snapshots, in archive order.
        suggested_name: Name that the head had where it was exported.
        compression: ``zstd`` or ``none``.
        level: Compression level; 0 without compression.
        layout: ``dense`` or ``sparse``.
        archive_bytes: Length of the archive in front of the table of contents.
        images: The images, in archive order.
        cache_files: Their files, in archive order.
        excluded_layers: Diff ids of the layers that were left out, because the target has them.
    """

    head: str | None
    digests: tuple[str, ...]
    suggested_name: str | None
    compression: str
    level: int
    layout: str
    archive_bytes: int
    images: tuple[ContentsImage, ...] = ()
    cache_files: tuple[ContentsFile, ...] = ()
    excluded_layers: tuple[str, ...] = ()


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
            "images": [image._asdict() for image in contents.images],
            "cache_files": [file._asdict() for file in contents.cache_files],
            "excluded_layers": list(contents.excluded_layers),
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
        FormatError: It is malformed, of another schema, or says what no archive of ours can be.
    """
    fields = Fields(parse_json(text, what=_WHAT, max_bytes=MAX_CONTENTS_BYTES), _WHAT)
    if fields.text("schema") != _SCHEMA:
        raise FormatError(f"{_WHAT} has an unknown schema, expected {_SCHEMA}")
    images = [Fields(each, f"an image in {_WHAT}") for each in _items(fields, "images", MAX_IMAGES)]
    files = [Fields(each, f"a file in {_WHAT}") for each in _items(fields, "cache_files", MAX_CACHE_FILES)]
    return ArchiveContents(
        head=None if fields.value("head") is None else _digest(fields, "head"),
        digests=_digests(fields, "digests", MAX_SNAPSHOTS),
        suggested_name=fields.text_or_null("suggested_name"),
        compression=_word(fields, "compression", _COMPRESSIONS),
        level=fields.integer("level", _U64_MAX),
        layout=_word(fields, "layout", _LAYOUTS),
        archive_bytes=fields.integer("archive_bytes", _U64_MAX),
        images=tuple(ContentsImage(image.text("reference"), _digest(image, "manifest_digest")) for image in images),
        cache_files=tuple(ContentsFile(_cache_name(file), file.integer("size_bytes", _U64_MAX)) for file in files),
        excluded_layers=_digests(fields, "excluded_layers", MAX_CACHE_FILES),
    )


def _word(fields: Fields, name: str, words: tuple[str, ...]) -> str:
    text = fields.text(name)
    if text not in words:
        raise FormatError(f"{name} in {_WHAT} is {excerpt(text)}, expected {' or '.join(words)}")
    return text


def _digest(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not is_sha256(text):
        raise FormatError(f"{name} in {_WHAT} is {excerpt(text)}, not sha256: and 64 lower-case hex digits")
    return text


def _digests(fields: Fields, name: str, most: int) -> tuple[str, ...]:
    digests = [item for item in _items(fields, name, most) if isinstance(item, str) and is_sha256(item)]
    if len(digests) < len(fields.items(name)):
        raise FormatError(f"{name} in {_WHAT} are no list of digests")
    return tuple(digests)


def _cache_name(file: Fields) -> str:
    text = file.text("name")
    parse_member_name(f"cache/{text}".encode(), is_directory=False)
    return text


def _items(fields: Fields, name: str, most: int) -> list[JsonValue]:
    items = fields.items(name)
    if len(items) > most:
        raise FormatError(f"{name} in {_WHAT} has {len(items)} entries, at most {most} are allowed")
    return items
