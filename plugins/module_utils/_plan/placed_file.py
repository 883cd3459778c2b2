# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transfer has to change at a path: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._observe.placed_file import PlacedFile
from .plan import Plan


@dataclass(frozen=True)
class WantedFile:
    """What is to be at a path.

    Attributes:
        path: Where.
        checksum: SHA-256 digest of its content.
        size_bytes: Its size, or None when only the source knows it.
        mode: Its permissions.
    """

    path: str
    checksum: str
    size_bytes: int | None
    mode: int


@dataclass(frozen=True)
class PutFile:
    """Bring the content from its source, and put it into its place."""

    wanted: WantedFile
    source: str

    def __str__(self) -> str:
        return f"bring {self.wanted.checksum} from {self.source} to {self.wanted.path}"


@dataclass(frozen=True)
class SetMode:
    """Give the file that is there other permissions."""

    path: str
    mode: int

    def __str__(self) -> str:
        return f"set the mode of {self.path} to {self.mode:04o}"


@dataclass(frozen=True)
class RemoveFile:
    """Remove a file, or what an interrupted transfer left of one."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"


def plan_file(wanted: WantedFile, found: PlacedFile | None, source: str) -> Plan:
    """Plan to have the wanted file at its path."""
    before = {} if found is None else _shown(wanted.path, found.digest, found.mode)
    after = _shown(wanted.path, wanted.checksum, wanted.mode)
    if found is None or found.digest != wanted.checksum:
        return Plan((PutFile(wanted, source),), before, after)
    if found.mode != wanted.mode:
        return Plan((SetMode(wanted.path, wanted.mode),), before, after)
    return Plan((), after, after)


def plan_absence(path: str, exists: bool, partials: Sequence[str]) -> Plan:
    """Plan to have neither a file nor what an interrupted transfer left of it.

    Args:
        path: The file's.
        exists: Whether it is there.
        partials: Paths of what was left.
    """
    paths = [*([path] if exists else []), *partials]
    return Plan(tuple(map(RemoveFile, paths)), {"paths": paths}, {"paths": []})


def _shown(path: str, digest: str | None, mode: int) -> dict[str, Any]:
    return {"path": path, "checksum": digest, "mode": f"{mode:04o}"}
