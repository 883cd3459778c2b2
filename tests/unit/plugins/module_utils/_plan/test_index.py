# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions on index rows, as tables; planning again after the change plans nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import (
    INDEX_COLUMNS,
    Index,
    IndexRow,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.index import (
    DeleteIndexRow,
    IndexArtifact,
    IndexStep,
    RecountChildren,
    UpsertIndexRow,
    compare_index,
    plan_index_upserts,
    plan_reindex,
    row_from_artifact,
    rows_after,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = "2026-11-21 03:00:00.000000001"
EARLIER = "2026-11-20 10:22:39.650777514"

Artifacts = list[tuple[str, Descriptor]]


def descriptor(digest: str = "sha256:a", **changes: Any) -> Descriptor:
    values: dict[str, Any] = {
        "generation": "G1",
        "digest": digest,
        "format": "raw",
        "fstype": "ext4",
        "image_reference": "tiny:1",
        "image_manifest_digest": "sha256:9d",
        "parent": None,
        "created_at": "2026-11-20T12:00:00.5+02:00",
        "labels": (),
        "upper_file": "upper.ext4",
        "upper_bytes": 65536,
        "integrity": None,
        "source_sandbox": "base",
        **changes,
    }
    return Descriptor(**values)


def index_of(*rows: IndexRow, schema: str = "G1") -> Index:
    return Index("/h/db/msb.db", schema, rows, INDEX_COLUMNS)


def row(path: str, digest: str = "sha256:a", indexed_at: str = EARLIER, **changes: Any) -> IndexRow:
    return row_from_artifact(path, descriptor(digest, **changes), indexed_at)


def test_a_row_holds_what_microsandbox_would_write() -> None:
    assert row_from_artifact("/s/one", descriptor(parent="sha256:p"), NOW) == IndexRow(
        digest="sha256:a",
        name="one",
        parent_digest="sha256:p",
        image_ref="tiny:1",
        image_manifest_digest="sha256:9d",
        format="raw",
        fstype="ext4",
        artifact_path="/s/one",
        size_bytes=65536,
        created_at="2026-11-20 10:00:00.500",
        indexed_at=NOW,
        child_count=0,
    )


def test_a_time_that_is_not_readable_becomes_the_time_of_indexing() -> None:
    assert row_from_artifact("/s/one", descriptor(created_at="yesterday"), NOW).created_at == NOW


def test_an_artifact_without_a_row_is_indexed() -> None:
    assert plan_index_upserts(index_of(), [("/s/one", descriptor())], NOW) == (
        UpsertIndexRow(row("/s/one", indexed_at=NOW)),
    )


def test_a_row_that_agrees_is_left_alone() -> None:
    assert plan_index_upserts(index_of(row("/s/one")), [("/s/one", descriptor())], NOW) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:old"},
        {"name": None},
        {"name": "other"},
        {"parent_digest": "sha256:p"},
        {"image_ref": "tiny:2"},
        {"image_manifest_digest": "sha256:00"},
        {"format": "qcow2"},
        {"fstype": None},
        {"artifact_path": "./one"},
        {"size_bytes": None},
        {"size_bytes": 1},
        {"created_at": "2026-11-20 10:00:00.5"},
        {"created_at": "17"},
        {"indexed_at": "never"},
    ],
)
def test_a_row_that_differs_is_replaced(change: dict[str, Any]) -> None:
    stale = row("/s/one")._replace(**change)
    assert plan_index_upserts(index_of(stale), [("/s/one", descriptor())], NOW) == (
        UpsertIndexRow(row("/s/one", indexed_at=NOW)),
    )


def test_the_child_count_is_no_reason_to_replace_a_row() -> None:
    counted = row("/s/one")._replace(child_count=7)
    assert plan_index_upserts(index_of(counted), [("/s/one", descriptor())], NOW) == ()


@pytest.mark.parametrize(("stored", "agrees"), [(EARLIER, True), ("2026-11-20T10:00Z", True), ("17", False)])
def test_where_the_manifests_time_is_not_readable_any_readable_time_agrees(stored: str, agrees: bool) -> None:
    found = row("/s/one")._replace(created_at=stored)
    steps = plan_index_upserts(index_of(found), [("/s/one", descriptor(created_at="yesterday"))], NOW)
    assert (steps == ()) == agrees


def test_two_rows_of_one_path_are_replaced_by_one() -> None:
    index = index_of(row("/s/one"), row("/s/one", "sha256:old"))
    steps = plan_index_upserts(index, [("/s/one", descriptor())], NOW)
    assert rows_after(index.rows, steps) == (row("/s/one", indexed_at=NOW),)


def test_of_two_artifacts_with_one_digest_the_indexed_one_keeps_the_row() -> None:
    copies: Artifacts = [("/s/one", descriptor()), ("/s/two", descriptor())]
    assert plan_index_upserts(index_of(row("/s/one")), copies, NOW) == ()
    assert plan_index_upserts(index_of(row("/s/two")), copies, NOW) == ()
    assert plan_index_upserts(index_of(), copies, NOW) == (UpsertIndexRow(row("/s/two", indexed_at=NOW)),)


def test_of_two_artifacts_with_one_name_the_indexed_one_keeps_the_row() -> None:
    artifacts: Artifacts = [("/s/one", descriptor()), ("/t/one", descriptor("sha256:b"))]
    assert plan_index_upserts(index_of(row("/s/one")), artifacts, NOW) == ()
    assert plan_index_upserts(index_of(), artifacts, NOW) == (UpsertIndexRow(row("/t/one", "sha256:b", NOW)),)


def test_what_is_gone_is_dropped_only_when_told() -> None:
    index = index_of(row("/s/one"), row("/s/gone", "sha256:b"))
    artifacts: Artifacts = [("/s/one", descriptor())]
    assert plan_reindex(index, artifacts, (), NOW) == ()
    assert plan_reindex(index, artifacts, {"/s/gone"}, NOW) == (DeleteIndexRow("sha256:b", "/s/gone"),)


def test_a_row_that_an_upsert_replaces_is_not_dropped_as_well() -> None:
    index = index_of(row("/s/old-name"))
    steps = plan_reindex(index, [("/s/new-name", descriptor())], {"/s/old-name"}, NOW)
    assert steps == (UpsertIndexRow(row("/s/new-name", indexed_at=NOW)),)


def test_children_are_recounted_only_when_a_count_is_wrong_and_nothing_else_is() -> None:
    parent, child = row("/s/p"), row("/s/c", "sha256:c", parent="sha256:a")
    artifacts: Artifacts = [("/s/p", descriptor()), ("/s/c", descriptor("sha256:c", parent="sha256:a"))]
    right = parent._replace(child_count=1)
    assert plan_reindex(index_of(right, child), artifacts, (), NOW) == ()
    for wrong in (0, 2, -1):
        counted = parent._replace(child_count=wrong)
        assert plan_reindex(index_of(counted, child), artifacts, (), NOW) == (RecountChildren(),)
    assert plan_reindex(index_of(parent), artifacts, (), NOW) == (UpsertIndexRow(child._replace(indexed_at=NOW)),)


@pytest.mark.parametrize("schema", ["G2", "G3", "unknown"])
def test_an_index_of_another_generation_is_refused_by_name(schema: str) -> None:
    index = index_of(schema=schema)
    for plan in (plan_index_upserts(index_of(), [], NOW), plan_reindex(index_of(), [], (), NOW)):
        assert plan == ()
    with pytest.raises(UnsupportedError, match=f"the index in /h/db/msb.db has the schema {schema}"):
        plan_index_upserts(index, [], NOW)
    with pytest.raises(UnsupportedError, match=f"has the schema {schema}, this collection writes G1"):
        plan_reindex(index, [], (), NOW)


def test_where_there_is_no_index_nothing_is_planned() -> None:
    absent = Index("/h/db/msb.db", "absent", (), ())
    assert plan_index_upserts(absent, [("/s/one", descriptor())], NOW) == ()
    assert plan_reindex(absent, [("/s/one", descriptor())], {"/s/one"}, NOW) == ()


def test_steps_are_sentences() -> None:
    steps: list[IndexStep] = [UpsertIndexRow(row("/s/one")), DeleteIndexRow("sha256:b", "/s/b"), RecountChildren()]
    assert [str(step) for step in steps] == [
        "index /s/one as sha256:a",
        "drop the index row of /s/b",
        "recount the children in the index",
    ]
    assert str(IndexArtifact("/s/new")) == "index /s/new"


def test_an_index_is_compared_with_artifacts() -> None:
    artifacts: Artifacts = [
        ("/s/sound", descriptor()),
        ("/s/new", descriptor("sha256:b")),
        ("/s/stale", descriptor("sha256:c")),
        ("/s/twice", descriptor("sha256:d")),
        ("/s/undated", descriptor("sha256:e", created_at="yesterday")),
    ]
    rows = [
        row("/s/sound"),
        row("/s/stale", "sha256:old"),
        row("/s/twice", "sha256:d"),
        row("/s/twice", "sha256:older"),
        row("/s/undated", "sha256:e"),
        row("/s/gone", "sha256:f"),
    ]
    assert compare_index(index_of(*rows), artifacts) == (("/s/new",), ("/s/stale", "/s/twice"))


digests = st.sampled_from(["sha256:a", "sha256:b", "sha256:c", "sha256:d"])
paths = st.sampled_from(["/s/one", "/s/two", "/s/three", "/t/one"])
artifact_lists = st.dictionaries(
    paths, st.builds(lambda digest, parent: descriptor(digest, parent=parent), digests, st.none() | digests)
).map(lambda found: list(found.items()))
index_steps = st.lists(
    st.builds(lambda path, digest, parent: UpsertIndexRow(row(path, digest, parent=parent)), paths, digests, digests)
    | st.builds(DeleteIndexRow, digests, paths)
    | st.just(RecountChildren()),
    max_size=8,
)


@given(index_steps, artifact_lists, st.sets(paths))
def test_planning_again_plans_nothing(history: list[IndexStep], artifacts: Artifacts, gone: set[str]) -> None:
    rows = rows_after((), history)
    gone -= {path for path, dummy in artifacts}
    steps = plan_reindex(index_of(*rows), artifacts, gone, NOW)
    after = rows_after(rows, steps)
    assert plan_reindex(index_of(*after), artifacts, gone, "2026-11-22 00:00:00") == ()
    assert {found.artifact_path for found in after}.isdisjoint(gone)


@given(index_steps)
def test_no_two_rows_share_a_digest_a_name_or_a_path(steps: list[IndexStep]) -> None:
    rows = rows_after((), steps)
    for column in ("digest", "name", "artifact_path"):
        found = [getattr(each, column) for each in rows]
        assert len(found) == len(set(found))


def test_ten_thousand_artifacts_are_planned_in_a_second() -> None:
    artifacts: Artifacts = [
        (f"/s/{n}", descriptor(f"sha256:{n}", parent=f"sha256:{n - 1}" if n else None)) for n in range(10_000)
    ]
    start = time.process_time()
    steps = plan_reindex(index_of(), artifacts, (), NOW)
    after = rows_after((), steps)
    assert plan_reindex(index_of(*after), artifacts, (), NOW) == ()
    assert time.process_time() - start < 1
