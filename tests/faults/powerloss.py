# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut the power of a file system while operations run on it, and print what came of it as a Markdown table.

usage: powerloss.py [--moments N] [--only WORDS] [--seed N]

For each file system and operation the power goes before every call that changes something, and at random moments.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mounts import Mount, mounted, why_no_mounts
from tracing import Call, run_for, run_traced
from trial import ASIDE, BETWEEN, KILL, NEW, OLD, SOME, UNINDEXED, Bench, Verdict
from worlds import OPERATIONS, Scene

FILE_SYSTEMS = ("ext4", "xfs")
_STATES = (OLD, NEW, UNINDEXED, SOME, ASIDE, BETWEEN)


def cut_before(bench: Bench, mount: Mount, call: Call) -> Verdict:
    """Lose the power right before a call."""
    _reset(bench, mount)
    kill = f"{call.name}:{KILL.format(call.number)}"
    ended = run_traced(bench.operation, bench.scene.world, [kill], call.only_on)
    mount.cut_power()
    mount.power_up()
    verdict = bench.judge_end(f"power cut before {call.name} #{call.number}: {call.text}", ended, True)
    return verdict if ended.was_hit_at(call) else replace(verdict, problems=("the power cut hit nothing",))


def cut_after(bench: Bench, mount: Mount, seconds: float | None) -> Verdict:
    """Lose the power so many seconds after the start; what has reported success by then must be there for good.

    Without a number, that is the moment in which the operation has ended.
    """
    _reset(bench, mount)
    ended = run_for(bench.operation, bench.scene.world, seconds, mount.cut_power)
    mount.power_up()
    return bench.judge_end(
        "power cut at the end" if seconds is None else f"power cut after {seconds:.4f} s", ended, True
    )


def changing_calls(bench: Bench) -> list[Call]:
    """Return the calls that change something of the world that is to last: no locks and no shared memory."""
    fleeting = [
        c for c in bench.calls if c.is_reading or c.is_private or c.name in ("fcntl", "flock") or "-shm" in c.text
    ]
    return [call for call in bench.calls if call not in fleeting]


def seconds_needed(bench: Bench) -> float:
    """Return how long the operation takes."""
    bench.scene.reset()
    began = time.monotonic()
    bench.operation.run(bench.scene.world)
    return time.monotonic() - began


def _reset(bench: Bench, mount: Mount) -> None:
    bench.scene.reset()
    mount.flush()


def _judge_all(mount: Mount, moments: int, only: str, chance: random.Random) -> Iterator[tuple[str, list[Verdict]]]:
    for operation in OPERATIONS:
        if only not in operation.name:
            continue
        bench = Bench(Scene(mount.path, operation))
        verdicts = [cut_before(bench, mount, call) for call in changing_calls(bench)]
        # A process that runs free has all the calls that the system has.
        if not operation.without:
            longest = 2 * seconds_needed(bench)
            verdicts += [cut_after(bench, mount, chance.uniform(0, longest)) for dummy in range(moments)]
        bench.scene.clear()
        yield operation.name, verdicts


def main() -> int:
    """Cut the power, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description="Cut the power of a file system while operations run on it.")
    parser.add_argument("--moments", type=int, default=14, help="random moments for each operation and file system")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    options = parser.parse_args()
    reason = why_no_mounts()
    if reason is not None:
        parser.error(reason)
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    is_broken = False
    heads = ["operation", "file system", "power cuts", *_STATES, "success reported", "broken"]
    print(f"| {' | '.join(heads)} |\n| --- | --- |{' ---: |' * (len(heads) - 2)}")
    for file_system in FILE_SYSTEMS:
        with (
            tempfile.TemporaryDirectory(prefix="powerloss-") as directory,
            mounted(file_system, Path(directory)) as mount,
        ):
            for name, verdicts in _judge_all(mount, options.moments, options.only, chance):
                states, ends = Counter(v.state for v in verdicts), Counter(v.ended for v in verdicts)
                broken = sum(bool(v.problems) for v in verdicts)
                cells = [name, file_system, len(verdicts), *(states[s] for s in _STATES), ends["succeeded"], broken]
                print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)
                for verdict in verdicts:
                    for problem in verdict.problems:
                        is_broken = True
                        print(f"{file_system}: {name}: {verdict.what}: {problem}", file=sys.stderr, flush=True)
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
