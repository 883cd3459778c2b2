# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exporting and importing, each checked, run, checked again and run again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from four_runs import contradictions, run_four_times
from real_ansible import Ansible, task
from sample_homes import CHILD, DATA, FIRST, SECOND, add_sandbox, change_database, index_rows, make_home

# An archive of 0.6.2 with two ancestors, of which nothing suggests a name.
CHAIN = DATA / "g1-archives/chain3-0.6.2-parents.tar.zst"
CHAIN_NAMES = ["sha256-7874ed43828e8358", "sha256-b71da5d701e880ea", "sha256-7928c1995b78ef90"]
CHAIN_HEAD = "sha256:7928c1995b78ef90745a61889dedafbc305a5545bbb7e738940e7a6d3807e3d9"


def digests(result: dict[str, Any]) -> list[str]:
    return [snapshot["digest"] for snapshot in result["snapshots"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"snapshot": "second", "path": "new/place/a.tar.zst"},
            {"compression": "zstd", "layout": "dense", "digests": [SECOND]},
        ),
        (
            {"snapshot": SECOND, "path": "a.tar"},
            {"compression": "none", "layout": "sparse", "digests": [SECOND]},
        ),
        (
            {"snapshot": "child", "path": "a.tar", "with_parents": True, "layout": "dense"},
            {"compression": "none", "layout": "dense", "digests": [FIRST, CHILD]},
        ),
        (
            {"snapshot": "child", "path": "a", "compression": "zstd", "level": 1, "layout": "sparse"},
            {"compression": "zstd", "layout": "sparse", "digests": [CHILD]},
        ),
    ],
    ids=["zstd to a new directory", "plain by digest", "with parents", "fast and sparse"],
)
def test_an_archive_reflects_a_snapshot(
    ansible: Ansible, machine: Path, home: Path, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    path = machine / "archives" / options["path"]
    request = {"home": home, "state": "exported", **options, "path": path}
    result = run_four_times(ansible, machine, "snapshot_archive", **request)
    archive = result["archive"]
    assert digests(result) == expected["digests"]
    assert archive["head"] == expected["digests"][-1]
    assert (archive["compression"], archive["layout"]) == (expected["compression"], expected["layout"])
    assert archive["size"] == path.stat().st_size
    assert archive["sha256"] == "sha256:" + list_tree(path)[str(path)].content
    assert os.listdir(path.parent) == [path.name]
    inspected = ansible.run("snapshot_info", home=home, archive=path, verify=True)
    assert digests(inspected) == expected["digests"]
    for key in ("sha256", "size", "compression", "layout", "head", "members"):
        assert inspected["archive"][key] == archive[key]


def test_an_archive_is_written_anew_only_when_it_should_differ(ansible: Ansible, machine: Path, home: Path) -> None:
    path = machine / "a.tar.zst"
    request = {"home": home, "path": path, "state": "exported"}
    first = ansible.run("snapshot_archive", **request, snapshot="first")
    for change in (
        {"snapshot": "child"},
        {"snapshot": "child", "with_parents": True},
        {"snapshot": "first", "level": 9},
    ):
        result = run_four_times(ansible, machine, "snapshot_archive", **request, **change)
        assert result["diff"]["before"] != result["diff"]["after"]
        assert result["archive"]["sha256"] != first["archive"]["sha256"]
    # Back to the first request: the same bytes.
    result = ansible.run("snapshot_archive", **request, snapshot="first")
    assert result["changed"]
    assert result["archive"]["sha256"] == first["archive"]["sha256"]


def test_force_replaces_a_file_that_is_no_archive(ansible: Ansible, machine: Path, home: Path) -> None:
    path = machine / "a.tar.zst"
    path.write_text("a letter", encoding="utf-8")
    request = {"home": home, "path": path, "state": "exported", "snapshot": "second"}
    result = run_four_times(ansible, machine, "snapshot_archive", **request, force=True)
    assert result["diff"]["before"] == {"path": str(path), "state": "exists, written by another program"}


def test_an_archive_of_the_real_microsandbox_is_installed(ansible: Ansible, machine: Path, home: Path) -> None:
    before = index_rows(home)
    cache = list_tree(home / "cache")
    path = Path(shutil.copy(CHAIN, machine))
    result = run_four_times(
        ansible, machine, "snapshot_archive", home=home, path=path, state="imported", name="tip", digest=CHAIN_HEAD
    )
    names = [*CHAIN_NAMES[:2], "tip"]
    assert [snapshot["name"] for snapshot in result["snapshots"]] == names
    assert {snapshot["upper"]["integrity"]["state"] for snapshot in result["snapshots"]} == {"verified"}
    assert index_rows(home) == before | dict(zip(names, digests(result)))
    assert result["archive"]["head"] == digests(result)[-1] == CHAIN_HEAD
    assert sorted(os.listdir(home / "snapshots")) == sorted([*before, *names])
    assert changes(cache, list_tree(home / "cache")) == []


def test_an_archive_without_our_table_of_contents_is_found_installed_too(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    path = Path(shutil.copy(CHAIN, machine))
    result = run_four_times(ansible, machine, "snapshot_archive", home=home, path=path, state="imported")
    assert [snapshot["name"] for snapshot in result["snapshots"]] == CHAIN_NAMES


def test_our_archive_goes_from_one_home_to_others(ansible: Ansible, machine: Path, home: Path) -> None:
    path = machine / "a.tar.zst"
    upper = add_sandbox(home, "builder", upper_bytes=32 << 20)
    source = ansible.run("snapshot", home=home, name="golden", sandbox="builder", labels={"a": "1"})["snapshot"]
    exported = ansible.run("snapshot_archive", home=home, path=path, state="exported", snapshot="golden")["archive"]
    request = {"path": path, "state": "imported", "checksum": exported["sha256"]}

    with_database = make_home(machine / "second-home", "0.4.4")
    result = run_four_times(ansible, machine, "snapshot_archive", home=with_database, **request)
    (installed,) = result["snapshots"]
    assert installed["name"] == "golden"
    assert installed["digest"] == source["digest"] == index_rows(with_database)["golden"]
    assert installed["upper"]["allocated_bytes"] <= upper.stat().st_blocks * 512
    assert (with_database / "snapshots/golden/upper.ext4").read_bytes() == upper.read_bytes()

    without = machine / "third-home"
    result = run_four_times(ansible, machine, "snapshot_archive", home=without, name="mine", verify=False, **request)
    assert result["snapshots"][0]["upper"]["integrity"]["state"] == "recorded"
    assert os.listdir(without) == ["snapshots"]
    assert os.listdir(without / "snapshots") == ["mine"]


def test_what_is_installed_by_digest_needs_no_archive(ansible: Ansible, machine: Path, home: Path) -> None:
    result = run_four_times(
        ansible,
        machine,
        "snapshot_archive",
        home=home,
        path=machine / "deleted.tar.zst",
        state="imported",
        digest=SECOND,
        name="second",
        changed=False,
    )
    assert digests(result) == [SECOND]


@pytest.mark.parametrize("kind", ["another archive", "directory", "looping link"])
def test_what_is_installed_by_digest_does_not_depend_on_what_is_at_the_path(
    ansible: Ansible, machine: Path, home: Path, kind: str
) -> None:
    path = machine / "a.tar.zst"
    if kind == "another archive":
        ansible.run("snapshot_archive", home=home, path=path, state="exported", snapshot="first")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path)
    request = {"home": home, "path": path, "state": "imported"}
    checksum = "sha256:" + "0" * 64
    result = run_four_times(
        ansible, machine, "snapshot_archive", **request, digest=SECOND, checksum=checksum, changed=False
    )
    assert digests(result) == [SECOND]
    assert result["archive"] == {"path": str(path), "head": SECOND}
    result = ansible.run("snapshot_archive", **request, digest="sha256:" + "0" * 64)
    assert result["failed"]


def test_an_import_writes_the_row_of_what_was_installed_without_one(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    path = machine / "a.tar"
    ansible.run("snapshot_archive", home=home, path=path, state="exported", snapshot="second")
    change_database(home, [("DELETE FROM snapshot_index WHERE name = 'second'", ())])
    run_four_times(ansible, machine, "snapshot_archive", home=home, path=path, state="imported")
    assert index_rows(home)["second"] == SECOND


def test_force_installs_in_place_of_a_snapshot_of_that_name(ansible: Ansible, machine: Path, home: Path) -> None:
    path = Path(shutil.copy(CHAIN, machine))
    result = run_four_times(
        ansible, machine, "snapshot_archive", home=home, path=path, state="imported", name="second", force=True
    )
    assert result["diff"]["before"] == {"second": SECOND}
    assert index_rows(home)["second"] == CHAIN_HEAD
    assert SECOND not in index_rows(home).values()


def test_a_play_is_predicted_whole_though_each_task_needs_the_one_before(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    path = machine / "archives/golden.tar.zst"
    other = machine / "other"
    play = [
        task("snapshot", home=home, name="golden", sandbox="base"),
        task("snapshot_archive", home=home, state="exported", snapshot="golden", path=path, layout="sparse"),
        task("snapshot_archive", home=other, state="imported", path=path, name="golden"),
        task("snapshot", home=other, name="nobody", state="absent"),
        task("snapshot_index", home=other),
    ]
    before = list_tree(machine)
    predicted = ansible.play(*play, check=True, watch=machine)
    assert predicted.exit_status == 0, predicted.printed
    assert all(changes(before, listing) == [] for listing in predicted.listings)
    applied = ansible.play(*play)
    assert applied.exit_status == 0, applied.printed
    for expected, result in zip(predicted.results, applied.results):
        assert expected["changed"] == result["changed"]
        kept = {key: value for key, value in expected.items() if key in ("snapshot", "archive", "removed")}
        assert contradictions(kept, result) == []
    settled = list_tree(machine)
    again = ansible.play(*play, watch=machine)
    assert [result["changed"] for result in again.results] == [False] * len(play)
    assert all(changes(settled, listing) == [] for listing in again.listings)
