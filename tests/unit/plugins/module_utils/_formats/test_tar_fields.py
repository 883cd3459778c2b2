# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers in tar records, in octal and in base 256."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_fields import (
    number_to_bytes,
    parse_number,
)


@pytest.mark.parametrize(
    ("number", "field"),
    [
        (0, b"00000000000\0"),
        (8589934591, b"77777777777\0"),
        (8589934592, b"\x80\0\0\0\0\0\0\2\0\0\0\0"),
        ((1 << 63) - 1, b"\x80\0\0\0\x7f" + b"\xff" * 7),
    ],
)
def test_a_number_is_written_in_octal_where_it_fits(number: int, field: bytes) -> None:
    assert number_to_bytes(number, 12) == field
    assert parse_number(field, "'m'", "size") == number


@pytest.mark.parametrize("field", [b" 17 \0", b"17", b"0000017\0", b"17\0\0\0"])
def test_octal_digits_may_be_padded(field: bytes) -> None:
    assert parse_number(field, "'m'", "size") == 15


@pytest.mark.parametrize("field", [bytes(12), b" " * 12])
def test_an_empty_field_is_zero(field: bytes) -> None:
    assert parse_number(field, "'m'", "size") == 0


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"12x45678901\0", "has the size '12x45678901', expected octal digits"),
        (b"00000000009\0", "expected octal digits"),
        (b"-0000000001\0", "expected octal digits"),
        (b"\xff" * 12, "has a size beyond 63 bits"),
        (b"\x80" + b"\xff" * 11, "has a size beyond 63 bits"),
        (b"\x81" + bytes(11), "has a size beyond 63 bits"),
    ],
)
def test_a_field_without_a_number_is_refused(field: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=f"member 'm' {message}" if message.startswith("has") else message):
        parse_number(field, "'m'", "size")
