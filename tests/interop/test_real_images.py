# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image caches that the other tests start from are ones that the real microsandbox wrote, ships and starts from."""

from __future__ import annotations

import json
import re
from typing import Callable

import pytest
from cache_listing import cache_files, image_files, moved, without_vmdk
from loopback_registry import LoopbackRegistry
from real_062 import Sdk062, SdkRefusal
from real_0711 import Msb0711, MsbRefusal
from sandbox_image import APP, BASE, REPEATED, SandboxImage, sha256

_IMAGES = [BASE, APP, REPEATED]
_NAMES = [image.name.partition(":")[0] for image in _IMAGES]
_SPELLINGS = ["buildkit", "docker", "debian", "unknown"]

OnHome062 = Callable[[str], Sdk062]
OnHome0711 = Callable[[str], Msb0711]


def _vmdk_layers(vmdk: bytes) -> list[str]:
    """Return the diff ids in the extents of a VMDK descriptor, bottom to top."""
    return [digest.replace("_", ":") for digest in re.findall(r"/layers/(\S+)\.erofs\"", vmdk.decode())]


@pytest.mark.parametrize("image", _IMAGES, ids=_NAMES)
def test_a_pull_of_062_caches_every_layer_once_and_the_extents_in_order(
    images_062: Sdk062, image: SandboxImage
) -> None:
    opened = images_062.call("open", path_or_name=image.name.partition(":")[0])

    files = image_files(images_062.home, opened["image_manifest_digest"])

    layers = {name for name in files if name.startswith("layers/")}
    assert layers == {f"layers/{diff_id.replace(':', '_')}.erofs" for diff_id in image.diff_ids}
    (vmdk,) = (content for name, content in files.items() if name.startswith("vmdk/"))
    assert _vmdk_layers(vmdk) == image.diff_ids
    (metadata,) = (content for name, content in files.items() if name.startswith("manifests/"))
    assert json.loads(metadata)["raw_manifest_json"].encode() == image.manifest()


def test_both_versions_make_the_same_bytes_of_the_same_layers(images_062: Sdk062, images_0711: Msb0711) -> None:
    ours, theirs = (
        {name: content for name, content in cache_files(home).items() if name.startswith("layers/")}
        for home in (images_062.home, images_0711.home)
    )

    assert len(ours) == 3
    assert ours == theirs


@pytest.mark.parametrize("spelling", _SPELLINGS)
def test_a_manifest_in_another_spelling_is_cached_as_a_text_of_another_digest(
    sdk062: OnHome062, registry: LoopbackRegistry, spelling: str
) -> None:
    sdk = sdk062("builder")

    sdk.make_pulled_sandbox("base", registry.publish(BASE, name=f"{spelling}:1", spelling=spelling))

    (metadata,) = (content for name, content in cache_files(sdk.home).items() if name.startswith("manifests/"))
    fields = json.loads(metadata)
    assert fields["manifest_digest"] == sha256(BASE.manifest(spelling))
    assert fields["manifest_digest"] != sha256(fields["raw_manifest_json"].encode())
    served = json.loads(BASE.manifest(spelling))
    served["config"].pop("data", None)
    assert json.loads(fields["raw_manifest_json"]) == served


@pytest.mark.parametrize("name", _NAMES)
def test_what_062_exports_with_its_image_is_imported_by_062_with_the_paths_of_the_exporter(
    images_062: Sdk062, sdk062: OnHome062, name: str
) -> None:
    opened = images_062.call("open", path_or_name=name)
    archive = images_062.home.parent / "golden.tar"
    images_062.call("export", name_or_path=name, out=archive, with_image=True, plain_tar=True)
    target = sdk062("target")

    imported = target.call("import", archive=archive)

    assert imported["digest"] == opened["digest"]
    assert cache_files(target.home) == image_files(images_062.home, opened["image_manifest_digest"])
    assert target.offline_refusal(opened["image_ref"]) is None


@pytest.mark.parametrize("name", _NAMES)
def test_what_062_exports_with_its_image_is_imported_by_0711_with_paths_of_its_own(
    images_062: Sdk062, msb0711: OnHome0711, name: str
) -> None:
    opened = images_062.call("open", path_or_name=name)
    archive = images_062.home.parent / "golden.tar.zst"
    images_062.call("export", name_or_path=name, out=archive, with_image=True)
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    shipped = image_files(images_062.home, opened["image_manifest_digest"])
    assert cache_files(msb.home) == moved(shipped, images_062.home, msb.home)
    assert msb.offline_refusal(opened["image_ref"]) is None


def test_what_0711_exports_with_its_image_is_imported_by_0711(images_0711: Msb0711, msb0711: OnHome0711) -> None:
    archive = images_0711.home.parent / "golden.msb"
    images_0711.run("snapshot", "create", "--sandbox", "repeated", "golden")
    images_0711.run("snapshot", "export", "repeated:golden", "--with-image", "--output", archive)
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    files = cache_files(msb.home)
    assert len(files) == 5
    assert without_vmdk(files).items() <= without_vmdk(cache_files(images_0711.home)).items()
    assert msb.offline_refusal(REPEATED.reference) is None


@pytest.mark.parametrize("spelling", _SPELLINGS)
def test_062_refuses_its_own_archive_of_an_image_whose_manifest_was_spelled_otherwise(
    sdk062: OnHome062, registry: LoopbackRegistry, spelling: str
) -> None:
    sdk = sdk062("builder")
    sdk.make_pulled_sandbox("base", registry.publish(BASE, name=f"{spelling}:1", spelling=spelling))
    sdk.call("create", source_sandbox="base", name="base")
    archive = sdk.home.parent / "golden.tar.zst"
    sdk.call("export", name_or_path="base", out=archive, with_image=True)

    with pytest.raises(SdkRefusal, match="raw manifest digest mismatch"):
        sdk062("target").call("import", archive=archive)


@pytest.mark.parametrize("kind", ["manifests", "fsmeta", "layers", "vmdk"])
def test_neither_version_starts_from_a_cache_in_which_a_file_is_missing(
    images_062: Sdk062, images_0711: Msb0711, kind: str
) -> None:
    reference = images_062.call("open", path_or_name="base")["image_ref"]
    for home in (images_062.home, images_0711.home):
        for path in (home / "cache" / kind).glob("[!.]*"):
            path.unlink()

    refusals = images_062.offline_refusal(reference), images_0711.offline_refusal(BASE.reference)

    assert f"image not cached: {reference}" in str(refusals[0])
    assert f"image not cached: {BASE.reference}" in str(refusals[1])


def test_0711_does_not_start_from_a_descriptor_with_the_paths_of_another_home(images_0711: Msb0711) -> None:
    assert images_0711.offline_refusal(BASE.reference) is None
    for path in (images_0711.home / "cache/vmdk").glob("*.vmdk"):
        path.write_text(path.read_text(encoding="utf-8").replace("/cache/", "/elsewhere/"), encoding="utf-8")

    refusal = images_0711.offline_refusal(BASE.reference)

    assert refusal is not None
    assert "No such file or directory" in refusal


def test_062_does_not_export_an_image_whose_tag_has_moved(images_062: Sdk062, registry: LoopbackRegistry) -> None:
    reference = registry.publish(SandboxImage(BASE.name, APP.layers))
    images_062.make_pulled_sandbox("other", reference, pull_policy="ALWAYS")
    archive = images_062.home.parent / "golden.tar"

    with pytest.raises(SdkRefusal, match="cached image metadata digest mismatch"):
        images_062.call("export", name_or_path="base", out=archive, with_image=True)


def test_0711_does_not_export_an_image_whose_tag_has_moved(images_0711: Msb0711) -> None:
    images_0711.run("snapshot", "create", "--sandbox", "base", "golden")
    images_0711.load(SandboxImage(BASE.name, APP.layers))
    archive = images_0711.home.parent / "golden.msb"

    with pytest.raises(MsbRefusal, match="cached image metadata digest mismatch"):
        images_0711.run("snapshot", "export", "base:golden", "--with-image", "--output", archive)


def test_a_chain_over_two_images_is_shipped_by_062_with_the_image_of_the_head_alone(
    images_062: Sdk062, sdk062: OnHome062
) -> None:
    parent = images_062.call("open", path_or_name="base")
    images_062.call("remove", path_or_name="app")
    images_062.create_with_parent("app", "app", parent["digest"])
    archive = images_062.home.parent / "chain.tar.zst"
    images_062.call("export", name_or_path="app", out=archive, with_image=True, with_parents=True)
    target = sdk062("target")

    target.call("import", archive=archive)

    head = images_062.call("open", path_or_name="app")
    assert cache_files(target.home) == image_files(images_062.home, head["image_manifest_digest"])
    assert "image not cached" in str(target.offline_refusal(parent["image_ref"]))
