# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples do what the pages advise."""

from __future__ import annotations

import re
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
_EXAMPLES = ("README.md", "docs/**/*.md", "roles/*/README.md", "plugins/modules/*.py", "plugins/filter/*.yml")
# Both have a whole archive in the controller's memory, or on its disk once more for each host.
_COSTLY = re.compile(r"^ *ansible\.builtin\.(?:fetch:|copy:\n +src:)", re.MULTILINE)


def test_no_example_moves_archives_by_what_the_guide_to_moving_them_warns_of() -> None:
    pages = [page for pattern in _EXAMPLES for page in _CHECKOUT.glob(pattern)]
    costly = [str(page) for page in pages if _COSTLY.search(page.read_text(encoding="utf-8"))]

    assert len(pages) > 30
    assert costly == []
