# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``distribution_summary``: what came of bringing a release to all hosts of a play."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ..module_utils._plan.distribution import summarise

_RESULT = "snapshot_distribute_result"


def distribution_summary(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], check_mode: bool = False
) -> dict[str, Any]:
    """Return the hosts by what came of them; the options are described in distribution_summary.yml."""
    names = [str(host) for host in hosts]
    results = {name: hostvars[name][_RESULT] for name in names if _RESULT in hostvars[name]}
    return summarise(names, results, check_mode)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"distribution_summary": distribution_summary}
