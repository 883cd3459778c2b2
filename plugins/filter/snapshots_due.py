# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``snapshots_due``: what an audit verifies next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError
from ..module_utils._plan.audited_host import candidates, known_verifications
from ..module_utils._plan.verification import choose_due, parse_rotation


def snapshots_due(
    listed: Mapping[str, Any],
    recalled: Mapping[str, Any],
    now: str,
    percent: int = 100,
    max_bytes: int = 0,
    after_days: int = 7,
) -> list[str]:
    """Return the digests of the snapshots that are due; the options are described in snapshots_due.yml."""
    try:
        rotation = parse_rotation(percent, max_bytes, after_days)
        return list(choose_due(candidates(listed), known_verifications(recalled), rotation, str(now)))
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"snapshots_due: {exc.message}") from exc


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"snapshots_due": snapshots_due}
