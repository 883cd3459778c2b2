# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict JSON refuses what Python's parser lets pass, and never breaks on hostile text."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.strict_json import (
    JsonNumber,
    JsonObject,
    JsonValue,
    parse_json,
)
from hypothesis import given
from hypothesis import strategies as st


def parse(content: bytes) -> JsonValue:
    return parse_json(content, what="input", max_bytes=1 << 20)


def test_plain_values_come_out_as_python_values() -> None:
    value = parse(b' {"a": [1, true, null, "x"]}\r\n\t')
    assert value == JsonObject([("a", [1, True, None, "x"])])


def test_duplicate_keys_are_kept_in_order() -> None:
    value = parse(b'{"a":1,"b":2,"a":3}')
    assert value == JsonObject([("a", 1), ("b", 2), ("a", 3)])


@pytest.mark.parametrize("spelling", ["-0", "1.0", "1e0", "-0.0", "1E400", "123456789012345678901"])
def test_a_number_that_is_no_plain_integer_keeps_its_spelling(spelling: str) -> None:
    assert parse(spelling.encode()) == JsonNumber(spelling)


@pytest.mark.parametrize("number", [0, -1, 18446744073709551615, -9223372036854775808])
def test_integers_up_to_64_bits_are_exact(number: int) -> None:
    assert parse(str(number).encode()) == number


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"NaN", "holds NaN"),
        (b"[-Infinity]", "holds -Infinity"),
        (b'"a\x01"', "invalid control character"),
        (b'"\\x"', "escape"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'{"\\udfff":1}', "half a surrogate pair"),
        (b'[{"a":["\\ud800\\ud800"]}]', "half a surrogate pair"),
        (b"01", "extra data"),
        (b"+1", "expecting value"),
        (b"{}x", "extra data"),
        (b"", "expecting value"),
        (b"{'a':1}", "expecting property name"),
        (b"[1,]", "expecting value|trailing comma"),
        (b"\x0b1", "expecting value"),
    ],
)
def test_what_is_not_strict_json_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse(content)


def test_an_escaped_surrogate_pair_is_one_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_an_escaped_backslash_before_u_is_no_escape() -> None:
    assert parse(rb'"\\ud800"') == r"\ud800"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_127_levels_are_read_and_128_are_refused(opening: str, closing: str) -> None:
    parse((opening * 127 + "1" + closing * 127).encode())
    with pytest.raises(FormatError, match="nested deeper than 127 levels"):
        parse((opening * 128 + "1" + closing * 128).encode())


def test_brackets_in_strings_and_side_by_side_are_not_levels() -> None:
    text = json.dumps(["[" * 500 + '"' + "{" * 500, *([[]] * 500)])
    assert parse(text.encode()) == ["[" * 500 + '"' + "{" * 500, *([[]] * 500)]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * (1 << 20),
        b'{"a":' * 200_000,
        b'["a' + b'\\"[' * 300_000,
        b"[" * 200 + b'"' + b'\\"' * 400_000,
        b'"' + b"a" * 1_000_000,
        b"[" * 127 + b'"\\',
    ],
)
def test_hostile_text_is_refused_with_a_short_message(content: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse(content)
    assert len(str(caught.value)) < 200


def test_a_long_run_of_digits_is_not_converted() -> None:
    assert parse(b"9" * 1_000_000) == JsonNumber("9" * 1_000_000)


def test_text_beyond_the_limit_is_not_looked_at() -> None:
    with pytest.raises(FormatError, match="input has 3 bytes, at most 2 are read"):
        parse_json(b"{x}", what="input", max_bytes=2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def plain(value: JsonValue) -> object:
    if isinstance(value, JsonObject):
        return {key: plain(member) for key, member in value.members}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(json_values, st.booleans())
def test_what_python_writes_is_read_back(value: object, is_ascii: bool) -> None:
    assert plain(parse(json.dumps(value, ensure_ascii=is_ascii).encode())) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0dD8e-1.tnf ', max_size=60).map(str.encode))
def test_any_bytes_are_a_value_or_a_format_error(content: bytes) -> None:
    message = ""
    try:
        parse(content)
    except FormatError as exc:
        message = str(exc)
    assert len(message) < 300
