# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles of images: their table of contents names the images, and their members have to be those."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    MicrosandboxError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import (
    ArchiveContents,
    ContentsImage,
    contents_to_bytes,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.bundle import (
    Bundle,
    observe_bundle,
    read_bundle_contents,
)
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils._observe.real_images import (
    OWN,
    TINY,
    TINY2,
    Real,
    diff_id,
    member,
)

BOTH = {**TINY.files, **TINY2.files}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a bundle of these files, some of whose table of contents is a lie."""

    def write_bundle(
        carried: tuple[Real, ...] = (TINY,),
        files: Mapping[str, bytes] = TINY.files,
        extra: bytes = b"",
        is_compressed: bool = False,
        **changes: Any,
    ) -> Path:
        path = tmp_path / "bundle"
        content = b"".join(member(*pair) for pair in files.items()) + extra + bytes(1024)
        if is_compressed:
            content = subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout
        values: dict[str, Any] = {
            "head": None,
            "digests": (),
            "suggested_name": None,
            "compression": "zstd" if is_compressed else "none",
            "level": 3,
            "layout": "dense",
            "archive_bytes": len(content),
            "images": tuple(ContentsImage(image.reference, image.digest) for image in carried),
            **changes,
        }
        path.write_bytes(content + skippable_frame(contents_to_bytes(ArchiveContents(**values))))
        return path

    return write_bundle


def observe(path: Path, traffic: Traffic | None = None) -> Bundle:
    contents = read_bundle_contents(str(path))
    return observe_bundle(str(path), contents, ArchiveLimits(), traffic or Traffic())


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_bundle_is_seen_whole(write: Write, is_compressed: bool) -> None:
    path = write((TINY, TINY2), BOTH, is_compressed=is_compressed)
    traffic = Traffic()
    bundle = observe(path, traffic)
    assert [image.reference for image in bundle.images] == [TINY.reference, TINY2.reference]
    assert bundle.members == tuple(BOTH)
    assert bundle.sha256 == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert (bundle.size_bytes, bundle.compression) == (path.stat().st_size, "zstd" if is_compressed else "none")
    carried = [f"cache/{file.name.kind}/{file.name.file}" for file in bundle.cache_files]
    assert carried == [name for name in BOTH if name.endswith(".erofs")]
    assert traffic.read == path.stat().st_size


def test_directories_of_the_cache_may_stand_in_a_bundle(write: Write) -> None:
    info = tarfile.TarInfo("cache/layers")
    info.type = tarfile.DIRTYPE
    assert len(observe(write(extra=info.tobuf(tarfile.GNU_FORMAT))).images) == 1


def test_a_layer_may_be_left_out(write: Write) -> None:
    files = {name: content for name, content in TINY.files.items() if name != OWN}
    (image,) = observe(write(files=files, excluded_layers=(diff_id(OWN),))).images
    assert f"{len(TINY.files[OWN])}" in str(image.sizes)
    with pytest.raises(FormatError, match="archive lacks a file of image"):
        observe(write(files=files))


def test_a_file_without_a_table_of_contents_is_no_bundle(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"".join(member(*pair) for pair in TINY.files.items()) + bytes(1024))
    with pytest.raises(FormatError, match="has no table of contents, a bundle of images ends with one"):
        read_bundle_contents(str(path))


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no archive at .*/missing"):
        read_bundle_contents(str(tmp_path / "missing"))


@pytest.mark.parametrize("changes", [{"head": "sha256:" + "a" * 64}, {"images": ()}])
def test_an_archive_of_snapshots_is_no_bundle(write: Write, changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="is an archive of snapshots, not a bundle of images"):
        read_bundle_contents(str(write(**changes)))


def test_a_bundle_holds_no_snapshot(write: Write) -> None:
    with pytest.raises(FormatError, match="it holds a snapshot, a bundle holds images alone") as caught:
        observe(write(extra=member("a/manifest.json", b"{}")))
    assert str(caught.value.facts["archive"]).endswith("/bundle")


def named(*pairs: tuple[str, str]) -> tuple[ContentsImage, ...]:
    return tuple(ContentsImage(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("images", "files", "changes", "error", "message"),
    [
        pytest.param((TINY, TINY2), TINY.files, {}, FormatError, "names 2 images, it holds 1", id="one is missing"),
        pytest.param((TINY,), BOTH, {}, FormatError, "belongs to no image that it pins", id="one too many"),
        pytest.param((TINY,), {}, {}, FormatError, "names 1 images, it holds 0", id="nothing"),
        pytest.param(
            (),
            TINY.files,
            {"images": named((TINY.reference, TINY2.digest))},
            IntegrityError,
            "the snapshot pins",
            id="another digest",
        ),
        pytest.param(
            (),
            TINY.files,
            {"images": named(("localhost/other:1", TINY.digest))},
            FormatError,
            "but not the metadata",
            id="another reference",
        ),
        pytest.param(
            (),
            TINY.files,
            {"images": named((TINY.reference, TINY.digest), (TINY.reference, TINY2.digest))},
            FormatError,
            "names 2 images, it holds 1",
            id="one reference, two digests",
        ),
        pytest.param(
            (TINY,), TINY.files, {"excluded_layers": ("../x",)}, FormatError, "no table of contents", id="a path"
        ),
    ],
)
def test_a_table_that_lies_is_refused(
    write: Write,
    images: tuple[Real, ...],
    files: dict[str, bytes],
    changes: dict[str, Any],
    error: type[MicrosandboxError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        observe(write(images, files, **changes))


@pytest.mark.parametrize("name", sorted(BOTH))
def test_one_damaged_image_of_two_spoils_the_bundle(write: Write, name: str) -> None:
    with pytest.raises(MicrosandboxError, match="bundle is refused: "):
        observe(write((TINY, TINY2), {**BOTH, name: BOTH[name][:-1]}))


def test_an_image_may_be_named_twice(write: Write) -> None:
    assert len(observe(write((TINY, TINY))).images) == 1
