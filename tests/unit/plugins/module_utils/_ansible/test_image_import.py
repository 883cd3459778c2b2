# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about the images of an archive, on real caches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.image_import import (
    cache_diff,
    plan_images,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive, observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_cache import InstallCacheFile

AddImages = Callable[..., Path]

ARCHIVE = Path(__file__).parents[3] / "data/g1-archives/nolabels-0.6.2-img.tar.zst"
KINDS = ["fsmeta", "layers", "layers", "vmdk", "manifests"]


def plan(task: Task) -> tuple[InstallCacheFile, ...]:
    archive: Archive = observe_archive(str(ARCHIVE), task.limits, True, task.traffic)
    return plan_images(task, task.observe_home(), archive.images, archive.cache_files)


def test_files_that_are_missing_are_installed_and_metadata_last(
    new_task: Callable[..., Task], tmp_path: Path, list_tree: Callable[[Path], Any]
) -> None:
    before = list_tree(tmp_path)
    steps = plan(new_task(tmp_path / "home"))
    assert [step.name.kind for step in steps] == KINDS
    assert all(step.path == f"{tmp_path}/home/cache/{step.name.kind}/{step.name.file}" for step in steps)
    assert list_tree(tmp_path) == before


def test_nothing_is_installed_where_all_is_there(new_task: Callable[..., Task], add_images: AddImages) -> None:
    assert plan(new_task(add_images("home", "tiny"))) == ()


def test_an_archive_without_images_needs_no_look_at_the_cache(new_task: Callable[..., Task], tmp_path: Path) -> None:
    task = new_task(tmp_path / "home")
    assert plan_images(task, task.observe_home(), (), ()) == ()
    assert task.traffic.read == 0


def test_the_descriptor_names_the_cache_by_its_real_path(
    new_task: Callable[..., Task], add_images: AddImages, tmp_path: Path
) -> None:
    home = add_images("home", "tiny")
    tmp_path.joinpath("link").symlink_to(home)
    assert plan(new_task(tmp_path / "link")) == ()


def test_a_diff_shows_what_goes_and_what_comes(new_task: Callable[..., Task], add_images: AddImages) -> None:
    home = add_images("home", "tiny")
    (vmdk,) = home.glob("cache/vmdk/*")
    size = vmdk.stat().st_size
    vmdk.write_text("", "utf-8")
    (layer, dummy) = sorted(home.glob("cache/layers/*"))
    layer.unlink()
    assert cache_diff(plan(new_task(home))) == (
        {str(vmdk): "one of other paths or sizes"},
        {str(layer): "12288 bytes", str(vmdk): f"{size} bytes"},
    )
