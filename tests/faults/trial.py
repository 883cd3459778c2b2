# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fault in one call of one operation, and the verdict on what it left and on what the next run makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from operation import run_operation
from state import State, observe_state
from tracing import Call, Ended, run_traced
from worlds import NOW_NS, Scene

OLD = "old"
NEW = "new"
UNINDEXED = "new, index to follow"
SOME = "some new"
ASIDE = "old one aside"
BETWEEN = "between"

_CACHE = "home/cache/"

# What strace does: a call fails once, or it and all later ones of its name, or the process dies before it is made.
IO_ERROR = "error=EIO:when={}"
NO_SPACE = "error=ENOSPC:when={}"
BROKEN_DISK = "error=EIO:when={}+"
KILL = "signal=KILL:when={}"
FAULTS = {"EIO": IO_ERROR, "ENOSPC": NO_SPACE, "EIO from there on": BROKEN_DISK, "kill": KILL}


@dataclass(frozen=True)
class Point:
    """A fault in a call.

    Attributes:
        call: The call.
        fault: One of the names in ``FAULTS``.
    """

    call: Call
    fault: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.fault} at {self.call.name} #{self.call.number}: {self.call.text}"


@dataclass(frozen=True)
class Verdict:
    """What a fault led to.

    Attributes:
        what: The fault, in words.
        state: The state right after it: one of the words above.
        ended: How the run ended: ``killed``, ``failed`` or ``succeeded``.
        orphans: How many staging areas it left.
        copies: How many private copies of the database it left in TMPDIR.
        problems: Each broken promise as a sentence; without any, all is well.
    """

    what: str
    state: str
    ended: str
    orphans: int
    copies: int
    problems: tuple[str, ...]


class Bench:
    """An operation with the states that it may lead to.

    Args:
        scene: Where it runs.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.operation = scene.operation
        scene.reset()
        self.old = observe_state(scene.world)
        # What the sweep of a dead run's leftovers makes of the world is still the state before the operation.
        run_operation("snapshot", {"home": str(scene.world / "home"), "name": "none", "state": "absent"}, NOW_NS)
        self.swept = observe_state(scene.world)
        # A first run in this process imports whatever the operation needs, which is no part of it.
        scene.reset()
        result = self.operation.run(scene.world)
        if result["failed"] or not result["changed"]:
            raise AssertionError(f"{self.operation.name} does not work without a fault: {result}")
        self.new = observe_state(scene.world)
        scene.reset()
        clean = run_traced(self.operation, scene.world)
        if observe_state(scene.world) != self.new:
            raise AssertionError(f"{self.operation.name} ends differently under strace: {clean}")
        # What the system does not have cannot fail in another way.
        self.calls = tuple(call for call in clean.calls if call.name not in self.operation.without)

    def judge(self, point: Point) -> Verdict:
        """Put a fault into a fresh world, and judge what comes of it."""
        self.scene.reset()
        fault = f"{point.call.name}:{FAULTS[point.fault].format(point.call.number)}"
        ended = run_traced(self.operation, self.scene.world, [fault], point.call.only_on)
        may_leave = ended.is_killed or point.fault == "EIO from there on" or _hits_clearing(point.call)
        verdict = self.judge_end(str(point), ended, may_leave)
        return verdict if ended.was_hit_at(point.call) else replace(verdict, problems=("the fault hit nothing",))

    def judge_end(self, what: str, ended: Ended, may_leave: bool) -> Verdict:
        """Judge what a run left in the world, and what the next run makes of it.

        Args:
            what: What happened to the run, in words.
            ended: How it ended.
            may_leave: Whether it could not but leave its staging area behind.
        """
        after = observe_state(self.scene.world)
        state = self._name_state(after)
        problems = [
            *_report_problems(ended, state),
            *self._state_problems(state, after),
            *self._inspection_problems(),
            *self._next_run_problems(after.temporary),
        ]
        left = set(after.orphans) - set(self.old.orphans)
        if left and not may_leave:
            problems.append(f"it left {sorted(left)}")
        return Verdict(what, state, _name_end(ended), len(left), len(after.temporary), tuple(problems))

    def _name_state(self, after: State) -> str:
        for before in (self.old, self.swept):
            if after.files == before.files and after.rows == before.rows:
                return OLD
        if after.files == self.new.files and after.rows in (self.new.rows, self.old.rows):
            return NEW if after.rows == self.new.rows else UNINDEXED
        if self._is_some_of(after):
            return SOME
        if self._is_aside(after):
            return ASIDE
        return BETWEEN

    def _is_some_of(self, after: State) -> bool:
        """Return whether every snapshot and every file of the image cache by itself is old or new, in order.

        Parents are there before children, an image's other files before its metadata, and images before snapshots.
        """
        if not self.operation.is_several or after.rows != self.old.rows:
            return False
        units = set(map(_unit, (*self.old.files, *self.new.files, *after.files)))
        changed = {unit for unit in units if _below(self.old, unit) != _below(self.new, unit)}
        new = {unit for unit in changed if _below(after, unit) == _below(self.new, unit)}
        if any(_below(after, unit) != _below(self.old, unit) for unit in units - new):
            return False
        return all(_rank(each) >= _rank(other) for each in changed - new for other in new)

    def _is_aside(self, after: State) -> bool:
        """Return whether the one thing missing is whole in a staging area, from where the next run brings it back."""
        gone = {path: content for path, content in self.old.files.items() if path not in after.files}
        if after.rows != self.old.rows or {**after.files, **gone} != self.old.files or not after.orphans:
            return False
        area = Path(after.orphans[0])
        places = {f"aside-{Path(path).parent.name}" for path in gone}
        kept = {place: observe_state(area / place).files for place in places}
        return all(kept[f"aside-{Path(path).parent.name}"].get(Path(path).name) == gone[path] for path in gone)

    def _state_problems(self, state: str, after: State) -> Iterator[str]:
        if state == BETWEEN:
            lost = sorted(path for path, content in self.old.files.items() if after.files.get(path) != content)
            yield f"neither old nor new; of the old {lost} differ; rows {after.rows}"
        if state == ASIDE and not self.operation.without:
            yield "the old one is aside although the file system can exchange"

    def _inspection_problems(self) -> Iterator[str]:
        found = run_operation("snapshot_info", self._home() | {"verify": True, "strict": True}, NOW_NS)
        if found["failed"]:
            yield f"snapshot_info finds damage: {found['msg']}"

    def _next_run_problems(self, temporary: Iterable[str]) -> Iterator[str]:
        again = self.operation.run(self.scene.world)
        if again["failed"]:
            yield f"the next run fails: {again['msg']}"
            return
        final = observe_state(self.scene.world)
        if replace(final, temporary=()) != replace(self.new, temporary=()):
            paths = {p for p in {*final.files, *self.new.files} if final.files.get(p) != self.new.files.get(p)}
            yield f"the next run leaves {sorted(paths)} otherwise, orphans {final.orphans}, rows {final.rows}"
        if set(final.temporary) - set(temporary):
            yield f"the next run leaves {final.temporary}"
        third = self.operation.run(self.scene.world)
        if third["failed"] or third["changed"]:
            yield f"the run after the next is not ok: {third}"

    def _home(self) -> dict[str, object]:
        return {"home": str(self.scene.world / "home"), "labels": {}, "lock_timeout": 0.3}


def _report_problems(ended: Ended, state: str) -> Iterator[str]:
    if ended.crash:
        yield f"it crashed: {ended.crash}"
    elif not ended.is_killed and ended.result is None:
        yield "it ended without a result"
    elif ended.result is not None and not ended.result["failed"]:
        if state not in (NEW, UNINDEXED):
            yield f"it reported success and left the state {state}"
        if state == UNINDEXED and not ended.result["warnings"]:
            yield "it reported success without a warning and left the index behind"


def _name_end(ended: Ended) -> str:
    if ended.is_killed:
        return "killed"
    return "failed" if ended.result is None or ended.result["failed"] else "succeeded"


def _unit(path: str) -> str:
    """Return what changes in one step: a file of the image cache, or the directory that a file is in."""
    return path if path.startswith(_CACHE) else str(Path(path).parent)


def _rank(unit: str) -> int:
    """Return when a unit may become new: those of a lower rank come first."""
    if not unit.startswith(_CACHE):
        return 2
    return int(unit.startswith(f"{_CACHE}manifests/"))


def _below(state: State, unit: str) -> dict[str, tuple[int, str]]:
    return {path: content for path, content in state.files.items() if _unit(path) == unit}


def _hits_clearing(call: Call) -> bool:
    """Return whether the call is one of those by which a run clears its staging area, which then stays."""
    return call.name in ("unlinkat", "openat", "lseek", "getdents64") and "staging" in call.text
