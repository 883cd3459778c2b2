# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandboxes are found with their states, and nothing is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible
from sample_homes import IMAGE_DIGEST, IMAGE_REFERENCE, change_database


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in result["sandboxes"]}


def test_all_sandboxes_are_found_without_a_trace(ansible: Ansible, machine: Path, home: Path) -> None:
    before = list_tree(machine)
    result = ansible.run("sandbox_info", home=home)
    assert ansible.run("sandbox_info", check=True, home=home)["sandboxes"] == result["sandboxes"]
    assert changes(before, list_tree(machine)) == []
    assert not result["changed"]
    base = by_name(result)["base"]
    upper = home / "sandboxes/base/upper.ext4"
    assert base == {
        "name": "base",
        "status": "Stopped",
        "busy": False,
        "image": {"reference": IMAGE_REFERENCE, "manifest_digest": IMAGE_DIGEST},
        "upper": {
            "path": str(upper),
            "apparent_bytes": upper.stat().st_size,
            "allocated_bytes": upper.stat().st_blocks * 512,
        },
        "obstacle": None,
    }
    assert by_name(result)["crashed"]["status"] == "Crashed"
    assert list(by_name(result)) == sorted(by_name(result))


@pytest.mark.parametrize(("status", "is_busy"), [("Running", True), ("Paused", True), ("Dreaming", False)])
def test_what_keeps_a_sandbox_from_being_captured_is_said(
    ansible: Ansible, home: Path, status: str, is_busy: bool
) -> None:
    change_database(home, [("UPDATE sandbox SET status = ? WHERE name = 'base'", (status,))])
    found = ansible.run("sandbox_info", home=home, names=["base", "nobody"])
    assert found["missing"] == ["nobody"]
    (base,) = found["sandboxes"]
    assert (base["status"], base["busy"]) == (status, is_busy)
    assert status in base["obstacle"]["reason"]
    assert base["obstacle"]["code"] == ("state" if is_busy else "unsupported")


def test_a_sandbox_that_cannot_be_read_is_named(ansible: Ansible, home: Path) -> None:
    change_database(home, [("UPDATE sandbox SET config = '{' WHERE name = 'base'", ())])
    base = by_name(ansible.run("sandbox_info", home=home))["base"]
    assert (base["status"], base["busy"], base["upper"]) == (None, None, None)
    assert base["obstacle"]["code"] == "format"


def test_where_there_is_no_home_there_are_no_sandboxes(ansible: Ansible, machine: Path) -> None:
    result = ansible.run("sandbox_info", home=machine / "none", names=["base"])
    assert (result["sandboxes"], result["missing"]) == ([], ["base"])
