# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capturing and removing, each checked, run, checked again and run again."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from file_listing import changes, list_tree
from four_runs import run_four_times
from real_ansible import Ansible
from sample_homes import (
    CHILD,
    FIRST,
    IMAGE_DIGEST,
    IMAGE_REFERENCE,
    SECOND,
    add_sandbox,
    change_database,
    index_rows,
    write_sparse,
)


def test_a_stopped_sandbox_is_captured_and_indexed(ansible: Ansible, machine: Path, home: Path) -> None:
    size = 64 << 20
    upper = add_sandbox(home, "builder", upper_bytes=size)
    labels = {"team": "ml", "python": "3.12"}
    result = run_four_times(ansible, machine, "snapshot", home=home, name="golden", sandbox="builder", labels=labels)
    snapshot = result["snapshot"]
    golden = home / "snapshots/golden"
    assert result["steps"] == [f"capture sandbox builder to {golden}", f"index {golden}"]
    assert snapshot["path"] == str(golden)
    assert snapshot["labels"] == labels
    assert snapshot["image"]["reference"] == IMAGE_REFERENCE
    assert snapshot["image"]["manifest_digest"] == IMAGE_DIGEST
    assert snapshot["image"]["cached"] is True
    # The home does not lie where microsandbox filled its cache.
    assert snapshot["image"]["boots_offline"] is False
    assert "makes a disk of other files than those of this image" in snapshot["image"]["missing"][0]
    assert snapshot["upper"]["apparent_bytes"] == size
    assert snapshot["upper"]["allocated_bytes"] <= upper.stat().st_blocks * 512
    assert snapshot["upper"]["integrity"]["state"] == "recorded"
    assert (golden / "upper.ext4").read_bytes() == upper.read_bytes()
    assert index_rows(home)["golden"] == snapshot["digest"]
    assert sorted(os.listdir(home / "snapshots")) == ["child", "first", "golden", "second"]


def test_a_capture_to_a_path_outside_the_store_makes_no_row(ansible: Ansible, machine: Path, home: Path) -> None:
    before = index_rows(home)
    path = machine / "elsewhere/deep/golden"
    result = run_four_times(ansible, machine, "snapshot", home=home, path=path, sandbox="crashed", integrity=False)
    assert result["snapshot"]["upper"]["integrity"]["state"] == "not_recorded"
    assert result["snapshot"]["source_sandbox"] == "crashed"
    assert sorted(os.listdir(path)) == ["manifest.json", "upper.ext4"]
    assert index_rows(home) == before


def test_a_snapshot_that_is_there_does_not_care_for_its_sandbox(ansible: Ansible, machine: Path, home: Path) -> None:
    request = {"home": home, "name": "second", "sandbox": "crashed", "changed": False}
    upper = home / "sandboxes/crashed/upper.ext4"
    change_database(home, [("UPDATE sandbox SET status = 'Running' WHERE name = 'crashed'", ())])
    upper.write_bytes(b"written by a running sandbox")
    result = run_four_times(ansible, machine, "snapshot", **request)
    assert result["snapshot"]["digest"] == SECOND


@pytest.mark.parametrize("how", [{"recreate": "if_changed"}, {"force": True, "labels": {"now": "other"}}])
def test_a_snapshot_is_captured_again_in_place_of_the_old_one(
    ansible: Ansible, machine: Path, home: Path, how: dict[str, object]
) -> None:
    upper = add_sandbox(home, "builder")
    request = {"home": home, "name": "golden", "sandbox": "builder"}
    old = ansible.run("snapshot", **request)["snapshot"]["digest"]
    assert run_four_times(ansible, machine, "snapshot", **request, recreate="if_changed", changed=False)
    write_sparse(upper, upper.stat().st_size, {0: b"new"})
    result = run_four_times(ansible, machine, "snapshot", **request, **how)
    new = result["snapshot"]["digest"]
    assert new != old
    assert result["steps"][0].endswith(f" in place of {old}")
    assert result["diff"]["before"]["labels"] == {}
    assert (home / "snapshots/golden/upper.ext4").read_bytes() == upper.read_bytes()
    assert index_rows(home)["golden"] == new
    assert old not in index_rows(home).values()


@pytest.mark.parametrize("damage", ["upper gone", "upper cut", "only an upper", "empty"])
def test_force_replaces_what_is_damaged(ansible: Ansible, machine: Path, home: Path, damage: str) -> None:
    artifact = home / "snapshots/second"
    if damage == "upper cut":
        os.truncate(artifact / "upper.ext4", 4096)
    else:
        gone = {"upper gone": ["upper.ext4"], "only an upper": ["manifest.json"]}
        for name in gone.get(damage, ["upper.ext4", "manifest.json"]):
            (artifact / name).unlink()
    result = run_four_times(ansible, machine, "snapshot", home=home, name="second", sandbox="crashed", force=True)
    assert index_rows(home)["second"] == result["snapshot"]["digest"] != SECOND


def test_a_row_that_is_missing_is_written_though_the_snapshot_is_there(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    change_database(home, [("DELETE FROM snapshot_index WHERE name = 'second'", ())])
    result = run_four_times(ansible, machine, "snapshot", home=home, name="second", sandbox="crashed")
    assert result["steps"] == [f"index {home}/snapshots/second as {SECOND}"]
    assert index_rows(home)["second"] == SECOND


def test_an_owner_only_upper_stays_so(ansible: Ansible, machine: Path, home: Path) -> None:
    add_sandbox(home, "private").chmod(0o600)
    add_sandbox(home, "public").chmod(0o664)
    for name in ("private", "public"):
        run_four_times(ansible, machine, "snapshot", home=home, name=name, sandbox=name)
    modes = {path: entry.mode for path, entry in list_tree(home / "snapshots").items()}
    assert modes[f"{home}/snapshots/private/upper.ext4"] == "rw-------"
    assert modes[f"{home}/snapshots/public/upper.ext4"] == "rw-r--r--"


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        ({"name": "second"}, ["child", "first"]),
        ({"name": "second", "digest": SECOND}, ["child", "first"]),
        ({"digest": CHILD}, ["first", "second"]),
        ({"digests": [FIRST, "sha256:" + "0" * 64, CHILD]}, ["second"]),
        ({"name": "first", "force": True}, ["child", "second"]),
    ],
    ids=["name", "name and digest", "digest", "digests", "force"],
)
def test_snapshots_are_removed_with_their_rows(
    ansible: Ansible, machine: Path, home: Path, request_: dict[str, object], left: list[str]
) -> None:
    result = run_four_times(ansible, machine, "snapshot", home=home, state="absent", **request_)
    assert sorted(os.listdir(home / "snapshots")) == sorted(index_rows(home)) == left
    assert len(result["removed"]) == 3 - len(left)


def test_children_are_removed_before_their_parents(ansible: Ansible, machine: Path, home: Path) -> None:
    result = run_four_times(ansible, machine, "snapshot", home=home, state="absent", digests=[FIRST, CHILD])
    removals = [step for step in result["steps"] if step.startswith("remove ")]
    assert [step.partition(" at ")[2] for step in removals] == [f"{home}/snapshots/child", f"{home}/snapshots/first"]


def test_a_snapshot_at_a_path_is_removed_and_its_directory_stays(ansible: Ansible, machine: Path, home: Path) -> None:
    path = machine / "elsewhere/golden"
    ansible.run("snapshot", home=home, path=path, sandbox="base")
    result = run_four_times(ansible, machine, "snapshot", home=home, path=path, state="absent")
    assert [removed["path"] for removed in result["removed"]] == [str(path)]
    assert list(path.parent.iterdir()) == []


def test_force_removes_what_an_interrupted_capture_left(ansible: Ansible, machine: Path, home: Path) -> None:
    (home / "snapshots/second/manifest.json").rename(home / "snapshots/second/manifest.json.tmp")
    run_four_times(ansible, machine, "snapshot", home=home, name="second", state="absent", force=True)
    assert sorted(os.listdir(home / "snapshots")) == sorted(index_rows(home)) == ["child", "first"]


@pytest.mark.parametrize(
    "request_", [{"name": "nobody"}, {"digest": "sha256:" + "0" * 64}, {"path": "/nowhere/at/all"}]
)
def test_removing_what_is_not_there_is_ok(
    ansible: Ansible, machine: Path, home: Path, request_: dict[str, str]
) -> None:
    result = run_four_times(ansible, machine, "snapshot", home=home, state="absent", changed=False, **request_)
    assert result["removed"] == []


def test_a_row_whose_snapshot_is_gone_is_removed(ansible: Ansible, machine: Path, home: Path) -> None:
    (home / "snapshots/second").rename(machine / "taken-away")
    result = run_four_times(ansible, machine, "snapshot", home=home, name="second", state="absent")
    assert result["removed"] == []
    assert sorted(index_rows(home)) == ["child", "first"]


def test_a_capture_with_a_busy_database_is_whole_and_indexed_by_the_next_run(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    connection = sqlite3.connect(home / "db/msb.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    request = {"home": home, "name": "golden", "sandbox": "base"}
    result = ansible.run("snapshot", **request, lock_timeout=0.2)
    assert result["changed"]
    assert any("msb.db is locked" in warning for warning in result["warnings"])
    connection.close()
    assert "golden" not in index_rows(home)
    later = run_four_times(ansible, machine, "snapshot", **request)
    assert later["snapshot"]["digest"] == result["snapshot"]["digest"] == index_rows(home)["golden"]


def test_staging_areas_of_dead_runs_are_swept_by_the_next_run_without_being_a_change(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    dead = home / "snapshots/.sandboxops-staging-0123456789abcdef"
    dead.mkdir(mode=0o700)
    (dead / "artifact").mkdir()
    (dead / "artifact/upper.ext4").write_bytes(b"half")
    before = list_tree(machine)
    request = {"home": home, "name": "second", "sandbox": "crashed"}
    assert not ansible.run("snapshot", check=True, **request)["changed"]
    assert changes(before, list_tree(machine)) == []
    assert not ansible.run("snapshot", **request)["changed"]
    assert not dead.exists()
