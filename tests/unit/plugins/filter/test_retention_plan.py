# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter's options as playbooks and surveys give them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.retention_plan import FilterModule, retention_plan

NOW = "2026-11-21T00:00:00Z"


def found(name: str, day: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "digest": f"sha256:{name}",
        "parent": None,
        "created_at": f"2026-11-{day:02d}T00:00:00+00:00",
        "labels": {"team": "ml"},
        "source_sandbox": "base",
        "image": {"reference": "tiny:1"},
        "upper": {"allocated_bytes": 4096},
        **changes,
    }


STORE = [found("new", 20), found("old", 10), found("foreign", 1, labels={})]
MINE = {"labels": ["team=ml"]}


def plan(**changes: Any) -> dict[str, Any]:
    options = {"now": NOW, "select": MINE, "keep": {"last": 1}, **changes}
    return retention_plan(STORE, **options)


def test_the_filter_is_known_by_its_name() -> None:
    assert FilterModule().filters() == {"retention_plan": retention_plan}


def test_a_plan_says_of_each_what_becomes_of_it_and_why() -> None:
    assert plan() == {
        "remove": ["sha256:old"],
        "lines": [
            "keep   new (2026-11-20T00:00:00+00:00, all): it is one of the last 1",
            "remove old (2026-11-10T00:00:00+00:00, all): no rule keeps number 2 of 2, 11d old",
        ],
        "allocated_bytes": 4096,
        "snapshots": [
            {
                "name": "new",
                "digest": "sha256:new",
                "created_at": "2026-11-20T00:00:00+00:00",
                "group": "all",
                "keep": True,
                "reason": "it is one of the last 1",
            },
            {
                "name": "old",
                "digest": "sha256:old",
                "created_at": "2026-11-10T00:00:00+00:00",
                "group": "all",
                "keep": False,
                "reason": "no rule keeps number 2 of 2, 11d old",
            },
        ],
    }


@pytest.mark.parametrize(
    "options",
    [
        {"select": {"labels": "team=ml"}},
        {"select": {"labels": "team=ml, ", "name": "", "source_sandbox": None}},
        {"select": {"labels": ["team=ml"], "name": "*"}},
        {"select": {"source_sandbox": "base", "name": "[no]*"}},
        {"keep": {"last": "1", "within": "", "labels": ""}},
        {"keep": {"last": None, "within": "5d", "labels": []}},
        {"keep": {"last": "", "labels": "pinned\nchannel=golden"}},
        {"group_by": "source_sandbox,image"},
        {"group_by": []},
        {"allow_empty": True},
    ],
)
def test_options_may_come_from_a_survey(options: dict[str, Any]) -> None:
    assert plan(**options)["remove"] == ["sha256:old"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": {}}, "the selection says nothing"),
        ({"select": {"labels": " , "}}, "the selection says nothing"),
        ({"select": {"label": "team=ml"}}, "select has label, expected labels, name, source_sandbox"),
        ({"select": {"labels": {"team": "ml"}}}, "select.labels is .*, expected a list"),
        ({"select": {"labels": [1]}}, "select.labels is '1', expected a text"),
        ({"keep": {}}, "there is no keep rule"),
        ({"keep": {"lst": 3}}, "keep has lst, expected last, within, labels"),
        ({"keep": {"last": True}}, "keep.last is 'True', expected a whole number"),
        ({"keep": {"last": "three"}}, "keep.last is 'three', expected a whole number"),
        ({"keep": {"last": 1.5}}, "keep.last is '1.5', expected a whole number"),
        ({"keep": {"within": "1 month"}}, "keep.within is '1 month', expected a duration"),
        ({"keep": {"within": 30}}, "keep.within is '30', expected a text"),
        ({"group_by": "sandbox"}, "group_by has 'sandbox'"),
        ({"now": "today"}, "now is 'today', expected a time"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"retention_plan: {message}"):
        plan(**options)
