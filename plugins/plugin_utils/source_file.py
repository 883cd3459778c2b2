# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file on the controller that goes to hosts: hashed once for all of them, and cut into pieces."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import is_sha256
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import own_recorded_digest

_BUFFER_BYTES = 1 << 20
_COPY_BYTES = 16 << 20


class TemporaryPiece(NamedTuple):
    """A temporary file on the controller for one piece after the other.

    Attributes:
        fd: Its descriptor.
        path: Its path.
    """

    fd: int
    path: str


class SourceFile:
    """An open file.

    Attributes:
        path: Its path.
        fd: Its descriptor.
        size: Its size.

    Args:
        path: Its path.
        fd: Its descriptor.
        temporary: Directory for temporary files, which all processes of this run of Ansible share.
    """

    def __init__(self, path: str, fd: int, temporary: str) -> None:
        self.path = path
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self._temporary = temporary

    def prefix_digest(self, length: int) -> str:
        """Return the digest of the first bytes."""
        running = hashlib.sha256()
        for start in range(0, length, _BUFFER_BYTES):
            running.update(os.pread(self.fd, min(_BUFFER_BYTES, length - start), start))
        return f"sha256:{running.hexdigest()}"

    def digest(self) -> str:
        """Return the digest of the whole, which only the first process of a run computes.

        A digest that this user has recorded with the file is believed. The host hashes what it gets, but one that has
        such a file already gets nothing.
        """
        recorded = own_recorded_digest(self.fd)
        if recorded is not None:
            return recorded
        found = os.fstat(self.fd)
        key = f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"
        with open(os.path.join(self._temporary, f"sandboxops-digest-{key}"), "a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = file.read()
            if is_sha256(known):
                return known
            digest = self.prefix_digest(self.size)
            file.truncate(0)
            file.write(digest)
        return digest

    def piece(self, offset: int, length: int, own: TemporaryPiece) -> str:
        """Return the path of a file that holds a part of this one: a temporary one, or the file when that is all.

        Raises:
            StateError: The file has become shorter.
        """
        if length == self.size:
            return self.path
        os.ftruncate(own.fd, 0)
        copied = 0
        while copied < length:
            count = _copy_range(self.fd, own.fd, min(_COPY_BYTES, length - copied), offset + copied, copied)
            if not count:
                raise StateError(f"{self.path} shrank while it was read", path=self.path)
            copied += count
        return own.path


@contextmanager
def open_source(path: str, temporary: str) -> Iterator[SourceFile]:
    """Open a regular file on the controller.

    Raises:
        StateError: It is no regular file.
        OSError: It cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StateError(f"{path} is no regular file", path=path)
        yield SourceFile(path, fd, temporary)
    finally:
        os.close(fd)


@contextmanager
def temporary_piece(temporary: str) -> Iterator[TemporaryPiece]:
    """Make an empty file for pieces, and remove it when the block ends."""
    fd, path = tempfile.mkstemp(prefix="sandboxops-piece-", dir=temporary)
    try:
        yield TemporaryPiece(fd, path)
    finally:
        os.close(fd)
        with suppress(FileNotFoundError):
            os.unlink(path)


def require_source(source: SourceFile, checksum: str, size_bytes: int | None) -> None:
    """Check that a file is what a task says that it is, before any of it moves.

    Raises:
        IntegrityError: It is not.
    """
    pairs: list[tuple[str, object, object]] = []
    if size_bytes not in (None, source.size):
        pairs.append(("size", source.size, size_bytes))
    else:
        pairs.append(("checksum", source.digest(), checksum))
    for what, actual, expected in pairs:
        if actual != expected:
            raise IntegrityError(
                f"{source.path} on the controller has the {what} {actual}, wanted {expected}",
                path=source.path,
                expected=expected,
                actual=actual,
            )


def _copy_range(source_fd: int, target_fd: int, length: int, source_offset: int, target_offset: int) -> int:
    """Copy inside the kernel where it can, else through one buffer."""
    try:
        return os.copy_file_range(source_fd, target_fd, length, source_offset, target_offset)
    except OSError:
        return os.pwrite(target_fd, os.pread(source_fd, min(length, _BUFFER_BYTES), source_offset), target_offset)
