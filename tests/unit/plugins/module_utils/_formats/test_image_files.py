# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the files in a cache, as the real tools gave them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    LEASES,
    erofs_files,
    extent_files,
    fsmeta_file,
    layer_file,
    lease_name,
    lock_file,
    metadata_file,
    publication_lease,
    safe_digest,
    vmdk_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import (
    ImageMetadata,
    parse_image_metadata,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile

DATA = Path(__file__).parents[3] / "data"
# Key of an image in which one layer stands twice.
REPEATING = "aee29195db5e4f018ca1230a35d70cd1cac971d19e4a2d67bf1a9d2d8e429de5"
DIGEST = "sha256:" + "a" * 64

Image = tuple[dict[str, Any], ImageMetadata]


@pytest.fixture(params=["tiny", "tiny2"])
def image(request: pytest.FixtureRequest) -> Image:
    """What is expected of a real image, and its metadata."""
    expected = json.loads(DATA.joinpath(f"image-cache/{request.param}.expected.json").read_text("utf-8"))
    file = DATA / f"image-cache/{request.param}/cache/manifests/{expected['key']}.json"
    return expected, parse_image_metadata(file.read_bytes(), file.name)


def paths(files: tuple[CacheFile, ...]) -> list[str]:
    return [f"{file.kind}/{file.file}" for file in files]


def files_of(image: Image) -> tuple[CacheFile, ...]:
    expected, metadata = image
    others = vmdk_file(metadata.manifest_digest), metadata_file(expected["reference"])
    return (*erofs_files(metadata), *others)


def test_the_files_of_an_image_are_those_that_microsandbox_made(image: Image) -> None:
    expected, dummy = image
    assert set(paths(files_of(image))) == {*expected["files"], expected["vmdk"]["path"]}


def test_erofs_files_are_listed_from_bottom_to_top(image: Image) -> None:
    expected, metadata = image
    layers = [f"layers/{diff_id.replace(':', '_')}.erofs" for diff_id in expected["diff_ids_bottom_to_top"]]
    assert paths(erofs_files(metadata))[1:] == layers
    assert erofs_files(metadata)[0] == fsmeta_file(expected["manifest_digest"])


def test_a_repeated_layer_is_one_file_and_two_extents() -> None:
    with tarfile.open(DATA / "homes/home-0.7.11.tar.xz") as home:
        member = home.extractfile(f".microsandbox/cache/manifests/{REPEATING}.json")
        assert member is not None
        metadata = parse_image_metadata(member.read(), REPEATING)
    files, extents = erofs_files(metadata), extent_files(metadata)
    assert (len(files), len(extents)) == (3, 4)
    assert set(files) == set(extents)


def test_leases_have_the_names_that_microsandbox_gives_them(image: Image) -> None:
    expected, dummy = image
    leases = dict(expected["lease_file_names"])
    del leases["note"]
    assert publication_lease(metadata_file(expected["reference"])) == leases.pop("publication (manifests dir)")
    assert {f"{file.kind}/{file.file}": lease_name(file.file) for file in files_of(image)} == leases


@pytest.mark.parametrize("version", ["0.6.2", "0.7.11"])
def test_locks_have_the_names_that_microsandbox_gives_them(version: str) -> None:
    with tarfile.open(DATA / f"homes/home-{version}.tar.xz") as home:
        names = [name.partition("/cache/")[2] for name in home.getnames()]
    files = [CacheFile(*name.split("/")) for name in names if name.endswith(".erofs")]
    found = {name for name in names if name.endswith(".erofs.lock")}
    assert found == {"/".join(lock_file(file)) for file in files}
    assert LEASES == ".msb-leases"


def test_the_lock_on_metadata_is_named_after_its_key() -> None:
    assert lock_file(CacheFile("manifests", "0123.json")) == CacheFile("manifests", "0123.lock")


def test_the_lock_on_the_tree_covers_the_disk_description() -> None:
    assert lock_file(vmdk_file(DIGEST)) == lock_file(fsmeta_file(DIGEST))


def test_a_digest_is_written_without_its_colon() -> None:
    assert layer_file(DIGEST) == CacheFile("layers", f"sha256_{'a' * 64}.erofs")
    assert safe_digest("sha512+b64u:A-z_=") == "sha512+b64u_A-z_="


@pytest.mark.parametrize(
    "digest", ["", "sha256", "sha256:", ":a", "sha256:../x", "sha256:a/b", "../x:a", "a..b:c", "A:b", "a:b\n", "a:b:c"]
)
def test_what_is_no_digest_names_no_file(digest: str) -> None:
    with pytest.raises(FormatError, match="is no digest"):
        fsmeta_file(digest)


def test_a_digest_too_long_for_a_file_name_is_refused() -> None:
    with pytest.raises(FormatError, match="is no digest"):
        layer_file("sha256:" + "a" * 250)


def test_what_is_no_reference_names_no_metadata() -> None:
    with pytest.raises(FormatError, match="the image reference 'NOT A REF!'"):
        metadata_file("NOT A REF!")
