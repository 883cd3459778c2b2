# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database of a real home says about a sandbox."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def sandbox_status(home: Path, name: str) -> str | None:
    """Return a sandbox's status, None when it has no row."""
    connection = sqlite3.connect(f"file:{home}/db/msb.db?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT status FROM sandbox WHERE name = ?", (name,)).fetchone()
    finally:
        connection.close()
    return row[0] if row else None
