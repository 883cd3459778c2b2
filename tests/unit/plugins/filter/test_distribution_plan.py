# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter decides by what a host answered."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.filter.distribution_plan import FilterModule, distribution_plan

RELEASE: dict[str, Any] = {
    "digest": "sha256:1",
    "archive": {"file": "golden/1.tar.zst", "unpacked_bytes": 9},
    "image": {"included": False},
}
HOME = {"zstd": "zstd", "free_bytes": 8, "snapshots_dir": "/s", "obstacle": None}
FULL = {"snapshots": [], "invalid": [], "home": HOME}


def test_a_plan_is_plain_data() -> None:
    assert distribution_plan(FULL, RELEASE, "golden") == {
        "action": "refuse",
        "code": "state",
        "problem": "/s has 8 bytes free, the import takes 9",
    }


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"distribution_plan": distribution_plan}
