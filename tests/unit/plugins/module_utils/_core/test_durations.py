# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, read and written."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.durations import (
    duration_text,
    parse_duration,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError

SECOND = 10**9
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("30d", 30 * DAY),
        ("12h", DAY // 2),
        ("2w", 14 * DAY),
        ("90m", 5_400 * SECOND),
        ("45s", 45 * SECOND),
        ("1d12h", DAY + DAY // 2),
        ("1w1d1h1m1s", 8 * DAY + 3_661 * SECOND),
        ("0d", 0),
        ("007d", 7 * DAY),
    ],
)
def test_a_duration_is_read_to_the_nanosecond(text: str, ns: int) -> None:
    assert parse_duration(text, "within") == ns


@pytest.mark.parametrize(
    "text", ["", "30", "d", "30 d", "30D", "1y", "12h1d", "1d1d", "-1d", "1.5d", "30d ", "30d\n", "٣d", "1" * 10 + "d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="^within is .*, expected a duration like 30d"):
        parse_duration(text, "within")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (SECOND - 1, "0s"),
        (59 * SECOND, "59s"),
        (3_661 * SECOND, "1h1m"),
        (3_601 * SECOND, "1h"),
        (DAY + 59 * SECOND, "1d"),
        (33 * DAY - 1, "32d23h"),
        (400 * DAY, "400d"),
        (-DAY, "-1d"),
    ],
)
def test_a_duration_is_told_in_two_units(ns: int, text: str) -> None:
    assert duration_text(ns) == text
