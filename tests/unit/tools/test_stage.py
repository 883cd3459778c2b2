# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage of the tests leaves nothing to the next; the verdict does not say that one passed when nothing was tested."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

_TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, as the tests' own program finds it."""
    monkeypatch.syspath_prepend(_TOOLS)
    return importlib.import_module("stage")


def test_what_is_left_out_has_not_passed(stages: Any) -> None:
    ran, left_out = stages.Stage("unit", seconds=12.34), stages.Stage("fleet", left_out="only root can make hosts")
    assert stages.verdict([ran, left_out]).splitlines() == [
        "passed      12.3 s  unit",
        "left out     0.0 s  fleet",
        "            only root can make hosts",
        "passed: unit; left out: fleet",
    ]
    assert stages.verdict([left_out]).splitlines()[-1] == "left out: fleet"


def test_what_failed_comes_with_each_failure(stages: Any) -> None:
    ran, failed = stages.Stage("unit"), stages.Stage("lint", failures=["ruff", "mypy"])
    assert stages.verdict([ran, failed]).splitlines()[1:] == [
        "FAILED       0.0 s  lint",
        "            ruff",
        "            mypy",
        "FAILED: lint",
    ]


def test_each_command_has_a_directory_of_its_own_for_temporary_files(stages: Any) -> None:
    program = (
        "import os; root = os.environ['PYTEST_DEBUG_TEMPROOT']; print(root, os.listdir(root)); os.mkdir(f'{root}/1')"
    )
    command = [sys.executable, "-c", program]
    first, second = [stages.Stage("unit").run(command).split(maxsplit=1) for attempt in range(2)]
    assert first[0] != second[0]
    assert first[1] == second[1] == "[]\n"
    assert not Path(first[0]).exists()
