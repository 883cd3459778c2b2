# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding about archives: which of its snapshots to install, and under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._core.errors import IntegrityError, RequestError, StateError, excerpt
from .._formats.snapshot_names import require_snapshot_name
from .._observe.archive import Archive
from .._observe.archived_snapshot import ArchivedSnapshot
from .._observe.artifact import Artifact
from .._observe.target import Target
from .plan import Plan


@dataclass(frozen=True)
class WantedImport:
    """An import as a task asks for it.

    Attributes:
        directory: The store that the snapshots go to.
        digest: Digest that the head must have, or None.
        name: Name that the head gets, or None for what the archive suggests.
        force: Replace a snapshot of that name and another digest.
    """

    directory: str
    digest: str | None
    name: str | None
    force: bool


@dataclass(frozen=True)
class PromoteSnapshot:
    """Rename a staged artifact into the store."""

    digest: str
    prefix: str
    directory: str
    name: str
    replaces: str | None

    def __str__(self) -> str:
        """Return the step as a sentence."""
        instead = f" in place of {self.replaces}" if self.replaces else ""
        return f"install snapshot {self.digest} as {self.name} in {self.directory}{instead}"


class ImportName(NamedTuple):
    """A snapshot of an archive, by its directory there, and the name that it gets in the store."""

    prefix: str
    digest: str
    name: str


def plan_import(
    wanted: WantedImport,
    archive: Archive,
    names: Sequence[ImportName],
    installed: Mapping[str, Artifact],
    targets: Mapping[str, Target],
) -> Plan:
    """Decide which snapshots of a judged archive to install.

    Args:
        wanted: What the task asks for.
        archive: The archive.
        names: What ``import_names`` gives.
        installed: Artifacts of the store by digest.
        targets: What stands at each of the names.

    Raises:
        IntegrityError: The head is another one than wanted.
        StateError: A name is taken.
    """
    head = archive.head.descriptor.digest
    require_head(wanted, head, archive.path)
    steps: list[PromoteSnapshot] = []
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    for prefix, digest, name in names:
        artifact = installed.get(digest)
        if artifact is not None:
            if digest == head and wanted.name is not None:
                require_installed_name(artifact, wanted.name)
            continue
        target = targets[name]
        is_forced = wanted.force and digest == head and target.is_replaceable
        if not target.is_absent and not is_forced:
            found = f"is snapshot {target.digest}" if target.artifact else target.reason
            hint = "; force replaces it" if digest == head and target.is_replaceable else ""
            raise StateError(
                f"{target.path} {found}, the archive's snapshot of that name is {digest}{hint}",
                path=target.path,
                found=target.digest,
                wanted=digest,
            )
        replaces = None if target.is_absent else target.digest or target.reason
        steps.append(PromoteSnapshot(digest, prefix, wanted.directory, name, replaces))
        if replaces is not None:
            before[name] = replaces
        after[name] = digest
    return Plan(tuple(steps), before, after)


def import_names(wanted: WantedImport, archive: Archive, suggested_name: str | None) -> tuple[ImportName, ...]:
    """Return the names that an archive's snapshots get, ancestors before descendants.

    Args:
        wanted: The import; its name is for the head.
        archive: The archive.
        suggested_name: Name that its table of contents suggests for the head.

    Raises:
        RequestError: A name is none that a store takes, or the head's is that of an ancestor.
    """
    named: list[ImportName] = []
    for snapshot in sort_oldest_first(archive):
        name = snapshot.prefix
        if snapshot is archive.head:
            name = wanted.name or suggested_name or name
        for other in named:
            if other.name == name:
                raise RequestError(
                    f"the head's name {excerpt(name)} is that of an ancestor in the archive, {other.digest}",
                    name=name,
                    digest=other.digest,
                )
        named.append(ImportName(snapshot.prefix, snapshot.descriptor.digest, require_snapshot_name(name)))
    return tuple(named)


def sort_oldest_first(archive: Archive) -> Sequence[ArchivedSnapshot]:
    """Return the snapshots of an archive so that every parent precedes its children."""
    by_digest = {snapshot.descriptor.digest: snapshot for snapshot in archive.snapshots}
    ordered: list[ArchivedSnapshot] = []
    current: ArchivedSnapshot | None = archive.head
    while current is not None and current not in ordered:
        ordered.append(current)
        current = by_digest.get(current.descriptor.parent or "")
    return ordered[::-1]


def require_head(wanted: WantedImport, head: str, path: str) -> None:
    """Check that an archive's head is the one that the task names.

    Raises:
        IntegrityError: It is another one.
    """
    if wanted.digest is not None and head != wanted.digest:
        raise IntegrityError(
            f"archive {path} has the head {head}, wanted {wanted.digest}", expected=wanted.digest, actual=head
        )


def require_installed_name(artifact: Artifact, name: str) -> None:
    """Check that an installed snapshot has the name that the task gives it.

    Raises:
        StateError: It is installed under another name; two artifacts of one digest in a home break later versions.
    """
    if artifact.name != name:
        raise StateError(
            f"snapshot {artifact.descriptor.digest} is installed as {excerpt(artifact.name)}, wanted {excerpt(name)}:"
            " a home holds a snapshot once; remove it there or leave the name out",
            path=artifact.path,
            found=artifact.name,
            wanted=name,
        )
