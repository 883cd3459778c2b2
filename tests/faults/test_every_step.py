# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation with faults at all of its steps, and at the first, middle and last of its other calls."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from matrix import data_points, judge_operation, sampled_points
from trial import BETWEEN, OLD, Bench
from worlds import LONG_IMPORTS, OPERATIONS, Operation, Scene


class _DeletesFirst(Operation):
    """What a careless program does: it deletes the old artifact, writes into its place, and reports no error."""

    def run(self, world: Path) -> dict[str, Any]:
        target = world / "home/snapshots/second"
        is_done = target.joinpath("done").exists()
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(exist_ok=True)
        for name in ("manifest.json", "upper.ext4"):
            target.joinpath(name).write_bytes(world.joinpath("home/snapshots/first", name).read_bytes())
        target.joinpath("done").touch()
        return {"failed": False, "changed": not is_done, "warnings": []}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_fault_leaves_old_or_new_and_the_next_run_succeeds(operation: Operation, directory: Path) -> None:
    judged = judge_operation(operation, directory, sampled_points)

    assert len({point.call.name for point, dummy in judged}) > 5
    assert [(verdict.what, verdict.problems) for dummy, verdict in judged if verdict.problems] == []


@pytest.mark.parametrize("operation", LONG_IMPORTS, ids=lambda operation: operation.name)
def test_a_read_that_fails_anywhere_in_a_long_archive_leaves_the_old_state(
    operation: Operation, directory: Path
) -> None:
    judged = judge_operation(operation, directory, data_points)

    calls = {point.call for point, dummy in judged}
    assert len(calls) >= 5
    # What is compressed is read by a thread.
    assert any(call.only_on is not None for call in calls) == operation.name.endswith(".zst")
    assert [(verdict.what, verdict.problems) for dummy, verdict in judged if verdict.problems] == []
    assert {(verdict.state, verdict.ended) for dummy, verdict in judged} == {(OLD, "failed"), (OLD, "killed")}


def test_the_judge_sees_an_operation_that_deletes_first(directory: Path) -> None:
    bench = Bench(Scene(directory, _DeletesFirst("careless", "snapshot", {})))

    verdicts = [bench.judge(point) for point in sampled_points(bench)]

    assert {verdict.state for verdict in verdicts} >= {OLD, BETWEEN}
    assert any("neither old nor new" in problem for verdict in verdicts for problem in verdict.problems)
    assert any("snapshot_info finds damage" in problem for verdict in verdicts for problem in verdict.problems)
