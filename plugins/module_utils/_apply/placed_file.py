# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding the pieces of a file that comes from the controller, and removing files."""

from __future__ import annotations

import os
import stat

from .._core.errors import IntegrityError, StateError
from .._disk.locking import leads_to, wait_for_lock
from .._disk.partial_file import PartialFile
from .._disk.sparse_file import BUFFER_BYTES, read_at
from .._plan.placed_file import RemoveFile, WantedFile
from .._plan.plan import Plan


def apply_piece(partial: PartialFile, wanted: WantedFile, piece: str, offset: int, needs_bytes: int) -> bool:
    """Add a piece to a file, remove it, and put the file into its place when it is whole; return whether it is.

    A piece that belongs elsewhere than at the end is dropped: another run has added it, or taken it away.

    Args:
        partial: What is there of the file.
        wanted: The file.
        piece: Path of the piece.
        offset: Where its bytes belong.
        needs_bytes: Space that has to remain beyond the file.

    Raises:
        IntegrityError: All bytes are there, and are not what the checksum names.
        StateError: There is no room, or the piece is no regular file.
    """
    size_bytes = wanted.size_bytes or 0
    fd = os.open(piece, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise StateError(f"{piece} is no regular file, a piece is one", path=piece)
        if offset == partial.size:
            partial.require_space(max(0, size_bytes - partial.size) + needs_bytes)
            _add(partial, fd, min(found.st_size, size_bytes - offset))
    finally:
        os.close(fd)
    if partial.size < size_bytes:
        return False
    digest = partial.digest()
    if digest != wanted.checksum:
        raise IntegrityError(
            f"what came for {wanted.path} has the checksum {digest}, wanted {wanted.checksum}",
            path=wanted.path,
            expected=wanted.checksum,
            actual=digest,
        )
    partial.place(os.path.basename(wanted.path), wanted.mode, digest)
    return True


def _add(partial: PartialFile, fd: int, length: int) -> None:
    buffer = memoryview(bytearray(BUFFER_BYTES))
    for start in range(0, length, BUFFER_BYTES):
        view = buffer[: length - start]
        read_at(fd, view, start)
        partial.append(view)


def apply_removals(plan: Plan, patience: float) -> bool:
    """Remove the files of a plan, durably; one that a transfer adds to is waited for.

    Returns:
        Whether they were all there until they were removed. One that was not may have got into its place meanwhile,
        where the plan did not expect it.

    Raises:
        StateError: A transfer goes on for longer than ``patience`` seconds.
        OSError: One of them cannot be removed.
    """
    were_there = True
    for step in plan.steps:
        if isinstance(step, RemoveFile):
            were_there = _remove(step.path, patience) and were_there
    return were_there


def _remove(path: str, patience: float) -> bool:
    """Remove a file, and return whether it was still there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        # A link, a socket, or a file that others may not read: nobody can be asked whether it is in use.
        os.unlink(path)
    else:
        try:
            wait_for_lock(fd, path, patience)
            if not leads_to(path, fd):
                return False
            os.unlink(path)
        finally:
            os.close(fd)
    directory_fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
    return True
