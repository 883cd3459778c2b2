# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping the index, checked, run, checked again and run again."""

from __future__ import annotations

import shutil
from pathlib import Path

from four_runs import run_four_times
from real_ansible import Ansible
from sample_homes import CHILD, FIRST, SECOND, change_database, index_rows, read_database


def test_an_index_that_agrees_is_left_alone(ansible: Ansible, machine: Path, home: Path) -> None:
    result = run_four_times(ansible, machine, "snapshot_index", home=home, changed=False)
    assert result["index"] == {
        "database": f"{home}/db/msb.db",
        "schema": "G1",
        "rows": 3,
        "missing_artifacts": [],
    }


def test_missing_and_wrong_rows_are_written_and_dead_ones_kept(ansible: Ansible, machine: Path, home: Path) -> None:
    change_database(
        home,
        [
            ("DELETE FROM snapshot_index WHERE name = 'child'", ()),
            ("UPDATE snapshot_index SET child_count = 7, image_ref = 'wrong' WHERE name = 'first'", ()),
        ],
    )
    shutil.rmtree(home / "snapshots/second")
    result = run_four_times(ansible, machine, "snapshot_index", home=home)
    assert result["index"]["missing_artifacts"] == [f"{home}/snapshots/second"]
    assert index_rows(home) == {"first": FIRST, "child": CHILD, "second": SECOND}
    query = "SELECT child_count, image_ref FROM snapshot_index WHERE name = 'first'"
    assert read_database(home, query) == [(1, "localhost/tiny:1")]


def test_pruning_drops_the_rows_of_vanished_snapshots(ansible: Ansible, machine: Path, home: Path) -> None:
    shutil.rmtree(home / "snapshots/child")
    result = run_four_times(ansible, machine, "snapshot_index", home=home, prune=True)
    assert index_rows(home) == {"first": FIRST, "second": SECOND}
    assert result["index"]["rows"] == 2
    assert read_database(home, "SELECT child_count FROM snapshot_index WHERE name = 'first'") == [(0,)]


def test_snapshots_of_another_directory_are_put_into_the_index(ansible: Ansible, machine: Path, home: Path) -> None:
    shared = machine / "shared"
    ansible.run("snapshot", home=home, path=shared / "golden", sandbox="base")
    (shared / "no-snapshot").mkdir()
    result = run_four_times(ansible, machine, "snapshot_index", home=home, dir=shared)
    assert [(entry["path"], entry["code"]) for entry in result["invalid"]] == [(f"{shared}/no-snapshot", "format")]
    query = "SELECT name, artifact_path FROM snapshot_index WHERE artifact_path LIKE ?"
    assert read_database(home, query, f"{shared}/%") == [("golden", f"{shared}/golden")]


def test_a_home_without_an_index_gets_none(ansible: Ansible, machine: Path) -> None:
    result = run_four_times(ansible, machine, "snapshot_index", home=machine / "none", prune=True, changed=False)
    assert result["index"]["schema"] == "absent"
