# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a task, run it, check it again and run it again, and prove what each of the four may and must do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from file_listing import changes, list_tree
from real_ansible import Ansible, Result, task

# What a result says of a run itself, or of the whole host, and not of what the run did.
_OF_THE_RUN = ("bytes", "check_mode", "elapsed", "invocation")
_OF_THE_HOST = ("free_bytes",)


def run_four_times(ansible: Ansible, machine: Path, module: str, *, changed: bool = True, **options: Any) -> Result:
    """Check, run, check again and run again, and return the first run's result.

    Args:
        ansible: Runs the module.
        machine: Directory in which everything lies that the module may change.
        module: Its name.
        changed: Whether the first run is to change something.
        options: Its options.
    """
    before = list_tree(machine)
    tasks = [{**task(module, **options), "check_mode": check} for check in (True, False, True, False)]
    run = ansible.play(*tasks, watch=machine)
    for result in run.results:
        assert not result["failed"], result["msg"]
    predicted, applied, *again = run.results
    after_check, settled, *later = run.listings

    _require_none(changes(before, after_check))
    assert bool(changes(before, settled)) == applied["changed"] == changed, applied
    for key in ("changed", "steps", "diff"):
        assert predicted.get(key) == applied.get(key), f"{key}: predicted {predicted.get(key)}, was {applied.get(key)}"
    _require_none(contradictions(_of_the_task(predicted), _of_the_task(applied)))

    for result, listing in zip(again, later):
        assert not result["changed"], result
        assert result.get("steps", []) == [], result
        assert "diff" not in result or result["diff"]["before"] == result["diff"]["after"], result
        _require_none(changes(settled, listing))
    return applied


def contradictions(predicted: Any, actual: Any, where: str = "result") -> list[str]:
    """Return where a prediction says something else than what came; it may say less."""
    if isinstance(predicted, Mapping) and isinstance(actual, Mapping):
        found = [f"{where}.{key} never came" for key in predicted.keys() - actual.keys()]
        for key in predicted.keys() & actual.keys():
            found += contradictions(predicted[key], actual[key], f"{where}.{key}")
        return found
    if isinstance(predicted, list) and isinstance(actual, list):
        rest = iter(actual)
        return [
            f"{where} never had {item}"
            for item in predicted
            if not any(not contradictions(item, candidate) for candidate in rest)
        ]
    return [] if predicted == actual else [f"{where} is {actual!r}, predicted {predicted!r}"]


def _of_the_task(result: Result) -> Result:
    kept = {key: value for key, value in result.items() if key not in _OF_THE_RUN}
    if "home" in kept:
        kept["home"] = {key: value for key, value in kept["home"].items() if key not in _OF_THE_HOST}
    return kept


def _require_none(found: list[str]) -> None:
    assert not found, "\n".join(found)
