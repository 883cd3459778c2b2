# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions on image cache files, as tables: install, keep, replace or refuse, and in which order."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    fsmeta_file,
    layer_file,
    metadata_file,
    vmdk_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import (
    metadata_to_bytes,
    parse_image_metadata,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_target import CacheTarget
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_walk import (
    CarriedFile,
    CarriedImage,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_cache import (
    InstallCacheFile,
    plan_install,
    vmdk_content,
)

DATA = Path(__file__).parents[3] / "data/image-cache"
TINY, TINY2 = (json.loads(DATA.joinpath(f"{name}.expected.json").read_text("utf-8")) for name in ("tiny", "tiny2"))
CACHE = "/c"
SIZE = 8192
OTHER = "sha256:" + "f" * 64


def carried(facts: dict[str, str], name: str) -> CarriedImage:
    content = DATA.joinpath(name, "cache/manifests", f"{facts['key']}.json").read_bytes()
    metadata = parse_image_metadata(content, "x")
    files = (fsmeta_file(metadata.manifest_digest), *map(layer_file, metadata.diff_ids))
    return CarriedImage(facts["reference"], metadata, content, tuple((file, SIZE) for file in files))


IMAGE, IMAGE2 = carried(TINY, "tiny"), carried(TINY2, "tiny2")
METADATA, VMDK = metadata_file(IMAGE.reference), vmdk_file(IMAGE.metadata.manifest_digest)
FSMETA, LOWER, UPPER = (name for name, dummy in IMAGE.sizes)
DISK = vmdk_content(IMAGE.metadata, dict(IMAGE.sizes), CACHE)
ALL = (FSMETA, LOWER, UPPER, VMDK, METADATA)


def digest_of(name: CacheFile) -> str:
    return f"sha256:{name.kind}-{name.file}"


def path_of(name: CacheFile) -> str:
    return f"{CACHE}/{name.kind}/{name.file}"


def absent(name: CacheFile) -> CacheTarget:
    return CacheTarget(path_of(name))


def present(name: CacheFile) -> CacheTarget:
    """Return what stands there when the image is installed."""
    content = {METADATA: IMAGE.metadata_bytes, VMDK: DISK}.get(name)
    if content is not None:
        return CacheTarget(path_of(name), is_absent=False, is_file=True, size_bytes=len(content), content=content)
    return CacheTarget(path_of(name), False, True, SIZE, digest_of(name), None, True)


def different(name: CacheFile) -> CacheTarget:
    """Return what stands there when it is something else."""
    content = {METADATA: IMAGE2.metadata_bytes, VMDK: b"# other"}.get(name)
    return dataclasses.replace(present(name), sha256=None if content else OTHER, content=content)


def foreign(name: CacheFile) -> CacheTarget:
    return CacheTarget(path_of(name), is_absent=False)


def pulled_metadata(raw_manifest: str) -> bytes:
    """Return the image's metadata with another text of the manifest."""
    return metadata_to_bytes(dataclasses.replace(IMAGE.metadata, raw_manifest=raw_manifest))


def plan(
    targets: dict[CacheFile, CacheTarget] | None = None,
    force: bool = False,
    images: tuple[CarriedImage, ...] = (IMAGE,),
    left_out: tuple[CacheFile, ...] = (),
    cache: str = CACHE,
) -> tuple[InstallCacheFile, ...]:
    names = {name for image in images for name, dummy in image.sizes}
    texts = {metadata_file(image.reference) for image in images}
    texts |= {vmdk_file(image.metadata.manifest_digest) for image in images}
    files = {name: CarriedFile(name, SIZE, digest_of(name)) for name in names if name not in left_out}
    found = {name: absent(name) for name in names | texts} | (targets or {})
    return plan_install(images, files, found, cache, force)


def test_an_image_is_installed_with_its_metadata_last() -> None:
    steps = plan()
    assert [step.name for step in steps] == list(ALL)
    assert [step.content for step in steps] == [None, None, None, DISK, IMAGE.metadata_bytes]
    assert [step.size_bytes for step in steps] == [SIZE, SIZE, SIZE, len(DISK), len(IMAGE.metadata_bytes)]
    assert {step.replaces for step in steps} == {None}
    assert {step.image for step in steps} == {IMAGE.reference}


def test_every_metadata_comes_after_everything_else() -> None:
    kinds = [step.name.kind for step in plan(images=(IMAGE, IMAGE2))]
    assert kinds == ["fsmeta", "layers", "layers", "fsmeta", "vmdk", "vmdk", "manifests", "manifests"]


def test_a_layer_that_two_images_share_is_installed_once_for_the_first() -> None:
    steps = [step for step in plan(images=(IMAGE, IMAGE2)) if step.name.kind == "layers"]
    assert [step.image for step in steps] == [IMAGE.reference] * 2


def test_what_is_installed_is_kept() -> None:
    assert plan({name: present(name) for name in ALL}) == ()
    assert plan({name: present(name) for name in ALL}, force=True) == ()


@pytest.mark.parametrize("name", ALL, ids=lambda name: name.kind)
def test_only_what_is_missing_is_installed(name: CacheFile) -> None:
    targets = {each: present(each) for each in ALL if each != name}
    assert [step.name for step in plan(targets)] == [name]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ALL, ids=lambda name: name.kind)
def test_what_is_no_file_is_never_replaced(name: CacheFile, force: bool) -> None:
    with pytest.raises(StateError, match=f"{path_of(name)} is no regular file"):
        plan({name: foreign(name)}, force)


@pytest.mark.parametrize("name", [FSMETA, LOWER, UPPER], ids=lambda name: name.kind)
def test_an_erofs_file_of_other_content_needs_force(name: CacheFile) -> None:
    with pytest.raises(StateError, match=f"{path_of(name)} is the file {OTHER}, .*; force replaces it") as caught:
        plan({name: different(name)})
    assert (caught.value.facts["found"], caught.value.facts["wanted"]) == (OTHER, digest_of(name))
    steps = {step.name: step for step in plan({name: different(name)}, force=True)}
    assert steps[name].replaces == f"the file {OTHER}"


def test_an_erofs_file_of_another_size_needs_force() -> None:
    target = CacheTarget(path_of(LOWER), is_absent=False, is_file=True, size_bytes=4096)
    with pytest.raises(StateError, match="is a file of 4096 bytes, the archive's has 8192 bytes"):
        plan({LOWER: target})
    steps = {step.name: step for step in plan({LOWER: target}, force=True)}
    assert steps[LOWER].replaces == "a file of 4096 bytes"


def test_metadata_of_another_image_needs_force() -> None:
    with pytest.raises(StateError, match="names the image .* here, in the archive .*; force moves it") as caught:
        plan({METADATA: different(METADATA)})
    assert caught.value.facts["found"] == IMAGE2.metadata.manifest_digest
    steps = plan({METADATA: different(METADATA)}, force=True)
    assert steps[-1].replaces == f"metadata of {IMAGE2.metadata.manifest_digest}"


def other_metadata(manifest_digest: object, without: tuple[str, ...] = ()) -> bytes:
    """Return the image's metadata with another manifest digest, and without some fields."""
    fields = {**json.loads(IMAGE.metadata_bytes), "manifest_digest": manifest_digest}
    return json.dumps({name: value for name, value in fields.items() if name not in without}).encode()


RAW_TEXTS = ("raw_manifest_json", "raw_config_json")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (other_metadata(OTHER, RAW_TEXTS), OTHER),
        (other_metadata("sha512:" + "a" * 128), "sha512:" + "a" * 128),
        (b'{"manifest_digest":"' + OTHER.encode() + b'"}', OTHER),
    ],
    ids=["as versions before 0.5.4 write it", "of SHA-512", "of the future"],
)
def test_metadata_of_another_image_that_is_not_read_here_needs_force_too(content: bytes, found: str) -> None:
    target = CacheTarget(path_of(METADATA), False, True, len(content), None, content)
    with pytest.raises(StateError, match=f"names the image '{found}' here, .*; force moves it"):
        plan({METADATA: target})
    assert plan({METADATA: target}, force=True)[-1].replaces == f"metadata of '{found}'"


def test_a_file_that_is_too_large_to_tell_whose_metadata_it_is_needs_force() -> None:
    target = CacheTarget(path_of(METADATA), False, True, 3 << 20)
    with pytest.raises(StateError, match=f"{path_of(METADATA)} has 3145728 bytes, more than are read; force replaces"):
        plan({METADATA: target})
    assert plan({METADATA: target}, force=True)[-1].replaces == "a file of 3145728 bytes"


def test_what_foreign_metadata_says_is_safe_to_print() -> None:
    content = other_metadata("\x1b[31m" + "x" * 5000)
    with pytest.raises(StateError) as caught:
        plan({METADATA: CacheTarget(path_of(METADATA), False, True, len(content), None, content)})
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"{}", other_metadata(1), other_metadata(IMAGE.metadata.manifest_digest, RAW_TEXTS)],
)
def test_damaged_metadata_is_replaced(content: bytes) -> None:
    target = CacheTarget(path_of(METADATA), False, True, 1, None, content)
    assert plan({METADATA: target})[-1].replaces == "damaged metadata"


def test_the_same_metadata_in_another_spelling_is_kept() -> None:
    content = json.dumps(json.loads(IMAGE.metadata_bytes), indent=1).encode()
    target = CacheTarget(path_of(METADATA), False, True, len(content), None, content)
    assert METADATA not in [step.name for step in plan({METADATA: target})]


@pytest.mark.parametrize("force", [False, True])
def test_metadata_whose_manifest_a_pull_spelt_anew_is_kept(force: bool) -> None:
    content = pulled_metadata(json.dumps(json.loads(IMAGE.metadata.raw_manifest), indent=1))
    target = CacheTarget(path_of(METADATA), False, True, len(content), None, content)
    assert METADATA not in [step.name for step in plan({METADATA: target}, force)]


@pytest.mark.parametrize("raw_manifest", ["{", '{"layers":[{"digest":"x"}]}'])
def test_metadata_whose_manifest_is_another_is_replaced(raw_manifest: str) -> None:
    content = pulled_metadata(raw_manifest)
    target = CacheTarget(path_of(METADATA), False, True, len(content), None, content)
    assert plan({METADATA: target})[-1].replaces == "damaged metadata"


@pytest.mark.parametrize("content", [None, b"", DISK + b"x", DISK.replace(b"/c/", b"/d/")])
def test_a_disk_of_something_else_is_written_anew(content: bytes | None) -> None:
    target = CacheTarget(path_of(VMDK), False, True, 1, None, content)
    steps = {step.name: step for step in plan({VMDK: target})}
    assert (steps[VMDK].content, steps[VMDK].replaces) == (DISK, "one of other paths or sizes")


def test_a_layer_that_is_left_out_has_to_be_there() -> None:
    steps = plan({LOWER: present(LOWER)}, left_out=(LOWER,))
    assert [step.name for step in steps] == [FSMETA, UPPER, VMDK, METADATA]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (absent(LOWER), "is missing; the archive leaves it out and expects 8192 bytes"),
        (foreign(LOWER), "is no regular file"),
        (dataclasses.replace(present(LOWER), size_bytes=4096), "or damaged; the archive leaves it out"),
        (dataclasses.replace(present(LOWER), is_valid=False), "or damaged; the archive leaves it out"),
    ],
)
def test_without_such_a_layer_nothing_is_installed(target: CacheTarget, message: str, force: bool) -> None:
    with pytest.raises(StateError, match=message):
        plan({LOWER: target}, force, left_out=(LOWER,))


def test_a_disk_names_the_files_of_its_cache() -> None:
    text = DISK.decode()
    positions = [text.index(f'RW 16 FLAT "{path_of(name)}" 0') for name in (FSMETA, LOWER, UPPER)]
    assert positions == sorted(positions)


@pytest.mark.parametrize("cache", ['/a"b', "/a\nb", "/a\udcff"])
def test_a_cache_that_no_disk_can_name_gets_no_image(cache: str) -> None:
    with pytest.raises(FormatError, match="a disk cannot be made of"):
        plan(cache=cache)


def test_a_step_is_a_sentence() -> None:
    first, *rest = plan({FSMETA: different(FSMETA)}, force=True)
    assert str(first) == (
        f"install directory tree {FSMETA.file} (8192 bytes) of image '{IMAGE.reference}' in /c/fsmeta in place of the"
        f" file {OTHER}"
    )
    assert str(rest[-1]).startswith(f"install metadata {METADATA.file} (")
