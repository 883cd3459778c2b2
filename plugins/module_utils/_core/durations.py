# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people write them, ``30d`` or ``1d12h``, in whole nanoseconds."""

from __future__ import annotations

import re

from .errors import RequestError, excerpt

_SECOND_NS = 1_000_000_000
_UNIT_NS = {
    "w": 7 * 86_400 * _SECOND_NS,
    "d": 86_400 * _SECOND_NS,
    "h": 3_600 * _SECOND_NS,
    "m": 60 * _SECOND_NS,
    "s": _SECOND_NS,
}
# Every unit at most once and the larger first; a month or a year is no fixed time.
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in _UNIT_NS) + r"\Z")


def parse_duration(text: str, what: str) -> int:
    """Return a duration in nanoseconds.

    Args:
        text: Whole numbers with the units w, d, h, m (minutes) and s, the larger first.
        what: Name of the option, for the error.

    Raises:
        RequestError: It is none.
    """
    match = _DURATION.match(text)
    if match is None or not text:
        raise RequestError(f"{what} is {excerpt(text)}, expected a duration like 30d, 12h, 2w or 1d12h", option=what)
    return sum(int(number or 0) * _UNIT_NS[unit] for unit, number in match.groupdict().items())


def duration_text(ns: int) -> str:
    """Return a duration in the two largest units that it has, rounded down to seconds: ``45d``, ``1h30m``, ``0s``."""
    sign = "-" if ns < 0 else ""
    rest, parts = abs(ns), []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _UNIT_NS[unit])
        parts.append(f"{count}{unit}" if count else "")
    first = next((n for n, part in enumerate(parts) if part), len(parts))
    return sign + "".join(parts[first : first + 2]) if first < len(parts) else "0s"
