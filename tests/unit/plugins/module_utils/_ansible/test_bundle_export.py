# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bundles are written, kept and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.bundle_export import export_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError, StateError

AddImages = Callable[..., Path]

TINY = "localhost/tiny:1"
TINY2 = "example.com/team/tiny2:v2.0"
BASE = "sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
SHARED = "sha256:09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"
UNKNOWN = "sha256:" + "0" * 64
LAYER_BYTES = 12288

Export = Callable[..., Outcome]


@pytest.fixture
def home(add_images: AddImages) -> Path:
    return add_images("home", "tiny", "tiny2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tar.zst"


@pytest.fixture
def export(new_task: Callable[..., Task], home: Path, path: Path) -> Export:
    """Run a task that exports from the home to the path."""

    def run(check_mode: bool = False, **params: Any) -> Outcome:
        task = new_task(home, check_mode, **{"path": path, **params})
        return export_images(task, task.observe_home())

    return run


def test_a_second_export_reads_no_image_and_says_the_same(export: Export) -> None:
    first, second = export(images=[TINY, TINY2]), export(images=[TINY, TINY2])
    assert (len(first.plan.steps), len(second.plan.steps)) == (1, 0)
    assert first.results == second.results


def test_check_mode_tells_all_but_what_only_writing_shows(export: Export, path: Path) -> None:
    predicted = export(check_mode=True, images=[TINY])
    assert not path.exists()
    applied = export(images=[TINY])
    assert predicted.plan == applied.plan
    written = {name: value for name, value in applied.results["bundle"].items() if name not in ("size", "sha256")}
    assert predicted.results == {**applied.results, "bundle": written}


def test_an_order_of_images_is_an_order_of_files(export: Export) -> None:
    one, other = (export(images=images).results["bundle"]["members"] for images in ([TINY, TINY2], [TINY2, TINY]))
    assert sorted(one) == sorted(other)
    assert one != other


def test_layers_that_no_image_has_are_no_matter(export: Export) -> None:
    bundle = export(images=[TINY2], exclude_layers=[UNKNOWN, BASE]).results["bundle"]
    assert (bundle["excluded_layers"], bundle["saved_bytes"]) == ([], 0)


@pytest.mark.parametrize(
    ("before", "after", "is_kept"),
    [
        ([], [SHARED], True),
        ([SHARED], [SHARED, BASE], True),
        ([SHARED], [SHARED], True),
        ([SHARED], [], False),
        ([SHARED], [BASE], False),
    ],
    ids=["nothing was left out", "less was", "the same was", "more was", "something else was"],
)
def test_a_bundle_is_kept_that_leaves_out_no_more_than_it_may(
    export: Export, before: list[str], after: list[str], is_kept: bool
) -> None:
    first = export(images=[TINY], exclude_layers=before)
    second = export(images=[TINY], exclude_layers=after)
    assert (not second.plan.steps) == is_kept
    assert second.results["bundle"]["excluded_layers"] == sorted(before if is_kept else after)
    assert (second.results["bundle"] == first.results["bundle"]) == is_kept


def test_a_fuller_bundle_of_other_images_or_another_level_is_not_kept(export: Export) -> None:
    export(images=[TINY])
    assert export(images=[TINY], exclude_layers=[BASE], level=1).plan.steps
    assert export(images=[TINY, TINY2], exclude_layers=[BASE], level=1).plan.steps


def test_what_travels_and_what_stays_is_counted(export: Export, home: Path) -> None:
    bundle = export(images=[TINY], exclude_layers=[BASE]).results["bundle"]
    whole = export(images=[TINY]).results["bundle"]
    assert bundle["saved_bytes"] == LAYER_BYTES
    assert whole["carried_bytes"] - bundle["carried_bytes"] == LAYER_BYTES


def test_an_image_that_is_not_there_yet_is_a_warning_in_check_mode(
    new_task: Callable[..., Task], home: Path, path: Path
) -> None:
    task = new_task(home, True, path=path, images=[TINY, "alpine"])
    outcome = export_images(task, task.observe_home())
    assert outcome.plan.steps == (f"write image '{TINY}' with image 'alpine' to {path}",)
    assert outcome.results["bundle"] == {"path": str(path), "compression": "zstd"}
    assert len(task.warnings) == 1
    assert task.warnings[0].startswith("image 'alpine' is not whole in ")
    with pytest.raises(StateError, match="image 'alpine' is not whole"):
        export_images(new_task(home, path=path, images=["alpine"]), task.observe_home())


@pytest.mark.parametrize("kind", ["manifests", "fsmeta", "layers"])
def test_an_image_that_an_earlier_task_may_make_whole_is_a_warning_in_check_mode(
    new_task: Callable[..., Task], home: Path, path: Path, kind: str
) -> None:
    for file in (home / "cache" / kind).iterdir():
        file.write_bytes(b"")
    task = new_task(home, True, path=path, images=[TINY])
    outcome = export_images(task, task.observe_home())
    assert outcome.plan.steps == (f"write image '{TINY}' to {path}",)
    (warning,) = task.warnings
    assert f"image '{TINY}' is not whole in {home}/cache yet: {kind}/" in warning
    with pytest.raises(StateError, match="not whole"):
        export_images(new_task(home, path=path, images=[TINY]), task.observe_home())


def test_a_layer_to_leave_out_is_a_digest(export: Export, path: Path) -> None:
    with pytest.raises(RequestError, match="exclude_layers is 'layer'"):
        export(images=[TINY], exclude_layers=["layer"])
    assert not path.exists()
