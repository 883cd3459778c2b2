# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of an image manifest: how a registry serves it, found again from how microsandbox stores it.

A pull parses the manifest and writes it anew: compact, in an order of its own, without members that microsandbox does
not know. The digest is of the text that the registry served, so a text that has it is that text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._core.digests import sha256_digest
from .._core.errors import FormatError
from .._core.json_fields import Fields
from .._core.strict_json import parse_json
from .image_config import optional_texts

_WHAT = "the raw manifest"
# An image of a hundred layers has a manifest of some 20 KiB.
_MAX_CHARACTERS = 256 << 10
_U64_MAX = (1 << 64) - 1


class _Order(NamedTuple):
    """The order in which a producer writes the members of a manifest and of the descriptors in it."""

    manifest: tuple[str, ...]
    descriptor: tuple[str, ...]


# The Go types of opencontainers/image-spec: BuildKit, containerd, Podman, ORAS; also what is written by hand with jq.
_OCI = _Order(
    ("schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"),
    ("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType"),
)
# Those of distribution 2 (docker push) and of go-containerregistry (crane, ko, kaniko), which differ in nothing else.
_SIZE_FIRST = _Order(
    ("schemaVersion", "mediaType", "artifactType", "config", "layers", "annotations", "subject"),
    ("mediaType", "size", "digest", "data", "urls", "annotations", "artifactType"),
)
# BuildKit and docker commit from before the OCI type had a media type, and put one around it.
_TYPE_FIRST = _Order(
    ("mediaType", "schemaVersion", "artifactType", "config", "layers", "subject", "annotations"), _OCI.descriptor
)
_SORTED = _Order(tuple(sorted(_OCI.manifest)), tuple(sorted(_OCI.descriptor)))

_INDENTS = (None, "  ", "   ", "    ", "\t")
# What Go escapes in a string so that it can stand in HTML and JavaScript.
_HTML_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def restore_manifest(raw_manifest: str, manifest_digest: str, raw_config: str = "") -> str | None:
    """Return the text that the digest of a manifest is of, if it is one of those that producers are known to write.

    Args:
        raw_manifest: The manifest in any spelling.
        manifest_digest: Digest of the text as the registry served it.
        raw_config: The image's configuration, which some producers embed in the manifest and no pull keeps there.
    """
    if sha256_digest(raw_manifest.encode("utf-8")) == manifest_digest:
        return raw_manifest
    if len(raw_manifest) > _MAX_CHARACTERS:
        return None
    try:
        members = _parse_members(Fields(_parse(raw_manifest), _WHAT), _OCI.manifest)
    except FormatError:
        return None
    for text in _spellings(members, raw_config):
        if sha256_digest(text.encode("utf-8")) == manifest_digest:
            return text
    return None


def _parse(raw_manifest: str) -> Any:
    return parse_json(raw_manifest.encode("utf-8"), what=_WHAT, max_bytes=4 * _MAX_CHARACTERS)


def _parse_members(fields: Fields, known: tuple[str, ...]) -> dict[str, Any]:
    fields.require_exactly(known)
    return {name: _parse_member(fields, name) for name in fields.names()}


def _parse_member(fields: Fields, name: str) -> Any:
    if name in ("schemaVersion", "size"):
        return fields.integer(name, _U64_MAX)
    if name in ("config", "subject"):
        return _parse_members(fields.fields(name), _OCI.descriptor)
    if name == "layers":
        return [_parse_members(Fields(item, _WHAT, name), _OCI.descriptor) for item in fields.items(name)]
    if name == "annotations":
        return dict(sorted(fields.texts(name).items()))
    return optional_texts(fields, name, _WHAT) if name == "urls" else fields.text(name)


def _spellings(members: dict[str, Any], raw_config: str) -> Iterator[str]:
    """Yield the texts that may be the original: some fifty, twice as many where Go would escape something."""
    manifests = [_arrange(members, order) for order in (_OCI, _SIZE_FIRST, _TYPE_FIRST, _SORTED)]
    if "config" in members and 0 < len(raw_config) <= _MAX_CHARACTERS:
        # The official images of distributions carry their configuration along.
        data = base64.b64encode(raw_config.encode("utf-8")).decode("ascii")
        manifests.append(_arrange({**members, "config": {**members["config"], "data": data}}, _OCI))
    for manifest in manifests:
        for indent in _INDENTS:
            separators = (",", ":") if indent is None else (",", ": ")
            text = json.dumps(manifest, ensure_ascii=False, indent=indent, separators=separators)
            for spelling in dict.fromkeys((text, text.translate(_HTML_ESCAPES))):
                yield spelling
                yield f"{spelling}\n"


def _arrange(members: dict[str, Any], order: _Order) -> dict[str, Any]:
    arranged = {name: members[name] for name in order.manifest if name in members}
    for name in ("config", "subject"):
        if name in arranged:
            arranged[name] = _arrange_descriptor(arranged[name], order)
    if "layers" in arranged:
        arranged["layers"] = [_arrange_descriptor(layer, order) for layer in arranged["layers"]]
    return arranged


def _arrange_descriptor(members: dict[str, Any], order: _Order) -> dict[str, Any]:
    return {name: members[name] for name in order.descriptor if name in members}
