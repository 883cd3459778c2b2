# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long task is, on its way from the host to the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core.errors import FormatError


@dataclass(frozen=True)
class JobProgress:
    """How far a long task is.

    Attributes:
        doing: What it does, in a few words.
        done: How many bytes of the pass it has behind it.
        total: How many the pass has, or None when that is not known.
        pass_seconds: How long the pass has taken so far.
        still_seconds: For how long no byte has moved.
    """

    doing: str
    done: int = 0
    total: int | None = None
    pass_seconds: float = 0.0
    still_seconds: float = 0.0


def progress_to_dict(progress: JobProgress) -> dict[str, Any]:
    """Return progress as JSON has it."""
    return asdict(progress)


def parse_progress(content: Mapping[str, Any]) -> JobProgress:
    """Return the progress that a host reported.

    Raises:
        FormatError: It is none.
    """
    total = content.get("total")
    try:
        return JobProgress(
            doing=_printable(str(content["doing"])),
            done=int(content["done"]),
            total=None if total is None else int(total),
            pass_seconds=float(content["pass_seconds"]),
            still_seconds=float(content["still_seconds"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise FormatError(f"progress of a task lacks {exc}", content=str(content)[:200]) from exc


def _printable(text: str) -> str:
    """Return a text that a terminal shows as it is: a path may hold anything."""
    return "".join(each if each.isprintable() else "?" for each in text[:300])
