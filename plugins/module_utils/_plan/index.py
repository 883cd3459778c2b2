# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to change in the index so that it agrees with artifacts: pure decisions on rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from .._core.errors import UnsupportedError
from .._core.timestamps import index_text_from_rfc3339, is_index_text
from .._formats.descriptor import G1, Descriptor
from .._observe.index import Index, IndexRow


@dataclass(frozen=True)
class UpsertIndexRow:
    """Put a row in the place of all rows with its digest, its name or its path."""

    row: IndexRow

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return f"index {self.row.artifact_path} as {self.row.digest}"


@dataclass(frozen=True)
class IndexArtifact:
    """Index an artifact that an earlier step of the plan makes, once its digest is known."""

    path: str

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return f"index {self.path}"


@dataclass(frozen=True)
class DeleteIndexRow:
    """Remove the row of a digest and a path."""

    digest: str
    artifact_path: str

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return f"drop the index row of {self.artifact_path}"


@dataclass(frozen=True)
class RecountChildren:
    """Set every child count to the number of rows that name the row as their parent."""

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return "recount the children in the index"


# Columns from here on depend on more than the artifact.
_TIMES = IndexRow._fields.index("created_at")

IndexStep = Union[UpsertIndexRow, DeleteIndexRow, RecountChildren]


def row_from_artifact(path: str, descriptor: Descriptor, indexed_at: str) -> IndexRow:
    """Return the row that microsandbox would write for an artifact; its child count is still to be counted.

    Args:
        path: The artifact's directory.
        descriptor: What it holds.
        indexed_at: The current time in the database's form; also the time of capture where that one is not readable.
    """
    return IndexRow(
        digest=descriptor.digest,
        name=path.rstrip("/").rpartition("/")[2],
        parent_digest=descriptor.parent,
        image_ref=descriptor.image_reference,
        image_manifest_digest=descriptor.image_manifest_digest,
        format=descriptor.format,
        fstype=descriptor.fstype,
        artifact_path=path,
        size_bytes=descriptor.upper_bytes,
        created_at=index_text_from_rfc3339(descriptor.created_at) or indexed_at,
        indexed_at=indexed_at,
        child_count=0,
    )


def plan_index_upserts(
    index: Index, artifacts: Iterable[tuple[str, Descriptor]], indexed_at: str
) -> tuple[UpsertIndexRow, ...]:
    """Plan what makes the index know these artifacts; a row that already agrees plans nothing.

    The index holds one row for a digest and for a name. Of artifacts that share one, the one that is indexed already
    keeps it, else the last one gets it, so that planning again after the change plans nothing.

    Args:
        index: What is there.
        artifacts: Paths and descriptors, parents first.
        indexed_at: The current time in the database's form.

    Returns:
        Nothing where there is no index to keep.

    Raises:
        UnsupportedError: The index is not of generation G1.
    """
    if not _is_writable(index):
        return ()
    kept: list[IndexRow] = []
    wanted: list[IndexRow] = []
    rows_by_path = _by_path(index.rows)
    for path, descriptor in artifacts:
        found = rows_by_path.get(path, [])
        if len(found) == 1 and _agrees(found[0], path, descriptor):
            kept.append(found[0])
        else:
            wanted.append(row_from_artifact(path, descriptor, indexed_at))
    if not wanted:
        return ()
    claims = _Claims()
    for row in kept:
        claims.take(row)
    winners = [row for row in reversed(wanted) if claims.take(row)]
    return tuple(UpsertIndexRow(row) for row in reversed(winners))


def compare_index(index: Index, artifacts: Iterable[tuple[str, Descriptor]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths of artifacts without a row, and of those whose row says something else."""
    rows_by_path = _by_path(index.rows)
    missing, stale = [], []
    for path, descriptor in artifacts:
        found = rows_by_path.get(path, [])
        if not found:
            missing.append(path)
        elif len(found) > 1 or not _agrees(found[0], path, descriptor):
            stale.append(path)
    return tuple(missing), tuple(stale)


def plan_reindex(
    index: Index,
    artifacts: Sequence[tuple[str, Descriptor]],
    gone: Collection[str],
    indexed_at: str,
) -> tuple[IndexStep, ...]:
    """Plan what makes the index agree with artifacts, with what is gone and with itself.

    Args:
        index: What is there.
        artifacts: Paths and descriptors, parents first.
        gone: Paths in the index that hold no artifact any more and are to be dropped.
        indexed_at: The current time in the database's form.

    Returns:
        Nothing where there is no index to keep.

    Raises:
        UnsupportedError: The index is not of generation G1.
    """
    if not _is_writable(index):
        return ()
    steps: list[IndexStep] = []
    steps += plan_index_upserts(index, artifacts, indexed_at)
    after = rows_after(index.rows, steps)
    steps += [DeleteIndexRow(row.digest, row.artifact_path) for row in after if row.artifact_path in gone]
    # Any other step recounts as well.
    if not steps and _is_miscounted(after):
        steps.append(RecountChildren())
    return tuple(steps)


def rows_after(rows: Sequence[IndexRow], steps: Sequence[IndexStep]) -> tuple[IndexRow, ...]:
    """Return the rows that an index has once the steps are applied."""
    if not steps:
        return tuple(rows)
    # The digest is the table's key; the other two find what an upsert replaces without a search.
    left = {row.digest: row for row in rows}
    by_name = {row.name: row for row in rows}
    by_path = _by_path(rows)
    for step in steps:
        if isinstance(step, DeleteIndexRow):
            found = left.get(step.digest)
            if found is not None and found.artifact_path == step.artifact_path:
                del left[step.digest]
        elif isinstance(step, UpsertIndexRow):
            row = step.row
            for old in (left.get(row.digest), by_name.get(row.name), *by_path.get(row.artifact_path, ())):
                if old is not None and left.get(old.digest) == old:
                    left.pop(old.digest)
            left[row.digest] = by_name[row.name] = row
            by_path[row.artifact_path] = [row]
    children = _count_children(left.values())
    return tuple(row._replace(child_count=children.get(row.digest, 0)) for row in left.values())


def _count_children(rows: Iterable[IndexRow]) -> Mapping[str | None, int]:
    return Counter(row.parent_digest for row in rows)


def _is_miscounted(rows: Sequence[IndexRow]) -> bool:
    children = _count_children(rows)
    return any(row.child_count != children.get(row.digest, 0) for row in rows)


def _by_path(rows: Sequence[IndexRow]) -> dict[str, list[IndexRow]]:
    found: dict[str, list[IndexRow]] = {}
    for row in rows:
        found.setdefault(row.artifact_path, []).append(row)
    return found


class _Claims:
    """The digests, names and paths that rows have taken."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str | None]] = set()

    def take(self, row: IndexRow) -> bool:
        """Take all three of a row, or none when one of them is taken."""
        claims = {("digest", row.digest), ("name", row.name), ("path", row.artifact_path)}
        if not self._taken.isdisjoint(claims):
            return False
        self._taken |= claims
        return True


def _is_writable(index: Index) -> bool:
    if not index.columns:
        return False
    if index.schema != G1:
        raise UnsupportedError(
            f"the index in {index.path} has the schema {index.schema}, this collection writes {G1}",
            path=index.path,
            schema=index.schema,
        )
    return True


def _agrees(found: IndexRow, path: str, descriptor: Descriptor) -> bool:
    wanted = row_from_artifact(path, descriptor, "")
    # Where the manifest's time is not readable, microsandbox has stored the time of an earlier indexing.
    is_time_right = found.created_at == wanted.created_at if wanted.created_at else is_index_text(found.created_at)
    return is_time_right and is_index_text(found.indexed_at) and found[:_TIMES] == wanted[:_TIMES]
