# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descriptor of generation G1: ``<artifact>/manifest.json`` with schema 1, microsandbox 0.4.4 to 0.6.6."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .._core.digests import is_sha256, require_sha256, sha256_digest
from .._core.errors import FormatError, RequestError, UnsupportedError, excerpt
from .._core.json_fields import Fields, describe
from .._core.strict_json import parse_json
from .._core.timestamps import index_text_from_rfc3339, ns_from_index_text, rfc3339_from_ns
from .._core.unicode_text import is_unicode
from .descriptor import G1, Descriptor, Integrity
from .stored_manifest import parse_stored_manifest

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
UPPER_FILE = "upper.ext4"

_SCHEMA = 1
_U32_MAX = (1 << 32) - 1
_U64_MAX = (1 << 64) - 1
# Later generations refuse larger sizes when they migrate the artifact.
_MAX_WRITTEN_BYTES = (1 << 53) - 1
_FORMATS = ("raw", "qcow2")
# In canonical order.
_NAMES = ("schema", "format", "fstype", "image", "parent", "created_at", "labels", "upper", "source_sandbox")
_IMAGE_NAMES = ("ref", "manifest_digest")
_UPPER_NAMES = ("file", "size_bytes", "integrity")
_INTEGRITY_NAMES = ("algorithm", "digest")

# Escapes exactly what the canonical form escapes, in its spelling, and leaves all else as it is.
_quote = json.JSONEncoder(ensure_ascii=False).encode


def parse_manifest(content: bytes) -> Descriptor:
    """Parse a manifest in any spelling; its digest is that of the canonical bytes.

    Stricter than microsandbox in three places: structures spelt as arrays, a ``format`` spelt as an object and an upper
    that is not a plain file name beside the manifest are refused.

    Raises:
        FormatError: The bytes are no manifest.
        UnsupportedError: The manifest has another schema.
    """
    stored = parse_stored_manifest(content) if len(content) <= MAX_MANIFEST_BYTES else None
    return _parse_spelling(content) if stored is None else stored


def _parse_spelling(content: bytes) -> Descriptor:
    fields = Fields(parse_json(content, what=MANIFEST_FILE, max_bytes=MAX_MANIFEST_BYTES), MANIFEST_FILE)
    schema = fields.integer("schema", _U32_MAX)
    if schema != _SCHEMA:
        raise UnsupportedError(
            f"{MANIFEST_FILE} has schema {schema}, this collection reads schema {_SCHEMA}", schema=schema
        )
    fields.require_exactly(_NAMES)
    image = fields.fields("image")
    image.require_exactly(_IMAGE_NAMES)
    upper = fields.fields("upper")
    upper.require_exactly(_UPPER_NAMES)
    return _with_digest(
        Descriptor(
            generation=G1,
            digest="",
            format=_disk_format(fields),
            fstype=_filled(fields, "fstype"),
            image_reference=_filled(image, "ref"),
            image_manifest_digest=_digest_shaped(image, "manifest_digest"),
            parent=_digest_shaped(fields, "parent") if fields.value("parent") is not None else None,
            created_at=fields.text("created_at"),
            labels=_sorted_labels(fields.texts("labels")),
            upper_file=_file_name(upper, "file"),
            upper_bytes=upper.integer("size_bytes", _U64_MAX),
            integrity=_integrity(upper),
            source_sandbox=fields.text_or_null("source_sandbox"),
        )
    )


def manifest_to_bytes(descriptor: Descriptor) -> bytes:
    """Return the canonical bytes, which are what an artifact stores and what its digest is taken of.

    Raises:
        UnsupportedError: The descriptor is of another generation.
    """
    if descriptor.generation != G1:
        raise UnsupportedError(f"a descriptor of generation {descriptor.generation} has no {MANIFEST_FILE}")
    labels = ",".join(f"{_quote(key)}:{_quote(value)}" for key, value in descriptor.labels)
    integrity = "null"
    if descriptor.integrity is not None:
        algorithm, digest = descriptor.integrity.algorithm, descriptor.integrity.digest
        integrity = f'{{"algorithm":{_quote(algorithm)},"digest":{_quote(digest)}}}'
    return (
        f'{{"schema":{_SCHEMA},"format":{_quote(descriptor.format)},"fstype":{_quote(descriptor.fstype)}'
        f',"image":{{"ref":{_quote(descriptor.image_reference)}'
        f',"manifest_digest":{_quote(descriptor.image_manifest_digest)}}}'
        f',"parent":{_quote(descriptor.parent)},"created_at":{_quote(descriptor.created_at)},"labels":{{{labels}}}'
        f',"upper":{{"file":{_quote(descriptor.upper_file)},"size_bytes":{descriptor.upper_bytes}'
        f',"integrity":{integrity}}},"source_sandbox":{_quote(descriptor.source_sandbox)}}}'
    ).encode()


def new_manifest(  # noqa: PLR0913 - one argument a field, all by name
    *,
    image_reference: str,
    image_manifest_digest: str,
    created_at: str,
    labels: Mapping[str, str],
    upper_bytes: int,
    integrity: Integrity | None,
    source_sandbox: str | None,
    parent: str | None = None,
) -> Descriptor:
    """Return the descriptor of a raw ext4 upper to be written, by rules that every later microsandbox accepts.

    Args:
        image_reference: Reference of the OCI image, as the sandbox's configuration has it.
        image_manifest_digest: SHA-256 digest of the image manifest.
        created_at: As ``rfc3339_from_ns`` writes it.
        labels: Part of the identity; any Unicode text.
        upper_bytes: Apparent size.
        integrity: Recorded digest of the upper's content.
        source_sandbox: Name of the captured sandbox.
        parent: SHA-256 digest of the snapshot that this one descends from.

    Raises:
        RequestError: A value breaks a rule.
    """
    if not image_reference:
        raise RequestError("the image reference is empty")
    require_sha256(image_manifest_digest, "the image manifest digest")
    if parent is not None:
        require_sha256(parent, "the parent")
    if integrity is not None and not (integrity.algorithm and is_sha256(integrity.digest)):
        raise RequestError(
            f"the integrity {excerpt(integrity.algorithm)} {excerpt(integrity.digest)} is not an algorithm and a digest"
        )
    index_text = index_text_from_rfc3339(created_at)
    ns = ns_from_index_text(index_text) if index_text is not None else None
    if ns is None or rfc3339_from_ns(ns) != created_at:
        raise RequestError(
            f"the time of capture is {excerpt(created_at)}, not RFC 3339 with +00:00 and 0, 3, 6 or 9 fraction digits"
        )
    if not 0 <= upper_bytes <= _MAX_WRITTEN_BYTES:
        raise RequestError(f"the upper has {upper_bytes} bytes, a manifest holds 0 to {_MAX_WRITTEN_BYTES}")
    for text in (image_reference, source_sandbox or "", *labels.keys(), *labels.values()):
        if not is_unicode(text):
            raise RequestError(f"{excerpt(text)} is not Unicode text, a manifest holds nothing else")
    descriptor = Descriptor(
        generation=G1,
        digest="",
        format="raw",
        fstype="ext4",
        image_reference=image_reference,
        image_manifest_digest=image_manifest_digest,
        parent=parent,
        created_at=created_at,
        labels=_sorted_labels(labels),
        upper_file=UPPER_FILE,
        upper_bytes=upper_bytes,
        integrity=integrity,
        source_sandbox=source_sandbox,
    )
    size = len(manifest_to_bytes(descriptor))
    if size > MAX_MANIFEST_BYTES:
        raise RequestError(f"{MANIFEST_FILE} has {size} bytes with these labels, at most {MAX_MANIFEST_BYTES} are read")
    return _with_digest(descriptor)


def _with_digest(descriptor: Descriptor) -> Descriptor:
    return descriptor._replace(digest=sha256_digest(manifest_to_bytes(descriptor)))


def _sorted_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    # Python orders text by code point, which is the order of the UTF-8 bytes.
    return tuple(sorted(labels.items()))


def _disk_format(fields: Fields) -> str:
    disk_format = fields.value("format")
    if not isinstance(disk_format, str) or disk_format not in _FORMATS:
        raise FormatError(f"format in {MANIFEST_FILE} is {describe(disk_format)}, not raw or qcow2", field="format")
    return disk_format


def _filled(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not text:
        raise FormatError(f"{fields.path(name)} in {MANIFEST_FILE} is empty", field=fields.path(name))
    return text


def _digest_shaped(fields: Fields, name: str) -> str:
    # microsandbox checks no more than this, so identities with other digests exist.
    text = fields.text(name)
    algorithm, dummy, digest = text.partition(":")
    if not algorithm or not digest:
        path = fields.path(name)
        raise FormatError(f"{path} in {MANIFEST_FILE} is {excerpt(text)}, not algorithm:digest", field=path)
    return text


def _file_name(fields: Fields, name: str) -> str:
    text = _filled(fields, name)
    if "/" in text or "\0" in text or text in (".", "..", MANIFEST_FILE):
        path = fields.path(name)
        raise FormatError(f"{path} in {MANIFEST_FILE} is {excerpt(text)}, not the name of a file beside it", field=path)
    return text


def _integrity(upper: Fields) -> Integrity | None:
    if upper.value("integrity") is None:
        return None
    integrity = upper.fields("integrity")
    integrity.require_exactly(_INTEGRITY_NAMES)
    return Integrity(algorithm=_filled(integrity, "algorithm"), digest=_digest_shaped(integrity, "digest"))
