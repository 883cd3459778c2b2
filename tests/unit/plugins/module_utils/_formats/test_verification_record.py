# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that an audit keeps on a host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.verification_record import (
    Verification,
    parse_verification_record,
    verification_record_text,
)

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
AT = "2026-11-20T09:59:05Z"


def record(**changes: Any) -> str:
    return json.dumps({"version": 1, "verifications": {DIGEST: {"state": "verified", "at": AT}}, **changes})


def test_a_record_is_read_back_as_it_was_written() -> None:
    known = {OTHER: Verification("damaged", AT), DIGEST: Verification("verified", AT)}
    text = verification_record_text(known)
    assert parse_verification_record(text) == known
    assert text == verification_record_text(dict(reversed(list(known.items()))))


def test_a_later_version_is_named() -> None:
    with pytest.raises(UnsupportedError, match="has the version 2, this collection knows 1"):
        parse_verification_record(record(version=2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        record(verifications=[]),
        record(verifications={"sha256:x": {"state": "verified", "at": AT}}),
        record(verifications={DIGEST: {"state": "fine", "at": AT}}),
        record(verifications={DIGEST: {"state": "verified"}}),
        record(verifications={DIGEST: {"state": "verified", "at": "yesterday"}}),
        record(verifications={DIGEST: {"state": "verified", "at": AT, "by": "me"}}),
        "\udcff",
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_verification_record(text)
