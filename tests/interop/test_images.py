# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of microsandbox that bring their image along start without a registry once our modules imported them."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from cache_listing import cache_files, image_files, moved, without_vmdk
from listing import tree
from loopback_registry import LoopbackRegistry
from our_modules import ModuleFailure, OurModules
from real_062 import Sdk062
from real_0711 import Msb0711
from sandbox_image import BASE

_NAMES = ["base", "app", "repeated"]

OnHome062 = Callable[[str], Sdk062]
OnHome0711 = Callable[[str], Msb0711]
OnHomeOurs = Callable[[str], OurModules]


def _export(sdk: Sdk062, name: str, *, with_parents: bool = False) -> Path:
    """Return an archive that 0.6.2 wrote of the snapshot and its image."""
    archive = sdk.home.parent / f"{name}.tar.zst"
    sdk.call("export", name_or_path=name, out=archive, with_image=True, with_parents=with_parents)
    return archive


def _cache_entries(home: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return inode, size and times of the cache files, without directories, locks and leases."""
    entries = tree(home / "cache")
    return {name: entry for name, entry in entries.items() if name.endswith((".json", ".erofs", ".vmdk"))}


@pytest.mark.parametrize("name", _NAMES)
def test_an_image_that_062_ships_boots_offline_where_we_import_it(
    images_062: Sdk062, sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, name: str
) -> None:
    opened = images_062.call("open", path_or_name=name)
    archive = _export(images_062, name)
    target = sdk062("target")

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    (snapshot,) = result["snapshots"]
    assert snapshot["digest"] == opened["digest"]
    assert snapshot["image"] == {
        "reference": opened["image_ref"],
        "manifest_digest": opened["image_manifest_digest"],
        "cached": True,
        "boots_offline": True,
        "missing": [],
    }
    shipped = image_files(images_062.home, opened["image_manifest_digest"])
    assert cache_files(target.home) == moved(shipped, images_062.home, target.home)
    assert target.offline_refusal(opened["image_ref"]) is None
    assert msb0711("target").offline_refusal(opened["image_ref"]) is None  # last, for it upgrades the home


def test_importing_an_image_is_predicted_and_the_second_time_touches_nothing(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archive = _export(images_062, "app")
    target = sdk062("target")
    target.call("list")
    options = {"state": "imported", "path": archive, "name": "golden"}
    empty = tree(target.home)

    predicted = ours("target").run("snapshot_archive", check_mode=True, **options)
    assert tree(target.home) == empty
    first = ours("target").run("snapshot_archive", **options)
    installed = tree(target.home)
    second_predicted = ours("target").run("snapshot_archive", check_mode=True, **options)
    second = ours("target").run("snapshot_archive", **options)

    results = (predicted, first, second_predicted, second)
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert predicted["steps"] == first["steps"]
    assert tree(target.home) == installed


def test_of_a_second_image_only_what_the_target_lacks_is_installed(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archives = [_export(images_062, name) for name in ("base", "app")]
    target = sdk062("target")
    ours("target").run("snapshot_archive", state="imported", path=archives[0], name="base")
    before = _cache_entries(target.home)

    result = ours("target").run("snapshot_archive", state="imported", path=archives[1], name="app")

    after = _cache_entries(target.home)
    assert {name: after[name] for name in before} == before
    assert sorted(name.partition("/")[0] for name in set(after) - set(before)) == [
        "fsmeta",
        "layers",
        "manifests",
        "vmdk",
    ]
    assert [snapshot["image"]["boots_offline"] for snapshot in result["snapshots"]] == [True]
    listed = ours("target").run("snapshot_info")["snapshots"]
    assert {snapshot["name"]: snapshot["image"]["boots_offline"] for snapshot in listed} == {"base": True, "app": True}


def test_an_image_that_the_target_pulled_itself_is_left_as_it_is(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    archive = _export(images_062, "base")
    target = sdk062("target")
    target.make_pulled_sandbox("own", registry.publish(BASE))
    before = _cache_entries(target.home)

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert [snapshot["image"]["boots_offline"] for snapshot in result["snapshots"]] == [True]
    assert _cache_entries(target.home) == before


def test_the_paths_of_another_home_that_062_installed_are_reported_and_mended(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archive = _export(images_062, "app")
    target = sdk062("target")
    target.call("import", archive=archive)
    foreign = cache_files(target.home)
    (vmdk,) = set(foreign) - set(without_vmdk(foreign))

    (listed,) = ours("target").run("snapshot_info")["snapshots"]
    result = ours("target").run("snapshot_archive", state="imported", path=archive)

    assert listed["image"]["boots_offline"] is False
    assert [vmdk in sentence for sentence in listed["image"]["missing"]] == [True]
    assert result["changed"] is True
    assert [snapshot["image"]["boots_offline"] for snapshot in result["snapshots"]] == [True]
    assert cache_files(target.home) == moved(foreign, images_062.home, target.home)


def test_a_layer_that_the_cache_lost_is_reported_as_the_only_thing_missing(
    images_062: Sdk062, ours: OnHomeOurs
) -> None:
    lost = images_062.home / "cache/layers" / (BASE.diff_ids[1].replace(":", "_") + ".erofs")
    lost.unlink()

    listed = ours("builder").run("snapshot_info")["snapshots"]

    images = {snapshot["name"]: snapshot["image"] for snapshot in listed}
    assert {name: image["boots_offline"] for name, image in images.items()} == {
        "base": False,
        "app": False,
        "repeated": True,
    }
    assert [lost.name in sentence for sentence in images["base"]["missing"]] == [True]


def test_a_chain_of_062_over_two_images_boots_offline_as_far_as_it_ships_the_images(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    parent = images_062.call("open", path_or_name="base")["digest"]
    images_062.call("remove", path_or_name="app")
    head = images_062.create_with_parent("app", "app", parent)
    archive = _export(images_062, "app", with_parents=True)
    sdk062("target").call("list")

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    images = {snapshot["digest"]: snapshot["image"] for snapshot in result["snapshots"]}
    assert {digest: image["boots_offline"] for digest, image in images.items()} == {parent: False, head: True}
    assert images[parent]["missing"]


def test_an_image_whose_manifest_062_spelled_anew_boots_offline_where_it_was_pulled(
    sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    sdk = sdk062("builder")
    reference = registry.publish(BASE, name="indented:1", spelling="buildkit")
    sdk.make_pulled_sandbox("base", reference)

    image = ours("builder").run("snapshot", sandbox="base", name="golden")["snapshot"]["image"]

    assert (image["boots_offline"], image["missing"]) == (True, [])
    assert sdk.offline_refusal(reference) is None
    assert msb0711("builder").offline_refusal(reference) is None  # last, for it upgrades the home


def test_an_image_whose_manifest_062_spelled_anew_is_refused_as_062_refuses_it(
    sdk062: OnHome062, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    sdk = sdk062("builder")
    sdk.make_pulled_sandbox("base", registry.publish(BASE, name="indented:1", spelling="buildkit"))
    sdk.call("create", source_sandbox="base", name="base")
    archive = _export(sdk, "base")
    target = sdk062("target")
    target.call("list")
    before = tree(target.home)

    with pytest.raises(ModuleFailure) as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "integrity"
    assert tree(target.home) == before


@pytest.mark.parametrize("spelling", ["buildkit", "docker", "debian"])
def test_an_image_that_the_target_pulled_in_another_spelling_is_left_as_it_is(
    sdk062: OnHome062, ours: OnHomeOurs, registry: LoopbackRegistry, spelling: str
) -> None:
    reference = registry.publish(BASE, name=f"{spelling}:1", spelling=spelling)
    for home in ("builder", "target"):
        sdk062(home).make_pulled_sandbox("base", reference)
    sdk062("builder").call("create", source_sandbox="base", name="base")
    archive = sdk062("builder").home.parent / "golden.tar.zst"
    options = {"state": "exported", "snapshot": "base", "path": archive, "with_image": True}
    ours("builder").run("snapshot_archive", **options)
    before = _cache_entries(sdk062("target").home)

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="base")

    assert [snapshot["image"]["boots_offline"] for snapshot in result["snapshots"]] == [True]
    assert _cache_entries(sdk062("target").home) == before
    first = archive.read_bytes()
    archive.unlink()
    ours("target").run("snapshot_archive", **options)
    assert archive.read_bytes() == first


def test_an_archive_of_0711_with_its_image_is_refused_by_the_name_of_its_generation(
    images_0711: Msb0711, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archive = images_0711.home.parent / "golden.msb"
    images_0711.run("snapshot", "create", "--sandbox", "base", "golden")
    images_0711.run("snapshot", "export", "base:golden", "--with-image", "--output", archive)
    target = sdk062("target")
    target.call("list")

    with pytest.raises(ModuleFailure, match="G3") as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "unsupported"
    assert cache_files(target.home) == {}
