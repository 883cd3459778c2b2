# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes: BSD flock on a directory or a lock file, with patience."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from .._core.errors import StateError
from .directories import make_directories, remove_empty

_RETRY_SECONDS = 0.05


class LockFile(NamedTuple):
    """A lock file, and how to lock it.

    Attributes:
        path: Where it is.
        mode: The mode that it gets when it is missing.
        is_shared: Whether others may hold it as well, if they share it too.
    """

    path: str
    mode: int = 0o644
    is_shared: bool = False


@contextlib.contextmanager
def locked_directory(path: str, patience: float, create: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on a directory itself; no lock file is written.

    Args:
        path: The directory. When it is missing and not to be created, nothing is locked: there is nothing to protect.
        patience: How long to wait for another holder, in seconds.
        create: Make missing directories first. Those that are still empty when the block fails are removed again.

    Raises:
        StateError: Another process holds the lock for longer than that.
        OSError: The directory cannot be made or opened.
    """
    with contextlib.ExitStack() as undo:
        if create:
            undo.callback(remove_empty, make_directories(path))
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            if create:
                raise
            yield
            return
        try:
            wait_for_lock(fd, path, patience)
            yield
        finally:
            os.close(fd)
        undo.pop_all()


def wait_for_lock(fd: int, what: str, patience: float) -> None:
    """Take an exclusive flock on an open descriptor, which its closing releases.

    Raises:
        StateError: Another process holds it for longer than ``patience`` seconds.
    """
    _wait_while_busy(lambda: None if try_lock(fd) else what, patience)


@contextlib.contextmanager
def locked_files(files: Sequence[LockFile], patience: float) -> Iterator[None]:
    """Hold flocks on lock files, which are made when they are missing and stay.

    While one of them is waited for, none is held.

    Args:
        files: The lock files; their directories exist.
        patience: How long to wait for all of them together, in seconds.

    Raises:
        StateError: Another process holds one of them for longer than that, or one is no regular file.
        OSError: A lock file cannot be made or opened.
    """
    with contextlib.ExitStack() as stack:
        _wait_while_busy(lambda: _take_all(files, stack), patience)
        yield


def _take_all(files: Sequence[LockFile], stack: contextlib.ExitStack) -> str | None:
    """Take all locks for a stack to release, or none, and return which one is not to be had."""
    with contextlib.ExitStack() as taken:
        for file in files:
            fd = try_lock_file(file)
            if fd is None:
                return file.path
            taken.callback(os.close, fd)
        stack.enter_context(taken.pop_all())
    return None


def try_lock_file(file: LockFile) -> int | None:
    """Take the flock on a lock file if no other holder is in its way; closing the descriptor releases it.

    Raises:
        StateError: It is no regular file.
        OSError: It cannot be made or opened.
    """
    while True:
        with contextlib.ExitStack() as opened:
            fd = open_lock_file(file.path, file.mode)
            opened.callback(os.close, fd)
            if not try_lock(fd, file.is_shared):
                return None
            # Whoever prunes lock files may have removed it before it was locked.
            if leads_to(file.path, fd):
                opened.pop_all()
                return fd


def leads_to(name: str, fd: int, dir_fd: int | None = None) -> bool:
    """Return whether a name still leads to an open file: a lock on what was renamed or removed keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _wait_while_busy(take: Callable[[], str | None], patience: float) -> None:
    """Call ``take`` until it names nothing that is busy, but no longer than ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        busy = take()
        if busy is None:
            return
        if time.monotonic() >= deadline:
            raise StateError(
                f"{busy} is locked by another process, for longer than the {patience:g} seconds to wait",
                path=busy,
                waited_seconds=patience,
            )
        time.sleep(_RETRY_SECONDS)


def try_lock(fd: int, is_shared: bool = False) -> bool:
    """Take a flock on an open descriptor if no other holder is in its way, and return whether it was taken."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def open_lock_file(path: str, mode: int = 0o644) -> int:
    """Open a lock file, and make it when it is missing, for the owner of its directory to use as well.

    Neither it nor its directory may be a symlink.

    Raises:
        StateError: Something else than a regular file is there.
        OSError: It cannot be made or opened.
    """
    directory, name = os.path.split(path)
    try:
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise StateError(f"{directory} is no directory, lock files are in one", path=directory) from exc
        raise
    try:
        fd = _make_or_open(name, mode, directory_fd)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise StateError(f"{path} is no regular file, a lock file is one", path=path) from exc
        exc.filename = path
        raise
    finally:
        os.close(directory_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StateError(f"{path} is no regular file, a lock file is one", path=path)
    return fd


def _make_or_open(name: str, mode: int, directory_fd: int) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        # Whoever prunes lock files may remove it between any two steps.
        with contextlib.suppress(FileNotFoundError):
            return os.open(name, flags, dir_fd=directory_fd)
        with contextlib.suppress(FileExistsError):
            fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=directory_fd)
            break
    try:
        if os.geteuid() == 0:
            owner = os.fstat(directory_fd)
            os.fchown(fd, owner.st_uid, owner.st_gid)
    except OSError:
        os.close(fd)
        raise
    return fd
