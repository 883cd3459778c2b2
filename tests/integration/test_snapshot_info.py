# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: what is found, what is selected, what is wrong, and that nothing is touched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from four_runs import run_four_times
from real_ansible import Ansible, task
from sample_homes import CHILD, DATA, FIRST, IMAGE_DIGEST, IMAGE_REFERENCE, SECOND, change_database, make_home


def names(result: dict[str, Any]) -> list[str]:
    return [snapshot["name"] for snapshot in result["snapshots"]]


def test_a_home_is_read_without_a_trace(ansible: Ansible, machine: Path, home: Path) -> None:
    result = run_four_times(ansible, machine, "snapshot_info", home=home, verify=True, strict=True, changed=False)
    found = {snapshot["name"]: snapshot for snapshot in result["snapshots"]}
    assert {name: snapshot["digest"] for name, snapshot in found.items()} == {
        "first": FIRST,
        "second": SECOND,
        "child": CHILD,
    }
    assert found["first"]["children"] == [CHILD]
    assert found["child"]["parent"] == FIRST
    states = {name: snapshot["upper"]["integrity"]["state"] for name, snapshot in found.items()}
    assert states == {"first": "verified", "second": "not_recorded", "child": "not_recorded"}
    assert result["index"] == {
        "schema": "G1",
        "rows": 3,
        "missing_artifacts": [],
        "missing_rows": [],
        "stale_rows": [],
    }
    assert (result["invalid"], result["orphans"]) == ([], [])
    assert result["home"]["path"] == str(home)
    assert (result["home"]["exists"], result["home"]["generation"]) == (True, "G1")
    assert result["home"]["last_migration"] == "m20260621_000002_create_maintenance_lease"
    assert result["home"]["zstd"].startswith("zstandard ")


def test_an_image_boots_offline_while_all_its_files_are_there(ansible: Ansible, machine: Path, home: Path) -> None:
    cache = home / "cache"
    vmdk = cache / f"vmdk/{IMAGE_DIGEST.replace(':', '_')}.vmdk"
    there = re.sub(r'"/[^"]*/cache/', f'"{cache.resolve()}/', vmdk.read_text("utf-8"))
    vmdk.write_text(there, "utf-8")
    whole = run_four_times(ansible, machine, "snapshot_info", home=home, name="first", changed=False)
    image = whole["snapshots"][0]["image"]
    assert (image["cached"], image["boots_offline"], image["missing"]) == (True, True, [])
    layer = sorted(cache.glob("layers/*.erofs"))[0]
    layer.unlink()
    vmdk.write_text(there.replace("version=1", "version=2"), "utf-8")
    result = ansible.run("snapshot_info", home=home)
    for snapshot in result["snapshots"]:
        assert snapshot["image"]["cached"] is True
        assert snapshot["image"]["boots_offline"] is False
        assert snapshot["image"]["missing"] == [
            f"layers/{layer.name} is missing",
            f"line 2 of vmdk/{vmdk.name} is 'version=2', expected is 'version=1'",
        ]


def test_snapshots_are_selected(ansible: Ansible, machine: Path, home: Path) -> None:
    labelled = ansible.run("snapshot", home=home, name="labelled", sandbox="base", labels={"a": "1", "b": "2"})
    other = machine / "other"
    ansible.run("snapshot", home=home, path=other / "alone", sandbox="base")
    selections: list[tuple[dict[str, Any], list[str]]] = [
        ({"name": "first"}, ["first"]),
        ({"name": "nobody"}, []),
        ({"path": other / "alone"}, ["alone"]),
        ({"dir": other}, ["alone"]),
        ({"digest": CHILD}, ["child"]),
        ({"digests": [SECOND, CHILD]}, ["child", "second"]),
        ({"digests": []}, []),
        ({"labels": {"a": "1"}}, ["labelled"]),
        ({"labels": {"a": "1", "b": "1"}}, []),
        ({"image": IMAGE_REFERENCE, "source_sandbox": "crashed"}, ["second"]),
        ({"image": IMAGE_DIGEST}, ["child", "first", "labelled", "second"]),
        ({"image": "localhost/other:1"}, []),
        ({"snapshots_dir": other}, ["alone"]),
    ]
    before = list_tree(machine)
    run = ansible.play(
        *[task("snapshot_info", home=home, **selection) for selection, dummy in selections], watch=machine
    )
    assert [names(result) for result in run.results] == [expected for dummy, expected in selections]
    assert run.results[0]["snapshots"][0]["children"] == [CHILD]
    assert "copy_method" in labelled["snapshot"]
    del labelled["snapshot"]["copy_method"]
    assert run.results[7]["snapshots"] == [labelled["snapshot"]]
    assert all(changes(before, listing) == [] for listing in run.listings)


def test_what_is_damaged_is_reported_and_fails_only_when_strict(ansible: Ansible, machine: Path, home: Path) -> None:
    store = home / "snapshots"
    with (store / "first/upper.ext4").open("r+b") as file:
        file.write(b"another content")
    (store / "child/upper.ext4").unlink()
    (store / "no-snapshot").mkdir()
    (store / ".msb-snapshot-import-123").mkdir()
    (store / ".sandboxops-staging-dead").mkdir()
    change_database(home, [("UPDATE snapshot_index SET image_ref = 'other' WHERE name = 'second'", ())])
    before = list_tree(machine)
    lenient, strict = ansible.play(
        task("snapshot_info", home=home, verify=True),
        {**task("snapshot_info", home=home, verify=True, strict=True), "ignore_errors": True},
        watch=machine,
    ).results
    assert {snapshot["name"]: snapshot["upper"]["integrity"]["state"] for snapshot in lenient["snapshots"]} == {
        "first": "mismatch",
        "second": "not_recorded",
    }
    assert {Path(entry["path"]).name: entry["code"] for entry in lenient["invalid"]} == {
        "child": "integrity",
        "no-snapshot": "format",
    }
    assert sorted(os.path.basename(path) for path in lenient["orphans"]) == [
        ".msb-snapshot-import-123",
        ".sandboxops-staging-dead",
    ]
    assert lenient["index"]["stale_rows"] == [str(store / "second")]
    assert strict["failed"]
    assert strict["error"]["code"] == "integrity"
    assert len(strict["error"]["facts"]["damaged"]) == 3
    assert changes(before, list_tree(machine)) == []


@pytest.mark.parametrize(
    ("archive", "layout", "head"),
    [
        ("chain3-0.6.2-parents.tar.zst", "dense", "sha256-7928c1995b78ef90"),
        ("nolabels-0.6.2-plain.tar", "dense", None),
    ],
)
def test_an_archive_is_inspected_without_a_trace(
    ansible: Ansible, machine: Path, archive: str, layout: str, head: str | None
) -> None:
    path = machine / archive
    path.write_bytes((DATA / "g1-archives" / archive).read_bytes())
    result = run_four_times(
        ansible, machine, "snapshot_info", home=machine / "none", archive=path, verify=True, changed=False
    )
    assert result["archive"]["layout"] == layout
    assert result["archive"]["size"] == path.stat().st_size
    assert result["archive"]["sha256"] == "sha256:" + list_tree(path)[str(path)].content
    assert head is None or result["snapshots"][-1]["name"] == head
    assert (result["home"]["exists"], result["home"]["generation"]) == (False, "G1")


@pytest.mark.parametrize("version", ["0.4.4", "0.7.11"])
def test_homes_of_other_versions_are_read_without_a_trace(ansible: Ansible, machine: Path, version: str) -> None:
    home = make_home(machine / "home", version)
    result = run_four_times(ansible, machine, "snapshot_info", home=home, verify=True, changed=False)
    if version == "0.4.4":
        assert names(result) == ["child", "first", "second"]
        assert result["home"]["generation"] == result["index"]["schema"] == "G1"
    else:
        assert names(result) == []
        assert result["home"]["generation"] == "G3"
        assert {Path(entry["path"]).name: entry["code"] for entry in result["invalid"]} == {
            "base": "unsupported",
            "crashed": "unsupported",
        }
        assert all("G3" in entry["reason"] for entry in result["invalid"])
