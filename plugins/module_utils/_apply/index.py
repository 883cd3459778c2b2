# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing the index: rows that microsandbox itself would have written, in one short transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .._core.errors import UnsupportedError
from .._disk.database import write_database
from .._formats.descriptor import G1
from .._observe.artifact import Artifact
from .._observe.index import INDEX_COLUMNS, index_columns, index_schema, observe_index, observe_index_schema
from .._plan.index import DeleteIndexRow, IndexStep, UpsertIndexRow, plan_index_upserts

_INSERT = (
    f"INSERT INTO snapshot_index ({', '.join(INDEX_COLUMNS)}) "  # noqa: S608 - the columns are ours
    f"VALUES ({', '.join('?' for dummy in INDEX_COLUMNS)})"
)
# microsandbox adds and subtracts, and so counts wrong when an artifact is replaced or a parent arrives late.
_RECOUNT = """
    UPDATE snapshot_index
    SET child_count = (SELECT count(*) FROM snapshot_index AS child WHERE child.parent_digest = snapshot_index.digest)
    WHERE child_count <>
        (SELECT count(*) FROM snapshot_index AS child WHERE child.parent_digest = snapshot_index.digest)
"""


def keep_index(
    database: str, artifacts: Sequence[Artifact], indexed_at: str, patience: float
) -> tuple[UpsertIndexRow, ...]:
    """Make the index know artifacts, and return what that took.

    Args:
        database: The home's database; without one there is nothing to keep.
        artifacts: Parents first.
        indexed_at: The current time in the database's form.
        patience: How long to wait for other writers, in seconds.

    Raises:
        StateError: The database stays locked, or cannot be written.
        UnsupportedError: The index is not of generation G1.
    """
    found = [(artifact.path, artifact.descriptor) for artifact in artifacts]
    steps = plan_index_upserts(observe_index(database), found, indexed_at)
    apply_index_steps(database, steps, patience)
    return steps


def apply_index_steps(database: str, steps: Sequence[IndexStep], patience: float) -> None:
    """Apply all steps or none, and count the children anew.

    Args:
        database: The home's database.
        steps: Without any, the database is not touched.
        patience: How long to wait for other writers, in seconds.

    Raises:
        StateError: The database stays locked, or cannot be written.
        UnsupportedError: The index is not of generation G1.
        FormatError: The file is no database.
    """
    if not steps:
        return
    # Looked at before anything is opened for writing, which alone would let SQLite tidy the log of a foreign database.
    _require_g1(database, observe_index_schema(database))
    write_database(database, lambda connection: _apply(database, steps, connection), patience)


def _apply(database: str, steps: Sequence[IndexStep], connection: sqlite3.Connection) -> None:
    _require_g1(database, index_schema(index_columns(connection)))
    for step in steps:
        if isinstance(step, UpsertIndexRow):
            row = step.row
            connection.execute(
                "DELETE FROM snapshot_index WHERE digest = ? OR name = ? OR artifact_path = ?",
                (row.digest, row.name, row.artifact_path),
            )
            connection.execute(_INSERT, row)
        elif isinstance(step, DeleteIndexRow):
            connection.execute(
                "DELETE FROM snapshot_index WHERE digest = ? AND artifact_path = ?", (step.digest, step.artifact_path)
            )
    connection.execute(_RECOUNT)


def _require_g1(database: str, schema: str) -> None:
    if schema != G1:
        raise UnsupportedError(
            f"the index in {database} has the schema {schema}, this collection writes {G1}",
            path=database,
            schema=schema,
        )
