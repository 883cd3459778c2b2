# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions on archives, as tables: write or leave, install or keep, and under which names."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import (
    MAX_CONTENTS_BYTES,
    ArchiveContents,
    contents_to_bytes,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import Artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_walk import PinnedImage
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    WantedArchive,
    WriteArchive,
    archive_contents,
    plan_export,
    plan_repair,
    resolve_layout,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_shipment import (
    NO_SHIPMENT,
    ShipFile,
    Shipment,
)

ARCHIVE = WantedArchive("/x/a.tar.zst", "zstd", 3, "dense", force=False)


def descriptor(digest: str, parent: str | None = None) -> Descriptor:
    return Descriptor(
        "G1",
        digest,
        "raw",
        "ext4",
        "tiny:1",
        "sha256:9d",
        parent,
        "2026-11-21T03:00:00+00:00",
        (),
        "upper.ext4",
        1,
        None,
        "base",
    )


def artifact(name: str, digest: str, parent: str | None = None) -> Artifact:
    return Artifact(f"/s/{name}", descriptor(digest, parent), 0)


ONE, TWO = artifact("one", "sha256:1"), artifact("two", "sha256:2", "sha256:1")


def contents(**changes: Any) -> ArchiveContents:
    written = ArchiveContents("sha256:2", ("sha256:1", "sha256:2"), "two", "zstd", 3, "dense", 12345)
    return dataclasses.replace(written, **changes)


@pytest.mark.parametrize(
    ("layout", "compression", "resolved"),
    [
        ("auto", "zstd", "dense"),
        ("auto", "none", "sparse"),
        ("dense", "none", "dense"),
        ("sparse", "zstd", "sparse"),
    ],
)
def test_a_layout_is_chosen_by_the_compression(layout: str, compression: str, resolved: str) -> None:
    assert resolve_layout(layout, compression) == resolved


def test_an_archive_that_is_not_there_is_written() -> None:
    plan = plan_export(ARCHIVE, (ONE, TWO), None, exists=False, is_archive=False)
    assert plan.steps == (WriteArchive(ARCHIVE, (ONE, TWO)),)
    assert str(plan.steps[0]) == "write 2 snapshots two (sha256:2) to /x/a.tar.zst"
    assert plan.before == {}
    assert plan.after == {
        "path": "/x/a.tar.zst",
        "head": "sha256:2",
        "snapshots": ["sha256:1", "sha256:2"],
        "compression": "zstd",
        "level": 3,
        "layout": "dense",
    }


def test_one_snapshot_is_one() -> None:
    plan = plan_export(ARCHIVE, (ONE,), None, exists=False, is_archive=False)
    assert str(plan.steps[0]) == "write snapshot one (sha256:1) to /x/a.tar.zst"


def test_an_archive_that_holds_it_is_left() -> None:
    plan = plan_export(ARCHIVE, (ONE, TWO), contents(), exists=True, is_archive=True)
    assert plan.steps == ()
    assert plan.before == plan.after


@pytest.mark.parametrize(
    "found",
    [
        contents(head="sha256:1"),
        contents(digests=("sha256:2",)),
        contents(digests=("sha256:2", "sha256:1")),
        contents(compression="none"),
        contents(level=4),
        contents(layout="sparse"),
    ],
)
def test_an_archive_that_differs_is_written_anew(found: ArchiveContents) -> None:
    plan = plan_export(ARCHIVE, (ONE, TWO), found, exists=True, is_archive=True)
    assert plan.steps == (WriteArchive(ARCHIVE, (ONE, TWO)),)
    assert plan.before != plan.after


@pytest.mark.parametrize("name", [None, "renamed since"])
def test_the_name_that_the_head_had_does_not_matter(name: str | None) -> None:
    assert plan_export(ARCHIVE, (ONE, TWO), contents(suggested_name=name), exists=True, is_archive=True).steps == ()


def test_an_archive_of_another_program_is_replaced() -> None:
    plan = plan_export(ARCHIVE, (ONE,), None, exists=True, is_archive=True)
    assert len(plan.steps) == 1
    assert plan.before == {"path": "/x/a.tar.zst", "state": "exists, written by another program"}


def test_an_archive_that_turned_out_to_be_damaged_is_written_anew() -> None:
    left = plan_export(ARCHIVE, (ONE, TWO), contents(), exists=True, is_archive=False)
    plan = plan_repair(left, ARCHIVE, (ONE, TWO), NO_SHIPMENT)
    assert plan.steps == (WriteArchive(ARCHIVE, (ONE, TWO)),)
    assert plan.before == {"path": "/x/a.tar.zst", "state": "exists, damaged"}
    assert plan.after == left.after


def test_a_file_that_is_no_archive_is_replaced_by_force_only() -> None:
    with pytest.raises(StateError, match="/x/a.tar.zst exists and is no archive; force replaces it"):
        plan_export(ARCHIVE, (ONE,), None, exists=True, is_archive=False)
    forced = dataclasses.replace(ARCHIVE, force=True)
    assert plan_export(forced, (ONE,), None, exists=True, is_archive=False).steps == (WriteArchive(forced, (ONE,)),)


def text(kind: str, number: int, size: int) -> ShipFile:
    return ShipFile(CacheFile(kind, f"{number}.x"), size, bytes(size))


def layers(count: int, name: str = "") -> tuple[ShipFile, ...]:
    return tuple(ShipFile(CacheFile("layers", f"{name}{number}.erofs"), 4096) for number in range(count))


def pinned(count: int, reference: str = "tiny") -> tuple[PinnedImage, ...]:
    return (PinnedImage(reference, "sha256:9d"),) * count


MIB = 1 << 20
LARGEST = [
    (Shipment("/c", pinned(256)), Shipment("/c", pinned(257)), "would have 257 images, an import takes 256"),
    (Shipment("/c", files=layers(4096)), Shipment("/c", files=layers(4097)), "4097 image cache files, .* takes 4096"),
    (
        Shipment("/c", excluded=("sha256:1",) * 4096),
        Shipment("/c", excluded=("sha256:1",) * 4097),
        "4097 layers to leave out, .* takes 4096",
    ),
    (
        Shipment("/c", files=(text("manifests", 1, 2 * MIB),)),
        Shipment("/c", files=(text("manifests", 1, 2 * MIB + 1),)),
        "2097153 bytes of metadata of one image, .* takes 2097152",
    ),
    (
        Shipment("/c", files=(text("vmdk", 1, MIB),)),
        Shipment("/c", files=(text("vmdk", 1, MIB + 1),)),
        "1048577 bytes of one descriptor, .* takes 1048576",
    ),
    (
        Shipment("/c", files=tuple(text("manifests", number, 2 * MIB - 500) for number in range(4))),
        Shipment("/c", files=(*(text("manifests", number, 2 * MIB) for number in range(4)), text("vmdk", 1, 1))),
        "bytes of manifests, metadata and descriptors, .* takes 8388608",
    ),
    (
        Shipment("/c", files=layers(4096, "x" * 190)),
        Shipment("/c", files=layers(4096, "x" * 230)),
        "bytes of a table of contents, .* takes 1048576",
    ),
]


@pytest.mark.parametrize("artifacts", [(ONE,), ()], ids=["archive", "bundle"])
@pytest.mark.parametrize(("fits", "exceeds", "message"), LARGEST)
def test_no_more_is_written_than_an_import_takes(
    fits: Shipment, exceeds: Shipment, message: str, artifacts: tuple[Artifact, ...]
) -> None:
    assert plan_export(ARCHIVE, artifacts, None, exists=False, is_archive=False, shipment=fits).steps
    with pytest.raises(StateError, match=message) as caught:
        plan_export(ARCHIVE, artifacts, None, exists=False, is_archive=False, shipment=exceeds)
    assert caught.value.facts["path"] == ARCHIVE.path


def test_manifests_count_with_the_metadata() -> None:
    large = dataclasses.replace(ONE, descriptor=ONE.descriptor._replace(labels=(("a", "x" * MIB),)))
    plan_export(ARCHIVE, (large,) * 7, None, exists=False, is_archive=False)
    with pytest.raises(StateError, match="bytes of manifests, metadata and descriptors"):
        plan_export(ARCHIVE, (large,) * 8, None, exists=False, is_archive=False)


def test_a_table_of_contents_is_read_whole_up_to_its_limit() -> None:
    def planned(length: int) -> Shipment:
        return Shipment("/c", pinned(1, "x" * length))

    empty = archive_contents(ARCHIVE, (), planned(0), (1 << 64) - 1)
    room = MAX_CONTENTS_BYTES - 8 - len(contents_to_bytes(empty))
    plan_export(ARCHIVE, (), None, exists=False, is_archive=False, shipment=planned(room))
    with pytest.raises(StateError, match=f"would have {MAX_CONTENTS_BYTES + 1} bytes of a table of contents"):
        plan_export(ARCHIVE, (), None, exists=False, is_archive=False, shipment=planned(room + 1))


def test_a_step_names_an_image_safely() -> None:
    shipment = Shipment("/c", pinned(1, "x" * 500))
    (step,) = plan_export(ARCHIVE, (), None, exists=False, is_archive=False, shipment=shipment).steps
    assert str(step) == f"write image '{'x' * 80}...' (sha256:9d) to /x/a.tar.zst"
