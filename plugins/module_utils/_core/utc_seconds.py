# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of an audit: UTC in whole seconds, as ``YYYY-MM-DDTHH:MM:SSZ``."""

from __future__ import annotations

import datetime
import re

from .errors import FormatError, excerpt

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")  # strptime takes other digits too
_EPOCH = datetime.datetime(1970, 1, 1)  # all times are UTC, so none needs a zone


def seconds_from_utc(text: str) -> int:
    """Return a time in seconds since 1970.

    Raises:
        FormatError: The text is no such time.
    """
    try:
        if _TIME.match(text) is not None:
            return int((datetime.datetime.strptime(text, _FORM) - _EPOCH).total_seconds())
    except ValueError:
        pass
    raise FormatError(f"{excerpt(text)} is not a time like 2026-11-20T09:59:05Z", value=text[:80])


def utc_from_seconds(seconds: int) -> str:
    """Return a time in seconds since 1970 as text."""
    return (_EPOCH + datetime.timedelta(seconds=seconds)).strftime(_FORM)
