# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share; their documentation is the fragment of the same name."""

from __future__ import annotations

import dataclasses
from typing import Any

from .._observe.archive_limits import ArchiveLimits

LIMITS_OPTION: dict[str, dict[str, Any]] = {
    "limits": {
        "type": "dict",
        "default": {},
        "options": {
            limit.name: {"type": "int", "default": limit.default} for limit in dataclasses.fields(ArchiveLimits)
        },
    },
}

HOME_OPTIONS: dict[str, dict[str, Any]] = {
    "home": {"type": "path"},
    "snapshots_dir": {"type": "path"},
    "cache_dir": {"type": "path"},
    "lock_timeout": {"type": "float", "default": 60},
}
