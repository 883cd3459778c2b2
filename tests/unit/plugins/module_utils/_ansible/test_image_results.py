# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.image_results import (
    exported_image,
    imported_image,
    present_image,
    with_images,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    layer_file,
    metadata_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import metadata_to_bytes
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_walk import CarriedImage
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import (
    CachedImage,
    observe_image,
)

AddImages = Callable[..., Path]

REFERENCE = "localhost/tiny:1"
DIGEST = "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714"
BASE = "sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
UPPER = "sha256:09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"


def tiny(add_images: AddImages) -> CachedImage:
    return observe_image(str(add_images("home", "tiny") / "cache"), REFERENCE)


def carried(image: CachedImage) -> CarriedImage:
    if image.metadata is None:
        raise TypeError("the image has no metadata")
    sizes = tuple((file.name, file.size_bytes or 0) for file in image.files if file.name.kind in ("layers", "fsmeta"))
    return CarriedImage(REFERENCE, image.metadata, metadata_to_bytes(image.metadata), sizes)


def layers(*words: str) -> list[dict[str, Any]]:
    return [{"diff_id": diff_id, "size_bytes": 12288, "status": word} for diff_id, word in zip((BASE, UPPER), words)]


def test_an_exported_image_says_which_layers_travel(add_images: AddImages) -> None:
    assert exported_image(tiny(add_images), {layer_file(UPPER)}) == {
        "reference": REFERENCE,
        "manifest_digest": DIGEST,
        "status": "exported",
        "layers": layers("excluded", "exported"),
        "boots_offline": True,
        "missing": [],
    }


def test_an_imported_image_says_which_layers_are_new(add_images: AddImages) -> None:
    image = tiny(add_images)
    result = imported_image(carried(image), image, {layer_file(BASE)})
    assert (result["status"], result["layers"]) == ("installed", layers("installed", "present"))


def test_an_image_of_which_only_the_metadata_is_new_is_installed(add_images: AddImages) -> None:
    image = tiny(add_images)
    result = imported_image(carried(image), image, {metadata_file(REFERENCE)})
    assert (result["status"], result["layers"]) == ("installed", layers("present", "present"))


def test_an_image_that_is_not_there_yet_has_the_layers_of_the_bundle(add_images: AddImages, tmp_path: Path) -> None:
    image = carried(tiny(add_images))
    absent = observe_image(str(tmp_path / "none"), REFERENCE, DIGEST)
    result = imported_image(image, absent, {metadata_file(REFERENCE), layer_file(BASE), layer_file(UPPER)})
    assert (result["status"], result["layers"]) == ("installed", layers("installed", "installed"))
    assert (result["manifest_digest"], result["boots_offline"]) == (DIGEST, False)
    assert len(result["missing"]) == 3


def test_an_image_that_is_whole_is_present_with_all_its_layers(add_images: AddImages) -> None:
    result = present_image(tiny(add_images))
    assert (result["status"], result["layers"]) == ("present", layers("present", "present"))


def test_snapshots_boot_once_their_image_is_there(add_images: AddImages) -> None:
    pinned = {"reference": REFERENCE, "manifest_digest": DIGEST, "cached": False, "boots_offline": False}
    other = {**pinned, "manifest_digest": BASE}
    snapshots = [{"image": {**image, "missing": ["all"]}} for image in (pinned, other)]
    assert with_images(snapshots, [carried(tiny(add_images))]) == [
        {"image": {**pinned, "cached": True, "boots_offline": True, "missing": []}},
        {"image": {**other, "missing": ["all"]}},
    ]
