# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing an archive's snapshots: staged beside the store while the archive is judged, promoted once it is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Callable

from .._core.errors import StateError
from .._disk.place import require_space
from .._disk.sparse_file import Segment, SparseWriter, Traffic
from .._disk.staging import StagingArea, staging_area
from .._formats.member_names import SnapshotFile
from .._observe.archive import Archive
from .._observe.archive_limits import ArchiveLimits, require_allocated
from .._plan.archive_import import PromoteSnapshot
from .snapshot import write_manifest


class StagingSink:
    """Takes the uppers of an archive into a staging area, one directory per snapshot.

    The area is made when the first upper is kept, so that an archive which brings nothing new leaves no trace. As a
    context manager it removes the area with all that was not promoted.

    Args:
        directory: The store; the area is made in it.
        is_installed: Tells by digest whether the store has a snapshot; its upper is not kept.
        traffic: Where the bytes are counted.
        limit_bytes: How much all uppers together may take on the disk.
    """

    def __init__(
        self,
        directory: str,
        is_installed: Callable[[str], bool],
        traffic: Traffic,
        limit_bytes: int = ArchiveLimits.allocated_bytes,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._kept_bytes = 0
        self._directory = directory
        self._is_installed = is_installed
        self._traffic = traffic
        self._entries: dict[str, str] = {}
        self._stack = contextlib.ExitStack()
        self._made: StagingArea | None = None

    def __enter__(self) -> StagingSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def _area(self) -> StagingArea:
        if self._made is None:
            self._made = self._stack.enter_context(staging_area(self._directory))
        return self._made

    @contextlib.contextmanager
    def take_upper(
        self, name: SnapshotFile, digest: str | None, size_bytes: int, least_bytes: int
    ) -> Iterator[Callable[[Segment], None] | None]:
        """Create the snapshot's directory and its upper, and make the upper durable when the block ends."""
        if digest is not None and self._is_installed(digest):
            yield None
            return
        entry = f"snapshot-{len(self._entries)}"
        self._entries[name.prefix] = entry
        directory_fd = self._area.make_directory(entry)
        try:
            fd = self._area.create_file(name.file, directory_fd)
        finally:
            os.close(directory_fd)
        try:
            require_space(fd, least_bytes)
            writer = SparseWriter(fd, self._traffic, size_bytes)

            def put(segment: Segment) -> None:
                writer.put(segment)
                require_allocated("uppers", self._kept_bytes + writer.data_bytes, self._limit_bytes)

            yield put
            self._kept_bytes += writer.data_bytes
            self._area.seal_file(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def open_upper(self, name: SnapshotFile) -> Iterator[int]:
        """Open a staged upper for reading."""
        with self._open_directory(name.prefix) as directory_fd:
            fd = os.open(name.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
            try:
                yield fd
            finally:
                os.close(fd)

    def complete(self, archive: Archive, steps: Sequence[PromoteSnapshot]) -> None:
        """Give the staged artifacts their manifests, all of them before the first appears in the store.

        Raises:
            StateError: One is not staged, because the store had it when its turn came, and is to be installed now.
        """
        descriptors = {snapshot.prefix: snapshot.descriptor for snapshot in archive.snapshots}
        for step in steps:
            if step.prefix not in self._entries:
                raise StateError(
                    f"snapshot {step.digest} in {step.directory} is gone, though it was there when this run looked",
                    path=step.directory,
                    digest=step.digest,
                )
        for step in steps:
            with self._open_directory(step.prefix) as directory_fd:
                write_manifest(self._area, directory_fd, descriptors[step.prefix])
                self._area.seal_directory(directory_fd)

    def promote(self, step: PromoteSnapshot) -> None:
        """Rename a complete artifact into the store, durably.

        Raises:
            StateError: The name exists by now.
        """
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
