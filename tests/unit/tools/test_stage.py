# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages of the tests leave nothing to each other, and the verdict on one that tested nothing is not that it passed."""

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


def test_a_stage_finds_no_temporary_files_of_an_earlier_run(stages: Any) -> None:
    stage = stages.Stage("temporary")
    stage.temporary.joinpath("of-a-killed-run").mkdir(parents=True)
    program = (
        "import os; root = os.environ['PYTEST_DEBUG_TEMPROOT']; print(root, os.listdir(root)); os.mkdir(f'{root}/1')"
    )
    with stage.under_way():
        assert stage.run([sys.executable, "-c", program]) == f"{stage.temporary} []\n"
    assert not stage.temporary.exists()


def test_a_command_has_a_locale_and_programs_that_the_caller_may_lack(
    stages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    program = "import os; print(os.environ['LC_ALL'], os.environ['PATH'])"
    locale, path = stages.Stage("bare").run([sys.executable, "-c", program]).split()
    assert locale == "C.UTF-8"
    assert path.endswith("/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
