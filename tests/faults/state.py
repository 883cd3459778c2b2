# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a world looks like: everything that a user of it would miss or notice."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path

import checkout  # noqa: F401  pylint: disable=unused-import  # makes the collection importable
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.database import read_database
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import STAGING_PREFIX

_DATABASE = "home/db/msb.db"
_COLUMNS = "digest, name, parent_digest, artifact_path, size_bytes, child_count"


@dataclass(frozen=True)
class State:
    """A world at rest.

    Attributes:
        files: Mode and content digest of every file, by path. Staging areas, lock files, empty directories and the
            database's own files are left out.
        rows: The index, without the times at which its rows were written.
        orphans: Paths of staging areas.
        temporary: Paths of what is left of private copies in the world's TMPDIR.
    """

    files: dict[str, tuple[int, str]]
    rows: tuple[tuple[object, ...], ...]
    orphans: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()


def observe_state(world: Path) -> State:
    """Look at everything below a world's directory."""
    files: dict[str, tuple[int, str]] = {}
    orphans: list[str] = []
    for parent, directories, names in os.walk(world):
        orphans += [os.path.join(parent, name) for name in directories if name.startswith(STAGING_PREFIX)]
        directories[:] = [name for name in directories if not name.startswith(STAGING_PREFIX)]
        for name in names:
            path = Path(parent, name)
            relative = str(path.relative_to(world))
            if not relative.startswith((_DATABASE, "tmp/")) and not name.endswith(".lock"):
                files[relative] = (stat.S_IMODE(path.lstat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
    temporary = tuple(str(path) for path in world.glob("tmp/*"))
    database = world / _DATABASE
    rows = read_database(str(database), _read_rows) if database.exists() else ()
    return State(files, rows, tuple(orphans), temporary)


def _read_rows(connection: sqlite3.Connection) -> tuple[tuple[object, ...], ...]:
    check = connection.execute("PRAGMA integrity_check").fetchall()
    if check != [("ok",)]:
        raise AssertionError(f"the database is damaged: {check}")
    return tuple(connection.execute(f"SELECT {_COLUMNS} FROM snapshot_index ORDER BY digest"))  # noqa: S608
