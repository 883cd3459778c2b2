# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small file systems of our own: to fill, to write-protect, and to cut the power of. They need root."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# linux/fs.h: _IOR('X', 125, __u32), known to XFS and ext4 alike; 2 means: and do not write the log.
_GOING_DOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_NEW_MOUNT_NAMESPACE = 0x00020000
# The smallest that mkfs.xfs makes, and what is enough for ext4; both files are sparse.
_IMAGE_BYTES = {"xfs": 320 << 20, "ext4": 24 << 20}


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Attributes:
        path: Where it is mounted.
        image: The file that holds it; None for a tmpfs.
    """

    path: Path
    image: Path | None

    def cut_power(self) -> None:
        """Stop all writing at once, so that whatever is not durable is lost."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _GOING_DOWN, _NO_LOG_FLUSH)
        finally:
            os.close(fd)

    def power_up(self) -> None:
        """Mount again what a power cut has left, when nobody uses the mount any more."""
        _run("umount", self.path)
        _run("mount", "-o", "loop", str(self.image), self.path)

    def flush(self) -> None:
        """Make everything on it durable."""
        _run("sync", "--file-system", self.path)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse all writing for a while."""
        _run("mount", "-o", "remount,ro", self.path)
        try:
            yield
        finally:
            _run("mount", "-o", "remount,rw", self.path)

    @contextlib.contextmanager
    def filled(self, free_bytes: int) -> Iterator[None]:
        """Leave only so many bytes of it free for a while."""
        filler = self.path / "filler"
        space = os.statvfs(self.path)
        filler_bytes = max(1, space.f_bavail * space.f_frsize - free_bytes)
        with filler.open("wb") as file:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), 0, filler_bytes)
                    break
                except OSError as exc:
                    # The file system needs blocks of its own to keep account of so many.
                    if exc.errno != errno.ENOSPC:
                        raise
                    filler_bytes -= space.f_frsize
        try:
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def mounted(file_system: str, directory: Path, size_bytes: int | None = None) -> Iterator[Mount]:
    """Make a file system and mount it, out of sight of other processes; it goes when the block or this process ends.

    Args:
        file_system: ``ext4``, ``xfs`` or ``tmpfs``.
        directory: Where its image and the mount point are made.
        size_bytes: Its size.
    """
    _hide_mounts()
    path = directory / f"{file_system}-mount"
    path.mkdir()
    image = None
    if file_system == "tmpfs":
        _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes or 24 << 20}", "tmpfs", path)
    else:
        image = directory / f"{file_system}-image"
        with image.open("wb") as file:
            file.truncate(size_bytes or _IMAGE_BYTES[file_system])
        # No reserve for root, so that full is full.
        _run(*(["mkfs.ext4", "-q", "-m", "0"] if file_system == "ext4" else ["mkfs.xfs", "-q"]), image)
        _run("mount", "-o", "loop", image, path)
    try:
        yield Mount(path, image)
    finally:
        _run("umount", "--lazy", path)
        path.rmdir()
        if image is not None:
            image.unlink()


def why_no_mounts() -> str | None:
    """Return why nothing can be mounted here, or None when it can."""
    missing = [name for name in ("mount", "umount", "mkfs.ext4", "mkfs.xfs") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        return f"missing: {', '.join(missing)}" if missing else "only root may mount"
    return None


def _hide_mounts() -> None:
    """Move this process into a mount namespace of its own; a second time that changes nothing that counts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNT_NAMESPACE) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _run("mount", "--make-rprivate", "/")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
