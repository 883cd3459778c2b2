# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once that want different content under one name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from operation import run_operation
from state import State, observe_state
from tracing import Ended, start_apart
from worlds import NOW_NS, Operation, Scene

_ROUNDS = 4
_SANDBOXES = ("base", "crashed")


def _with_two_archives(world: Path) -> None:
    """Export a snapshot of each sandbox; none of them stays in the home."""
    for sandbox in _SANDBOXES:
        export = {"state": "exported", "snapshot": sandbox, "path": f"{{}}/archives/{sandbox}.tar", "threads": 1}
        for operation in (
            Operation("prepare", "snapshot", {"name": sandbox, "sandbox": sandbox}),
            Operation("prepare", "snapshot_archive", export),
            Operation("prepare", "snapshot", {"state": "absent", "name": sandbox}),
        ):
            result = operation.run(world)
            if result["failed"] or not result["changed"]:
                raise AssertionError(f"a world cannot be prepared: {result}")


_CAPTURES = tuple(
    Operation("capture", "snapshot", {"name": "wanted", "sandbox": sandbox, "lock_timeout": 60})
    for sandbox in _SANDBOXES
)
_IMPORTS = tuple(
    Operation(
        "import",
        "snapshot_archive",
        {"state": "imported", "path": f"{{}}/archives/{sandbox}.tar", "name": "wanted", "lock_timeout": 60},
        _with_two_archives,
    )
    for sandbox in _SANDBOXES
)


@pytest.fixture(params=[_CAPTURES, _IMPORTS], ids=["capture", "import"])
def pair(request: pytest.FixtureRequest) -> tuple[Operation, Operation]:
    """Return two operations that want the same name."""
    first, second = request.param
    return first, second


def test_without_force_one_stands_whole_and_the_other_is_refused(
    pair: tuple[Operation, Operation], directory: Path
) -> None:
    for ends, after, alone in _rounds(pair, directory):
        winners = [number for number, end in enumerate(ends) if _is_done(end)]
        assert len(winners) == 1, ends
        assert after == alone[winners[0]]
        refused = ends[1 - winners[0]].result
        assert refused is not None
        assert (refused["failed"], refused["code"]) == (True, "state")
        assert "wanted" in refused["msg"]


def test_with_force_both_succeed_and_the_last_stands_whole(pair: tuple[Operation, Operation], directory: Path) -> None:
    forced = [replace(operation, parameters={**operation.parameters, "force": True}) for operation in pair]
    for ends, after, alone in _rounds((forced[0], forced[1]), directory):
        assert [_is_done(end) for end in ends] == [True, True], ends
        assert after in alone


def _rounds(pair: tuple[Operation, Operation], directory: Path) -> Iterator[tuple[list[Ended], State, list[State]]]:
    """Run both at once some times, and yield how they ended, what they left, and what each leaves when it is alone."""
    scene = Scene(directory, pair[0])
    alone = []
    for operation in pair:
        scene.reset()
        assert not operation.run(scene.world)["failed"]
        alone.append(observe_state(scene.world))
    assert alone[0] != alone[1]
    for number in range(_ROUNDS):
        scene.reset()
        order = (0, 1) if number % 2 == 0 else (1, 0)
        waits = {which: start_apart(pair[which], scene.world) for which in order}
        ends = [waits[0](), waits[1]()]
        yield ends, observe_state(scene.world), alone
        found = run_operation("snapshot_info", _inspected(scene.world), NOW_NS)
        assert not found["failed"], found


def _inspected(world: Path) -> dict[str, object]:
    return {"home": str(world / "home"), "labels": {}, "lock_timeout": 0.3, "verify": True, "strict": True}


def _is_done(end: Ended) -> bool:
    result = end.result
    return result is not None and not result["failed"] and bool(result["changed"]) and not result["warnings"]
