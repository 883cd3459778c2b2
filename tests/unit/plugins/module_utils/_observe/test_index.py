# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index as the real tools wrote it, of every generation, and damaged ones."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import (
    INDEX_COLUMNS,
    Index,
    IndexRow,
    observe_gone,
    observe_index,
    observe_index_schema,
    observe_last_migration,
)

HOMES = Path(__file__).parents[3] / "data/homes"
# Where the homes lay when microsandbox wrote these paths into them.
ORIGIN = "/tmp/spec/_homes"

Unpack = Callable[[str], Path]


def expected_rows(version: str) -> list[dict[str, Any]]:
    text = (HOMES / f"home-{version}.expected.json").read_text("utf-8").replace("{HOMES}", ORIGIN)
    rows: list[dict[str, Any]] = json.loads(text)["snapshot_index"]
    return rows


def alter(database: Path, *statements: str) -> str:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return str(database)


@pytest.mark.parametrize(("version", "schema"), [("0.4.4", "G1"), ("0.6.2", "G1"), ("0.7.11", "G3")])
def test_a_real_index_is_read_whole_and_without_a_trace(
    unpack_home: Unpack, list_tree: Callable[[Path], object], version: str, schema: str
) -> None:
    home = unpack_home(version)
    before = list_tree(home)
    index = observe_index(str(home / "db/msb.db"))
    assert list_tree(home) == before
    expected = [{name: row[name] for name in INDEX_COLUMNS} for row in expected_rows(version)]
    assert [row._asdict() for row in index.rows] == expected
    assert index.schema == schema == observe_index_schema(index.path)
    assert set(expected_rows(version)[0]) <= set(index.columns)


def test_the_columns_are_those_of_the_real_table_in_its_order(unpack_home: Unpack) -> None:
    assert observe_index(str(unpack_home("0.6.2") / "db/msb.db")).columns == INDEX_COLUMNS


def test_the_columns_of_g2_are_recognised(unpack_home: Unpack) -> None:
    # As the specification of the format lists them; no home of that generation is at hand.
    database = alter(
        unpack_home("0.7.11") / "db/msb.db",
        "DROP TABLE snapshot_index",
        "CREATE TABLE snapshot_index (digest TEXT PRIMARY KEY, name, parent_digest, scope, state_kind, image_ref,"
        " image_manifest_digest, format, fstype, checkpoint_manifest_digest, artifact_path, size_bytes, locality,"
        " storage_binding_id, availability, migration_state, migration_error_code, created_at, indexed_at,"
        " child_count)",
        "INSERT INTO snapshot_index (digest, name, format) VALUES ('d', 'n', NULL)",
    )
    index = observe_index(database)
    assert index.schema == "G2"
    assert [(row.digest, row.name, row.format, row.child_count) for row in index.rows] == [("d", "n", None, 0)]


def test_a_missing_database_has_no_index(tmp_path: Path) -> None:
    path = str(tmp_path / "db/msb.db")
    assert observe_index(path) == Index(path, "absent", (), ())
    assert observe_index_schema(path) == "absent"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statements", "schema"),
    [
        ([], "absent"),
        (["CREATE VIEW snapshot_index AS SELECT 1 AS digest"], "absent"),
        (["CREATE TABLE snapshot_index (digest TEXT PRIMARY KEY)"], "unknown"),
        ([f"CREATE TABLE snapshot_index ({', '.join(INDEX_COLUMNS)}, future)"], "unknown"),
        ([f"CREATE TABLE snapshot_index ({', '.join(reversed(INDEX_COLUMNS))})"], "G1"),
    ],
)
def test_the_schema_is_judged_by_the_columns(tmp_path: Path, statements: list[str], schema: str) -> None:
    index = observe_index(alter(tmp_path / "msb.db", "CREATE TABLE other (x)", *statements))
    assert (index.schema, index.rows) == (schema, ())


def test_damaged_values_do_not_hide_the_rows(unpack_home: Unpack) -> None:
    database = alter(
        unpack_home("0.6.2") / "db/msb.db",
        "UPDATE snapshot_index SET created_at = 17, indexed_at = 'never' WHERE name = 'first'",
        "UPDATE snapshot_index SET created_at = x'00ff', size_bytes = 'big' WHERE name = 'second'",
    )
    first, second, child = observe_index(database).rows
    assert (first.created_at, first.indexed_at) == ("17", "never")
    assert (second.created_at, second.size_bytes) == ("\x00\udcff", None)
    assert child.created_at == "2026-11-20 00:00:00.250"


def test_a_file_that_is_no_database_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "msb.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(FormatError, match="is no sound SQLite database"):
        observe_index(str(path))


def row(path: str) -> IndexRow:
    return IndexRow("sha256:a", "a", None, "tiny:1", "sha256:b", "raw", "ext4", path, 1, "", "", 0)


def test_what_is_gone_is_no_directory_and_has_an_absolute_path(tmp_path: Path) -> None:
    tmp_path.joinpath("there").mkdir()
    tmp_path.joinpath("file").touch()
    tmp_path.joinpath("link").symlink_to("there")
    paths = ["there", "link", "gone", "file", "file/below", "nul\0"]
    rows = (*(row(f"{tmp_path}/{path}") for path in paths), row("relative"))
    index = Index("db", "G1", rows, INDEX_COLUMNS)
    assert observe_gone(index) == tuple(sorted(f"{tmp_path}/{path}" for path in paths[2:]))
    assert observe_gone(index, [f"{tmp_path}/{path}" for path in paths[:4]]) == (
        f"{tmp_path}/file/below",
        f"{tmp_path}/nul\0",
    )


def test_a_loop_of_symlinks_may_be_there(tmp_path: Path) -> None:
    tmp_path.joinpath("loop").symlink_to("loop")
    assert observe_gone(Index("db", "G1", (row(f"{tmp_path}/loop"),), INDEX_COLUMNS)) == ()


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2", "0.7.11"])
def test_the_last_migration_of_a_real_database_is_read(unpack_home: Unpack, version: str) -> None:
    expected = json.loads((HOMES / f"home-{version}.expected.json").read_text("utf-8"))["last_migration"]
    assert observe_last_migration(str(unpack_home(version) / "db/msb.db")) == expected


def test_a_database_without_migrations_has_no_last_one(tmp_path: Path) -> None:
    assert observe_last_migration(str(tmp_path / "none.db")) is None
    assert observe_last_migration(alter(tmp_path / "msb.db", "CREATE TABLE other (x)")) is None
    assert observe_last_migration(alter(tmp_path / "msb.db", "CREATE TABLE seaql_migrations (version)")) is None
