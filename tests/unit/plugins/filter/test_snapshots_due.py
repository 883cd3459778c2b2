# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter chooses by what the tasks of the role answered."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.snapshots_due import FilterModule, snapshots_due

NOW = "2026-11-21T00:00:00Z"
LISTED: dict[str, Any] = {
    "snapshots": [
        {"digest": "sha256:" + letter * 64, "upper": {"apparent_bytes": 10, "integrity": {"state": "recorded"}}}
        for letter in "ba"
    ]
}


def test_a_share_is_chosen() -> None:
    assert snapshots_due(LISTED, {}, NOW, percent="50") == ["sha256:" + "a" * 64]
    assert len(snapshots_due(LISTED, {"failed": True}, NOW)) == 2


def test_a_host_without_an_answer_has_nothing_to_verify() -> None:
    assert snapshots_due({"unreachable": True}, {}, NOW) == []


def test_a_share_that_is_none_fails_the_template() -> None:
    with pytest.raises(AnsibleFilterError, match="snapshots_due: verify_percent is '?101'?, expected 0 to 100"):
        snapshots_due(LISTED, {}, NOW, percent=101)


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"snapshots_due": snapshots_due}
