# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index: microsandbox's table of the snapshots it has met, a cache that the artifacts can always rebuild."""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._disk.database import read_database
from .._formats.descriptor import G1, G2, G3

# Values of ``Index.schema`` beside the generations.
ABSENT = "absent"
UNKNOWN = "unknown"

_TABLE = "snapshot_index"


class IndexRow(NamedTuple):
    """One row of the index, in the columns of generation G1, which every later generation kept.

    Attributes:
        digest: Identity of the snapshot.
        name: Base name of the artifact's directory.
        parent_digest: What the snapshot descends from; the parent's id in G3.
        image_ref: Reference of the OCI image.
        image_manifest_digest: Digest of the image manifest that the snapshot pins.
        format: Disk format of the upper.
        fstype: File system inside the upper.
        artifact_path: Directory of the artifact, as given when it was indexed.
        size_bytes: Apparent size of the upper.
        created_at: Time of capture, in the database's form where it is sound.
        indexed_at: Time of indexing, likewise.
        child_count: How many rows name this one as their parent, where it is sound.
    """

    digest: str
    name: str | None
    parent_digest: str | None
    image_ref: str
    image_manifest_digest: str
    format: str | None
    fstype: str | None
    artifact_path: str
    size_bytes: int | None
    created_at: str
    indexed_at: str
    child_count: int


# In the order of the table and of ``IndexRow``.
INDEX_COLUMNS = IndexRow._fields

_G1_COLUMNS = frozenset(INDEX_COLUMNS)
_G2_COLUMNS = _G1_COLUMNS | {
    "scope",
    "state_kind",
    "checkpoint_manifest_digest",
    "locality",
    "storage_binding_id",
    "availability",
    "migration_state",
    "migration_error_code",
}
_G3_COLUMNS = _G2_COLUMNS | {"snapshot_id", "descriptor_digest", "group_name", "group_path"}
# What a sound row may hold, column by column.
_TEXT, _NUMBER = (str,), (int,)
_TEXT_OR_NULL, _NUMBER_OR_NULL = (str, type(None)), (int, type(None))
_SOUND = frozenset(
    itertools.product(
        *(_TEXT, _TEXT_OR_NULL, _TEXT_OR_NULL, _TEXT, _TEXT, _TEXT_OR_NULL),
        *(_TEXT_OR_NULL, _TEXT, _NUMBER_OR_NULL, _TEXT, _TEXT, _NUMBER),
    )
)
_SCHEMAS = {_G1_COLUMNS: G1, _G2_COLUMNS: G2, _G3_COLUMNS: G3}


@dataclass(frozen=True)
class Index:
    """The index of a home.

    Attributes:
        path: The database.
        schema: Generation of the table, ``absent`` without one, ``unknown`` when its columns are those of none.
        rows: All rows, oldest first; none when the schema is unknown.
        columns: Names of the table's columns.
    """

    path: str
    schema: str
    rows: tuple[IndexRow, ...]
    columns: tuple[str, ...]


def observe_index(database: str) -> Index:
    """Read the index of a database; a missing database has none.

    Raises:
        StateError: The database stays locked, or is no regular file.
        FormatError: The file is no database.
    """
    try:
        return read_database(database, lambda connection: _read_index(database, connection))
    except FileNotFoundError:
        return Index(database, ABSENT, (), ())


def observe_index_schema(database: str) -> str:
    """Return the schema of a database's index, as ``Index.schema`` has it.

    Raises:
        StateError: The database stays locked, or is no regular file.
        FormatError: The file is no database.
    """
    try:
        return read_database(database, lambda connection: index_schema(index_columns(connection)))
    except FileNotFoundError:
        return ABSENT


def observe_last_migration(database: str) -> str | None:
    """Return the name of the last migration that microsandbox applied to a database, or None.

    Raises:
        StateError: The database stays locked, or is no regular file.
        FormatError: The file is no database.
    """
    try:
        return read_database(database, _read_last_migration)
    except FileNotFoundError:
        return None


def observe_gone(index: Index, seen: Collection[str] = ()) -> tuple[str, ...]:
    """Return the paths in an index, sorted, at which there is no directory any more.

    A relative path says nothing without the working directory of whoever indexed it, and is not among them.

    Args:
        index: What is in the database.
        seen: Paths at which there is a directory; they are not looked at again.
    """
    paths = {row.artifact_path for row in index.rows}.difference(seen)
    return tuple(sorted(filter(_is_gone, paths)))


def index_columns(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the names of the columns of the index's table, none when there is no such table."""
    found = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone()
    if found != ("table",):
        return ()
    return tuple(str(column[1]) for column in connection.execute(f"PRAGMA table_info({_TABLE})"))


def index_schema(columns: tuple[str, ...]) -> str:
    """Return which generation's table has these columns."""
    if not columns:
        return ABSENT
    return _SCHEMAS.get(frozenset(columns), UNKNOWN)


def _read_last_migration(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations'").fetchone():
        return None
    (version,) = connection.execute("SELECT max(version) FROM seaql_migrations").fetchone()
    return _text(version)


def _read_index(database: str, connection: sqlite3.Connection) -> Index:
    columns = index_columns(connection)
    schema = index_schema(columns)
    if schema in (ABSENT, UNKNOWN):
        return Index(database, schema, (), columns)
    rows = connection.execute(
        f"SELECT {', '.join(INDEX_COLUMNS)} FROM {_TABLE} ORDER BY rowid"  # noqa: S608 - the columns are ours
    )
    return Index(database, schema, tuple(_row(values) for values in rows), columns)


def _row(values: tuple[Any, ...]) -> IndexRow:
    if tuple(map(type, values)) in _SOUND:
        return IndexRow._make(values)
    texts = {name: _text(value) for name, value in zip(INDEX_COLUMNS, values)}
    numbers = {name: value if isinstance(value, int) else None for name, value in zip(INDEX_COLUMNS, values)}
    return IndexRow(
        digest=texts["digest"] or "",
        name=texts["name"],
        parent_digest=texts["parent_digest"],
        image_ref=texts["image_ref"] or "",
        image_manifest_digest=texts["image_manifest_digest"] or "",
        format=texts["format"],
        fstype=texts["fstype"],
        artifact_path=texts["artifact_path"] or "",
        size_bytes=numbers["size_bytes"],
        created_at=texts["created_at"] or "",
        indexed_at=texts["indexed_at"] or "",
        child_count=numbers["child_count"] or 0,
    )


def _is_gone(path: str) -> bool:
    if not os.path.isabs(path):
        return False
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        # What may not be looked at may be there.
        return False


def _text(value: object) -> str | None:
    # SQLite keeps any value in any column; a damaged one is shown as text and makes its row differ, not the read fail.
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
