# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Index rows as microsandbox itself writes them, into its own database."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.index import (
    apply_index_steps,
    keep_index,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.timestamps import ns_from_index_text
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import parse_manifest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import (
    INDEX_COLUMNS,
    IndexRow,
    observe_index,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.index import (
    DeleteIndexRow,
    IndexStep,
    RecountChildren,
    UpsertIndexRow,
    plan_index_upserts,
    plan_reindex,
    rows_after,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = "2026-11-21 03:00:00.000000001"
# Where the homes lay when microsandbox wrote these paths into them.
ORIGIN = "/tmp/spec/_homes"

Unpack = Callable[[str], Path]
Listing = Callable[[Path], object]


def artifacts_of(home: Path, version: str) -> list[tuple[str, Descriptor]]:
    """Return the artifacts of a real home under the paths that microsandbox indexed."""
    origin = f"{ORIGIN}/home-{version}/.microsandbox/snapshots"
    return [
        (f"{origin}/{path.parent.name}", parse_manifest(path.read_bytes()))
        for path in sorted(home.glob("snapshots/*/manifest.json"))
    ]


def execute(database: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)


def without_time(rows: tuple[IndexRow, ...]) -> set[IndexRow]:
    return {row._replace(indexed_at="") for row in rows}


def row(name: str, digest: str, parent: str | None = None) -> IndexRow:
    return IndexRow(digest, name, parent, "tiny:1", "sha256:9d", "raw", "ext4", f"/s/{name}", 1, NOW, NOW, 0)


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2"])
def test_a_lost_index_is_rebuilt_as_microsandbox_had_written_it(unpack_home: Unpack, version: str) -> None:
    home = unpack_home(version)
    database = home / "db/msb.db"
    original = observe_index(str(database))
    assert len(original.rows) == 3
    execute(database, "DELETE FROM snapshot_index")
    artifacts = artifacts_of(home, version)
    steps = plan_index_upserts(observe_index(str(database)), artifacts, NOW)
    apply_index_steps(str(database), steps, 1)
    rebuilt = observe_index(str(database))
    assert without_time(rebuilt.rows) == without_time(original.rows)
    assert all(ns_from_index_text(row.indexed_at) is not None for row in rebuilt.rows)
    assert plan_reindex(rebuilt, artifacts, (), NOW) == ()


def test_an_artifact_is_kept_in_the_index_once(unpack_home: Unpack, list_tree: Listing) -> None:
    home = unpack_home("0.6.2")
    database = home / "db/msb.db"
    execute(database, "DELETE FROM snapshot_index WHERE name = 'second'")
    artifact = observe_artifact(str(home / "snapshots/second"))
    (step,) = keep_index(str(database), [artifact], NOW, 1)
    assert step.row in observe_index(str(database)).rows
    before = list_tree(home)
    assert keep_index(str(database), [artifact], NOW, 1) == ()
    assert list_tree(home) == before


def test_where_there_is_no_index_none_is_made(unpack_home: Unpack, tmp_path: Path) -> None:
    artifact = observe_artifact(str(unpack_home("0.6.2") / "snapshots/second"))
    assert keep_index(str(tmp_path / "msb.db"), [artifact], NOW, 1) == ()
    assert not tmp_path.joinpath("msb.db").exists()


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2"])
def test_a_sound_index_plans_nothing_and_nothing_touches_no_file(
    unpack_home: Unpack, list_tree: Listing, version: str
) -> None:
    home = unpack_home(version)
    database = str(home / "db/msb.db")
    before = list_tree(home)
    steps = plan_reindex(observe_index(database), artifacts_of(home, version), (), NOW)
    apply_index_steps(database, steps, 1)
    assert steps == ()
    assert list_tree(home) == before


def test_the_stored_types_are_those_of_microsandbox(unpack_home: Unpack) -> None:
    database = unpack_home("0.6.2") / "db/msb.db"
    types = ", ".join(f"typeof({column})" for column in INDEX_COLUMNS)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        apply_index_steps(str(database), [UpsertIndexRow(row("new", "sha256:new", "sha256:p"))], 1)
        theirs, ours = (
            connection.execute(f"SELECT {types} FROM snapshot_index WHERE name = ?", (name,)).fetchone()  # noqa: S608
            for name in ("child", "new")
        )
    assert ours == theirs


def test_replacing_a_child_never_inflates_its_parents_count(unpack_home: Unpack) -> None:
    database = str(unpack_home("0.6.2") / "db/msb.db")
    parent = observe_index(database).rows[0]
    for digest in ("sha256:1", "sha256:2", "sha256:2"):
        apply_index_steps(database, [UpsertIndexRow(row("child", digest, parent.digest))], 1)
    assert [found.child_count for found in observe_index(database).rows if found.name == "first"] == [1]


def test_a_parent_that_arrives_after_its_children_has_them_counted(unpack_home: Unpack) -> None:
    database = str(unpack_home("0.6.2") / "db/msb.db")
    children: list[IndexStep] = [UpsertIndexRow(row(name, f"sha256:{name}", "sha256:p")) for name in ("a", "b")]
    apply_index_steps(database, [*children, UpsertIndexRow(row("p", "sha256:p"))], 1)
    apply_index_steps(database, [DeleteIndexRow("sha256:a", "/s/a")], 1)
    assert [found.child_count for found in observe_index(database).rows if found.name == "p"] == [1]


def test_wrong_counts_are_set_right(unpack_home: Unpack) -> None:
    database = unpack_home("0.6.2") / "db/msb.db"
    before = observe_index(str(database)).rows
    execute(database, "UPDATE snapshot_index SET child_count = child_count + 3")
    apply_index_steps(str(database), [RecountChildren()], 1)
    assert observe_index(str(database)).rows == before


def test_a_row_is_dropped_only_where_digest_and_path_are_its_own(unpack_home: Unpack) -> None:
    database = str(unpack_home("0.6.2") / "db/msb.db")
    before = observe_index(database).rows
    apply_index_steps(database, [DeleteIndexRow(before[0].digest, "/elsewhere")], 1)
    assert observe_index(database).rows == before


@pytest.mark.parametrize(
    ("statement", "schema"),
    [
        ("SELECT 1", "G3"),
        ("DROP TABLE snapshot_index", "absent"),
        ("ALTER TABLE snapshot_index ADD COLUMN future", "unknown"),
    ],
)
def test_an_index_that_is_not_of_g1_is_refused_untouched(
    unpack_home: Unpack, list_tree: Listing, statement: str, schema: str
) -> None:
    home = unpack_home("0.7.11")
    execute(home / "db/msb.db", statement)
    before = list_tree(home)
    with pytest.raises(UnsupportedError, match=f"has the schema {schema}, this collection writes G1") as caught:
        apply_index_steps(str(home / "db/msb.db"), [RecountChildren()], 1)
    assert caught.value.facts["schema"] == schema
    assert list_tree(home) == before


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="has the schema absent"):
        apply_index_steps(str(tmp_path / "msb.db"), [RecountChildren()], 1)
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_fails_undoes_those_before_it(unpack_home: Unpack) -> None:
    database = str(unpack_home("0.6.2") / "db/msb.db")
    before = observe_index(database).rows
    impossible = row("b", "sha256:b")._replace(format=None)
    with pytest.raises(StateError, match="NOT NULL constraint failed"):
        apply_index_steps(database, [UpsertIndexRow(row("first", "sha256:x")), UpsertIndexRow(impossible)], 1)
    assert observe_index(database).rows == before


def test_a_database_that_stays_locked_is_named_and_unchanged(unpack_home: Unpack) -> None:
    database = unpack_home("0.6.2") / "db/msb.db"
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.readline()
"""
    before = observe_index(str(database)).rows
    command = [sys.executable, "-c", script, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(StateError, match=r"msb\.db is locked by another process"):
                apply_index_steps(str(database), [UpsertIndexRow(row("a", "sha256:a"))], 0.2)
        finally:
            process.kill()
    assert observe_index(str(database)).rows == before


@pytest.fixture(scope="module")
def pristine() -> bytes:
    """An empty G1 database with the real tool's own schema."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(__file__).parents[3] / "data/homes/home-0.6.2.tar.xz"
        with tarfile.open(home) as archive:
            archive.extractall(scratch, filter="data")
        database = Path(scratch, ".microsandbox/db/msb.db")
        execute(database, "DELETE FROM snapshot_index")
        assert not Path(f"{database}-wal").exists()
        return database.read_bytes()


names = st.sampled_from(["one", "two", "three"])
digests = st.sampled_from(["sha256:a", "sha256:b", "sha256:c"])
step_lists = st.lists(
    st.builds(lambda *values: UpsertIndexRow(row(*values)), names, digests, st.none() | digests)
    | st.builds(lambda name, digest: DeleteIndexRow(digest, f"/s/{name}"), names, digests)
    | st.just(RecountChildren()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(first=step_lists, second=step_lists)
def test_the_database_ends_as_the_plan_said(pristine: bytes, first: list[IndexStep], second: list[IndexStep]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch, "msb.db")
        database.write_bytes(pristine)
        for steps in (first, second):
            expected = rows_after(observe_index(str(database)).rows, steps)
            apply_index_steps(str(database), steps, 1)
            assert set(observe_index(str(database)).rows) == set(expected)
