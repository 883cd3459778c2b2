# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape in which modules return what the library found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._disk import zstd
from .._disk.place import observe_place
from .._formats.descriptor import Descriptor
from .._observe.archive import Archive
from .._observe.archived_snapshot import ArchivedSnapshot
from .._observe.artifact import Artifact
from .._observe.home import Home
from .._observe.image_cache import CachedImage, observe_image
from .._observe.index import UNKNOWN, observe_last_migration
from .._observe.integrity import IntegrityState, recorded_state
from .._observe.store import InvalidArtifact, find_children


class PinnedImages:
    """What a home's image cache has of the images that snapshots pin; every image is looked at once.

    Args:
        home: Whose image cache to look into.
    """

    def __init__(self, home: Home) -> None:
        self._cache_dir = home.cache_dir
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}

    def result(self, descriptor: Descriptor) -> dict[str, Any]:
        """Return the state of the image that a snapshot pins as a result."""
        key = descriptor.image_reference, descriptor.image_manifest_digest
        if key not in self._seen:
            self._seen[key] = _state_result(observe_image(self._cache_dir, *key), self._cache_dir)
        return {**self._seen[key]}


def snapshot_result(
    artifact: Artifact, images: PinnedImages, children: Iterable[str], integrity: IntegrityState | None = None
) -> dict[str, Any]:
    """Return a snapshot on disk as a result.

    Args:
        artifact: The snapshot.
        images: The images of its home.
        children: Digests of the snapshots that descend from it.
        integrity: What a verification found; without one, what is recorded.
    """
    descriptor = artifact.descriptor
    state = integrity or recorded_state(descriptor)
    result = {"name": artifact.name, "path": artifact.path, **descriptor_result(descriptor, state)}
    result["children"] = sorted(children)
    result["image"].update(images.result(descriptor))
    result["upper"]["allocated_bytes"] = artifact.allocated_bytes
    return result


def snapshot_results(
    home: Home, artifacts: Sequence[Artifact], states: Mapping[str, IntegrityState] | None = None
) -> list[dict[str, Any]]:
    """Return snapshots on disk as results.

    Args:
        home: Whose image cache to look into.
        artifacts: The snapshots.
        states: What a verification found, by digest.
    """
    results = []
    images = PinnedImages(home)
    for artifact in artifacts:
        digest = artifact.descriptor.digest
        children = find_children(os.path.dirname(artifact.path), digest)
        results.append(snapshot_result(artifact, images, children, (states or {}).get(digest)))
    return results


def descriptor_result(descriptor: Descriptor, integrity: IntegrityState) -> dict[str, Any]:
    """Return what a descriptor says, and what is known of the content that it describes, as a result."""
    return {
        "digest": descriptor.digest,
        "generation": descriptor.generation,
        "format": descriptor.format,
        "fstype": descriptor.fstype,
        "image": {"reference": descriptor.image_reference, "manifest_digest": descriptor.image_manifest_digest},
        "parent": descriptor.parent,
        "created_at": descriptor.created_at,
        "labels": dict(descriptor.labels),
        "source_sandbox": descriptor.source_sandbox,
        "upper": {
            "file": descriptor.upper_file,
            "apparent_bytes": descriptor.upper_bytes,
            "integrity": integrity_result(descriptor, integrity),
        },
    }


def integrity_result(descriptor: Descriptor, state: IntegrityState) -> dict[str, Any]:
    """Return what is known of an upper's content as a result."""
    recorded = descriptor.integrity
    return {
        "state": state.state,
        "algorithm": None if recorded is None else recorded.algorithm,
        "digest": None if recorded is None else recorded.digest,
        "definition": state.definition,
        "computed": state.computed,
    }


def invalid_result(invalid: InvalidArtifact) -> dict[str, str]:
    """Return a damaged artifact as a result."""
    return {"path": invalid.path, "code": invalid.code, "reason": invalid.reason}


def archived_result(snapshot: ArchivedSnapshot) -> dict[str, Any]:
    """Return a snapshot in an archive as a result."""
    return {"name": snapshot.prefix, **descriptor_result(snapshot.descriptor, snapshot.integrity)}


def archive_result(archive: Archive) -> dict[str, Any]:
    """Return an archive as a result."""
    return {
        "path": archive.path,
        "size": archive.size_bytes,
        "sha256": archive.sha256,
        "compression": archive.compression,
        "layout": archive.head.layout,
        "head": archive.head.descriptor.digest,
        "members": list(archive.members),
        "images": [
            {"reference": image.reference, "manifest_digest": image.metadata.manifest_digest}
            for image in archive.images
        ],
    }


def home_result(home: Home) -> dict[str, Any]:
    """Return a home and what its host can do as a result."""
    return {
        "path": home.path,
        "exists": home.exists,
        "generation": home.generation,
        "last_migration": None if home.generation == UNKNOWN else observe_last_migration(home.database),
        "snapshots_dir": home.snapshots_dir,
        "cache_dir": home.cache_dir,
        **place_result(home),
    }


def place_result(home: Home) -> dict[str, Any]:
    """Return what the host of a home can do as a result, whatever is in the home."""
    place = observe_place(home.snapshots_dir)
    return {
        "filesystem": place.filesystem,
        "free_bytes": place.free_bytes,
        "read_only": place.is_read_only or observe_place(home.path).is_read_only,
        "supports_reflink": place.supports_reflink,
        "supports_holes": place.supports_holes,
        "zstd": zstd.backend(),
    }


def _state_result(image: CachedImage, cache_dir: str) -> dict[str, Any]:
    return {
        "cached": _is_cached(cache_dir, image.manifest_digest or ""),
        "boots_offline": image.boots_offline,
        "missing": list(image.missing),
    }


def _is_cached(cache_dir: str, image_manifest_digest: str) -> bool:
    # The merged metadata of an image is named after its manifest, and made last of all that a boot needs.
    name = image_manifest_digest.replace(":", "_").replace("/", "_") + ".erofs"
    return os.path.isfile(os.path.join(cache_dir, "fsmeta", name))
