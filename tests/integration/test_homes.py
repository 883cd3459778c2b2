# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which home a task works on, and what a home of a later generation allows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from file_listing import changes, list_tree
from four_runs import run_four_times
from real_ansible import ACTION_GROUP, Ansible, task
from sample_homes import DATA, SECOND, index_rows, make_home


def test_module_defaults_of_the_action_group_reach_every_module(ansible: Ansible, machine: Path, home: Path) -> None:
    path = machine / "a.tar"
    defaults = {ACTION_GROUP: {"home": str(home), "lock_timeout": 7}}
    run = ansible.play(
        task("snapshot_info"),
        task("snapshot", name="golden", sandbox="base"),
        task("snapshot_archive", state="exported", snapshot="golden", path=path),
        task("snapshot_index"),
        task("image_cache_bundle", state="exported", snapshots=["golden"], path=machine / "b.tar"),
        module_defaults=defaults,
    )
    assert run.exit_status == 0, run.printed
    info, snapshot, archive, index, bundle = run.results
    assert info["home"]["path"] == str(home)
    assert snapshot["snapshot"]["path"] == f"{home}/snapshots/golden"
    assert archive["snapshots"] == [{key: snapshot["snapshot"][key] for key in archive["snapshots"][0]}]
    assert index["index"]["database"] == f"{home}/db/msb.db"
    assert bundle["cached_layers"] == info["cached_layers"] != []
    for result in run.results:
        assert result["invocation"]["module_args"]["lock_timeout"] == 7


def test_the_home_is_found_as_microsandbox_finds_it(ansible: Ansible, machine: Path, home: Path) -> None:
    users = shutil.copytree(home, ansible.home / ".microsandbox", symlinks=True)
    moved, store = machine / "moved", machine / "store"
    users.joinpath("config.json").write_text(json.dumps({"paths": {"snapshots": str(store)}}), encoding="utf-8")
    config = machine / "other-config.json"
    config.write_text(json.dumps({"home": str(moved)}), encoding="utf-8")
    info = task("snapshot_info")
    run = ansible.play(
        info,
        {**info, "environment": {"MSB_HOME": str(home)}},
        {**info, "environment": {"MSB_CONFIG_PATH": str(config)}},
        task("snapshot_info", home="~/.microsandbox", snapshots_dir=home / "snapshots"),
        {**task("snapshot_info", home=home), "environment": {"MSB_HOME": "/nowhere"}},
    )
    found = [(result["home"]["path"], result["home"]["snapshots_dir"]) for result in run.results]
    assert found == [
        (str(users), str(store)),
        (str(home), f"{home}/snapshots"),
        (str(moved), f"{moved}/snapshots"),
        (str(users), f"{home}/snapshots"),
        (str(home), f"{home}/snapshots"),
    ]


def test_a_store_that_the_configuration_moved_is_the_one_that_is_indexed(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    store = machine / "store"
    home.joinpath("config.json").write_text(json.dumps({"paths": {"snapshots": str(store)}}), encoding="utf-8")
    result = run_four_times(ansible, machine, "snapshot", home=home, name="golden", sandbox="base")
    assert result["snapshot"]["path"] == f"{store}/golden"
    assert index_rows(home)["golden"] == result["snapshot"]["digest"]


def test_the_managed_store_of_a_later_generation_is_left_alone(ansible: Ansible, machine: Path) -> None:
    home = make_home(machine / "home", "0.7.11")
    archive = Path(shutil.copy(DATA / "g1-archives/basic-0.6.2-zst.tar.zst", machine))
    managed = f"{home}/snapshots"
    tasks = [
        task("snapshot", home=home, name="golden", sandbox="base"),
        task("snapshot", home=home, path=f"{managed}/golden", sandbox="base", force=True),
        task("snapshot", home=home, path=f"{managed}/base", state="absent", force=True),
        task("snapshot", home=home, name="base", state="absent", force=True),
        task("snapshot_archive", home=home, state="imported", path=archive),
        task("snapshot_index", home=home),
    ]
    before = list_tree(machine)
    for check in (True, False):
        run = ansible.play(*[{**each, "ignore_errors": True} for each in tasks], check=check, watch=machine)
        for result, listing in zip(run.results, run.listings):
            assert result["failed"]
            assert result["error"]["code"] == "unsupported"
            assert "G3" in result["msg"]
            assert changes(before, listing) == []


def test_paths_of_ones_own_and_archives_work_on_a_home_of_a_later_generation(ansible: Ansible, machine: Path) -> None:
    home = make_home(machine / "home", "0.7.11")
    own = machine / "own"
    managed = list_tree(home / "snapshots"), list_tree(home / "db")
    result = run_four_times(ansible, machine, "snapshot", home=home, path=own / "golden", sandbox="base")
    assert result["snapshot"]["generation"] == "G1"
    archive = machine / "golden.tar.zst"
    run_four_times(
        ansible, machine, "snapshot_archive", home=home, state="exported", snapshot=own / "golden", path=archive
    )
    run_four_times(
        ansible, machine, "snapshot_archive", home=home, state="imported", path=archive, snapshots_dir=machine / "two"
    )
    run_four_times(ansible, machine, "snapshot", home=home, path=own / "golden", state="absent")
    listed = list_tree(home / "snapshots"), list_tree(home / "db")
    assert [changes(before, after) for before, after in zip(managed, listed)] == [[], []]


def test_a_disk_of_two_layers_is_not_captured_as_one(ansible: Ansible, machine: Path) -> None:
    home = make_home(machine / "home", "0.7.11")
    before = list_tree(machine)
    result = ansible.run("snapshot", check=True, home=home, path=machine / "golden", sandbox="restored")
    assert result["error"]["code"] == "unsupported"
    assert "2 layers ('raw', 'qcow2')" in result["msg"]
    assert changes(before, list_tree(machine)) == []


def test_a_home_without_a_database_works_without_getting_one(ansible: Ansible, machine: Path, home: Path) -> None:
    shutil.rmtree(home / "db")
    archive = machine / "second.tar"
    request = {"home": home, "path": archive}
    run_four_times(ansible, machine, "snapshot_archive", **request, state="exported", snapshot=SECOND)
    run_four_times(ansible, machine, "snapshot", home=home, name="second", state="absent")
    result = run_four_times(ansible, machine, "snapshot_archive", **request, state="imported")
    assert result["snapshots"][0]["digest"] == SECOND
    assert not (home / "db").exists()
