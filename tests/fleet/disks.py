# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of hosts: files that hold a file system, mounted only where the host sees them, whose power can be cut."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from base_root import FleetError

KINDS = ("ext4", "xfs")

# linux/fs.h: _IOR('X', 125, __u32), known to XFS and ext4 alike; 2 means: and do not write the log.
_GOING_DOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_MIN_XFS_BYTES = 320 << 20
_DETACH_SECONDS = 20.0


@dataclass(frozen=True)
class Disk:
    """A file system of a host.

    Attributes:
        path: Where the host has it; ``/`` is what lies under its root.
        kind: ``ext4``, or ``xfs`` for one that shares blocks between files.
        size_bytes: Its size; the file that holds it is sparse.
    """

    path: str
    kind: str
    size_bytes: int

    @classmethod
    def parse(cls, text: str) -> Disk:
        """Return the disk that ``PATH=KIND:MEBIBYTES`` describes."""
        path, dummy, rest = text.partition("=")
        kind, dummy, mebibytes = rest.partition(":")
        if not path.startswith("/") or kind not in KINDS or not mebibytes.isdecimal():
            raise FleetError(f"a disk is written as /PATH={'|'.join(KINDS)}:MEBIBYTES, not as {text!r}")
        return cls(path, kind, int(mebibytes) << 20)

    @property
    def seen_at(self) -> str:
        """Return where the host has it mounted: a root made of layers hides the disk under it."""
        return "/run/fleet/root-disk" if self.path == "/" else self.path


def make_image(disk: Disk, image: Path) -> None:
    """Make the file that holds a disk."""
    with image.open("wb") as file:
        file.truncate(max(disk.size_bytes, _MIN_XFS_BYTES) if disk.kind == "xfs" else disk.size_bytes)
    # No reserve for root, so that full is full.
    options: list[str] = ["-m", "0"] if disk.kind == "ext4" else ["-m", "reflink=1"]
    command: list[str | Path] = [f"mkfs.{disk.kind}", "-q", *options, image]
    subprocess.run(command, check=True)


def cut_power(mount: Path) -> None:
    """Stop all writing to a mounted file system at once, so that whatever is not durable is lost."""
    fd = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, _GOING_DOWN, _NO_LOG_FLUSH)
    finally:
        os.close(fd)


def wait_until_detached(image: Path) -> None:
    """Wait until no loop device holds an image any more: the mounts of a host that has died go a moment later."""
    deadline = time.monotonic() + _DETACH_SECONDS
    command: list[str | Path] = ["losetup", "--noheadings", "--associated", image]
    while subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout:
        if time.monotonic() > deadline:
            raise FleetError(f"{image} is still in use {_DETACH_SECONDS:.0f} s after its host has gone")
        time.sleep(0.02)
