# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the files in an image cache, and of the locks on them, microsandbox 0.4.4 to 0.7.11."""

from __future__ import annotations

import hashlib
import re

from .._core.errors import FormatError, excerpt
from .image_metadata import ImageMetadata
from .image_reference import reference_key
from .member_names import CacheFile

MANIFESTS = "manifests"
FSMETA = "fsmeta"
LAYERS = "layers"
VMDK = "vmdk"
LEASES = ".msb-leases"

_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+\Z")
_MAX_DIGEST_LENGTH = 200


def safe_digest(digest: str) -> str:
    """Return how a digest is written in a file name: ``algorithm_hex``.

    Raises:
        FormatError: It is no digest, or too long for a file name.
    """
    if len(digest) > _MAX_DIGEST_LENGTH or not _DIGEST.match(digest):
        raise FormatError(f"{excerpt(digest)} is no digest", digest=digest[:_MAX_DIGEST_LENGTH])
    return digest.replace(":", "_")


def metadata_file(reference: str) -> CacheFile:
    """Return the file that holds the metadata of an image.

    Raises:
        FormatError: The text is no image reference.
    """
    return CacheFile(MANIFESTS, f"{reference_key(reference)}.json")


def fsmeta_file(manifest_digest: str) -> CacheFile:
    """Return the file that holds the merged directory tree of an image, named after its manifest.

    Raises:
        FormatError: The text is no digest.
    """
    return CacheFile(FSMETA, f"{safe_digest(manifest_digest)}.erofs")


def vmdk_file(manifest_digest: str) -> CacheFile:
    """Return the file that makes one disk of an image's other files, named after its manifest.

    Raises:
        FormatError: The text is no digest.
    """
    return CacheFile(VMDK, f"{safe_digest(manifest_digest)}.vmdk")


def layer_file(diff_id: str) -> CacheFile:
    """Return the file that holds an unpacked layer, which every image with that layer shares.

    Raises:
        FormatError: The text is no digest.
    """
    return CacheFile(LAYERS, f"{safe_digest(diff_id)}.erofs")


def erofs_files(metadata: ImageMetadata) -> tuple[CacheFile, ...]:
    """Return the EROFS files of an image: the merged tree, then every distinct layer from bottom to top."""
    return (fsmeta_file(metadata.manifest_digest), *map(layer_file, metadata.diff_ids))


def extent_files(metadata: ImageMetadata) -> tuple[CacheFile, ...]:
    """Return the files that an image's disk is made of, in order: repeated layers are repeated."""
    layers = (layer_file(layer.diff_id) for layer in metadata.layers)
    return (fsmeta_file(metadata.manifest_digest), *layers)


def lock_file(file: CacheFile) -> CacheFile:
    """Return the lock that the writers of a file hold.

    It is beside the file; that on the merged tree of an image covers the image's disk description as well.
    """
    if file.kind == VMDK:
        return CacheFile(FSMETA, file.file[: -len(".vmdk")] + ".erofs.lock")
    if file.kind == MANIFESTS:
        return CacheFile(MANIFESTS, file.file[: -len(".json")] + ".lock")
    return CacheFile(file.kind, file.file + ".lock")


def lease_name(file_name: str) -> str:
    """Return the name of the lease on a file, in the directory of leases beside it (0.7.7 and later)."""
    return hashlib.sha256(file_name.encode("utf-8")).hexdigest() + ".lock"


def publication_lease(metadata: CacheFile) -> str:
    """Return the name of the lease on an image as a whole, in the directory of leases beside its metadata."""
    return lease_name(metadata.file[: -len(".json")] + ".publication")
