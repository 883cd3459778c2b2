# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of images that are whole, that lack a file, that are another one, or that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.image_inspection import inspect_images
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError

NewTask = Callable[..., Task]

REFERENCE = "localhost/tiny:1"
DIGEST = "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714"
OTHER = "sha256:" + "f" * 64
BASE_LAYER = "sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
SHARED_LAYER = "sha256:09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"
TREE = f"fsmeta/{DIGEST.replace(':', '_')}.erofs"


@pytest.fixture
def home(add_images: Callable[..., Path]) -> Path:
    return add_images("home", "tiny")


def inspect(task: Task) -> dict[str, Any]:
    return inspect_images(task, task.observe_home())


def the_image(task: Task) -> dict[str, Any]:
    (image,) = inspect(task)["images"]
    assert isinstance(image, dict)
    return image


def test_a_whole_image_is_told_with_the_sizes_of_its_files(new_task: NewTask, home: Path) -> None:
    task = new_task(home, images=[REFERENCE], strict=True)
    assert inspect(task) == {
        "images": [
            {
                "reference": REFERENCE,
                "manifest_digest": DIGEST,
                "boots_offline": True,
                "missing": [],
                "layers": [
                    {"diff_id": BASE_LAYER, "size_bytes": 12288},
                    {"diff_id": SHARED_LAYER, "size_bytes": 12288},
                ],
                "tree_bytes": 8192,
            }
        ],
        "cached_layers": [SHARED_LAYER, BASE_LAYER],
        "check_mode": False,
    }


def test_check_mode_is_told(new_task: NewTask, home: Path) -> None:
    assert inspect(new_task(home, check_mode=True, images=[REFERENCE], strict=False))["check_mode"] is True


def test_a_file_that_is_missing_has_no_size(new_task: NewTask, home: Path) -> None:
    Path(home, "cache/layers", f"{BASE_LAYER.replace(':', '_')}.erofs").unlink()
    Path(home, "cache", TREE).unlink()
    image = the_image(new_task(home, images=[REFERENCE], strict=False))
    assert [layer["size_bytes"] for layer in image["layers"]] == [None, 12288]
    assert (image["tree_bytes"], image["boots_offline"], len(image["missing"])) == (None, False, 2)


def test_of_an_image_without_metadata_the_tree_tells_only_that_it_is_there(new_task: NewTask, home: Path) -> None:
    for path in (home / "cache/manifests").iterdir():
        path.unlink()
    image = the_image(new_task(home, images=[REFERENCE], pin={REFERENCE: DIGEST}, strict=False))
    assert (image["manifest_digest"], image["layers"], image["tree_bytes"]) == (DIGEST, [], 8192)
    assert not image["boots_offline"]


def test_a_reference_that_stands_for_another_image_is_not_the_pinned_one(new_task: NewTask, home: Path) -> None:
    image = the_image(new_task(home, images=[REFERENCE], pin={REFERENCE: OTHER}, strict=False))
    assert not image["boots_offline"]
    assert f"is that of {DIGEST}, wanted is '{OTHER}'" in image["missing"][0]


def test_strict_fails_where_an_image_is_not_whole(new_task: NewTask, home: Path) -> None:
    task = new_task(home, images=[REFERENCE, "alpine"], strict=True)
    with pytest.raises(StateError, match="image 'alpine' is not whole in .*the metadata of image 'alpine', is missing"):
        inspect(task)


def test_without_images_only_the_layers_are_told(new_task: NewTask, home: Path) -> None:
    found = inspect(new_task(home, strict=True))
    assert (found["images"], found["cached_layers"]) == ([], [SHARED_LAYER, BASE_LAYER])
    found = inspect(new_task(home / "none", strict=True))
    assert (found["images"], found["cached_layers"]) == ([], [])
