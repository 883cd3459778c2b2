# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter makes a record of an export."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.release_record import FilterModule, release_record

HEAD = "sha256:" + "a" * 64
MANIFEST = "sha256:" + "c" * 64
EXPORTED: dict[str, Any] = {
    "archive": {
        "head": HEAD,
        "sha256": "sha256:" + "b" * 64,
        "size": 5458,
        "unpacked_bytes": 1134592,
        "images": [{"reference": "localhost/golden:1", "manifest_digest": MANIFEST}],
    },
    "snapshots": [
        {"digest": "sha256:" + "d" * 64},
        {
            "digest": HEAD,
            "image": {"reference": "localhost/golden:1", "manifest_digest": MANIFEST, "cached": True},
            "labels": {"channel": "golden"},
            "created_at": "2026-11-21T04:05:41+00:00",
            "source_sandbox": "base",
        },
    ],
}


def test_a_record_names_the_head_and_the_archive() -> None:
    assert json.loads(release_record(EXPORTED, "golden")) == {
        "schema": "sandboxops.microsandbox.release/1",
        "name": "golden",
        "digest": HEAD,
        "archive": {
            "file": f"golden/{'a' * 64}.tar.zst",
            "sha256": "sha256:" + "b" * 64,
            "size_bytes": 5458,
            "unpacked_bytes": 1134592,
            "snapshots": 2,
        },
        "image": {"reference": "localhost/golden:1", "manifest_digest": MANIFEST, "included": True},
        "labels": {"channel": "golden"},
        "created_at": "2026-11-21T04:05:41+00:00",
        "source_sandbox": "base",
    }


def test_an_image_that_stayed_behind_is_not_included() -> None:
    exported = copy.deepcopy(EXPORTED)
    exported["archive"]["images"] = []
    assert json.loads(release_record(exported, "golden"))["image"]["included"] is False


def test_a_prediction_gives_no_record() -> None:
    with pytest.raises(AnsibleFilterError, match="no result of an export that was carried out"):
        release_record({"archive": {"head": HEAD}, "snapshots": []}, "golden")


def test_a_name_that_is_no_part_of_a_url_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="is no name for a release"):
        release_record(EXPORTED, "a b")


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"release_record": release_record}
