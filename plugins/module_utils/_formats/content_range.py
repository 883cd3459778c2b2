# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header Content-Range of HTTP (RFC 9110, 14.4): which bytes of what length an answer carries."""

from __future__ import annotations

import re
from typing import NamedTuple

from .._core.errors import FormatError, excerpt

_RANGE = re.compile(r"bytes +(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})|\*)/(?P<total>[0-9]{1,18}|\*)\Z")


class ContentRange(NamedTuple):
    """What an answer carries.

    Attributes:
        start: Offset of its first byte; None where it carries none.
        end: Offset behind its last byte; None where it carries none.
        total: Length of the whole; None where the source does not know it.
    """

    start: int | None
    end: int | None
    total: int | None


def parse_content_range(text: str) -> ContentRange:
    """Parse the header's value.

    Raises:
        FormatError: It is none, or contradicts itself.
    """
    match = _RANGE.match(text.strip().lower())
    if match is None:
        raise FormatError(f"Content-Range is {excerpt(text)}, expected bytes FIRST-LAST/TOTAL", value=text[:128])
    first, last, total = (None if part in (None, "*") else int(part) for part in match.group("first", "last", "total"))
    if first is None or last is None:
        if total is None:
            raise FormatError(f"Content-Range is {excerpt(text)}, which says nothing", value=text[:128])
        return ContentRange(None, None, total)
    if last < first or (total is not None and last >= total):
        raise FormatError(f"Content-Range is {excerpt(text)}, which contradicts itself", value=text[:128])
    return ContentRange(first, last + 1, total)
