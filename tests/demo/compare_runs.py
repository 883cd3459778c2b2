# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the demo by the output of its three runs: the prediction was exact, and the second run changed nothing.

usage: compare_runs.py PREDICTED.log FIRST.log SECOND.log
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<task>.*)\] \*+$")
_CHANGED = re.compile(r"^changed: \[(?P<host>[^] ]+)")
_RECAP = re.compile(
    r"^(?P<host>\S+) +: ok=\d+ +changed=(?P<changed>\d+) +unreachable=(?P<lost>\d+) +failed=(?P<failed>\d+)"
)


class Run(NamedTuple):
    """What one run's output says.

    Attributes:
        changes: Pairs of task and host that changed, in order.
        totals: Number of changed tasks by host, from the recap.
    """

    changes: tuple[tuple[str, str], ...]
    totals: dict[str, int]


def parse_run(output: str) -> Run:
    """Read the output of ansible-playbook.

    Raises:
        ValueError: It has no recap, or a host failed.
    """
    task, changes, totals = "", [], {}
    for line in output.splitlines():
        if heading := _HEADING.match(line):
            task = heading["task"]
        elif change := _CHANGED.match(line):
            changes.append((task, change["host"]))
        elif recap := _RECAP.match(line):
            if int(recap["lost"]) or int(recap["failed"]):
                raise ValueError(f"{recap['host']} failed")
            totals[recap["host"]] = int(recap["changed"])
    if not totals:
        raise ValueError("no recap")
    return Run(tuple(sorted(set(changes))), totals)


def judge(predicted: Run, first: Run, second: Run) -> list[str]:
    """Return what is wrong with the three runs, one sentence each."""
    wrong = [
        f"check mode did not predict: {task} on {host}"
        for task, host in first.changes
        if (task, host) not in predicted.changes
    ]
    wrong += [
        f"check mode predicted in vain: {task} on {host}"
        for task, host in predicted.changes
        if (task, host) not in first.changes
    ]
    if predicted.totals != first.totals:
        wrong.append(f"check mode predicted {predicted.totals}, the first run changed {first.totals}")
    wrong += [f"the first run changed nothing on {host}" for host, changed in first.totals.items() if not changed]
    wrong += [f"the second run changed {changed} on {host}" for host, changed in second.totals.items() if changed]
    return wrong


def main() -> None:
    """Print what is wrong and exit with 1, or print the good verdict."""
    wrong = judge(*(parse_run(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:4]))
    for sentence in wrong:
        sys.stdout.write(f"{sentence}\n")
    if wrong:
        sys.exit(1)
    sys.stdout.write("demo: OK, check mode predicted the first run exactly, and the second run changed nothing\n")


if __name__ == "__main__":
    main()
