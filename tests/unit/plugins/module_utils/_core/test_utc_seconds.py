# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of an audit."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.utc_seconds import (
    seconds_from_utc,
    utc_from_seconds,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:00Z", 0), ("2026-11-20T09:59:05Z", 1795168745), ("2024-02-29T23:59:59Z", 1709251199)],
)
def test_times_are_read_and_written(text: str, seconds: int) -> None:
    assert seconds_from_utc(text) == seconds
    assert utc_from_seconds(seconds) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T09:59:05",
        "2026-11-20T09:59:05+00:00",
        "2026-13-20T09:59:05Z",
        "2026-02-30T09:59:05Z",
        "2026-11-20T09:59:05Z\n",
        "2026-11-20T09:59:61Z",
        "\u0662026-11-20T09:59:05Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is not a time like"):
        seconds_from_utc(text)
