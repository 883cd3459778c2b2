# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that arrives in several runs: it grows beside its place under a name that says what it is to become.

The name carries the checksum, so that a later run finds what is there of the same content and goes on with it. Whoever
adds to it holds its flock. Unlike a staging area it outlives its process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator

from .._core.errors import StateError
from .digest_record import record_digest
from .directories import adopt_owner
from .linux import start_writeback
from .locking import leads_to, wait_for_lock
from .place import require_space
from .sparse_file import BUFFER_BYTES, Traffic, read_at, write_at

_CHECK_BYTES = 32 << 20  # how often the file system is asked for room, and the kernel to begin writing
_OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PartialFile:
    """A locked file that grows at its end.

    Attributes:
        size: How many bytes are there.
        is_hashed: Whether all of them passed through ``append``, so that their digest is known without reading them.

    Args:
        directory: Path of the directory that it stands in.
        directory_fd: Descriptor of that.
        name: Its name there.
        fd: Its descriptor, whose lock is held.
        traffic: Where the bytes are counted.
    """

    def __init__(self, directory: str, directory_fd: int, name: str, fd: int, traffic: Traffic) -> None:
        self._directory = directory
        self._directory_fd = directory_fd
        self._name = name
        self._fd = fd
        self._traffic = traffic
        self._unchecked_bytes = _CHECK_BYTES
        self._hash = hashlib.sha256()
        self._is_gone = False
        self.size = os.fstat(fd).st_size
        self.is_hashed = self.size == 0

    def require_space(self, needed_bytes: int) -> None:
        """Check that the file system has room for so many bytes.

        Raises:
            StateError: It has not.
        """
        require_space(self._directory_fd, needed_bytes)

    def append(self, view: memoryview) -> None:
        """Add bytes, and look now and then whether there is room for more.

        Raises:
            StateError: The file system is almost full.
        """
        self._unchecked_bytes -= len(view)
        if self._unchecked_bytes <= 0:
            self._require_more()
            start_writeback(self._fd, max(0, self.size - _CHECK_BYTES), _CHECK_BYTES)
            self._unchecked_bytes = _CHECK_BYTES
        if self.is_hashed:
            self._hash.update(view)
        write_at(self._fd, view, self.size)
        self.size += len(view)
        self._traffic.written += len(view)

    def _require_more(self) -> None:
        try:
            self.require_space(_CHECK_BYTES)
        except StateError:
            # Nobody mends a full disk that this file fills.
            self.discard()
            raise

    def truncate(self) -> None:
        """Start again."""
        os.ftruncate(self._fd, 0)
        self.size = 0
        self._hash = hashlib.sha256()
        self.is_hashed = True

    def digest(self) -> str:
        """Return the digest of all its bytes, which are read again when a part of them came in an earlier run."""
        if not self.is_hashed:
            self._hash = hashlib.sha256()
            buffer = memoryview(bytearray(BUFFER_BYTES))
            for start in range(0, self.size, BUFFER_BYTES):
                view = buffer[: self.size - start]
                read_at(self._fd, view, start)
                self._hash.update(view)
            self._traffic.read += self.size
            self.is_hashed = True
        return "sha256:" + self._hash.hexdigest()

    def place(self, target: str, mode: int, digest: str) -> None:
        """Make it durable and rename it to its place in the same directory.

        Raises:
            StateError: Its name leads to another file by now, or to none; what stands at its place is untouched.
            OSError: That is not possible; what stands there is untouched.
        """
        os.fchmod(self._fd, mode)
        record_digest(self._fd, digest)
        os.fsync(self._fd)
        # A rename goes by name. Who respects the lock leaves that alone, but not who removes files by hand.
        if not leads_to(self._name, self._fd, self._directory_fd):
            path = os.path.join(self._directory, self._name)
            raise StateError(f"{path} is not what this run has written, somebody has removed that", path=path)
        os.rename(self._name, target, src_dir_fd=self._directory_fd, dst_dir_fd=self._directory_fd)
        self._is_gone = True
        os.fsync(self._directory_fd)

    def discard(self) -> None:
        """Remove it, unless its name leads to another file by now."""
        if not self._is_gone and leads_to(self._name, self._fd, self._directory_fd):
            os.unlink(self._name, dir_fd=self._directory_fd)
        self._is_gone = True


@contextlib.contextmanager
def open_partial(directory: str, name: str, patience: float, traffic: Traffic) -> Iterator[PartialFile]:
    """Open or make a partial file, locked; one without a byte goes when the block ends.

    Args:
        directory: The directory that it stands in.
        name: Its name.
        patience: How long to wait for another process that adds to it, in seconds.
        traffic: Where the bytes are counted.

    Raises:
        StateError: Another process holds it for longer than that.
        OSError: It cannot be made or opened.
    """
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _open_locked(directory, directory_fd, name, patience)
        try:
            partial = PartialFile(directory, directory_fd, name, fd, traffic)
            try:
                yield partial
            except OSError as exc:
                if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                    partial.discard()
                raise
            finally:
                if partial.size == 0:
                    partial.discard()
        finally:
            os.close(fd)
    except OSError as exc:
        # A call that has descriptors knows a bare name, a number, or nothing at all.
        if not (isinstance(exc.filename, str) and os.path.isabs(exc.filename)):
            exc.filename = os.path.join(directory, name)
        raise
    finally:
        os.close(directory_fd)


def _open_locked(directory: str, directory_fd: int, name: str, patience: float) -> int:
    """Open the file when it is one that only this user or the directory's owner can have made; else make it anew."""
    path, owner = os.path.join(directory, name), os.fstat(directory_fd)
    while True:
        with contextlib.ExitStack() as unless_taken:
            fd = _open_or_make(path, directory_fd, owner)
            if fd is None:
                continue
            unless_taken.callback(os.close, fd)
            wait_for_lock(fd, path, patience)
            # Who held the lock may have put the file into its place meanwhile.
            if not leads_to(name, fd, directory_fd):
                continue
            if _is_own(fd, owner):
                unless_taken.pop_all()
                return fd
            # Nobody adds to it while its lock is held here.
            os.unlink(name, dir_fd=directory_fd)


def _is_own(fd: int, owner: os.stat_result) -> bool:
    found = os.fstat(fd)
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_nlink == 1
        and found.st_uid in (os.geteuid(), owner.st_uid)
        and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    )


def _open_or_make(path: str, directory_fd: int, owner: os.stat_result) -> int | None:
    """Return a descriptor of what is there, whatever it is, or of a new file; None when that changed meanwhile."""
    name = os.path.basename(path)
    # What may only be read can still be asked whether somebody adds to it.
    for mode in (os.O_RDWR, os.O_RDONLY):
        try:
            return os.open(name, mode | _OPEN_FLAGS, dir_fd=directory_fd)
        except PermissionError:
            continue
        except FileNotFoundError:
            return _make(name, directory_fd, owner)
        except OSError as exc:
            if exc.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise
            _unlink_planted(path, directory_fd)
            return None
    raise StateError(f"{path} is not open to user {os.geteuid()}, and another user's transfer may add to it", path=path)


def _unlink_planted(path: str, directory_fd: int) -> None:
    """Remove what no transfer can have left, for it cannot be opened by anybody."""
    name = os.path.basename(path)
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            raise StateError(f"{path} is a directory, an interrupted transfer leaves a file there", path=path)
        if not stat.S_ISREG(mode):
            os.unlink(name, dir_fd=directory_fd)


def _make(name: str, directory_fd: int, owner: os.stat_result) -> int | None:
    try:
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS, 0o600, dir_fd=directory_fd)
    except FileExistsError:
        return None
    try:
        adopt_owner(fd, owner)
    except OSError:
        os.close(fd)
        raise
    return fd
