# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files carry an image, and that its metadata is the same bytes wherever it comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    fsmeta_file,
    layer_file,
    metadata_file,
    vmdk_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import (
    ImageMetadata,
    parse_image_metadata,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import (
    ABSENT,
    PRESENT,
    CachedImage,
    CacheFileState,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_shipment import (
    Shipment,
    plan_shipment,
)

DATA = Path(__file__).parents[3] / "data/image-cache"
TINY = json.loads(DATA.joinpath("tiny.expected.json").read_text("utf-8"))
REFERENCE, DIGEST = TINY["reference"], TINY["manifest_digest"]
METADATA_BYTES = DATA.joinpath("tiny/cache/manifests", f"{TINY['key']}.json").read_bytes()
METADATA = parse_image_metadata(METADATA_BYTES, "tiny")
LAYERS = [layer_file(diff_id) for diff_id in TINY["diff_ids_bottom_to_top"]]
FILES = [metadata_file(REFERENCE), fsmeta_file(DIGEST), vmdk_file(DIGEST), *LAYERS]


def image(metadata: ImageMetadata = METADATA, absent: CacheFile | None = None) -> CachedImage:
    names = (metadata_file(REFERENCE), fsmeta_file(metadata.manifest_digest), *LAYERS)
    files = [
        CacheFileState(name, ABSENT, f"{name.file} is missing")
        if name == absent
        else CacheFileState(name, PRESENT, "", 4096)
        for name in (*names, vmdk_file(metadata.manifest_digest))
    ]
    return CachedImage(REFERENCE, metadata.manifest_digest, metadata, tuple(files))


def shipped_metadata(shipment: Shipment) -> bytes | None:
    return next(file.content for file in shipment.files if file.name == metadata_file(REFERENCE))


def pulled(indent: int) -> tuple[ImageMetadata, ImageMetadata]:
    """Return the image as a registry serves it with an indent: the metadata after a load, and after a pull."""
    manifest = json.loads(METADATA.raw_manifest)
    served = json.dumps(manifest, sort_keys=True, indent=indent)
    loaded = replace(METADATA, raw_manifest=served, manifest_digest=_sha256(served))
    return loaded, replace(loaded, raw_manifest=json.dumps(manifest, separators=(",", ":")))


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_an_image_is_shipped_in_the_order_of_microsandbox() -> None:
    shipment = plan_shipment("/c", [image()])
    assert [file.name for file in shipment.files] == FILES
    assert shipment.images == ((REFERENCE, DIGEST),)


def test_the_metadata_of_a_real_cache_is_shipped_as_it_is() -> None:
    assert shipped_metadata(plan_shipment("/c", [image()])) == METADATA_BYTES


def test_a_pulled_image_is_shipped_as_the_same_bytes_as_a_loaded_one() -> None:
    loaded, respelled = pulled(indent=2)
    assert respelled != loaded
    assert plan_shipment("/c", [image(respelled)]) == plan_shipment("/c", [image(loaded)])


def test_a_pulled_image_whose_manifest_cannot_be_restored_is_refused_with_what_to_do() -> None:
    dummy, respelled = pulled(indent=7)
    with pytest.raises(StateError, match="boots here, but no import would take it: .* msb load"):
        plan_shipment("/c", [image(respelled)])


@pytest.mark.parametrize("absent", [fsmeta_file(DIGEST), LAYERS[0]], ids=["fsmeta", "layer"])
def test_an_image_that_is_not_whole_is_refused(absent: CacheFile) -> None:
    with pytest.raises(StateError, match=f"is not whole in its cache: {absent.file} is missing"):
        plan_shipment("/c", [image(absent=absent)])


def test_a_layer_that_is_left_out_is_not_shipped_and_named() -> None:
    left_out = TINY["diff_ids_bottom_to_top"][0]
    shipment = plan_shipment("/c", [image()], [left_out, "sha256:" + "f" * 64])
    assert [file.name for file in shipment.files] == [name for name in FILES if name != LAYERS[0]]
    assert shipment.excluded == (left_out,)
