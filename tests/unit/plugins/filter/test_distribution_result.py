# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter sums up the tasks of a host."""

from __future__ import annotations

import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.filter.distribution_result import (
    FilterModule,
    distribution_result,
)


def test_a_result_is_plain_data() -> None:
    plan = {"action": "install", "code": None, "problem": None}
    moved = {"changed": True, "bytes": {"received": 7, "resumed": 0}}
    assert distribution_result([{}, moved], plan, {"digest": "sha256:1"}, "golden") == {
        "state": "installed",
        "changed": True,
        "name": "golden",
        "digest": "sha256:1",
        "received_bytes": 7,
        "resumed_bytes": 0,
        "code": None,
        "problem": None,
    }


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"distribution_result": distribution_result}
