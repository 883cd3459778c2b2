# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every contender of a workload in turn, round after round, and check what each produced."""

from __future__ import annotations

import filecmp
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contenders import (
    ANSIBLE,
    EXPORT_DENSE,
    EXPORT_SPARSE,
    HASHLIB,
    MODULE,
    OURS,
    VERIFY,
    Entry,
    Scene,
    entries,
)
from measured import Cost, run

_CHUNK_BYTES = 1 << 20
_READ_SUFFIXES = (".ext4", ".erofs", ".zst", ".msb")
_ALLOCATED_FACTOR = 1.02
_SLACK_BYTES = 1 << 16  # what a file system may add to a small file for its own maps
_VERIFIED = "verified"


def measure_jobs(scene: Scene, rounds: int, keep: Callable[[str, Any], None], check: bool, only: str = "") -> int:
    """Run all contenders job by job, and return how many products were checked.

    Our products are checked in the first round in any case.

    Args:
        scene: The workload.
        rounds: How often each contender runs.
        keep: Takes the figures of each job, by contender, once it is measured.
        check: Also check the products of the others.
        only: Measure the jobs whose names begin like this.

    Raises:
        SystemExit: A product is not what it must be.
    """
    checked = 0
    warm(scene.directory)
    source = scene.image.stat()
    keep("source", {"apparent": source.st_size, "allocated": source.st_blocks * 512})

    def look(entry: Entry, cost: Cost, is_first: bool) -> int | None:
        nonlocal checked
        product = scene.product()
        if is_first and (check or entry.who in (OURS, MODULE)):
            checked += _check(scene, entry, product, cost.answer)
        return product.stat().st_blocks * 512 if product else None

    for job, rivals in itertools.groupby(entries(scene), key=lambda entry: entry.job):
        if job.startswith(only):
            keep(job, measure_rivals(list(rivals), rounds, scene.clear, look))
            print(f"{scene.workload.name}: {job}", file=sys.stderr, flush=True)
    scene.clear()
    return checked


def measure_rivals(
    rivals: list[Entry], rounds: int, clear: Callable[[], None], look: Callable[[Entry, Cost, bool], int | None]
) -> dict[str, Any]:
    """Run the contenders of a job in turn, round after round, and return the figures of each.

    Whoever begins a round pays for the removal of what the round before it left, so each round begins with the next.

    Args:
        rivals: The contenders.
        rounds: How often each runs.
        clear: Removes what the last run produced.
        look: Takes the contender, what its run cost and whether this is the first round; returns how many bytes of
            the disk its product takes, or None without one.
    """
    figures: dict[str, Any] = {}
    for number in range(rounds):
        first = number % len(rivals)
        for entry in rivals[first:] + rivals[:first]:
            clear()
            cost = run(entry.command, entry.env, entry.text)
            allocated = look(entry, cost, number == 0)
            empty = {"seconds": [], "process": [], "cpu": [], "peak": [], "load": [], "allocated": allocated}
            found = figures.setdefault(entry.who, empty)
            found["seconds"].append(cost.seconds)
            found["process"].append(cost.process_seconds)
            found["cpu"].append(cost.cpu_seconds)
            found["peak"].append(cost.peak_bytes)
            found["load"].append(os.getloadavg()[0])
    return {entry.who: figures[entry.who] for entry in rivals}


def warm(directory: Path) -> None:
    """Read everything that the contenders read into the page cache."""
    for path in directory.rglob("*"):
        if not path.is_file() or path.suffix not in _READ_SUFFIXES:
            continue
        with path.open("rb", buffering=0) as file:
            for start, end in data_ranges(file.fileno()):
                for at in range(start, end, _CHUNK_BYTES):
                    os.pread(file.fileno(), min(_CHUNK_BYTES, end - at), at)


def _check(scene: Scene, entry: Entry, product: Path | None, answer: dict[str, Any]) -> bool:
    """Check what a contender produced or answered, and return whether there was something to check.

    What a foreign program exports is checked by importing it, which the other jobs do. The library's job of verifying
    and the programs of microsandbox end with an error themselves where the content is not what was recorded.
    """
    where = f"{scene.workload.name}: {entry.job} by {entry.who}"
    if entry.who == HASHLIB:
        return False
    if entry.job == VERIFY:
        if entry.who == MODULE:
            _require_verified(answer, where)
        return entry.who == MODULE
    if product is None:
        raise SystemExit(f"{where} produced nothing")
    if entry.job in (EXPORT_DENSE, EXPORT_SPARSE):
        if entry.who not in (OURS, MODULE, ANSIBLE):
            return False
        if not filecmp.cmp(product, scene.archive("dense" if entry.job == EXPORT_DENSE else "sparse"), shallow=False):
            raise SystemExit(f"{where} wrote other bytes than before")
        return True
    require_same_content(scene.image, product, where)
    if entry.who in (OURS, MODULE, ANSIBLE):
        source, taken = scene.image.stat().st_blocks * 512, product.stat().st_blocks * 512
        if taken > source * _ALLOCATED_FACTOR + _SLACK_BYTES:
            raise SystemExit(f"{where} takes {taken} bytes of disk, the source {source}")
    return True


def _require_verified(answer: dict[str, Any], where: str) -> None:
    """Check that snapshot_info found the content of its one snapshot to be what was recorded."""
    states = [snapshot["upper"]["integrity"]["state"] for snapshot in answer["snapshots"]]
    if states != [_VERIFIED]:
        raise SystemExit(f"{where} found {states}, not {[_VERIFIED]}")


def require_same_content(first: Path, second: Path, where: str) -> None:
    """Check that two sparse files have the same bytes, reading only what is data in one of them.

    Raises:
        SystemExit: They differ.
    """
    with first.open("rb", buffering=0) as one, second.open("rb", buffering=0) as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            raise SystemExit(f"{where}: {second} has another size than {first}")
        for ranges in (data_ranges(one.fileno()), data_ranges(other.fileno())):
            for start, end in ranges:
                for at in range(start, end, _CHUNK_BYTES):
                    size = min(_CHUNK_BYTES, end - at)
                    if os.pread(one.fileno(), size, at) != os.pread(other.fileno(), size, at):
                        raise SystemExit(f"{where}: the content differs within {size} bytes from {at}")


def data_ranges(fd: int) -> list[tuple[int, int]]:
    """Return (start, end) of the ranges of a file that are not holes."""
    size, end, found = os.fstat(fd).st_size, 0, []
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: no data after this offset
            break
        end = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, end))
    return found
