# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image cache records of an image: ``cache/manifests/<key>.json``, microsandbox 0.5.4 to 0.7.11.

Older versions leave the two raw texts out; microsandbox then takes the image for one that is not cached.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._core.digests import is_sha256, sha256_digest
from .._core.errors import FormatError, IntegrityError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import JsonObject, parse_json
from .image_config import ImageConfig, optional_texts, parse_oci_config, parse_recorded_config
from .image_manifest import restore_manifest

MAX_METADATA_BYTES = 2 << 20

_U64_MAX = (1 << 64) - 1


class ImageLayer(NamedTuple):
    """One layer of an image.

    Attributes:
        digest: Digest of the blob that a registry serves.
        media_type: The blob's type, when it is recorded.
        size_bytes: The blob's size, when it is recorded.
        diff_id: Digest of the unpacked layer, after which its file in the cache is named.
    """

    digest: str
    media_type: str | None
    size_bytes: int | None
    diff_id: str


@dataclass(frozen=True)
class ImageMetadata:
    """What is recorded of an image.

    Attributes:
        manifest_digest: Digest of the OCI image manifest.
        config_digest: Digest of the OCI image configuration.
        raw_manifest: The manifest's text.
        raw_config: The configuration's text.
        config: What microsandbox took from the configuration.
        layers: From bottom to top; one layer can stand at several places.
    """

    manifest_digest: str
    config_digest: str
    raw_manifest: str
    raw_config: str
    config: ImageConfig
    layers: tuple[ImageLayer, ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Return the distinct diff ids, in the order in which they occur first."""
        return tuple(dict.fromkeys(layer.diff_id for layer in self.layers))


def parse_image_metadata(text: bytes, what: str) -> ImageMetadata:
    """Parse the metadata of an image; like microsandbox, ignore unknown fields.

    Args:
        text: The file's content.
        what: Name of the file in messages.

    Raises:
        FormatError: microsandbox would not read it, or a digest is none of SHA-256.
    """
    fields = Fields(parse_json(text, what=what, max_bytes=MAX_METADATA_BYTES), what)
    layers = []
    for number, item in enumerate(fields.items("layers")):
        layer = Fields(item, what, f"layers[{number}]")
        layers.append(
            ImageLayer(
                digest=_sha256(layer, "digest", what),
                media_type=layer.optional_text("media_type"),
                size_bytes=layer.integer("size_bytes", _U64_MAX) if layer.has("size_bytes") else None,
                diff_id=_sha256(layer, "diff_id", what),
            )
        )
    return ImageMetadata(
        manifest_digest=_sha256(fields, "manifest_digest", what),
        config_digest=_sha256(fields, "config_digest", what),
        raw_manifest=fields.text("raw_manifest_json"),
        raw_config=fields.text("raw_config_json"),
        config=parse_recorded_config(fields.fields("config"), what),
        layers=tuple(layers),
    )


def find_manifest_digest(text: bytes) -> str | None:
    """Return the manifest digest in metadata of whatever version and algorithm, or None when it is no metadata."""
    try:
        value = parse_json(text, what="metadata", max_bytes=len(text))
    except FormatError:
        return None
    found = dict(value.members).get("manifest_digest") if isinstance(value, JsonObject) else None
    return found if isinstance(found, str) else None


def metadata_to_bytes(metadata: ImageMetadata) -> bytes:
    """Return the metadata as microsandbox writes it, with what has no order sorted.

    Every pull writes ports, volumes and labels in another order, so that only this is the same on every host.
    """
    fields = {
        "manifest_digest": metadata.manifest_digest,
        "config_digest": metadata.config_digest,
        "raw_manifest_json": metadata.raw_manifest,
        "raw_config_json": metadata.raw_config,
        "config": {**metadata.config._asdict(), "labels": dict(metadata.config.labels)},
        "layers": [layer._asdict() for layer in metadata.layers],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def restore_metadata(metadata: ImageMetadata) -> ImageMetadata:
    """Return the metadata with the very text that the manifest digest is of.

    A pull writes the manifest anew. Where the registry spells it otherwise, the image boots all the same, but no
    import takes it.

    Raises:
        IntegrityError: Nothing tells how the registry spelled it.
    """
    digest = metadata.manifest_digest
    manifest = restore_manifest(metadata.raw_manifest, digest, metadata.raw_config)
    if manifest is None:
        raise IntegrityError(
            f"the pull has not kept the text of the image manifest {digest}, and no known spelling of it has this"
            " digest; load the image with msb load from an archive instead",
            expected=digest,
            actual=sha256_digest(metadata.raw_manifest.encode("utf-8")),
        )
    return dataclasses.replace(metadata, raw_manifest=manifest)


def require_sound_metadata(metadata: ImageMetadata, what: str) -> None:
    """Check that everything in the metadata follows from its manifest digest, as far as the raw texts go.

    Args:
        metadata: The metadata.
        what: Name of the file in messages.

    Raises:
        FormatError: It has no layers, or a raw text is none of its kind.
        IntegrityError: The parts contradict each other.
    """
    _require_digest(metadata.raw_manifest, metadata.manifest_digest, f"the raw manifest in {what}")
    require_consistent_metadata(metadata, what)


def require_consistent_metadata(metadata: ImageMetadata, what: str) -> None:
    """Check that everything in the metadata follows from its raw manifest and configuration.

    A raw manifest without layers, or a raw configuration without diff ids, leaves those to the metadata alone.

    Args:
        metadata: The metadata.
        what: Name of the file in messages.

    Raises:
        FormatError: It has no layers, or a raw text is none of its kind.
        IntegrityError: The parts contradict each other.
    """
    _require_digest(metadata.raw_config, metadata.config_digest, f"the raw config in {what}")
    if not metadata.layers:
        raise FormatError(f"{what} lists no layers, and an image without any is not supported here")
    manifest = _document(metadata.raw_manifest, f"the raw manifest in {what}")
    if manifest.has("config"):
        named = manifest.fields("config").text("digest")
        if named != metadata.config_digest:
            raise IntegrityError(
                f"config_digest in {what} is {metadata.config_digest}, its raw manifest says {excerpt(named)}"
            )
    if manifest.has("layers"):
        items = enumerate(manifest.items("layers"))
        blobs = [Fields(item, what, f"raw_manifest_json.layers[{number}]").text("digest") for number, item in items]
        _require_layers(metadata, "digest", blobs, what, "raw manifest")
    config = _document(metadata.raw_config, f"the raw config in {what}")
    if config.has("rootfs"):
        diff_ids = optional_texts(config.fields("rootfs"), "diff_ids", f"the raw config in {what}") or ()
        _require_layers(metadata, "diff_id", diff_ids, what, "raw config")
    _require_config(metadata.config, config, what)


def _sha256(fields: Fields, name: str, what: str) -> str:
    text = fields.text(name)
    if not is_sha256(text):
        path = fields.path(name)
        raise FormatError(f"{path} in {what} is {excerpt(text)}, not sha256: and 64 lower-case hex digits", field=path)
    return text


def _document(text: str, what: str) -> Fields:
    return Fields(parse_json(text.encode("utf-8"), what=what, max_bytes=MAX_METADATA_BYTES), what)


def _require_digest(text: str, expected: str, what: str) -> None:
    actual = sha256_digest(text.encode("utf-8"))
    if actual != expected:
        raise IntegrityError(
            f"{what} has the digest {actual}, recorded is {expected}", expected=expected, actual=actual
        )


def _require_layers(metadata: ImageMetadata, field: str, listed: Sequence[str], what: str, source: str) -> None:
    """Compare one digest of every layer with what a raw text lists, unless that lists nothing."""
    if not listed:
        return
    if len(metadata.layers) != len(listed):
        raise IntegrityError(f"{what} has {len(metadata.layers)} layers, its {source} lists {len(listed)}")
    for number, (layer, theirs) in enumerate(zip(metadata.layers, listed)):
        ours: str = getattr(layer, field)
        if ours != theirs:
            raise IntegrityError(f"layers[{number}].{field} in {what} is {ours}, its {source} says {excerpt(theirs)}")


def _require_config(recorded: ImageConfig, raw: Fields, what: str) -> None:
    expected = parse_oci_config(raw, f"the raw config in {what}")
    for name, ours, theirs in zip(ImageConfig._fields, recorded, expected):
        if ours != theirs:
            raise IntegrityError(f"config.{name} in {what} is not what its raw config says", field=f"config.{name}")
