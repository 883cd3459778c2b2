# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse files, and file systems that the machine's own does not stand for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest


@pytest.fixture
def sparse_file(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Make a sparse file of a size with the chunks at their offsets, and return its descriptor."""
    with contextlib.ExitStack() as opened:

        def make(size: int, *chunks: tuple[int, bytes], directory: Path = tmp_path) -> int:
            path = directory / f"sparse-{len(list(directory.iterdir()))}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            opened.callback(os.close, fd)
            os.truncate(fd, size)
            for offset, content in chunks:
                assert os.pwrite(fd, content, offset) == len(content)
            return fd

        yield make


@pytest.fixture(scope="session")
def reflink_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on an XFS of its own, whose files can share blocks."""
    directory = tmp_path_factory.mktemp("xfs")
    image, mount = directory / "image", directory / "mount"
    make = shutil.which("mkfs.xfs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if os.geteuid() != 0 or make is None:
        pytest.skip("mounting a file system with reflinks needs root and mkfs.xfs")
    with image.open("wb") as file:
        file.truncate(320 << 20)
    mount.mkdir()
    subprocess.run([make, "-q", "-m", "reflink=1", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, mount], check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no image: {mounted.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)
        image.unlink()


@pytest.fixture
def memory_directory() -> Iterator[Path]:
    """A directory on a tmpfs, which is another file system than that of the other files."""
    parent = Path("/dev/shm")
    if not os.access(parent, os.W_OK):
        pytest.skip("/dev/shm is the tmpfs of this test, and is missing here")
    directory = parent / f"sandboxops-test-{os.getpid()}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
