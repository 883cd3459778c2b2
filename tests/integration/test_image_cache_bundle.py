# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that travel alone: exported and imported, each checked, run, checked again and run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from file_listing import Listing, changes, list_tree
from four_runs import contradictions, run_four_times
from real_ansible import Ansible, Result, task
from sample_homes import write_sparse
from sample_images import (
    BASE_LAYER,
    FSMETA_BYTES,
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

NOTHING = "sha256:" + "0" * 64


@pytest.fixture
def builder(machine: Path) -> Path:
    """A home whose cache has two images that share a layer, and nothing else."""
    home = machine / "builder"
    for image in (TINY, TINY2):
        add_image(home, image)
    return home


@pytest.fixture
def bundle(machine: Path) -> Path:
    """The path of a bundle."""
    return machine / "bundles/images.tar.zst"


@pytest.fixture
def target(machine: Path) -> Path:
    """A home that is not there yet."""
    return machine / "target"


def export(ansible: Ansible, home: Path, path: Path, **options: Any) -> Result:
    result = ansible.run("image_cache_bundle", home=home, path=path, state="exported", **options)
    assert not result["failed"], result["msg"]
    return result


def refused(ansible: Ansible, machine: Path, **options: Any) -> Result:
    """Run a task that fails, and prove that it left no trace."""
    before = list_tree(machine)
    result = ansible.run("image_cache_bundle", **options)
    assert result["failed"]
    assert traces(before, list_tree(machine)) == []
    return result


def traces(before: Listing, after: Listing) -> list[str]:
    """Return what changed; that something was made and removed again shows in a directory's times and is none."""
    return [change for change in changes(before, after) if "time_ns" not in change]


def statuses(result: Result) -> list[tuple[str, str, list[str]]]:
    return [
        (image["reference"], image["status"], [layer["status"] for layer in image["layers"]])
        for image in result["images"]
    ]


@pytest.mark.parametrize(
    ("name", "options", "compression"),
    [
        ("a.tar.zst", {}, "zstd"),
        ("a.tar", {}, "none"),
        ("a", {"compression": "zstd", "level": 1, "threads": 1}, "zstd"),
    ],
    ids=["zstd", "plain", "fast"],
)
def test_a_bundle_carries_images_and_what_they_share_once(
    ansible: Ansible, machine: Path, builder: Path, name: str, options: dict[str, Any], compression: str
) -> None:
    path = machine / "new/place" / name
    request = {"home": builder, "path": path, "state": "exported", "images": [TINY.reference, TINY2.reference]}
    result = run_four_times(ansible, machine, "image_cache_bundle", **request, **options)
    bundle = result["bundle"]
    own = [name for name in TINY2.files() if name not in TINY.files()]
    assert bundle["members"] == [f"cache/{name}" for name in [*TINY.files(), *own]]
    assert (bundle["compression"], bundle["size"]) == (compression, path.stat().st_size)
    assert bundle["sha256"] == "sha256:" + list_tree(path)[str(path)].content
    assert (bundle["excluded_layers"], bundle["saved_bytes"]) == ([], 0)
    assert bundle["carried_bytes"] > 2 * FSMETA_BYTES + 2 * LAYER_BYTES
    assert statuses(result) == [
        (TINY.reference, "exported", ["exported", "exported"]),
        (TINY2.reference, "exported", ["exported"]),
    ]
    assert [image["manifest_digest"] for image in result["images"]] == [TINY.manifest_digest, TINY2.manifest_digest]
    assert [image["boots_offline"] for image in result["images"]] == [True, True]
    assert result["cached_layers"] == sorted(TINY.diff_ids)
    assert os.listdir(path.parent) == [path.name]


def test_the_same_images_give_the_same_bytes_in_every_home(ansible: Ansible, machine: Path, builder: Path) -> None:
    other = machine / "quite/another/place"
    for image in (TINY2, TINY):
        add_image(other, image)
    digests = {
        export(ansible, home, machine / f"{home.name}.tar.zst", images=[TINY.reference, TINY2.reference])["bundle"][
            "sha256"
        ]
        for home in (builder, other)
    }
    assert len(digests) == 1


def test_the_images_of_a_bundle_boot_offline_in_the_home_they_are_installed_in(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    checksum = export(ansible, builder, bundle, images=[TINY.reference, TINY2.reference])["bundle"]["sha256"]
    result = run_four_times(
        ansible, machine, "image_cache_bundle", home=target, path=bundle, state="imported", checksum=checksum
    )
    assert cache_content(target) == expected_content(target, TINY, TINY2)
    assert statuses(result) == [
        (TINY.reference, "installed", ["installed", "installed"]),
        (TINY2.reference, "installed", ["installed"]),
    ]
    assert [(image["boots_offline"], image["missing"]) for image in result["images"]] == [(True, []), (True, [])]
    assert result["bundle"]["added_bytes"] == 2 * FSMETA_BYTES + 2 * LAYER_BYTES
    assert result["bundle"]["saved_bytes"] == 0
    assert result["cached_layers"] == sorted(TINY.diff_ids)
    assert result["diff"]["before"] == {}
    assert set(result["diff"]["after"]) == {f"{target}/cache/{name}" for name in {*TINY.files(), *TINY2.files()}}


def test_a_bundle_adds_to_a_cache_what_is_missing_there(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    add_image(target, TINY2)
    kept = list_tree(target / "cache/layers")
    export(ansible, builder, bundle, images=[TINY.reference, TINY2.reference])
    result = run_four_times(ansible, machine, "image_cache_bundle", home=target, path=bundle, state="imported")
    assert statuses(result) == [
        (TINY.reference, "installed", ["installed", "present"]),
        (TINY2.reference, "present", ["present"]),
    ]
    assert result["bundle"]["added_bytes"] == FSMETA_BYTES + LAYER_BYTES
    assert result["bundle"]["saved_bytes"] == FSMETA_BYTES + LAYER_BYTES
    assert cache_content(target) == expected_content(target, TINY, TINY2)
    shared = str(target / "cache" / layer_name(SHARED_LAYER))
    assert list_tree(target / "cache/layers")[shared] == kept[shared]


def test_a_host_gets_only_the_layers_that_it_lacks_and_a_second_play_writes_nothing(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    add_image(target, TINY2)
    ask = {**task("snapshot_info", home=target), "register": "found"}
    write = task("image_cache_bundle", home=builder, path=bundle, state="exported", images=[TINY.reference])
    write["sandboxops.microsandbox.image_cache_bundle"]["exclude_layers"] = "{{ found.cached_layers }}"
    install = task("image_cache_bundle", home=target, path=bundle, state="imported")

    found, exported, imported = ansible.play(ask, write, install).results
    assert found["cached_layers"] == [SHARED_LAYER]
    assert exported["bundle"]["excluded_layers"] == [SHARED_LAYER]
    assert exported["bundle"]["saved_bytes"] == LAYER_BYTES
    assert f"cache/{layer_name(SHARED_LAYER)}" not in exported["bundle"]["members"]
    assert f"cache/{layer_name(BASE_LAYER)}" in exported["bundle"]["members"]
    assert statuses(exported) == [(TINY.reference, "exported", ["exported", "excluded"])]
    assert imported["images"][0]["boots_offline"]
    assert imported["bundle"]["excluded_layers"] == [SHARED_LAYER]
    assert cache_content(target) == expected_content(target, TINY, TINY2)

    settled = list_tree(machine)
    again = ansible.play(ask, write, install, watch=machine)
    assert again.results[0]["cached_layers"] == sorted(TINY.diff_ids)
    assert [result["changed"] for result in again.results] == [False] * 3
    assert all(changes(settled, listing) == [] for listing in again.listings)


def test_a_bundle_that_leaves_out_more_than_it_may_is_written_anew(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path
) -> None:
    request = {"home": builder, "path": bundle, "state": "exported", "images": [TINY.reference]}
    export(ansible, builder, bundle, images=[TINY.reference], exclude_layers=[BASE_LAYER])
    result = run_four_times(ansible, machine, "image_cache_bundle", **request, exclude_layers=[SHARED_LAYER, NOTHING])
    assert result["bundle"]["excluded_layers"] == [SHARED_LAYER]


def test_a_cache_without_a_layer_that_was_left_out_refuses_the_bundle(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    export(ansible, builder, bundle, images=[TINY.reference], exclude_layers=[SHARED_LAYER])
    result = refused(ansible, machine, home=target, path=bundle, state="imported")
    assert result["error"]["code"] == "state"
    assert f"{layer_name(SHARED_LAYER)} is missing; the archive leaves it out" in result["msg"]
    add_image(target, TINY2)
    write_sparse(target / "cache" / layer_name(SHARED_LAYER), LAYER_BYTES, {})
    result = refused(ansible, machine, home=target, path=bundle, state="imported")
    assert result["error"]["code"] == "state"
    assert "damaged" in result["msg"]


def test_the_images_of_snapshots_are_those_that_they_pin(
    ansible: Ansible, machine: Path, home: Path, bundle: Path, target: Path
) -> None:
    request = {"home": home, "path": bundle, "state": "exported", "snapshots": ["second", "child"]}
    result = run_four_times(ansible, machine, "image_cache_bundle", **request, images=[TINY.reference])
    assert [image["reference"] for image in result["images"]] == [TINY.reference]
    # The home was moved, and so the paths in the descriptor of its image lead elsewhere; those in the bundle do not.
    assert not result["images"][0]["boots_offline"]
    ansible.run("image_cache_bundle", home=target, path=bundle, state="imported")
    assert cache_content(target) == expected_content(target, TINY)


def test_an_import_makes_an_image_of_a_moved_home_boot_again(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, home: Path
) -> None:
    export(ansible, builder, bundle, images=[TINY.reference])
    result = run_four_times(ansible, machine, "image_cache_bundle", home=home, path=bundle, state="imported")
    (step,) = result["steps"]
    assert step.startswith("install VMDK descriptor")
    assert step.endswith("in place of one of other paths or sizes")
    assert result["images"][0]["boots_offline"]


@pytest.mark.parametrize("reference", ["localhost/tiny:latest", "localhost/tiny:2"])
def test_two_tags_of_one_image_share_all_but_their_metadata(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path, reference: str
) -> None:
    tag_image(builder, TINY, reference)
    written = reference.removesuffix(":latest")
    request = {"home": builder, "path": bundle, "state": "exported"}
    result = run_four_times(
        ansible, machine, "image_cache_bundle", **request, images=[TINY.reference, written, reference]
    )
    assert [image["reference"] for image in result["images"]] == [TINY.reference, written]
    expected = [f"cache/{name}" for name in [*TINY.files(), metadata_name(reference)]]
    assert sorted(result["bundle"]["members"]) == sorted(expected)
    result = run_four_times(ansible, machine, "image_cache_bundle", home=target, path=bundle, state="imported")
    assert sorted(cache_content(target)) == sorted([*TINY.files(), metadata_name(reference)])
    assert [image["boots_offline"] for image in result["images"]] == [True, True]


def test_what_a_pin_says_is_made_sure_of_on_both_sides(
    ansible: Ansible, machine: Path, home: Path, builder: Path, bundle: Path, target: Path
) -> None:
    source = {"home": builder, "path": bundle, "state": "exported"}
    copy = {"home": target, "path": bundle, "state": "imported"}
    pin, wrong = {TINY.reference: TINY.manifest_digest}, {TINY.reference: TINY2.manifest_digest}

    result = refused(ansible, machine, **source, images=[TINY.reference], pin=wrong)
    assert result["error"]["code"] == "state"
    assert f"is that of {TINY.manifest_digest}, wanted is '{TINY2.manifest_digest}'" in result["msg"]
    result = refused(ansible, machine, **{**source, "home": home}, snapshots=["first"], pin=wrong)
    assert result["error"]["code"] == "integrity"
    assert f"pins image '{TINY.reference}' at {TINY.manifest_digest}" in result["msg"]
    result = refused(ansible, machine, **source, images=[TINY2.reference], pin=pin)
    assert result["error"]["code"] == "request"
    run_four_times(ansible, machine, "image_cache_bundle", **source, images=[TINY.reference], pin=pin)

    result = refused(ansible, machine, **copy, pin=wrong)
    assert result["error"] == {
        "code": "integrity",
        "facts": {"path": str(bundle), "expected": TINY2.manifest_digest, "actual": TINY.manifest_digest},
    }
    result = refused(ansible, machine, **copy, pin={TINY2.reference: TINY2.manifest_digest})
    assert result["error"]["code"] == "request"
    run_four_times(ansible, machine, "image_cache_bundle", **copy, pin=pin)


def test_a_moved_tag_is_explained_on_the_source(ansible: Ansible, machine: Path, home: Path, bundle: Path) -> None:
    add_image(home, TINY2)
    tag_image(home, TINY2, TINY.reference)
    result = refused(ansible, machine, home=home, path=bundle, state="exported", snapshots=["first"])
    assert result["error"]["code"] == "state"
    assert result["error"]["facts"]["image"] == TINY.reference
    assert (
        f"is that of {TINY2.manifest_digest}, wanted is '{TINY.manifest_digest}': a later pull or load moved the"
        " reference"
    ) in result["msg"]
    # What the reference stands for now can travel, if that is what the task asks for.
    result = run_four_times(
        ansible, machine, "image_cache_bundle", home=home, path=bundle, state="exported", images=[TINY.reference]
    )
    assert result["images"][0]["manifest_digest"] == TINY2.manifest_digest


def test_force_moves_a_reference_on_the_target(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    export(ansible, builder, bundle, images=[TINY.reference])
    add_image(target, TINY2)
    tag_image(target, TINY2, TINY.reference)
    request = {"home": target, "path": bundle, "state": "imported"}
    result = refused(ansible, machine, **request)
    assert result["error"] == {
        "code": "state",
        "facts": {
            "path": f"{target}/cache/{metadata_name(TINY.reference)}",
            "found": TINY2.manifest_digest,
            "wanted": TINY.manifest_digest,
        },
    }
    assert "force moves it" in result["msg"]
    result = run_four_times(ansible, machine, "image_cache_bundle", **request, force=True)
    name = f"{target}/cache/{metadata_name(TINY.reference)}"
    assert result["diff"]["before"] == {name: f"metadata of {TINY2.manifest_digest}"}
    assert cache_content(target) == expected_content(target, TINY, TINY2)


@pytest.mark.parametrize("is_whole", [True, False], ids=["of a whole image", "of an incomplete image"])
def test_force_replaces_a_layer_of_another_content(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path, is_whole: bool
) -> None:
    export(ansible, builder, bundle, images=[TINY.reference])
    add_image(target, TINY)
    layer = target / "cache" / layer_name(BASE_LAYER)
    with layer.open("r+b") as file:
        file.seek(LAYER_BYTES - 1)
        file.write(b"!")
    request = {"home": target, "path": bundle, "state": "imported"}
    if not is_whole:
        (target / "cache" / metadata_name(TINY.reference)).unlink()
        result = refused(ansible, machine, **request)
        assert result["error"]["code"] == "state"
        assert "force replaces it" in result["msg"]
    result = run_four_times(ansible, machine, "image_cache_bundle", **request, force=True)
    assert list(result["diff"]["before"]) == [str(layer)]
    assert cache_content(target) == expected_content(target, TINY)


def test_force_writes_over_a_file_that_is_no_archive(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path
) -> None:
    bundle.parent.mkdir()
    bundle.write_text("a letter", encoding="utf-8")
    request = {"home": builder, "path": bundle, "state": "exported", "images": [TINY.reference]}
    result = refused(ansible, machine, **request)
    assert result["error"]["code"] == "state"
    run_four_times(ansible, machine, "image_cache_bundle", **request, force=True)


def test_a_damaged_file_in_the_cache_keeps_an_image_from_travelling(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path
) -> None:
    with (builder / "cache" / layer_name(BASE_LAYER)).open("r+b") as file:
        file.truncate(LAYER_BYTES - 4096 + 1)
    (builder / "cache" / layer_name(SHARED_LAYER)).unlink()
    result = refused(ansible, machine, home=builder, path=bundle, state="exported", images=[TINY.reference])
    assert result["error"]["code"] == "state"
    assert len(result["error"]["facts"]["missing"]) == 2
    info = ansible.run("snapshot_info", home=builder)
    assert info["cached_layers"] == []


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"checksum": NOTHING}, "integrity", f"wanted {NOTHING}"),
    ({"checksum": "md5"}, "request", "checksum is 'md5'"),
    ({"pin": {"No Reference": NOTHING}}, "request", "pin: the image reference 'No Reference'"),
    ({"path": "half"}, "format", "has no table of contents"),
    ({"path": "snapshot.tar"}, "format", "is an archive of snapshots, not a bundle of images"),
    ({"path": "none.tar"}, "state", "there is no archive at"),
    ({"limits": {"allocated_bytes": 4096}}, "format", "more than the 4096 bytes"),
    ({"path": "new", "state": "exported"}, "request", "neither images nor snapshots"),
    ({"path": "new", "state": "exported", "images": ["A B"]}, "request", "images: the image reference 'A B'"),
    ({"path": "new", "state": "exported", "images": ["alpine"]}, "state", "is missing"),
    ({"path": "new", "state": "exported", "exclude_layers": ["x"]}, "request", "exclude_layers is 'x'"),
    ({"path": "new", "state": "exported", "snapshots": ["none"]}, "state", "there is no snapshot at"),
]


def test_a_refusal_says_whose_problem_it_is_and_leaves_no_trace(
    ansible: Ansible, machine: Path, home: Path, bundle: Path
) -> None:
    export(ansible, home, bundle, images=[TINY.reference])
    (machine / "half").write_bytes(bundle.read_bytes()[:1000])
    ansible.run("snapshot_archive", home=home, state="exported", snapshot="second", path=machine / "snapshot.tar")
    usual = {"home": machine / "target", "state": "imported", "path": bundle}
    requests = [
        {**usual, **options, "path": machine / options.get("path", bundle)} for options, dummy, words in REFUSALS
    ]
    before = list_tree(machine)
    tasks = [{**task("image_cache_bundle", **request), "ignore_errors": True} for request in requests]
    run = ansible.play(*tasks, watch=machine)
    for (dummy, code, words), result, listing in zip(REFUSALS, run.results, run.listings):
        assert result["error"]["code"] == code, result
        assert words in result["msg"]
        assert traces(before, listing) == []


def test_a_bundle_is_no_archive_of_snapshots(
    ansible: Ansible, machine: Path, builder: Path, bundle: Path, target: Path
) -> None:
    export(ansible, builder, bundle, images=[TINY.reference])
    result = ansible.run("snapshot_archive", home=target, path=bundle, state="imported")
    assert result["failed"]
    assert result["error"]["code"] == "format"
    assert not target.exists()


def test_a_play_is_predicted_whole_though_each_task_needs_the_one_before(
    ansible: Ansible, machine: Path, home: Path, target: Path
) -> None:
    other, path, second = machine / "other", machine / "a.tar.zst", machine / "b.tar.zst"
    play = [
        task("snapshot", home=home, name="golden", sandbox="base"),
        task("image_cache_bundle", home=home, state="exported", snapshots=["golden"], path=path),
        task("image_cache_bundle", home=target, state="imported", path=path),
        task("image_cache_bundle", home=target, state="exported", images=[TINY.reference], path=second),
        task("image_cache_bundle", home=other, state="imported", path=second),
    ]
    before = list_tree(machine)
    predicted = ansible.play(*play, check=True, watch=machine)
    assert predicted.exit_status == 0, predicted.printed
    assert all(changes(before, listing) == [] for listing in predicted.listings)
    applied = ansible.play(*play)
    assert applied.exit_status == 0, applied.printed
    for expected, result in zip(predicted.results, applied.results):
        assert expected["changed"]
        assert result["changed"]
        kept = {key: value for key, value in expected.items() if key in ("bundle", "images", "cached_layers")}
        assert contradictions(kept, result) == []
    assert path.read_bytes() == second.read_bytes()
    settled = list_tree(machine)
    again = ansible.play(*play, watch=machine)
    assert [result["changed"] for result in again.results] == [False] * len(play)
    assert all(changes(settled, listing) == [] for listing in again.listings)


def test_check_and_diff_show_what_would_come(ansible: Ansible, builder: Path, bundle: Path, target: Path) -> None:
    export(ansible, builder, bundle, images=[TINY.reference])
    printed = ansible.play(
        task("image_cache_bundle", home=builder, path=bundle, state="exported", images=[TINY2.reference]),
        task("image_cache_bundle", home=target, path=bundle, state="imported"),
        check=True,
    ).printed
    shown = [line.strip() for line in printed.splitlines()]
    for line in (
        f'-            "manifest_digest": "{TINY.manifest_digest}",',
        f'+            "manifest_digest": "{TINY2.manifest_digest}",',
        f'+            "reference": "{TINY2.reference}"',
        f'-        "{layer_name(BASE_LAYER)}": {LAYER_BYTES},',
        f'+    "{target}/cache/{layer_name(BASE_LAYER)}": "{LAYER_BYTES} bytes",',
    ):
        assert line in shown, printed
    assert "changed=2" in printed
