# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that carry the images of their snapshots, exported and imported."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from four_runs import contradictions, run_four_times
from real_ansible import Ansible, Result, task
from sample_homes import CHILD, DATA, FIRST, SECOND, add_sandbox
from sample_images import (
    BASE_LAYER,
    LAYER_BYTES,
    SHARED_LAYER,
    TINY,
    TINY2,
    add_image,
    cache_content,
    expected_content,
    layer_name,
    metadata_name,
    tag_image,
)

# What 0.6.2 wrote: a snapshot with its image, and one with its two ancestors and their image.
ONE = DATA / "g1-archives/nolabels-0.6.2-img.tar.zst"
CHAIN = DATA / "g1-archives/chain3-0.6.2-parents-img.tar.zst"
CHAIN_HEAD = "sha256:7928c1995b78ef90745a61889dedafbc305a5545bbb7e738940e7a6d3807e3d9"


@pytest.fixture
def target(machine: Path) -> Path:
    """A home that is not there yet."""
    return machine / "target"


def offline(result: Result) -> list[tuple[str, bool, list[str]]]:
    return [
        (snapshot["digest"], snapshot["image"]["boots_offline"], snapshot["image"]["missing"])
        for snapshot in result["snapshots"]
    ]


def refused(ansible: Ansible, machine: Path, **options: Any) -> Result:
    """Run a task that fails, and prove that it left no trace but in the times of directories."""
    before = list_tree(machine)
    result = ansible.run("snapshot_archive", **options)
    assert result["failed"]
    assert [change for change in changes(before, list_tree(machine)) if "time_ns" not in change] == []
    return result


@pytest.mark.parametrize("archive", [ONE, CHAIN], ids=["one", "chain"])
def test_an_image_that_microsandbox_exported_boots_offline_where_it_is_installed(
    ansible: Ansible, machine: Path, target: Path, archive: Path
) -> None:
    path = Path(shutil.copy(archive, machine))
    result = run_four_times(ansible, machine, "snapshot_archive", home=target, path=path, state="imported")
    assert [(boots, missing) for dummy, boots, missing in offline(result)] == [(True, [])] * len(result["snapshots"])
    assert result["archive"]["images"] == [{"reference": TINY.reference, "manifest_digest": TINY.manifest_digest}]
    assert cache_content(target) == expected_content(target, TINY)
    info = ansible.run("snapshot_info", home=target)
    assert [snapshot["image"]["boots_offline"] for snapshot in info["snapshots"]] == [True] * len(result["snapshots"])
    assert info["cached_layers"] == sorted(TINY.diff_ids)


def test_our_archive_carries_the_image_to_a_host_without_one(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    path = machine / "a.tar.zst"
    request = {"home": home, "path": path, "state": "exported", "with_image": True}
    result = run_four_times(ansible, machine, "snapshot_archive", **request, snapshot="child", with_parents=True)
    assert result["archive"]["images"] == [{"reference": TINY.reference, "manifest_digest": TINY.manifest_digest}]
    assert result["archive"]["members"][4:] == [f"cache/{name}" for name in TINY.files()]
    uppers = sum(snapshot["upper"]["allocated_bytes"] for snapshot in result["snapshots"])
    # Texts are written anew for the host that imports them.
    files = sum((home / "cache" / name).stat().st_size for name in TINY.files() if name.endswith(".erofs"))
    assert 0 < result["archive"]["unpacked_bytes"] - uppers - files < 8192
    inspected = ansible.run("snapshot_info", home=target, archive=path)
    assert inspected["archive"]["members"] == result["archive"]["members"]
    assert inspected["archive"]["images"] == result["archive"]["images"]
    assert "cached_layers" not in inspected

    result = run_four_times(
        ansible, machine, "snapshot_archive", home=target, path=path, state="imported", digest=CHILD
    )
    assert offline(result) == [(FIRST, True, []), (CHILD, True, [])]
    assert cache_content(target) == expected_content(target, TINY)


def test_an_archive_is_written_anew_when_the_image_is_to_go_with_it(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    request = {"home": home, "path": machine / "a.tar.zst", "state": "exported", "snapshot": "second"}
    without = ansible.run("snapshot_archive", **request)["archive"]
    result = run_four_times(ansible, machine, "snapshot_archive", **request, with_image=True)
    assert result["diff"]["after"]["cache_files"][layer_name(BASE_LAYER)] == LAYER_BYTES
    assert ansible.run("snapshot_archive", **request)["archive"] == without


def test_the_images_of_all_ancestors_travel_with_a_chain(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    add_image(home, TINY2)
    add_sandbox(home, "other", image={"Oci": {"reference": TINY2.reference}}, manifest_digest=TINY2.manifest_digest)
    path = machine / "a.tar.zst"
    parent = ansible.run("snapshot", home=home, name="lower", sandbox="other")["snapshot"]["digest"]
    heir = shutil.copytree(home / "snapshots/second", home / "snapshots/heir")
    fields = json.loads((heir / "manifest.json").read_text("utf-8"))
    (heir / "manifest.json").write_text(json.dumps({**fields, "parent": parent}), "utf-8")
    request = {"home": home, "path": path, "state": "exported", "snapshot": "heir", "with_parents": True}
    result = run_four_times(ansible, machine, "snapshot_archive", **request, with_image=True)
    assert [image["reference"] for image in result["archive"]["images"]] == [TINY.reference, TINY2.reference]
    members = result["archive"]["members"]
    assert members.count(f"cache/{layer_name(SHARED_LAYER)}") == 1
    result = run_four_times(ansible, machine, "snapshot_archive", home=target, path=path, state="imported")
    assert [boots for dummy, boots, missing in offline(result)] == [True, True]
    assert cache_content(target) == expected_content(target, TINY, TINY2)


def test_an_image_is_installed_for_a_snapshot_that_is_there_already(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    path = machine / "a.tar.zst"
    source = {"home": home, "path": path, "state": "exported", "snapshot": "second"}
    copy = {"home": target, "path": path, "state": "imported", "digest": SECOND}
    ansible.run("snapshot_archive", **source)
    result = ansible.run("snapshot_archive", **copy)
    ((dummy, boots, missing),) = offline(result)
    assert not boots
    assert f"{metadata_name(TINY.reference)}, the metadata of image '{TINY.reference}', is missing" in missing
    ansible.run("snapshot_archive", **source, with_image=True)
    result = run_four_times(ansible, machine, "snapshot_archive", **copy)
    assert offline(result) == [(SECOND, True, [])]
    assert len(result["steps"]) == len(TINY.files())


def test_an_image_that_is_there_stays_as_it_is(ansible: Ansible, machine: Path, target: Path) -> None:
    add_image(target, TINY)
    cache = list_tree(target / "cache")
    path = Path(shutil.copy(ONE, machine))
    result = run_four_times(ansible, machine, "snapshot_archive", home=target, path=path, state="imported")
    assert len(result["steps"]) == 1
    assert changes(cache, list_tree(target / "cache")) == []


def test_the_image_is_lost_with_one_missing_file_and_back_with_the_next_import(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    path = machine / "a.tar.zst"
    ansible.run("snapshot_archive", home=home, path=path, state="exported", snapshot="second", with_image=True)
    request = {"home": target, "path": path, "state": "imported"}
    ansible.run("snapshot_archive", **request)
    (target / "cache" / layer_name(BASE_LAYER)).unlink()
    ((dummy, boots, missing),) = offline(ansible.run("snapshot_info", home=target))
    assert (boots, missing) == (False, [f"{layer_name(BASE_LAYER)} is missing"])
    result = run_four_times(ansible, machine, "snapshot_archive", **request)
    (step,) = result["steps"]
    assert step.startswith(f"install layer {layer_name(BASE_LAYER).partition('/')[2]} ({LAYER_BYTES} bytes)")
    assert offline(result) == [(SECOND, True, [])]


def test_a_moved_tag_keeps_the_wrong_image_at_home(ansible: Ansible, machine: Path, home: Path) -> None:
    add_image(home, TINY2)
    tag_image(home, TINY2, TINY.reference)
    result = refused(
        ansible, machine, home=home, path=machine / "a.tar", state="exported", snapshot="second", with_image=True
    )
    assert result["error"]["code"] == "state"
    assert "a later pull or load moved the reference" in result["msg"]
    info = ansible.run("snapshot_info", home=home, name="second")
    ((dummy, boots, missing),) = offline(info)
    assert not boots
    assert any("a later pull or load moved the reference" in sentence for sentence in missing)


def test_a_reference_of_another_image_on_the_target_is_moved_by_force_alone(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    add_image(target, TINY2)
    tag_image(target, TINY2, TINY.reference)
    path = Path(shutil.copy(ONE, machine))
    request = {"home": target, "path": path, "state": "imported"}
    result = refused(ansible, machine, **request)
    assert result["error"]["code"] == "state"
    assert "force moves it" in result["msg"]
    assert not (target / "snapshots").exists()
    run_four_times(ansible, machine, "snapshot_archive", **request, force=True)
    assert cache_content(target) == expected_content(target, TINY, TINY2)


def test_metadata_that_an_old_version_wrote_of_another_image_is_replaced_by_force_alone(
    ansible: Ansible, machine: Path, target: Path
) -> None:
    add_image(target, TINY2)
    tag_image(target, TINY2, TINY.reference)
    metadata = target / "cache" / metadata_name(TINY.reference)
    fields = json.loads(metadata.read_text("utf-8"))
    metadata.write_text(json.dumps({key: fields[key] for key in fields if not key.startswith("raw_")}), "utf-8")
    path = Path(shutil.copy(ONE, machine))
    result = refused(ansible, machine, home=target, path=path, state="imported")
    assert result["error"]["code"] == "state"
    assert result["error"]["facts"]["wanted"] == TINY.manifest_digest
    run_four_times(ansible, machine, "snapshot_archive", home=target, path=path, state="imported", force=True)
    assert cache_content(target) == expected_content(target, TINY, TINY2)


def test_a_play_ships_a_snapshot_that_boots_offline_and_is_predicted_whole(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    path = machine / "golden.tar.zst"
    play = [
        task("snapshot", home=home, name="golden", sandbox="base"),
        task("snapshot_archive", home=home, state="exported", snapshot="golden", path=path, with_image=True),
        task("snapshot_archive", home=target, state="imported", path=path, name="golden"),
        task("snapshot_info", home=target, name="golden"),
    ]
    before = list_tree(machine)
    predicted = ansible.play(*play, check=True, watch=machine)
    assert predicted.exit_status == 0, predicted.printed
    assert all(changes(before, listing) == [] for listing in predicted.listings)
    applied = ansible.play(*play)
    assert [result["changed"] for result in applied.results] == [True, True, True, False]
    assert applied.results[3]["snapshots"][0]["image"]["boots_offline"]
    settled = list_tree(machine)
    again = ansible.play(*play, watch=machine)
    assert [result["changed"] for result in again.results] == [False] * len(play)
    assert all(changes(settled, listing) == [] for listing in again.listings)


def test_check_and_diff_show_the_images_and_their_files(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    path = Path(shutil.copy(ONE, machine))
    printed = ansible.play(
        task("snapshot_archive", home=home, state="exported", snapshot="second", path=machine / "a", with_image=True),
        task("snapshot_archive", home=target, state="imported", path=path, name="golden"),
        check=True,
    ).printed
    shown = [line.strip() for line in printed.splitlines()]
    for line in (
        f'+            "manifest_digest": "{TINY.manifest_digest}",',
        f'+            "reference": "{TINY.reference}"',
        f'+        "{layer_name(BASE_LAYER)}": {LAYER_BYTES},',
        f'+    "{target}/cache/{layer_name(BASE_LAYER)}": "{LAYER_BYTES} bytes",',
    ):
        assert line in shown, printed
    assert "changed=2" in printed
    assert sorted(os.listdir(machine)) == ["home", path.name]


def test_an_export_is_predicted_though_an_earlier_task_installs_the_image(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    path, other = machine / "image.tar.zst", machine / "a.tar.zst"
    ansible.run("image_cache_bundle", home=home, state="exported", snapshots=["second"], path=path)
    (home / "cache" / layer_name(BASE_LAYER)).unlink()
    play = [
        task("image_cache_bundle", home=home, state="imported", path=path),
        task("snapshot_archive", home=home, state="exported", snapshot="second", path=other, with_image=True),
    ]
    predicted = ansible.play(*play, check=True)
    assert predicted.exit_status == 0, predicted.printed
    applied = ansible.play(*play)
    assert applied.exit_status == 0, applied.printed
    for expected, result in zip(predicted.results, applied.results):
        assert expected["changed"]
        assert result["changed"]
        kept = {key: value for key, value in expected.items() if key in ("archive", "bundle", "images", "snapshots")}
        assert contradictions(kept, result) == []
    (warning,) = predicted.results[1]["warnings"]
    assert f"{layer_name(BASE_LAYER)} is missing; unless it becomes so this task fails outside check mode" in warning
