# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of images in real caches, whole and damaged."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    fsmeta_file,
    layer_file,
    metadata_file,
    vmdk_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import (
    ABSENT,
    DAMAGED,
    DIFFERENT,
    PRESENT,
    CachedImage,
    observe_image,
    open_cache_file,
    require_valid_erofs,
)

DATA = Path(__file__).parents[3] / "data"
TINY = json.loads(DATA.joinpath("image-cache/tiny.expected.json").read_text("utf-8"))
REFERENCE, DIGEST = TINY["reference"], TINY["manifest_digest"]
LOWER, UPPER = (layer_file(diff_id) for diff_id in TINY["diff_ids_bottom_to_top"])
METADATA, FSMETA, VMDK = metadata_file(REFERENCE), fsmeta_file(DIGEST), vmdk_file(DIGEST)
FILES = (METADATA, FSMETA, LOWER, UPPER, VMDK)
OTHER = "sha256:" + "f" * 64


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The real cache of the image, with this place's paths in its disk description."""
    target = tmp_path / "c a c h e"
    shutil.copytree(DATA / "image-cache/tiny/cache", target)
    vmdk = place(target, VMDK)
    vmdk.write_text(vmdk.read_text("utf-8").replace("{CACHE}", str(target.resolve())), "utf-8")
    return target


def place(cache: Path, name: CacheFile) -> Path:
    return cache / name.kind / name.file


def states(image: CachedImage) -> dict[CacheFile, str]:
    return {file.name: file.state for file in image.files}


def test_a_whole_image_boots_offline(cache: Path) -> None:
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert image.boots_offline
    assert (image.missing, image.problems) == ((), ())
    assert states(image) == dict.fromkeys(FILES, PRESENT)
    assert image.metadata is not None
    assert image.metadata.config_digest == TINY["config_digest"]
    sizes = {f"{file.name.kind}/{file.name.file}": file.size_bytes for file in image.files[:-1]}
    assert sizes == {name: facts["size"] for name, facts in TINY["files"].items()}


def test_any_digest_will_do_when_none_is_wanted(cache: Path) -> None:
    image = observe_image(str(cache), "localhost/tiny:1")
    assert image.boots_offline
    assert image.manifest_digest == DIGEST


def test_observing_changes_nothing(cache: Path, list_tree: Callable[[Path], Any]) -> None:
    before = list_tree(cache)
    observe_image(str(cache), REFERENCE, DIGEST)
    observe_image(str(cache), REFERENCE, OTHER)
    assert list_tree(cache) == before


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2", "0.7.11"])
def test_the_images_of_a_real_home_that_was_moved_lack_nothing_but_its_paths(
    version: str, unpack_home: Callable[[str], Path]
) -> None:
    image = observe_image(str(unpack_home(version) / "cache"), REFERENCE, DIGEST)
    assert [file for file, state in states(image).items() if state != PRESENT] == [VMDK]
    assert states(image)[VMDK] == DIFFERENT
    assert "makes a disk of other files than those of this image in " in image.missing[0]


def test_an_image_with_a_repeated_layer_boots_offline(unpack_home: Callable[[str], Path]) -> None:
    cache = unpack_home("0.7.11") / "cache"
    metadata = json.loads(place(cache, metadata_file("localhost/dup:1")).read_bytes())
    vmdk = place(cache, vmdk_file(metadata["manifest_digest"]))
    text = vmdk.read_text("utf-8").replace("/tmp/spec/_homes/home-0.7.11/.microsandbox/cache", str(cache.resolve()))
    vmdk.write_text(text, "utf-8")
    image = observe_image(str(cache), "localhost/dup:1", metadata["manifest_digest"])
    assert image.boots_offline
    assert (len(metadata["layers"]), len(image.files)) == (3, 5)


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.kind)
def test_a_file_that_is_not_there_is_named(cache: Path, name: CacheFile) -> None:
    place(cache, name).unlink()
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert not image.boots_offline
    assert [problem[0] for problem in image.problems] == [name]
    assert image.missing[0].startswith(f"{name.kind}/{name.file}")
    assert image.missing[0].endswith(" is missing")
    assert states(image)[name] == ABSENT


def test_a_cache_that_is_not_there_lacks_all_that_is_known_of_the_image(tmp_path: Path) -> None:
    image = observe_image(str(tmp_path / "cache"), REFERENCE, DIGEST)
    assert states(image) == dict.fromkeys((METADATA, FSMETA, VMDK), ABSENT)
    assert image.metadata is None
    assert image.missing[0] == f"manifests/{METADATA.file}, the metadata of image 'localhost/tiny:1', is missing"


def test_without_a_wanted_digest_an_unknown_image_lacks_its_metadata(tmp_path: Path) -> None:
    image = observe_image(str(tmp_path), REFERENCE)
    assert states(image) == {METADATA: ABSENT}
    assert image.manifest_digest is None


def test_a_reference_that_moved_on_is_explained(cache: Path) -> None:
    image = observe_image(str(cache), REFERENCE, OTHER)
    assert states(image) == {METADATA: DIFFERENT, fsmeta_file(OTHER): ABSENT, vmdk_file(OTHER): ABSENT}
    assert image.metadata is None
    assert image.missing[0] == (
        f"manifests/{METADATA.file}, the metadata of image 'localhost/tiny:1', is that of {DIGEST}, wanted is"
        f" '{OTHER}': a later pull or load moved the reference"
    )


@pytest.mark.parametrize("reference", ["NOT A REF!", "", "\x1b[31m"])
def test_what_is_no_reference_is_an_answer(cache: Path, reference: str) -> None:
    image = observe_image(str(cache), reference, OTHER)
    assert not image.boots_offline
    assert image.missing[0].startswith("the image reference ")
    assert "\x1b" not in image.missing[0]


@pytest.mark.parametrize("digest", ["", "sha256:", "sha512:" + "a" * 128, "sha256:../../x", "x" * 5000])
def test_what_is_no_digest_of_ours_is_an_answer(cache: Path, digest: str) -> None:
    assert not observe_image(str(cache), REFERENCE, digest).boots_offline


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (METADATA, b"{", "is not JSON"),
        (METADATA, b"{}", "lacks the field layers"),
        (METADATA, b" " * ((2 << 20) + 1), "has more than the 2097152 bytes that are read"),
        (FSMETA, b"", "has 0 bytes, an EROFS image has a positive multiple of 4096"),
        (FSMETA, bytes(8192), "is no EROFS image: it has no superblock"),
        (LOWER, bytes(4097), "has 4097 bytes"),
        (UPPER, b"\xee" * 4096, "is no EROFS image"),
        (VMDK, b"x", "line 1 of vmdk/"),
        (VMDK, b"\xff", "is not UTF-8"),
        (VMDK, b"#" * ((1 << 20) + 1), "has more than the 1048576 bytes that are read"),
    ],
)
def test_a_damaged_file_is_named(cache: Path, name: CacheFile, content: bytes, reason: str) -> None:
    place(cache, name).write_bytes(content)
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert states(image)[name] == DAMAGED
    assert [problem[0] for problem in image.problems] == [name]
    assert f"{name.kind}/{name.file}" in image.missing[0]
    assert reason in image.missing[0]


def test_a_cut_off_image_is_damaged(cache: Path) -> None:
    os.truncate(place(cache, UPPER), 8192)
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert image.missing == (f"layers/{UPPER.file} is a cut-off EROFS image: it has 8192 of 12288 bytes",)


def test_metadata_that_lies_is_damaged(cache: Path) -> None:
    content = json.loads(place(cache, METADATA).read_bytes())
    content["layers"] = content["layers"][:1]
    place(cache, METADATA).write_text(json.dumps(content), "utf-8")
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert states(image)[METADATA] == DAMAGED
    assert image.metadata is None


def test_a_manifest_that_a_pull_spelt_anew_boots(cache: Path) -> None:
    content = json.loads(place(cache, METADATA).read_bytes())
    content["raw_manifest_json"] = json.dumps(json.loads(content["raw_manifest_json"]), indent=7)
    place(cache, METADATA).write_text(json.dumps(content), "utf-8")
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert image.boots_offline
    assert image.metadata is not None
    assert image.metadata.raw_manifest == content["raw_manifest_json"]


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.kind)
def test_a_symlink_is_no_file_of_the_cache(cache: Path, name: CacheFile) -> None:
    path = place(cache, name)
    path.symlink_to(path.rename(cache / "elsewhere"))
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert states(image)[name] == DAMAGED
    assert image.missing[0] == f"{name.kind}/{name.file} is no regular file"


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.kind)
def test_a_directory_is_no_file_of_the_cache(cache: Path, name: CacheFile) -> None:
    place(cache, name).unlink()
    place(cache, name).mkdir()
    assert states(observe_image(str(cache), REFERENCE, DIGEST))[name] == DAMAGED


@pytest.mark.parametrize("kind", ["manifests", "fsmeta", "layers", "vmdk"])
def test_a_symlink_is_no_directory_of_the_cache(cache: Path, kind: str) -> None:
    path = cache / kind
    path.symlink_to(path.rename(cache / "elsewhere"))
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert not image.boots_offline
    assert image.missing[0] == f"{kind} in {cache} is no directory"


def test_a_cache_that_is_a_symlink_is_the_cache_that_it_leads_to(cache: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(cache)
    assert observe_image(str(link), REFERENCE, DIGEST).boots_offline


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.kind)
def test_a_fifo_does_not_hold_up_a_look(cache: Path, name: CacheFile) -> None:
    place(cache, name).unlink()
    os.mkfifo(place(cache, name))
    assert states(observe_image(str(cache), REFERENCE, DIGEST))[name] == DAMAGED


def test_a_socket_is_no_file_of_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(cache, LOWER).unlink()
    monkeypatch.chdir(cache / "layers")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(LOWER.file)
        assert states(observe_image(str(cache), REFERENCE, DIGEST))[LOWER] == DAMAGED


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("/fsmeta/", "/../fsmeta/", "makes a disk of other files"),
        ("RW 16 ", "RW 8 ", "gives a file another length than it has"),
        (".erofs\" 0\nRW 24", ".erofs\" 0\nRW 24 FLAT \"/etc/shadow\" 0\nRW 24", "makes a disk of other files"),
    ],
)  # fmt: skip
def test_a_disk_of_something_else_is_different(cache: Path, old: str, new: str, reason: str) -> None:
    text = place(cache, VMDK).read_text("utf-8")
    place(cache, VMDK).write_text(text.replace(old, new, 1), "utf-8")
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert states(image)[VMDK] == DIFFERENT
    assert reason in image.missing[0]


def test_a_disk_of_no_files_is_different(cache: Path) -> None:
    place(cache, VMDK).write_text("# Disk DescriptorFile\n", "utf-8")
    assert states(observe_image(str(cache), REFERENCE, DIGEST))[VMDK] == DIFFERENT


def test_a_disk_is_judged_by_its_names_while_a_layer_is_missing(cache: Path) -> None:
    place(cache, LOWER).unlink()
    assert states(observe_image(str(cache), REFERENCE, DIGEST))[VMDK] == PRESENT


def test_a_longer_layer_needs_another_disk(cache: Path) -> None:
    with place(cache, UPPER).open("ab") as file:
        file.write(bytes(4096))
    image = observe_image(str(cache), REFERENCE, DIGEST)
    assert states(image)[UPPER] == PRESENT
    assert states(image)[VMDK] == DIFFERENT


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    image = observe_image(str(tmp_path / ("x" * 300)), REFERENCE, DIGEST)
    assert image.missing[1] == f"fsmeta/{FSMETA.file} cannot be read: File name too long"


def test_a_file_of_the_cache_is_opened_for_reading(cache: Path) -> None:
    with open_cache_file(str(cache), LOWER) as fd:
        assert os.read(fd, 1 << 20) == place(cache, LOWER).read_bytes()
        assert require_valid_erofs(fd, "x") == 12288


def test_a_directory_of_the_cache_is_not_opened_as_a_file(cache: Path) -> None:
    place(cache, LOWER).unlink()
    place(cache, LOWER).mkdir()
    with pytest.raises(FormatError, match="is no regular file"), open_cache_file(str(cache), LOWER):
        pytest.fail("a directory was opened")


def test_a_file_that_is_not_in_the_cache_cannot_be_opened(cache: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, open_cache_file(str(cache), layer_file(OTHER)):
        pytest.fail("a missing file was opened")
    assert caught.value.filename == str(place(cache, layer_file(OTHER)))


def test_no_descriptor_is_left_open(cache: Path) -> None:
    place(cache, LOWER).unlink()
    before = os.listdir("/proc/self/fd")
    observe_image(str(cache), REFERENCE, DIGEST)
    assert os.listdir("/proc/self/fd") == before
