# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put faults into the calls of every operation, and print what came of it as a Markdown table.

usage: matrix.py [--directory DIRECTORY] [--only WORDS] [--sampled | --data]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Callable

from tracing import Call, why_not_here
from trial import ASIDE, BETWEEN, FAULTS, NEW, OLD, SOME, UNINDEXED, Bench, Point, Verdict
from worlds import LONG_IMPORTS, OPERATIONS, Operation, Scene

_STATES = (OLD, NEW, UNINDEXED, SOME, ASIDE, BETWEEN)
Judged = tuple[Point, Verdict]
_HEADS = ("operation", "calls", "runs", *FAULTS, *_STATES, "killed", "failed", "succeeded", "to sweep", "broken")
_WITH_PRIVATE_COPIES = ("capture, new", "index")
# Calls for which a file system may need room.
_ALLOCATING = (
    *("openat", "write", "pwrite64", "copy_file_range", "ftruncate", "fallocate", "fsync", "fdatasync"),
    *("mkdir", "mkdirat", "rename", "renameat", "renameat2", "linkat", "fsetxattr"),
)
_STEPS = ("fsync", "fdatasync", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir")


def all_points(bench: Bench) -> Iterator[Point]:
    """Yield every fault of the full matrix.

    A call that changes something or reads data fails in each way that it can. A lock, a call on the database's shared
    memory, and a call that reads anything else, are taken once for each set of arguments; so are the calls on private
    copies of the database, which are the same in all operations, in those of ``_WITH_PRIVATE_COPIES``.
    """
    seen: set[str] = set()
    for call in bench.calls:
        if call.is_private and bench.operation.name not in _WITH_PRIVATE_COPIES:
            continue
        is_fleeting = (
            (call.is_reading and not call.reads_data) or call.is_private or call.name == "fcntl" or "-shm" in call.text
        )
        if is_fleeting and call.text in seen:
            continue
        seen.add(call.text)
        if call.reads_data:
            faults = [fault for fault in FAULTS if fault != "ENOSPC"]
        elif call.is_reading:
            faults = ["EIO"]
        elif is_fleeting:
            faults = ["EIO", "kill"]
        else:
            faults = [fault for fault in FAULTS if fault != "ENOSPC" or call.name in _ALLOCATING]
        for fault in faults:
            yield Point(call, fault)


def sampled_points(bench: Bench) -> Iterator[Point]:
    """Yield the faults that stand for the others: at every step, and at the first, middle and last of other calls.

    A step that fails is one that the kill before the next step does not cover. Of the reads, only the middle one of
    data is taken.
    """
    others: dict[str, list[Call]] = {}
    reads = [call for call in bench.calls if call.reads_data]
    if reads:
        yield Point(reads[len(reads) // 2], "EIO")
    for call in bench.calls:
        if call.is_private or call.is_reading:
            continue
        if call.name in _STEPS:
            yield Point(call, "EIO")
            yield Point(call, "kill")
        else:
            others.setdefault(call.name, []).append(call)
    for calls in others.values():
        for call in dict.fromkeys((calls[0], calls[len(calls) // 2], calls[-1])):
            yield Point(call, "ENOSPC")
            if call.name in ("pwrite64", "copy_file_range"):
                yield Point(call, "kill")


def data_points(bench: Bench) -> Iterator[Point]:
    """Yield the faults of the full matrix that are in reads of data, links, owners by path, and attributes."""
    for point in all_points(bench):
        if point.call.reads_data or point.call.name in ("linkat", "lchown", "fsetxattr"):
            yield point


def count(judged: list[Judged]) -> list[int]:
    """Return the numbers of an operation's row in the table: how many runs, by fault and by what came of it."""
    points, found = [point for point, dummy in judged], [verdict for dummy, verdict in judged]
    states, faults = Counter(v.state for v in found), Counter(point.fault for point in points)
    ends = Counter(v.ended for v in found)
    cells = [
        len({point.call for point in points}),
        len(found),
        *(faults[f] for f in FAULTS),
        *(states[s] for s in _STATES),
    ]
    cells += [ends["killed"], ends["failed"], ends["succeeded"]]
    return [*cells, sum(v.orphans > 0 for v in found), sum(bool(v.problems) for v in found)]


def judge_operation(operation: Operation, directory: Path, points: Callable[[Bench], Iterator[Point]]) -> list[Judged]:
    """Judge the faults of an operation, and print the promises that are broken as they are found."""
    bench = Bench(Scene(directory, operation))
    found = []
    for point in points(bench):
        verdict = bench.judge(point)
        found.append((point, verdict))
        for problem in verdict.problems:
            print(f"{operation.name}: {point}: {problem}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Run the matrix, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description="Put faults into the calls of every operation.")
    parser.add_argument("--directory", type=Path, help="where the worlds are made (default: the temporary directory)")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--sampled",
        action="store_const",
        dest="points",
        const=sampled_points,
        help="only the faults that stand for the others",
    )
    some.add_argument(
        "--data",
        action="store_const",
        dest="points",
        const=data_points,
        help="only faults in reads of data, links, owners by path, and attributes",
    )
    parser.set_defaults(points=all_points)
    options = parser.parse_args()
    reason = why_not_here()
    if reason is not None:
        parser.error(reason)
    rows = []
    print(f"{_row(_HEADS)}\n| --- |{' ---: |' * (len(_HEADS) - 1)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="faults-", dir=options.directory) as directory:
        for operation in (*OPERATIONS, *LONG_IMPORTS):
            if options.only in operation.name:
                rows.append(count(judge_operation(operation, Path(directory), options.points)))
                print(_row([operation.name, *rows[-1]]), flush=True)
    total = [sum(column) for column in zip(*rows)]
    print(_row(["all", *total]))
    return int(total[-1] > 0)


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
