# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``distribution_plan``: what a host needs to have a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Callable

from ..module_utils._plan.distribution import plan_distribution


def distribution_plan(
    listing: Mapping[str, Any], release: Mapping[str, Any], name: str, force: bool = False
) -> dict[str, Any]:
    """Return what a host needs; the options are described in distribution_plan.yml."""
    return asdict(plan_distribution(listing, release, str(name), force))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"distribution_plan": distribution_plan}
