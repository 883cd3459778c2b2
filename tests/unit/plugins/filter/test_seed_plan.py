# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter plans by what the hosts answered."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.seed_plan import FilterModule, seed_plan

IMAGE: dict[str, Any] = {
    "reference": "python:3.12",
    "manifest_digest": "sha256:p",
    "boots_offline": True,
    "layers": [{"diff_id": "base", "size_bytes": 1000}, {"diff_id": "python", "size_bytes": 300}],
    "tree_bytes": 10,
}
SOURCE = {"images": [IMAGE]}
LACKING = {**IMAGE, "boots_offline": False, "layers": [], "tree_bytes": None}
HOSTVARS = {
    "empty": {"_image_cache_seed_found": {"images": [LACKING], "cached_layers": []}},
    "full": {"_image_cache_seed_found": {"images": [IMAGE], "cached_layers": ["base", "python"]}},
    "silent": {},
}


def test_a_plan_is_plain_data() -> None:
    plan = seed_plan(HOSTVARS, HOSTVARS, SOURCE)
    (bundle,) = plan["bundles"]
    assert bundle == {
        "file": plan["hosts"]["empty"]["file"],
        "images": ["python:3.12"],
        "pin": {"python:3.12": "sha256:p"},
        "exclude_layers": [],
        "carried_bytes": 1310,
        "hosts": ["empty"],
    }
    assert plan["hosts"].keys() == {"empty", "full"}
    assert plan["hosts"]["full"] == {
        "file": None,
        "images": [],
        "layers": 0,
        "added_bytes": 0,
        "carried_bytes": 0,
        "summary": "has every image",
    }


def test_a_source_that_lacks_an_image_fails_the_template() -> None:
    with pytest.raises(AnsibleFilterError, match="seed_plan: image 'python:3.12' is not whole at the source"):
        seed_plan(HOSTVARS, HOSTVARS, {"images": [LACKING]})


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"seed_plan": seed_plan}
