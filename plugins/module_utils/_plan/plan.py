# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is: the steps that turn what is observed into what is wanted, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """A decision.

    Attributes:
        steps: What to do, in this order; none when all is as wanted. As text, each is a sentence for the result.
        before: State that the steps change, for the diff.
        after: The same state afterwards.
        warnings: What the user should know either way.
    """

    steps: tuple[object, ...]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
