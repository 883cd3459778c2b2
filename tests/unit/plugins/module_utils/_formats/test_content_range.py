# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Content-Range headers are understood."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.content_range import (
    ContentRange,
    parse_content_range,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-99/100", ContentRange(0, 100, 100)),
        ("bytes 50-99/100", ContentRange(50, 100, 100)),
        ("Bytes  5-9/*", ContentRange(5, 10, None)),
        ("bytes */100", ContentRange(None, None, 100)),
        (" bytes 0-0/1 ", ContentRange(0, 1, 1)),
    ],
)
def test_a_range_is_parsed(text: str, found: ContentRange) -> None:
    assert parse_content_range(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes 0-99", "bytes=0-99/100", "bytes 9-5/100", "bytes 0-100/100", "bytes */*"),
        *(
            "bytes -5/100",
            "bytes 0-9/-1",
            "items 0-9/10",
            "bytes 0-9/10, 20-29/30",
            "bytes \u0660-9/10",
            "bytes 0-9/" + "9" * 19,
        ),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_content_range(text)
