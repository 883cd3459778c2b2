# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse files, zstd as hosts have it, other processes, and file systems that the machine's own does not stand for."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

# This file is read before the collection can be imported.
_DISK = "ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk"
_STANDARD = ("compression", "compression.zstd", "backports", "backports.zstd")
# What a host with the one library lacks.
_LACKING = {
    "zstandard": _STANDARD,
    "standard library": ("zstandard",),
    "neither": ("zstandard", *_STANDARD),
}
_MIB = 1 << 20


class Zstd:
    """zstd as a host has it.

    Args:
        library: The one that the host has: ``zstandard``, ``standard library`` or ``neither``.
    """

    def __init__(self, library: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name in _LACKING[library]:
                patch.setitem(sys.modules, name, None)
            self.adapter = _import_anew("zstd")
            patch.setitem(sys.modules, f"{_DISK}.zstd", self.adapter)
            self.FrameReader = _import_anew("frame_reader").FrameReader
            self.FrameWriter = _import_anew("frame_writer").FrameWriter

    def compress(self, content: bytes, level: int = 3, threads: int = 1, chunk: int = _MIB) -> bytes:
        """Return the frame of a stream whose length is known."""
        frame = bytearray()
        writer = self.FrameWriter(level, threads, len(content), frame.extend)
        for start in range(0, len(content), chunk):
            writer.put(memoryview(content)[start : start + chunk])
        writer.finish()
        return bytes(frame)

    def compress_open_ended(self, parts: list[bytes | int], level: int = 3, threads: int = 1) -> bytes:
        """Return a frame of parts, numbers among them for so many zeros."""
        frame = bytearray()
        writer = self.FrameWriter(level, threads, None, frame.extend)
        for part in parts:
            if isinstance(part, int):
                writer.put_zeros(part)
            else:
                writer.put(memoryview(part))
        writer.finish()
        return bytes(frame)

    def decompress(self, source: Any, chunk: int = _MIB) -> bytes:
        """Return the content of the frame that comes next."""
        reader, pieces = self.FrameReader(source), []
        while True:
            piece = bytearray(chunk)
            count = reader.read_into(memoryview(piece))
            pieces.append(bytes(piece[:count]))
            if count < chunk:
                return b"".join(pieces)

    @staticmethod
    def source_of(compressed: bytes) -> Any:
        """Return a file of these bytes to read from."""
        with tempfile.TemporaryFile() as file:
            file.write(compressed)
            file.seek(0)
            return importlib.import_module(f"{_DISK}.byte_source").ByteSource(os.dup(file.fileno()))


def _import_anew(name: str) -> Any:
    spec = importlib.util.find_spec(f"{_DISK}.{name}")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="session")
def zstd_of() -> Callable[[str], Zstd]:
    """Return zstd as a host with one library has it; a test of a library that this Python lacks is skipped."""

    def import_zstd(library: str) -> Zstd:
        found = Zstd(library)
        if found.adapter.backend() is None and library != "neither":
            pytest.skip(f"this Python has no zstd from the {library}")
        return found

    return import_zstd


@pytest.fixture(params=["zstandard", "standard library"])
def zstd(request: pytest.FixtureRequest, zstd_of: Callable[[str], Zstd]) -> Zstd:
    """Return zstd as a host with this library has it."""
    return zstd_of(request.param)


@pytest.fixture(scope="session")
def by_program() -> Callable[..., bytes]:
    """Let the zstd program work on bytes, with some options."""

    def run(content: bytes, *options: str) -> bytes:
        return subprocess.run(["zstd", "-qc", *options], input=content, stdout=subprocess.PIPE, check=True).stdout

    return run


@pytest.fixture(scope="session")
def content() -> bytes:
    """Some MiB that compress a little, with zeros between."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() + b"words, words " * 3 for number in range(30000))
    return noise[:_MIB] + bytes(2 * _MIB) + noise[_MIB:] + bytes(12345)


@pytest.fixture
def environment(collections_path: Path) -> dict[str, str]:
    """The environment of a process that is to find the collection."""
    return {**os.environ, "PYTHONPATH": str(collections_path)}


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
    with tempfile.TemporaryDirectory(prefix="sandboxops-test-", dir=parent) as directory:
        yield Path(directory)
