# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upper of an archive as a file, for those who have to read it twice and did not keep it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

from .._disk.sparse_file import BufferPool, SparseWriter, Traffic
from .._formats.member_names import SnapshotFile
from .archive_file import open_archive
from .archive_limits import ArchiveLimits, require_allocated
from .archive_reader import ArchiveReader


@contextlib.contextmanager
def spooled_upper(path: str, limits: ArchiveLimits, name: SnapshotFile) -> Iterator[int]:
    """Yield a descriptor of a temporary file with an upper, read from the archive once more.

    Raises:
        FormatError: It takes more of the disk than ``allocated_bytes``.
        OSError: The archive cannot be read, or the file cannot be written; the error names the archive, or the
            directory for temporary files.
    """
    pool = BufferPool(1)
    with tempfile.TemporaryFile() as spool, open_archive(path) as fd:
        reader = ArchiveReader(fd, limits)
        for member in reader.members():
            if member.name == name:
                with _named_directory():
                    writer = SparseWriter(spool.fileno(), Traffic(), member.real_bytes)
                for segment in reader.body_segments(member, pool):
                    with _named_directory():
                        writer.put(segment)
                    require_allocated("uppers", writer.data_bytes, limits.allocated_bytes)
                    pool.take_back(segment)
        yield spool.fileno()


@contextlib.contextmanager
def _named_directory() -> Iterator[None]:
    """Let errors of the block name the directory for temporary files."""
    try:
        yield
    except OSError as exc:
        exc.filename = tempfile.gettempdir()
        raise
