# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter notes what was verified."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("filters run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.filter.verification_record import (
    FilterModule,
    verification_record,
)

NOW = "2026-11-21T00:00:00Z"
DIGEST = "sha256:" + "a" * 64


def answer(state: str) -> dict[str, Any]:
    return {"snapshots": [{"path": "/s/a", "digest": DIGEST, "upper": {"integrity": {"state": state}}}]}


def test_a_verification_is_noted() -> None:
    text = verification_record(answer("recorded"), {}, answer("verified"), NOW)
    assert json.loads(text) == {"version": 1, "verifications": {DIGEST: {"state": "verified", "at": NOW}}}


def test_a_task_that_was_skipped_found_nothing() -> None:
    text = verification_record(answer("recorded"), {"failed": True}, {"skipped": True}, NOW)
    assert json.loads(text)["verifications"] == {}


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"verification_record": verification_record}
