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
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import ArchiveContents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import Artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    WantedArchive,
    WriteArchive,
    plan_export,
    resolve_layout,
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


def test_a_file_that_is_no_archive_is_replaced_by_force_only() -> None:
    with pytest.raises(StateError, match="/x/a.tar.zst exists and is no archive; force replaces it"):
        plan_export(ARCHIVE, (ONE,), None, exists=True, is_archive=False)
    forced = dataclasses.replace(ARCHIVE, force=True)
    assert plan_export(forced, (ONE,), None, exists=True, is_archive=False).steps == (WriteArchive(forced, (ONE,)),)
