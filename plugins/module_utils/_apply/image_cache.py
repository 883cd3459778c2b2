# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing image cache files: staged in the cache while an archive is judged, and then all of them or none."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Callable

from .._core.errors import StateError
from .._disk.directories import make_directories, remove_empty
from .._disk.place import require_space
from .._disk.sparse_file import Segment, SparseWriter, Traffic, write_at
from .._disk.staging import StagingArea, staging_area
from .._formats.image_files import MANIFESTS
from .._formats.member_names import CacheFile
from .._observe.archive_limits import ArchiveLimits, require_allocated
from .._observe.cache_target import is_kept, look_at_target
from .._observe.cache_walk import CarriedImage
from .._plan.image_cache import InstallCacheFile
from .cache_locks import locked_cache_files


class CacheStaging:
    """Takes the EROFS files of an archive into a staging area in the cache.

    Cache and area are locked and made when the first file is kept, so that an archive which brings nothing new leaves
    no trace. As a context manager it removes the area with all that was not installed.

    Args:
        cache_dir: The image cache.
        hold: Holds the lock of the cache's directory, which it makes.
        keep_all: Also take files of which the cache has one of the same size, to replace it.
        traffic: Where the bytes are counted.
        limit_bytes: How much all files together may take on the disk.
    """

    def __init__(
        self,
        cache_dir: str,
        hold: Callable[[], AbstractContextManager[None]],
        keep_all: bool,
        traffic: Traffic,
        limit_bytes: int = ArchiveLimits.allocated_bytes,
    ) -> None:
        self._cache_dir = cache_dir
        self._hold = hold
        self._keep_all = keep_all
        self._traffic = traffic
        self._limit_bytes = limit_bytes
        self._kept_bytes = 0
        self._entries: dict[CacheFile, str] = {}
        self._stack = contextlib.ExitStack()
        self._made: StagingArea | None = None

    def __enter__(self) -> CacheStaging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def _area(self) -> StagingArea:
        if self._made is None:
            self._stack.enter_context(self._hold())
            self._made = self._stack.enter_context(staging_area(self._cache_dir))
        return self._made

    @contextlib.contextmanager
    def take_cache_file(self, name: CacheFile, size_bytes: int) -> Iterator[Callable[[Segment], None] | None]:
        """Create a file in the area, and make it durable when the block ends; one that is there already is not kept."""
        if is_kept(self._cache_dir, name, size_bytes, self._keep_all):
            yield None
            return
        entry = f"file-{len(self._entries)}"
        fd = self._area.create_file(entry)
        try:
            require_space(fd, size_bytes)
            writer = SparseWriter(fd, self._traffic, size_bytes)

            def put(segment: Segment) -> None:
                writer.put(segment)
                require_allocated("image cache files", self._kept_bytes + writer.data_bytes, self._limit_bytes)

            yield put
            self._kept_bytes += writer.data_bytes
            self._area.seal_file(fd)
        finally:
            os.close(fd)
        self._entries[name] = entry

    @contextlib.contextmanager
    def installed(
        self, steps: Sequence[InstallCacheFile], images: Sequence[CarriedImage], patience: float
    ) -> Iterator[Callable[[], None]]:
        """Put files into the cache, durably, and take them back when the block fails.

        The block gets what it calls once something that lasts needs the files: from then on they stay.

        Args:
            steps: What to install, in this order.
            images: The images that need the files.
            patience: How long to wait for each of microsandbox's locks, and for all its leases together, in seconds.

        Raises:
            StateError: A lock stays held, or the cache changed since it was looked at.
            OSError: A file cannot be put into its place; the cache is as it was.
        """
        if not steps:
            yield lambda: None
            return
        for step in steps:
            if step.content is not None:
                self._stage_content(step.name, step.content)
            elif step.name not in self._entries:
                # The archive brings it, but it was there when its turn came.
                raise _is_gone(step.path)
        written = {step.name for step in steps}
        kept = {name: size for image in images for name, size in image.sizes if name not in written}
        with contextlib.ExitStack() as undo:
            for kind in _kinds(steps):
                undo.callback(remove_empty, self._make_directory(kind))
            with locked_cache_files(self._cache_dir, written, kept, patience):
                _require_there(self._cache_dir, kept)
                with _Installation(self._area, self._cache_dir, self._entries) as installation:
                    installation.run(steps)
                    yield installation.keep
            undo.pop_all()

    def _stage_content(self, name: CacheFile, content: bytes) -> None:
        entry = f"file-{len(self._entries)}"
        fd = self._area.create_file(entry)
        try:
            write_at(fd, memoryview(content), 0)
            self._traffic.written += len(content)
            self._area.seal_file(fd)
        finally:
            os.close(fd)
        self._entries[name] = entry

    def _make_directory(self, kind: str) -> list[str]:
        path = os.path.join(self._cache_dir, kind)
        made = make_directories(path)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise StateError(f"{path} is no directory, the image cache has one there", path=path)
        return made


class _Installation:
    """The renames of one installation, which are undone when the block fails."""

    def __init__(self, area: StagingArea, cache_dir: str, entries: dict[CacheFile, str]) -> None:
        self._area = area
        self._cache_dir = cache_dir
        self._entries = entries
        self._done: list[InstallCacheFile] = []

    def __enter__(self) -> _Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._undo()

    def keep(self) -> None:
        """Leave what was put into place where it is, whatever fails from here on."""
        self._done = []

    def run(self, steps: Sequence[InstallCacheFile]) -> None:
        """Rename each file into its place; what metadata speaks of is durable before the metadata is there."""
        for is_metadata in (False, True):
            part = [step for step in steps if (step.name.kind == MANIFESTS) == is_metadata]
            for step in part:
                with self._directory(step.name.kind) as fd:
                    self._area.place_file(self._entries[step.name], fd, step.name.file, step.replaces is not None)
                self._done.append(step)
            for kind in _kinds(part):
                self._sync(kind)

    def _undo(self) -> None:
        """Take back what was put into place, the last one first; one that cannot be taken back stops no other."""
        calls = [functools.partial(self._take_back, step) for step in reversed(self._done)]
        calls += [functools.partial(self._sync, kind) for kind in _kinds(self._done)]
        errors = []
        for call in calls:
            try:
                call()
            except OSError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]

    def _take_back(self, step: InstallCacheFile) -> None:
        with self._directory(step.name.kind) as fd:
            self._area.take_back(self._entries[step.name], fd, step.name.file, step.replaces is not None)

    def _sync(self, kind: str) -> None:
        with self._directory(kind) as fd:
            os.fsync(fd)

    @contextlib.contextmanager
    def _directory(self, kind: str) -> Iterator[int]:
        path = os.path.join(self._cache_dir, kind)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)


def _kinds(steps: Sequence[InstallCacheFile]) -> list[str]:
    return sorted({step.name.kind for step in steps})


def _require_there(cache_dir: str, sizes: Mapping[CacheFile, int]) -> None:
    """Check that files which the images share with the cache did not go or change while the archive was read."""
    for name, size in sorted(sizes.items()):
        target = look_at_target(cache_dir, name)
        if not target.is_file:
            raise _is_gone(target.path)
        if target.size_bytes != size:
            message = f"{target.path} has {target.size_bytes} bytes, though it had {size} when this run looked"
            raise StateError(message, path=target.path, found=target.size_bytes, wanted=size)


def _is_gone(path: str) -> StateError:
    return StateError(f"{path} is gone, though it was there when this run looked", path=path)
