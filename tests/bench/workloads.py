# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workloads: uppers with known amounts of data in a known apparent size, the same on every run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20
_GIB = 1 << 30
_SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_PATTERN_UNIT = 4096


@dataclass(frozen=True)
class Workload:
    """An upper to measure with.

    Attributes:
        name: Its short name in the tables.
        title: What it stands for.
        apparent_bytes: Size with holes.
        data_bytes: How much of that is data, roughly.
    """

    name: str
    title: str
    apparent_bytes: int
    data_bytes: int


def workloads(scale: float) -> dict[str, Workload]:
    """Return the four workloads, their sizes multiplied by a factor and rounded to 128 MiB apparent."""

    def scaled(name: str, title: str, apparent: int, data: int) -> Workload:
        size = max(1, round(apparent * scale / (128 * _MIB))) * 128 * _MIB
        return Workload(name, title, size, int(data * scale))

    found = (
        scaled("W1", "a fresh sandbox", 4 * _GIB, int(1.4 * _MIB)),
        scaled("W2", "typical: installed Python packages, many files", 8 * _GIB, 2_000_000_000),
        scaled("W3", "incompressible", 4 * _GIB, 3_200_000_000),
        scaled("W4", "fragmented: 64 KiB of data in every MiB", 4 * _GIB, 268_435_456),
    )
    return {workload.name: workload for workload in found}


def make_image(workload: Workload, directory: Path, packages: Path) -> Path:
    """Return the workload's upper, made in the directory when it is not there yet.

    Args:
        workload: Which one.
        directory: Where it is kept.
        packages: Site packages to fill the typical workload with.
    """
    image = directory / f"{workload.name}-{workload.apparent_bytes // _MIB}.ext4"
    if not image.exists():
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = image.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with unfinished.open("xb") as file:
            file.truncate(workload.apparent_bytes)
        if workload.name == "W4":
            write_pattern(unfinished, workload.apparent_bytes, 64 << 10, _MIB)
        else:
            _format(unfinished, workload, packages)
        os.sync()
        unfinished.rename(image)
    return image


def write_pattern(image: Path, apparent_bytes: int, piece: int, stride: int) -> None:
    """Lay pieces of half compressible data out in a file at regular distances."""
    noise = random.Random(4)  # noqa: S311 - no secret, the same bytes on every run
    with image.open("r+b") as file:
        file.truncate(apparent_bytes)
        for at in range(0, apparent_bytes - piece + 1, stride):
            unit = noise.randbytes(_PATTERN_UNIT // 2) + b"the other half is text" * (_PATTERN_UNIT // 44)
            unit = unit.ljust(_PATTERN_UNIT, b".")
            os.pwrite(file.fileno(), unit * (piece // _PATTERN_UNIT), at)


def _format(image: Path, workload: Workload, packages: Path) -> None:
    """Format an image as ext4 that holds a tree of files."""
    mkfs = shutil.which("mkfs.ext4", path=_SEARCH)
    if mkfs is None:
        raise SystemExit("the benchmark needs mkfs.ext4 (Debian and Ubuntu: apt install e2fsprogs)")
    tree = image.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    fill: dict[str, Callable[[], None]] = {
        "W1": lambda: _write_files(tree, workload.data_bytes // 2, _text()),
        "W2": lambda: _copy_packages(tree, workload.data_bytes, packages),
        "W3": lambda: _write_files(tree, workload.data_bytes, _noise()),
    }
    fill[workload.name]()
    # A journal would be 64 MiB of allocated zeros that no sandbox has written.
    subprocess.run([mkfs, "-q", "-F", "-O", "^has_journal", "-d", tree, image], check=True)
    shutil.rmtree(tree)


def _text() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield b"".join(b"option_%d_%d = value %d\n" % (number, line, line * number) for line in range(2000))


def _noise() -> Iterator[bytes]:
    noise = random.Random(3)  # noqa: S311
    while True:
        yield noise.randbytes(4 * _MIB)


def _write_files(tree: Path, size: int, contents: Iterator[bytes]) -> None:
    for number, content in enumerate(contents):
        if size <= 0:
            return
        (tree / f"file-{number}").write_bytes(content[:size])
        size -= len(content)


def _copy_packages(tree: Path, size: int, packages: Path) -> None:
    """Copy installed packages again and again: no zstd window of these levels reaches from one copy to the next."""
    sources = [Path(sysconfig.get_path("stdlib")), packages]
    left, number = size, 0
    while left > 0:
        for source in sources:
            for path in sorted(source.rglob("*")):
                if left <= 0 or not path.is_file() or path.is_symlink():
                    continue
                target = tree / f"{number}" / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                left -= max(_PATTERN_UNIT, -(-path.stat().st_size // _PATTERN_UNIT) * _PATTERN_UNIT)
            number += 1
