# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a release: which snapshot is in which archive of a release store, JSON, version 1.

A store holds for every release ``<name>/<hex>.tar.zst`` and its record ``<name>/<hex>.json``, where hex is that of the
snapshot's digest, and as ``<name>.json`` the record of the latest release of each name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.digests import is_sha256
from .._core.errors import FormatError, RequestError, UnsupportedError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import JsonValue, parse_json
from .._core.timestamps import index_text_from_rfc3339
from .snapshot_names import portability_warning

SCHEMA = "sandboxops.microsandbox.release/1"
MAX_RELEASE_BYTES = 1 << 20

_SCHEMAS = "sandboxops.microsandbox.release/"
_WHAT = "the release record"
_RECORD_SUFFIX = ".json"
_U63_MAX = (1 << 63) - 1
# As a path it leads nowhere but below the store, and it is the same at the end of a URL.
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z")


@dataclass(frozen=True)
class ReleasedArchive:
    """The archive of a release.

    Attributes:
        file: Its path below the store.
        sha256: Digest of the file, ``sha256:<hex>``.
        size_bytes: Size of the file.
        unpacked_bytes: How many bytes of a disk its import takes.
        snapshots: How many snapshots it carries, or None for a record that does not say so.
    """

    file: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    snapshots: int | None = None


@dataclass(frozen=True)
class ReleasedImage:
    """The image that the snapshot of a release pins.

    Attributes:
        reference: Its reference.
        manifest_digest: Digest of its manifest.
        included: Whether the archive carries it.
    """

    reference: str
    manifest_digest: str
    included: bool


@dataclass(frozen=True)
class ReleaseRecord:
    """A release.

    Attributes:
        name: Name of the snapshot on hosts that install it.
        digest: Digest of the snapshot.
        archive: The archive that carries it.
        image: The image that it pins.
        labels: The snapshot's labels.
        created_at: When the snapshot was captured, RFC 3339.
        source_sandbox: Name of the sandbox that it was captured from.
    """

    name: str
    digest: str
    archive: ReleasedArchive
    image: ReleasedImage
    labels: Mapping[str, str]
    created_at: str
    source_sandbox: str | None

    def to_mapping(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "digest": self.digest,
            "archive": {name: value for name, value in vars(self.archive).items() if value is not None},
            "image": dict(vars(self.image)),
            "labels": dict(self.labels),
            "created_at": self.created_at,
            "source_sandbox": self.source_sandbox,
        }

    def to_bytes(self) -> bytes:
        """Return the record as it is stored; the same release gives the same bytes."""
        return (json.dumps(self.to_mapping(), ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode("utf-8")


def require_release_name(name: str) -> str:
    """Return the name when it is the same as a file, in a URL, and for every microsandbox.

    Raises:
        RequestError: It is not.
    """
    # A name that ends like a record would have its directory where the record of another name lies.
    if portability_warning(name) is not None or name.endswith(_RECORD_SUFFIX):
        raise RequestError(
            f"{excerpt(name)} is no name for a release: expected 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.', a letter"
            f" or digit first, and neither a dot nor {_RECORD_SUFFIX} last",
            name=name[:128],
        )
    return name


def archive_file(name: str, digest: str) -> str:
    """Return the path of a release's archive below the store."""
    return f"{name}/{digest.split(':', 1)[-1]}.tar.zst"


def parse_release(content: bytes) -> ReleaseRecord:
    """Parse a record.

    Raises:
        FormatError: The bytes are no record.
        UnsupportedError: A later version of the collection wrote it.
    """
    fields = Fields(parse_json(content, what=_WHAT, max_bytes=MAX_RELEASE_BYTES), _WHAT)
    schema = fields.text("schema")
    if schema != SCHEMA:
        if schema.startswith(_SCHEMAS):
            raise UnsupportedError(f"{_WHAT} has the schema {excerpt(schema)}, this collection knows {SCHEMA}")
        raise FormatError(f"{_WHAT} has the schema {excerpt(schema)}, expected {SCHEMA}")
    fields.require_exactly(("schema", "name", "digest", "archive", "image", "labels", "created_at", "source_sandbox"))
    created_at = fields.text("created_at")
    if index_text_from_rfc3339(created_at) is None:
        raise FormatError(f"created_at in {_WHAT} is {excerpt(created_at)}, not a time of RFC 3339")
    return ReleaseRecord(
        name=_name(fields),
        digest=_digest(fields, "digest"),
        archive=_archive(fields.fields("archive")),
        image=_image(fields.fields("image")),
        labels=fields.texts("labels"),
        created_at=created_at,
        source_sandbox=fields.text_or_null("source_sandbox"),
    )


def _archive(fields: Fields) -> ReleasedArchive:
    fields.require_exactly(("file", "sha256", "size_bytes", "unpacked_bytes", "snapshots"))
    return ReleasedArchive(
        file=_file(fields),
        sha256=_digest(fields, "sha256"),
        size_bytes=fields.integer("size_bytes", _U63_MAX),
        unpacked_bytes=fields.integer("unpacked_bytes", _U63_MAX),
        snapshots=fields.integer("snapshots", _U63_MAX) if fields.has("snapshots") else None,
    )


def _image(fields: Fields) -> ReleasedImage:
    fields.require_exactly(("reference", "manifest_digest", "included"))
    return ReleasedImage(
        reference=fields.text("reference"),
        manifest_digest=_digest(fields, "manifest_digest"),
        included=_truth(fields, fields.value("included")),
    )


def _truth(fields: Fields, value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise FormatError(f"{fields.path('included')} in {_WHAT} is neither true nor false")
    return value


def _name(fields: Fields) -> str:
    try:
        return require_release_name(fields.text("name"))
    except RequestError as exc:
        raise FormatError(f"name in {_WHAT}: {exc.message}") from exc


def _file(fields: Fields) -> str:
    text = fields.text("file")
    if not _FILE.match(text):
        raise FormatError(f"{fields.path('file')} in {_WHAT} is {excerpt(text)}, not a path below the release store")
    return text


def _digest(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not is_sha256(text):
        raise FormatError(
            f"{fields.path(name)} in {_WHAT} is {excerpt(text)}, not sha256: and 64 lower-case hex digits"
        )
    return text
