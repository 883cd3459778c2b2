# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide on AWX shows, for tests to try."""

from __future__ import annotations

import re

from awx_jobs import CHECKOUT

GUIDE = CHECKOUT / "docs" / "awx.md"


def blocks(language: str) -> list[str]:
    """Return the examples in a language, in order."""
    text = GUIDE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
