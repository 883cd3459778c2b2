# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter reads and checks a record."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sandboxops.microsandbox.plugins.filter.parse_release import FilterModule, parse_release
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest

RECORD: dict[str, Any] = {
    "schema": "sandboxops.microsandbox.release/1",
    "name": "golden",
    "digest": "sha256:" + "a" * 64,
    "archive": {"file": "golden/a.tar.zst", "sha256": "sha256:" + "b" * 64, "size_bytes": 1, "unpacked_bytes": 2},
    "image": {"reference": "localhost/golden:1", "manifest_digest": "sha256:" + "c" * 64, "included": False},
    "labels": {},
    "created_at": "2026-11-21T04:05:41+00:00",
    "source_sandbox": None,
}
STORED = json.dumps(RECORD, indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("record", [RECORD, STORED], ids=["mapping", "text"])
def test_a_record_is_read_and_has_its_digest(record: Any) -> None:
    assert parse_release(record) == RECORD
    assert parse_release(record, sha256_digest(STORED.encode())) == RECORD


def test_another_record_than_the_pinned_one_is_refused_with_both_digests() -> None:
    pinned = "sha256:" + "0" * 64
    with pytest.raises(AnsibleFilterError, match=f"{sha256_digest(STORED.encode())}, expected {pinned}"):
        parse_release(STORED, pinned)


def test_a_checksum_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="not sha256:"):
        parse_release(STORED, "b" * 64)


def test_a_record_becomes_the_text_that_a_store_keeps() -> None:
    assert parse_release(RECORD, form="text") == STORED
    assert parse_release(json.dumps(RECORD), form="text") == STORED


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="form is 'json', expected mapping or text"):
        parse_release(RECORD, form="json")


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="parse_release: the release record"):
        parse_release("<html>")


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"parse_release": parse_release}
