# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter reads what the role said of each host."""

from __future__ import annotations

import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.filter.distribution_summary import (
    FilterModule,
    distribution_summary,
)


def test_hosts_of_which_nothing_is_known_have_not_begun() -> None:
    present = {"state": "present", "problem": None, "received_bytes": 0}
    hostvars = {"h1": {"snapshot_distribute_result": present}, "h2": {}}
    summary = distribution_summary(["h1", "h2"], hostvars)
    assert (summary["present"], summary["not_begun"]) == (["h1"], ["h2"])


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"distribution_summary": distribution_summary}
