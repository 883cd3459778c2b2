# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hostile archives cost: memory and time, bombs included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from all_cases import CASES

_MEASURE = Path(__file__).with_name("measure.py")
_MOST_MIB = 200
# Of processor time; what a slow machine may take for the worst of them, which take one to two.
_MOST_SECONDS = 20


@pytest.fixture(scope="module")
def measured(archives: Path, collections_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Import every archive, each in a process of its own."""
    homes = tmp_path_factory.mktemp("homes")
    paths = os.pathsep.join([str(collections_path), str(_MEASURE.parent)])
    done = subprocess.run(
        [sys.executable, str(_MEASURE), str(archives), str(homes)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_archive_was_imported(measured: dict[str, Any]) -> None:
    assert set(measured) == {case.id for case in CASES}
    assert [name for name, cost in measured.items() if cost["code"] == "crashed"] == []


def test_no_archive_takes_more_than_200_mib(measured: dict[str, Any]) -> None:
    assert all(cost["mib"] > 0 for cost in measured.values())
    assert {name: cost["mib"] for name, cost in measured.items() if cost["mib"] > _MOST_MIB} == {}


def test_no_archive_takes_long(measured: dict[str, Any]) -> None:
    assert {name: cost["seconds"] for name, cost in measured.items() if cost["seconds"] > _MOST_SECONDS} == {}
