# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot in an archive: what is known of it, and whether its manifest and its upper fit together."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import FormatError, UnsupportedError, excerpt
from .._core.timestamps import index_text_from_rfc3339
from .._formats.descriptor import Descriptor
from .._formats.manifest_json import MANIFEST_FILE
from .integrity import IntegrityState

DENSE = "dense"
SPARSE = "sparse"


@dataclass(frozen=True)
class ArchivedSnapshot:
    """A snapshot in an archive, judged.

    Attributes:
        prefix: Its directory inside the archive.
        descriptor: What identifies it.
        layout: ``dense`` or ``sparse``, how its upper is stored.
        stored_bytes: Length of its upper in the uncompressed archive.
        integrity: What the walk found of its content.
    """

    prefix: str
    descriptor: Descriptor
    layout: str
    stored_bytes: int
    integrity: IntegrityState


@dataclass
class ArchivedUpper:
    """An upper in an archive, as far as the walk has come with it.

    Attributes:
        file: Its name beside the manifest.
        is_sparse: How it is stored.
        stored_bytes: Its length in the uncompressed archive.
        real_bytes: Its apparent size.
        algorithm: What it is hashed with on the way, if anything.
        digest: What that gave, once it is through.
        is_kept: Whether the sink has taken it.
    """

    file: str
    is_sparse: bool
    stored_bytes: int
    real_bytes: int
    algorithm: str | None
    digest: str | None = None
    is_kept: bool = False


def require_importable(descriptor: Descriptor, prefix: str) -> None:
    """Refuse what microsandbox parses but nothing can use: it never writes such snapshots.

    Raises:
        UnsupportedError: The upper is no raw file.
        FormatError: The time of capture is none.
    """
    if descriptor.format != "raw":
        raise UnsupportedError(
            f"snapshot {excerpt(prefix)} has an upper in the format {descriptor.format}, only raw is used"
        )
    if index_text_from_rfc3339(descriptor.created_at) is None:
        raise FormatError(
            f"snapshot {excerpt(prefix)} was created at {excerpt(descriptor.created_at)}, which is no RFC 3339 time"
        )


def require_described(descriptor: Descriptor, upper: ArchivedUpper, prefix: str) -> None:
    """Check that an upper is the one that the manifest beside it describes.

    Raises:
        FormatError: It has another name or size.
    """
    if upper.file != descriptor.upper_file:
        raise FormatError(
            f"archive has the member {excerpt(f'{prefix}/{upper.file}')}, its {MANIFEST_FILE} describes"
            f" {excerpt(descriptor.upper_file)} only"
        )
    if upper.real_bytes != descriptor.upper_bytes:
        raise FormatError(
            f"member {excerpt(f'{prefix}/{upper.file}')} has {upper.real_bytes} bytes, its {MANIFEST_FILE} says"
            f" {descriptor.upper_bytes}",
            expected=descriptor.upper_bytes,
            actual=upper.real_bytes,
        )
