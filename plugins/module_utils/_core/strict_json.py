# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as microsandbox reads it: what Python's parser lets pass and microsandbox refuses is refused here too."""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn, Union

from .errors import FormatError, excerpt
from .unicode_text import is_unicode

# microsandbox's parser refuses the 128th level.
_MAX_LEVELS = 127
# The longest integer of any format is an unsigned 64-bit one; more digits are not worth converting.
_MAX_INTEGER_DIGITS = 20
_BOM = b"\xef\xbb\xbf"
# A string up to its end or the end of the text, or one bracket. Nothing fails after a quote, so it runs in linear time.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.?)*(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


class JsonNumber(NamedTuple):
    """A number that is no plain integer (a fraction, an exponent, ``-0``, too many digits), as it was written."""

    spelling: str


class JsonObject(NamedTuple):
    """An object with its members in the order they were written, duplicates included."""

    members: list[tuple[str, JsonValue]]


JsonValue = Union[None, bool, int, str, JsonNumber, "list[JsonValue]", JsonObject]


def parse_json(content: bytes, *, what: str, max_bytes: int) -> JsonValue:
    """Parse one JSON text.

    Args:
        content: UTF-8 without a byte order mark.
        what: Name of the text in messages.
        max_bytes: Longest text to look at.

    Raises:
        FormatError: The bytes are too many, not UTF-8, not JSON, nested too deep, or hold half a surrogate pair.
    """
    if len(content) > max_bytes:
        raise FormatError(f"{what} has {len(content)} bytes, at most {max_bytes} are read", bytes=len(content))
    if content.startswith(_BOM):
        raise FormatError(f"{what} starts with a byte order mark, not with JSON")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise FormatError(f"{what} is not UTF-8 at byte {exc.start}", offset=exc.start) from None
    _require_shallow(text, what)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        found = excerpt(text[exc.pos : exc.pos + 40])
        reason = exc.msg.lower().replace(" starting at", "").replace(" at", "")
        raise FormatError(
            f"{what} is not JSON at line {exc.lineno} column {exc.colno}: {reason}, found {found}",
            line=exc.lineno,
            column=exc.colno,
        ) from None
    except _ConstantError as exc:
        raise FormatError(f"{what} holds {exc}, which is not JSON") from None
    if "\\u" in text:
        _require_whole_surrogates(value, what)
    return value


class _ConstantError(ValueError):
    """NaN, Infinity or -Infinity."""


def _integer(spelling: str) -> int | JsonNumber:
    if spelling == "-0" or len(spelling) > _MAX_INTEGER_DIGITS:
        return JsonNumber(spelling)
    return int(spelling)


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


# Every hook is one that the parser written in C calls by itself; a subclass would fall back to the one in Python.
_DECODER = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_int=_integer,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
)


def _require_shallow(text: str, what: str) -> None:
    if text.count("[") + text.count("{") <= _MAX_LEVELS:
        return
    levels = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        first = text[match.start()]
        if first in "[{":
            levels += 1
            if levels > _MAX_LEVELS:
                raise FormatError(f"{what} is nested deeper than {_MAX_LEVELS} levels")
        elif first in "]}":
            levels -= 1


def _require_whole_surrogates(value: JsonValue, what: str) -> None:
    # The parser joins escaped pairs, so what is left of surrogates now stands alone.
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if not is_unicode(item):
                raise FormatError(f"{what} holds half a surrogate pair in {excerpt(item)}")
        elif isinstance(item, JsonObject):
            for name, member in item.members:
                pending.append(name)
                pending.append(member)
        elif isinstance(item, list):
            pending.extend(item)
