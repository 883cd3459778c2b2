# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build beside, make durable, rename into place: how every directory and file of ours comes to be.

A staging area is a hidden directory in the directory that the result will stand in, so that a rename can carry the
result over. Its name is random, its mode 0700, and its flock is held while its process lives: an area whose lock is
free belongs to a dead run. All work below it goes through directory descriptors, never through a path that another
user could swap.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

from .._core.errors import StateError
from .directories import adopt_owner, make_directory
from .linux import exchange, rename_new
from .locking import try_lock
from .tree_removal import remove_tree

STAGING_PREFIX = ".sandboxops-staging-"
_ASIDE_PREFIX = "aside-"
_KEPT_PREFIX = "kept-"
_FILE_MODE = 0o644
_DIRECTORY_MODE = 0o755
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class StagingArea:
    """A directory of this process beside the place where the result will stand.

    Attributes:
        path: Its path, for messages.
        fd: Descriptor of the area, whose lock is held.
        parent_fd: Descriptor of the directory that it stands in.
    """

    def __init__(self, path: str, fd: int, parent_fd: int) -> None:
        self.path = path
        self.fd = fd
        self.parent_fd = parent_fd
        self._owner = os.fstat(parent_fd)

    def make_directory(self, name: str) -> int:
        """Create a directory in the area and return a descriptor of it, which the caller closes."""
        return make_directory(name, _DIRECTORY_MODE, self.fd)

    def create_file(self, name: str, directory_fd: int | None = None) -> int:
        """Create an empty file, readable by its owner only, and return a descriptor for reading and writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self.fd if directory_fd is None else directory_fd)

    def seal_file(self, fd: int, mode: int = _FILE_MODE) -> None:
        """Give a finished file its mode and owner, and make it durable."""
        os.fchmod(fd, mode)
        adopt_owner(fd, self._owner)
        os.fsync(fd)

    def seal_directory(self, fd: int) -> None:
        """Give a finished directory its mode and owner, and make its entries durable."""
        os.fchmod(fd, _DIRECTORY_MODE)
        adopt_owner(fd, self._owner)
        os.fsync(fd)

    def promote(self, name: str, target: str) -> None:
        """Rename an entry of the area to a name beside the area that nobody has yet, durably.

        Raises:
            StateError: The name exists by now.
            OSError: It cannot be made durable; the entry is back in the area.
        """
        try:
            rename_new(self.fd, name, self.parent_fd, target)
        except FileExistsError as exc:
            place = os.path.join(os.path.dirname(self.path), target)
            raise StateError(f"{place} exists, though it did not when this run looked", path=place) from exc
        try:
            os.fsync(self.parent_fd)
        except OSError:
            os.rename(target, name, src_dir_fd=self.parent_fd, dst_dir_fd=self.fd)
            raise

    def replace(self, name: str, target: str) -> None:
        """Put an entry of the area in the place of what stands beside the area, which moves into the area, durably.

        Where the file system cannot swap two names in one step, the old entry is first moved aside under a name from
        which it comes back when the new one does not get into place: with the end of the area, or by ``sweep`` if this
        process dies.
        """
        is_exchanged = exchange(self.fd, name, self.parent_fd, target)
        if not is_exchanged:
            os.rename(target, _ASIDE_PREFIX + target, src_dir_fd=self.parent_fd, dst_dir_fd=self.fd)
            rename_new(self.fd, name, self.parent_fd, target)
        try:
            os.fsync(self.parent_fd)
        except OSError:
            if is_exchanged:
                exchange(self.fd, name, self.parent_fd, target)
            else:
                os.rename(target, name, src_dir_fd=self.parent_fd, dst_dir_fd=self.fd)
            raise

    def replace_file(self, name: str, target: str) -> None:
        """Rename a file of the area over what stands beside the area, or to a free name, durably."""
        os.rename(name, target, src_dir_fd=self.fd, dst_dir_fd=self.parent_fd)
        os.fsync(self.parent_fd)

    def place_file(self, name: str, directory_fd: int, target: str, replace: bool) -> None:
        """Rename a file of the area to a name in another directory; the caller makes it durable.

        What it replaces stays in the area, so that ``take_back`` can bring it back.

        Raises:
            StateError: The name exists, and is not to be replaced.
        """
        if replace:
            os.link(target, _KEPT_PREFIX + name, src_dir_fd=directory_fd, dst_dir_fd=self.fd, follow_symlinks=False)
            os.rename(name, target, src_dir_fd=self.fd, dst_dir_fd=directory_fd)
            return
        try:
            rename_new(self.fd, name, directory_fd, target)
        except FileExistsError as exc:
            raise StateError(f"{target} exists, though it did not when this run looked", path=target) from exc

    def take_back(self, name: str, directory_fd: int, target: str, replaced: bool) -> None:
        """Undo ``place_file``; the caller makes it durable."""
        if replaced:
            os.rename(_KEPT_PREFIX + name, target, src_dir_fd=self.fd, dst_dir_fd=directory_fd)
        else:
            os.rename(target, name, src_dir_fd=directory_fd, dst_dir_fd=self.fd)

    def withdraw(self, target: str) -> None:
        """Move what stands beside the area into the area, durably; it goes when the area goes."""
        os.rename(target, "withdrawn", src_dir_fd=self.parent_fd, dst_dir_fd=self.fd)
        os.fsync(self.parent_fd)


@contextlib.contextmanager
def staging_area(parent: str) -> Iterator[StagingArea]:
    """Make a staging area in a directory, and remove it with all it still holds when the block ends.

    Raises:
        StateError: Somebody has put another directory into its place.
        OSError: The directory is missing or cannot be written. When an entry that was moved aside cannot be brought
            back, the area stays for ``sweep``.
    """
    parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = STAGING_PREFIX + secrets.token_hex(8)
        fd = _make_area(os.path.join(parent, name), parent_fd)
        try:
            try:
                if not try_lock(fd):
                    raise StateError(f"{os.path.join(parent, name)} is locked by another process", path=parent)
                adopt_owner(fd, os.fstat(parent_fd))
                yield StagingArea(os.path.join(parent, name), fd, parent_fd)
            finally:
                os.close(fd)
        finally:
            clear_area(name, parent_fd)
    except OSError as exc:
        # A call that has descriptors knows a bare name, a number, or nothing at all.
        if not (isinstance(exc.filename, str) and os.path.isabs(exc.filename)):
            exc.filename = parent
        raise
    finally:
        os.close(parent_fd)


def _make_area(path: str, parent_fd: int) -> int:
    fd = make_directory(os.path.basename(path), 0o700, parent_fd)
    if os.listdir(fd):
        # The owner of the directory has put another one there, which is neither to be given away nor to be cleared.
        os.close(fd)
        raise StateError(f"{path} is another directory than the one that this run has made", path=path)
    return fd


def clear_area(name: str, parent_fd: int) -> None:
    """Remove a staging area, but first bring back what was moved aside and not replaced, durably."""
    try:
        area_fd = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    try:
        for entry in os.listdir(area_fd):
            if entry.startswith(_ASIDE_PREFIX):
                with contextlib.suppress(FileExistsError):
                    rename_new(area_fd, entry, parent_fd, entry[len(_ASIDE_PREFIX) :])
                    os.fsync(parent_fd)
    finally:
        os.close(area_fd)
    remove_tree(name, parent_fd)
