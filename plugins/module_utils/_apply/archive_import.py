# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing an archive's snapshots: staged beside the store while the archive is judged, promoted once it is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Callable

from .._disk.sparse_file import Segment, SparseWriter, Traffic
from .._disk.staging import StagingArea
from .._observe.archive import Archive
from .._plan.archive import PromoteSnapshot
from .snapshot import write_manifest


class StagingSink:
    """Takes the uppers of an archive into a staging area, one directory per snapshot.

    Args:
        area: The staging area beside the store.
        traffic: Where the bytes are counted.
    """

    def __init__(self, area: StagingArea, traffic: Traffic) -> None:
        self._area = area
        self._traffic = traffic
        self._entries: dict[str, str] = {}

    @contextlib.contextmanager
    def take_upper(self, prefix: str, file: str, stored_bytes: int) -> Iterator[Callable[[Segment], None]]:
        """Create the snapshot's directory and its upper, and make the upper durable when the block ends."""
        entry = f"snapshot-{len(self._entries)}"
        self._entries[prefix] = entry
        directory_fd = self._area.make_directory(entry)
        try:
            fd = self._area.create_file(file, directory_fd)
        finally:
            os.close(directory_fd)
        try:
            writer = SparseWriter(fd, self._traffic)
            yield writer.put
            writer.finish()
            self._area.seal_file(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def open_upper(self, prefix: str, file: str) -> Iterator[int]:
        """Open a staged upper for reading."""
        with self._open_directory(prefix) as directory_fd:
            fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
            try:
                yield fd
            finally:
                os.close(fd)

    def promote(self, archive: Archive, step: PromoteSnapshot) -> None:
        """Complete a staged artifact with its manifest and rename it into the store, durably.

        Raises:
            StateError: The name exists by now.
        """
        snapshot = next(s for s in archive.snapshots if s.prefix == step.prefix)
        with self._open_directory(step.prefix) as directory_fd:
            write_manifest(self._area, directory_fd, snapshot.descriptor)
            self._area.seal_directory(directory_fd)
        if step.replaces is None:
            self._area.promote(self._entries[step.prefix], step.name)
        else:
            self._area.replace(self._entries[step.prefix], step.name)

    @contextlib.contextmanager
    def _open_directory(self, prefix: str) -> Iterator[int]:
        fd = os.open(
            self._entries[prefix], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._area.fd
        )
        try:
            yield fd
        finally:
            os.close(fd)
