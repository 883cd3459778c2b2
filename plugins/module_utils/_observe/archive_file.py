# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive as a file: opening it, hashing it, and the table of contents at its end."""

from __future__ import annotations

import contextlib
import os
import struct

from .._core.errors import FormatError, IntegrityError, UnsupportedError
from .._disk.content_hash import SHA256, hash_file
from .._disk.digest_record import own_recorded_digest
from .._disk.error_paths import naming_file
from .._disk.extents import scan_extents
from .._disk.regular_file import open_regular_file
from .._disk.sparse_file import Traffic
from .._disk.zstd_frames import SKIPPABLE_MAGICS
from .._formats.archive_contents import FOOTER_BYTES, ArchiveContents, parse_contents, parse_contents_footer
from .archive_limits import ArchiveLimits
from .archive_reader import ArchiveReader


def read_contents(path: str) -> ArchiveContents | None:
    """Return the table of contents at the end of an archive, or None when it has none that fits.

    Raises:
        OSError: The file cannot be read.
    """
    with open_archive(path) as fd, naming_file(fd):
        size = os.fstat(fd).st_size
        length = parse_contents_footer(os.pread(fd, FOOTER_BYTES, max(0, size - FOOTER_BYTES)))
        start = size - FOOTER_BYTES - (length or 0) - 8
        if length is None or start < 0:
            return None
        frame = os.pread(fd, 8 + length, start)
        magic, frame_bytes = struct.unpack_from("<II", frame)
        if magic not in SKIPPABLE_MAGICS or frame_bytes != length + FOOTER_BYTES:
            return None
        try:
            contents = parse_contents(frame[8:])
        except FormatError:
            return None
    return contents if contents.archive_bytes == start else None


def find_sha256(path: str, traffic: Traffic) -> str:
    """Return the SHA-256 digest of an archive file, as an export recorded it or else by reading the file.

    A record that somebody else can have written does not count.

    Raises:
        StateError: There is no such file, or it is no regular one.
    """
    with open_archive(path) as fd:
        recorded = own_recorded_digest(fd)
    return hash_archive(path, traffic) if recorded is None else recorded


def hash_archive(path: str, traffic: Traffic) -> str:
    """Return the SHA-256 digest of an archive file as ``sha256:<hex>``.

    Raises:
        StateError: There is no such file, or it is no regular one.
    """
    with open_archive(path) as fd:
        return hash_file(fd, scan_extents(fd), SHA256, traffic)


def require_checksum(path: str, found: str, wanted: str) -> None:
    """Check the digest of an archive file.

    Raises:
        IntegrityError: It is another one.
    """
    if found != wanted:
        raise IntegrityError(
            f"archive {path} has the checksum {found}, wanted {wanted}", path=path, expected=wanted, actual=found
        )


def is_archive(path: str) -> bool:
    """Return whether a file begins like an archive of snapshots: with a member that the grammar allows.

    Raises:
        StateError: There is no such file, or it is no regular one.
    """
    with open_archive(path) as fd, contextlib.suppress(FormatError, UnsupportedError):
        return next(ArchiveReader(fd, ArchiveLimits()).members(), None) is not None
    return False


def open_archive(path: str) -> contextlib.AbstractContextManager[int]:
    """Yield a descriptor of an archive file for reading.

    Raises:
        StateError: There is no such file, or it is no regular one.
    """
    return open_regular_file(path, "archive")
