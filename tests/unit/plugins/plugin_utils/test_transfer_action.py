# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large pieces become."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("actions run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_action import (
    next_piece_bytes,
    piece_limit,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("length", "seconds", "other_seconds", "most", "following"),
    [
        (8 * MIB, 0.5, 0.5, 64 * MIB, 32 * MIB),  # no more than four times the last
        (8 * MIB, 0.5, 0.5, 16 * MIB, 16 * MIB),  # no more than the limit
        (8 * MIB, 3.0, 0.5, 64 * MIB, 8 * MIB),  # as long as it should take
        (8 * MIB, 12.0, 0.5, 64 * MIB, 2 * MIB),
        (6 * MIB, 6.0, 2.0, 64 * MIB, 8 * MIB),  # four times what all else takes
        (8 * MIB, 30.0, 1000.0, 64 * MIB, 8 * MIB),  # no longer than is good when it has to be sent again
        (8 * MIB, 1000.0, 0.5, 64 * MIB, MIB),  # no less than what the round trip is worth
        (8 * MIB, 1000.0, 0.5, 1000, 1000),
        (8 * MIB, 0.0, 0.0, 64 * MIB, 32 * MIB),
    ],
)
def test_a_piece_takes_a_few_seconds_or_most_of_the_time(
    length: int, seconds: float, other_seconds: float, most: int, following: int
) -> None:
    assert next_piece_bytes(length, seconds, other_seconds, most) == following


@pytest.mark.parametrize(("value", "limit"), [(None, 64 * MIB), (5, 5), ("1000", 1000)])
def test_a_limit_is_a_number(value: Any, limit: int) -> None:
    assert piece_limit({"piece_bytes": value}) == limit


@pytest.mark.parametrize("value", [0, -1, "x", [1]])
def test_what_is_no_limit_is_refused(value: Any) -> None:
    with pytest.raises(RequestError, match="piece_bytes"):
        piece_limit({"piece_bytes": value})
