# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a role, run it, check it again and run it again, and prove what each of the four may and must do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from file_listing import changes, list_tree
from real_ansible import COLLECTION, Ansible, Result, Run

_MARK = "next run of the role"
_FOUR_TIMES = (True, False, True, False)


def role_tasks(name: str, /, check: bool | None = None, **variables: Any) -> list[dict[str, Any]]:
    """Return a mark and the task that runs a role; paths in its variables become text."""
    role: dict[str, Any] = {"ansible.builtin.import_role": {"name": f"{COLLECTION}.{name}"}}
    role["vars"] = {f"{name}_{key}": value for key, value in json.loads(json.dumps(variables, default=str)).items()}
    if check is not None:
        role["check_mode"] = check
    return [{"ansible.builtin.debug": {"msg": _MARK}}, role]


def runs_of(run: Run) -> list[list[Result]]:
    """Return what the tasks of each run of a role reported; skipped ones report nothing."""
    runs: list[list[Result]] = []
    for result in run.results:
        if result.get("msg") == _MARK:
            runs.append([])
        else:
            runs[-1].append(result)
    return runs


def run_role(ansible: Ansible, name: str, /, *, check: bool = False, **variables: Any) -> list[Result]:
    """Run a role as the only one of a play, and return what its tasks reported, the last one maybe a failure."""
    (results,) = runs_of(ansible.play(*role_tasks(name, **variables), check=check))
    return results


def run_role_four_times(
    ansible: Ansible, machine: Path, name: str, /, *, changed: bool = True, **variables: Any
) -> list[list[Result]]:
    """Check, run, check again and run again, and return what the tasks of each run reported.

    Args:
        ansible: Runs the role.
        machine: Directory in which everything lies that the role may change.
        name: Its name.
        changed: Whether the first run is to change something.
        variables: Its variables, without the role's name before them.
    """
    before = list_tree(machine)
    tasks = [task for check in _FOUR_TIMES for task in role_tasks(name, check, **variables)]
    run = ansible.play(*tasks, watch=machine)
    assert run.exit_status == 0, run.printed
    predicted, applied, *again = runs = runs_of(run)
    marks = [n for n, result in enumerate(run.results) if result.get("msg") == _MARK]
    after_check, settled, *later = [run.listings[end - 1] for end in (*marks[1:], len(run.results))]

    assert changes(before, after_check) == []
    assert bool(changes(before, settled)) == any_changed(applied) == any_changed(predicted) == changed, run.printed
    for results, listing in zip(again, later):
        assert not any_changed(results), run.printed
        assert changes(settled, listing) == []
    return runs


def any_changed(results: list[Result]) -> bool:
    """Return whether a task reported a change."""
    return any(result.get("changed", False) for result in results)
