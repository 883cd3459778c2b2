# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's directory on disk: its descriptor, and whether the upper beside it is the file that it describes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import FormatError, IntegrityError, MicrosandboxError, StateError, UnsupportedError
from .._core.json_fields import Fields
from .._core.strict_json import parse_json
from .._disk.regular_file import read_regular_file
from .._formats.descriptor import G2, G3, Descriptor
from .._formats.manifest_json import MANIFEST_FILE, MAX_MANIFEST_BYTES, UPPER_FILE, parse_manifest

_LATER_DESCRIPTOR = "snapshot.json"
_MIGRATED_MANIFEST = ".manifest.json.legacy"
_GROUP_FILE = "group.json"
_MAX_LATER_BYTES = 4 << 20
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CAPTURE_FILES = frozenset({UPPER_FILE, MANIFEST_FILE + ".tmp"})


@dataclass(frozen=True)
class Artifact:
    """A snapshot on disk, well formed; its content is not hashed.

    Attributes:
        path: The directory.
        descriptor: What identifies the snapshot.
        allocated_bytes: Bytes of the upper on disk, holes not counted.
    """

    path: str
    descriptor: Descriptor
    allocated_bytes: int

    @property
    def name(self) -> str:
        """Return the directory's base name, which is the snapshot's name."""
        return os.path.basename(self.path)


def observe_artifact(path: str) -> Artifact:
    """Open the artifact in a directory.

    Raises:
        StateError: There is no such directory.
        FormatError: The directory holds no descriptor, or a malformed one.
        IntegrityError: The upper is missing, no regular file, or of another size than described.
        UnsupportedError: The artifact is of a later generation.
    """
    fd = _open_directory(path)
    try:
        descriptor = parse_manifest(_read_descriptor(fd, path))
        upper = f"{path}/{descriptor.upper_file}"
        try:
            found = os.lstat(descriptor.upper_file, dir_fd=fd)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise IntegrityError(f"{upper} is missing, {MANIFEST_FILE} describes it", path=upper) from exc
            exc.filename = upper
            raise
        require_upper(found, upper, descriptor.upper_bytes)
    finally:
        os.close(fd)
    return Artifact(path, descriptor, found.st_blocks * 512)


def observe_descriptor(path: str) -> Descriptor:
    """Read the descriptor of an artifact without looking at its upper.

    Raises:
        StateError: There is no such directory.
        FormatError: The directory holds no descriptor, or a malformed one.
        UnsupportedError: The artifact is of a later generation.
    """
    with open_artifact_directory(path) as fd:
        return parse_manifest(_read_descriptor(fd, path))


def find_strangers(path: str) -> tuple[str, ...]:
    """Return the names of what lies in the directory of an artifact and is no part of it, sorted.

    Raises:
        MicrosandboxError: There is no artifact with a valid descriptor.
    """
    with open_artifact_directory(path) as fd:
        own = (MANIFEST_FILE, parse_manifest(_read_descriptor(fd, path)).upper_file)
        return tuple(sorted(name for name in os.listdir(fd) if name not in own))


def find_enclosing(path: str) -> str | None:
    """Return the artifact's directory that a path lies in at whatever depth, symlinks resolved, or None."""
    directory = os.path.realpath(path)
    while directory != "/":
        directory = os.path.dirname(directory)
        with contextlib.suppress(MicrosandboxError, OSError):
            observe_descriptor(directory)
            return directory
    return None


def require_upper(found: os.stat_result, upper: str, wanted_bytes: int) -> None:
    """Check that a file is a regular one of the size that its descriptor says.

    Raises:
        IntegrityError: It is not.
    """
    if not stat.S_ISREG(found.st_mode):
        raise IntegrityError(f"{upper} is no regular file", path=upper)
    if found.st_size != wanted_bytes:
        raise IntegrityError(
            f"{upper} has {found.st_size} bytes, its descriptor says {wanted_bytes}",
            path=upper,
            expected=wanted_bytes,
            actual=found.st_size,
        )


@contextlib.contextmanager
def open_artifact_directory(path: str) -> Iterator[int]:
    """Yield a descriptor of an artifact's directory, which may not be a symlink.

    Raises:
        StateError: There is no such directory.
    """
    fd = _open_directory(path)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def open_upper(artifact: Artifact) -> Iterator[int]:
    """Yield a descriptor of an artifact's upper for reading, and check that the file stays the same meanwhile.

    Raises:
        IntegrityError: The upper is no longer what the artifact describes.
        StateError: The upper changed while the block ran.
        OSError: It cannot be opened; the error has its whole path.
    """
    descriptor = artifact.descriptor
    upper = os.path.join(artifact.path, descriptor.upper_file)
    with open_artifact_directory(artifact.path) as directory_fd:
        try:
            fd = os.open(descriptor.upper_file, _FILE_FLAGS, dir_fd=directory_fd)
        except OSError as exc:
            exc.filename = upper
            raise
        try:
            before = os.fstat(fd)
            require_upper(before, upper, descriptor.upper_bytes)
            yield fd
            require_unchanged(before, os.fstat(fd), upper)
        finally:
            os.close(fd)


def require_unchanged(before: os.stat_result, after: os.stat_result, path: str) -> None:
    """Check that a file's device, inode, size, mtime and ctime are those of an earlier look.

    Raises:
        StateError: One of them differs.
    """
    changed = [
        name
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
        if getattr(before, name) != getattr(after, name)
    ]
    if changed:
        was, now = (", ".join(f"{name[3:]} {getattr(look, name)}" for name in changed) for look in (before, after))
        raise StateError(f"{path} changed while it was read: {was} before, {now} after", path=path)


def is_capture_leftover(path: str) -> bool:
    """Return whether a directory holds nothing but what an interrupted capture of microsandbox leaves."""
    try:
        with open_artifact_directory(path) as fd:
            return _CAPTURE_FILES.issuperset(os.listdir(fd))
    except StateError:
        return False


def _open_directory(path: str) -> int:
    try:
        return os.open(path, _DIRECTORY_FLAGS)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise StateError(f"there is no snapshot at {path}", path=path) from exc
        if exc.errno in (errno.ENOTDIR, errno.ELOOP):
            raise StateError(f"{path} is no directory, a snapshot is one", path=path) from exc
        raise


def _read_descriptor(directory_fd: int, path: str) -> bytes:
    content = _read_file(directory_fd, MANIFEST_FILE, path, MAX_MANIFEST_BYTES)
    if content is not None:
        return content
    if _exists(directory_fd, _GROUP_FILE):
        raise _later(path, "is a group of snapshots", G3)
    later = _read_file(directory_fd, _LATER_DESCRIPTOR, path, _MAX_LATER_BYTES)
    if later is None:
        raise FormatError(f"{path} holds no {MANIFEST_FILE}, which a snapshot has", path=path)
    fields = Fields(parse_json(later, what=_LATER_DESCRIPTOR, max_bytes=_MAX_LATER_BYTES), _LATER_DESCRIPTOR)
    generation = G2 if fields.optional_text("artifact") == "snapshot" else G3
    migrated = " migrated from G1" if _exists(directory_fd, _MIGRATED_MANIFEST) else ""
    raise _later(path, f"is a snapshot{migrated}", generation)


def _later(path: str, what: str, generation: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path} {what} of generation {generation}, this collection reads G1", path=path, generation=generation
    )


def _exists(directory_fd: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory_fd)
    except FileNotFoundError:
        return False
    return True


def _read_file(directory_fd: int, name: str, path: str, limit: int) -> bytes | None:
    """Return a file's content, or None when there is no such file."""
    try:
        return read_regular_file(f"{path}/{name}", limit, dir_fd=directory_fd)
    except FileNotFoundError:
        return None
