# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is Unicode: Python also has strings that no JSON text and no database can hold."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_unicode(text: str) -> bool:
    """Return whether UTF-8 can hold the text.

    It cannot where half a surrogate pair stands alone, which is also how Python keeps the bytes of a file name that are
    not UTF-8.
    """
    return text.isascii() or _SURROGATE.search(text) is None
