# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive may demand of the host that reads it."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import FormatError
from .._disk.zstd import MAX_WINDOW_BYTES
from .._formats.manifest_json import MAX_MANIFEST_BYTES

_GIB = 1 << 30


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may demand of the host that reads it.

    Attributes:
        members: Number of members.
        name_bytes: Length of a member's name.
        manifest_bytes: Size of a manifest.
        apparent_bytes: Apparent size of all uppers and EROFS files together.
        allocated_bytes: Bytes that all uppers together take on the disk, and all image cache files together.
        extents: Number of runs in one sparse member.
        window_bytes: Look-back window of the zstd frame.
    """

    members: int = 4096
    name_bytes: int = 4096
    manifest_bytes: int = MAX_MANIFEST_BYTES
    apparent_bytes: int = 256 * _GIB
    allocated_bytes: int = 256 * _GIB
    extents: int = 1 << 18
    window_bytes: int = MAX_WINDOW_BYTES


def require_allocated(what: str, taken_bytes: int, limit_bytes: int) -> None:
    """Check what files of an archive take on the disk together.

    Args:
        what: Which files, for the message.
        taken_bytes: What they take so far.
        limit_bytes: How much they may take.

    Raises:
        FormatError: They take more.
    """
    if taken_bytes > limit_bytes:
        raise FormatError(
            f"{what} in the archive take more than the {limit_bytes} bytes that are allowed", limit=limit_bytes
        )
