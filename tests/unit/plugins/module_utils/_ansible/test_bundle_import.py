# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import of a bundle installs, keeps and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_export import export_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_import import import_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    RequestError,
    StateError,
)

AddImages = Callable[..., Path]
Run = Callable[..., Outcome]
ListTree = Callable[[Path], Any]

TINY = "localhost/tiny:1"
TINY2 = "example.com/team/tiny2:v2.0"
DIGEST = "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714"
BASE = "sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
SHARED = "sha256:09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"
NOTHING = "sha256:" + "0" * 64
LAYER = f"layers/{BASE.replace(':', '_')}.erofs"
LAYER_BYTES, FSMETA_BYTES = 12288, 8192


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.fixture
def export(new_task: Callable[..., Task], add_images: AddImages, tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle from a home that has both images, and return its path."""

    def run(*images: str, **params: Any) -> Path:
        path = tmp_path / "a.tar.zst"
        task = new_task(add_images("builder", "tiny", "tiny2"), path=path, images=list(images), **params)
        export_images(task, task.observe_home())
        return path

    return run


@pytest.fixture
def install(new_task: Callable[..., Task], target: Path) -> Run:
    """Run a task that imports a bundle into the target."""

    def run(path: Path, check_mode: bool = False, **params: Any) -> Outcome:
        task = new_task(target, check_mode, path=path, **params)
        return import_images(task, task.observe_home())

    return run


def change_layer(home: Path) -> None:
    layer = home / "cache" / LAYER
    layer.write_bytes(layer.read_bytes()[:-1] + b"!")


def test_check_mode_predicts_the_whole_result(export: Callable[..., Path], install: Run, target: Path) -> None:
    path = export(TINY, TINY2)
    predicted = install(path, check_mode=True)
    assert not target.exists()
    applied = install(path)
    assert [str(step) for step in predicted.plan.steps] == [str(step) for step in applied.plan.steps]
    assert (predicted.plan.before, predicted.plan.after) == (applied.plan.before, applied.plan.after)
    assert predicted.results == {**applied.results, "cached_layers": []}


def test_a_second_import_touches_nothing_and_reads_no_file_to_its_end(
    export: Callable[..., Path], new_task: Callable[..., Task], install: Run, target: Path, list_tree: ListTree
) -> None:
    path = export(TINY, TINY2)
    first = install(path).results
    before = list_tree(target)
    task = new_task(target, path=path)
    second = import_images(task, task.observe_home())
    assert second.plan.steps == ()
    assert list_tree(target) == before
    assert task.traffic.read == 0
    assert second.results["cached_layers"] == first["cached_layers"]
    assert second.results["bundle"]["members"] == first["bundle"]["members"]
    assert (second.results["bundle"]["added_bytes"], second.results["bundle"]["saved_bytes"]) == (
        0,
        first["bundle"]["added_bytes"],
    )
    assert [image["status"] for image in second.results["images"]] == ["present", "present"]


def test_force_on_what_is_the_same_touches_nothing(
    export: Callable[..., Path], install: Run, target: Path, list_tree: ListTree
) -> None:
    path = export(TINY)
    install(path)
    before = list_tree(target)
    outcome = install(path, force=True)
    assert outcome.plan.steps == ()
    assert outcome.results["images"][0]["status"] == "present"
    assert list_tree(target) == before


def test_without_force_a_whole_image_is_taken_as_it_is(
    export: Callable[..., Path], add_images: AddImages, install: Run, target: Path
) -> None:
    path = export(TINY)
    original = (add_images("target", "tiny") / "cache" / LAYER).read_bytes()
    change_layer(target)
    assert install(path).plan.steps == ()
    outcome = install(path, force=True)
    assert [str(step).partition(" (")[0] for step in outcome.plan.steps] == [f"install layer {LAYER.partition('/')[2]}"]
    assert (target / "cache" / LAYER).read_bytes() == original


def test_added_and_saved_bytes_are_those_of_trees_and_layers(
    export: Callable[..., Path], add_images: AddImages, install: Run
) -> None:
    path = export(TINY, TINY2)
    add_images("target", "tiny2")
    bundle = install(path).results["bundle"]
    assert bundle["added_bytes"] == bundle["saved_bytes"] == FSMETA_BYTES + LAYER_BYTES


def test_a_layer_that_was_left_out_is_needed(export: Callable[..., Path], install: Run, target: Path) -> None:
    path = export(TINY, exclude_layers=[SHARED])
    for check_mode in (True, False):
        with pytest.raises(StateError, match="is missing; the archive leaves it out"):
            install(path, check_mode=check_mode)
    assert not target.exists()


def test_a_layer_that_was_left_out_is_taken_from_the_cache(
    export: Callable[..., Path], add_images: AddImages, install: Run
) -> None:
    path = export(TINY, exclude_layers=[SHARED])
    add_images("target", "tiny2")
    results = install(path).results
    assert results["bundle"]["excluded_layers"] == [SHARED]
    assert [layer["status"] for layer in results["images"][0]["layers"]] == ["installed", "present"]
    assert results["images"][0]["boots_offline"]


def test_a_bundle_that_is_not_there_yet_is_a_warning_in_check_mode(
    new_task: Callable[..., Task], install: Run, target: Path, tmp_path: Path
) -> None:
    task = new_task(target, True, path=tmp_path / "none")
    outcome = import_images(task, task.observe_home())
    assert outcome.plan.steps == (f"install the images of {tmp_path}/none in {target}/cache",)
    assert outcome.results == {"bundle": {"path": f"{tmp_path}/none"}, "images": [], "cached_layers": []}
    assert len(task.warnings) == 1
    with pytest.raises(StateError, match="there is no archive at"):
        install(tmp_path / "none")


def test_pins_are_compared_however_the_reference_is_spelt(
    export: Callable[..., Path], install: Run, target: Path
) -> None:
    path = export(TINY)
    with pytest.raises(IntegrityError, match=f"is {DIGEST}, pinned is {NOTHING}"):
        install(path, pin={TINY: NOTHING})
    with pytest.raises(RequestError, match="pin names the image 'docker.io/library/alpine:latest', which"):
        install(path, pin={"alpine": DIGEST})
    assert not target.exists()
    assert install(path, pin={TINY: DIGEST}).plan.steps


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_checksum_is_compared_whether_or_not_there_is_anything_to_do(
    export: Callable[..., Path], add_images: AddImages, install: Run, target: Path, is_whole: bool
) -> None:
    path = export(TINY)
    if is_whole:
        add_images("target", "tiny")
    with pytest.raises(IntegrityError, match=f"wanted {NOTHING}"):
        install(path, checksum=NOTHING)
    assert target.exists() == is_whole


def test_other_files_are_no_bundles(export: Callable[..., Path], install: Run, tmp_path: Path) -> None:
    path = export(TINY)
    cut = tmp_path / "cut"
    cut.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="has no table of contents"):
        install(cut)
