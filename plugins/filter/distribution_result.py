# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``distribution_result``: what came of bringing a release to a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Callable

from ..module_utils._plan.distribution import HostPlan, judge_host


def distribution_result(
    results: Sequence[Mapping[str, Any]], plan: Mapping[str, Any], release: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return what came of a host; the options are described in distribution_result.yml."""
    host_plan = HostPlan(str(plan["action"]), plan["code"], plan["problem"])
    return asdict(judge_host(host_plan, results, release, str(name)))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"distribution_result": distribution_result}
