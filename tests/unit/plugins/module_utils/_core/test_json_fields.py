# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object gives its members by type, and refuses by its dotted path what is missing, unknown or of another type."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.json_fields import Fields, describe
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.strict_json import parse_json


def fields(text: str) -> Fields:
    return Fields(parse_json(text.encode(), what="input", max_bytes=1 << 20), "input")


def test_a_field_is_named_by_its_dotted_path() -> None:
    outer = fields('{"image":{"ref":{"deep":1}}}')
    with pytest.raises(FormatError, match=r"image\.ref\.deep in input is the number 1, not a string"):
        outer.fields("image").fields("ref").text("deep")


def test_a_missing_field_names_its_object() -> None:
    with pytest.raises(FormatError, match="image in input lacks the field ref") as caught:
        fields('{"image":{}}').fields("image").text("ref")
    assert caught.value.facts == {"field": "image.ref"}


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(FormatError, match="input has the unknown field 'z', it knows a, b"):
        fields('{"a":1,"z":2}').require_exactly(("a", "b"))


def test_a_field_that_stands_twice_is_refused_however_it_is_spelt() -> None:
    with pytest.raises(FormatError, match="input has the field 'ab' twice"):
        fields('{"ab":1,"\\u0061b":1}')


@pytest.mark.parametrize("value", ["1.0", "-0", "-1", "256", '"1"', "true", "null", "[]"])
def test_an_integer_field_takes_plain_integers_in_range_only(value: str) -> None:
    with pytest.raises(FormatError, match="n in input is .*, not an integer from 0 to 255"):
        fields(f'{{"n":{value}}}').integer("n", 255)


def test_of_texts_the_last_one_of_a_key_counts() -> None:
    assert fields('{"t":{"k":"1","j":"2","k":"3"}}').texts("t") == {"k": "3", "j": "2"}


@pytest.mark.parametrize("value", ["null", "[]", '{"k":1}', '{"k":null}', '{"k":"v","k":{}}'])
def test_texts_take_nothing_but_strings(value: str) -> None:
    with pytest.raises(FormatError, match="t.* in input is "):
        fields(f'{{"t":{value}}}').texts("t")


def test_an_optional_text_may_be_missing_or_null_but_nothing_else() -> None:
    outer = fields('{"a":null,"b":"x","c":1}')
    assert (outer.optional_text("a"), outer.optional_text("b"), outer.optional_text("z")) == (None, "x", None)
    with pytest.raises(FormatError, match="c in input is the number 1, not a string or null"):
        outer.optional_text("c")


def test_text_or_null_must_exist() -> None:
    with pytest.raises(FormatError, match="lacks the field a"):
        fields("{}").text_or_null("a")


def test_items_must_be_an_array() -> None:
    assert fields('{"a":[1]}').items("a") == [1]
    with pytest.raises(FormatError, match="a in input is an object, not an array"):
        fields('{"a":{}}').items("a")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"null", "null"),
        (b"true", "true"),
        (b"1", "the number 1"),
        (b"1.5", "the number '1.5'"),
        (b'"a\\nb"', "the string 'a\\nb'"),
        (b"[]", "an array"),
        (b"{}", "an object"),
    ],
)
def test_values_are_described_in_words(content: bytes, said: str) -> None:
    assert describe(parse_json(content, what="input", max_bytes=1 << 20)) == said
