# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter draws a report up from the variables of hosts."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.fleet_report import FilterModule, fleet_report

NOW = "2026-11-21T00:00:00Z"
HOME = {"path": "/h", "exists": True, "filesystem": "ext4", "free_bytes": 100, "read_only": False, "zstd": "zstandard"}
HOSTVARS: dict[str, dict[str, Any]] = {
    "good": {
        "_snapshot_audit_listed": {"snapshots": [], "home": HOME},
        "_snapshot_audit_verified": {"skipped": True, "failed": True},
    },
    "silent": {"_snapshot_audit_listed": {"unreachable": True, "msg": "no route"}},
    "lost": {},
}


def test_a_report_is_drawn_up() -> None:
    found = fleet_report(HOSTVARS, HOSTVARS, NOW, {}, 7)
    assert found["hosts_with_problems"] == ["lost", "silent"]
    assert (found["hosts"], found["errors"]) == (3, 2)
    assert found["problem_kinds"] == {"silent": ["unreachable"], "lost": ["failed"]}
    for form in ("html", "json"):
        text = fleet_report(HOSTVARS, HOSTVARS, NOW, {}, "7", form)
        assert [line for line in text.splitlines() if found["content_digest"] in line]


def test_only_the_hosts_of_the_play_are_in_it() -> None:
    found = json.loads(fleet_report(["good"], HOSTVARS, NOW, {"desired": ""}, form="json"))
    assert [host["name"] for host in found["hosts"]] == ["good"]


@pytest.mark.parametrize(("limit", "told"), [("good", "good"), ("", None), (None, None)])
def test_a_report_on_some_hosts_says_of_which(limit: str | None, told: str | None) -> None:
    hostvars = {"good": {**HOSTVARS["good"], "ansible_limit": limit}}
    found = json.loads(fleet_report(["good"], hostvars, NOW, {}, form="json"))
    assert found["limit"] == told
    page = fleet_report(["good"], hostvars, NOW, {}, form="html")
    assert ("only on the hosts of the limit good" in page) == (told is not None)


def test_rules_that_are_none_fail_the_template() -> None:
    with pytest.raises(AnsibleFilterError, match="fleet_report: desired is 'x', not a list as JSON"):
        fleet_report(["good"], HOSTVARS, NOW, {"desired": "x"})


def test_an_unknown_form_fails_the_template() -> None:
    with pytest.raises(AnsibleFilterError, match="form is 'pdf', expected summary, html or json"):
        fleet_report(["good"], HOSTVARS, NOW, {}, form="pdf")


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"fleet_report": fleet_report}
