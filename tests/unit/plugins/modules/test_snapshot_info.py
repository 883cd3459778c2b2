# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles ask of the module before they change anything: whether they may, and whether they could."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.modules.snapshot_info import ARGUMENT_SPEC, work

HOMES = Path(__file__).parents[2] / "data/homes"
NOW_NS = 1_795_230_000_000_000_001


def unpack(version: str, target: Path) -> Path:
    with tarfile.open(HOMES / f"home-{version}.tar.xz") as archive:
        archive.extractall(target, filter="data")
    return target / ".microsandbox"


def inspect(home: Path, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    return dict(work(Task({**defaults, "home": str(home), **params}, check_mode, NOW_NS)).results)


@pytest.mark.parametrize("check", [True, False])
def test_check_mode_is_told(tmp_path: Path, check: bool) -> None:
    assert inspect(tmp_path / "home", check)["check_mode"] is check


def test_nothing_keeps_snapshots_from_a_home_that_is_yet_to_come(tmp_path: Path) -> None:
    assert inspect(tmp_path / "home")["home"]["obstacle"] is None


def test_a_home_of_a_later_generation_keeps_them_from_its_own_store_alone(tmp_path: Path) -> None:
    home = unpack("0.7.11", tmp_path)
    obstacle = inspect(home)["home"]["obstacle"]
    assert obstacle["code"] == "unsupported"
    assert f"home {home} is of generation G3" in obstacle["reason"]
    assert inspect(home, snapshots_dir=str(tmp_path / "own"))["home"]["obstacle"] is None


def test_what_microsandbox_keeps_for_itself_takes_none(tmp_path: Path) -> None:
    home = tmp_path / "home"
    obstacle = inspect(home, snapshots_dir=str(home / "sandboxes/base"))["home"]["obstacle"]
    assert obstacle["code"] == "state"
    assert "which microsandbox keeps for itself" in obstacle["reason"]
