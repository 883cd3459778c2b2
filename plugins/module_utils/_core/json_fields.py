# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a fixed shape in parsed JSON: their members by type, and messages that say what stands there instead."""

from __future__ import annotations

import json
from collections.abc import Collection

from .errors import FormatError, excerpt
from .strict_json import JsonNumber, JsonObject, JsonValue


class Fields:
    """The members of one object of a fixed shape, read one by one; messages carry the field's dotted path.

    Args:
        value: What the parser returned for the object.
        what: Name of the text in messages.
        path: Dotted path of the object inside the text, empty for the outermost one.

    Raises:
        FormatError: The value is no object, or names a member twice.
    """

    __slots__ = ("_members", "_path", "_what")

    def __init__(self, value: JsonValue, what: str, path: str = "") -> None:
        self._what = what
        self._path = path
        if not isinstance(value, JsonObject):
            raise FormatError(f"{self._label()} is {describe(value)}, not an object")
        self._members = dict(value.members)
        if len(self._members) != len(value.members):
            left = set(self._members)
            for name, dummy in value.members:
                if name not in left:
                    raise FormatError(f"{self._label()} has the field {excerpt(name)} twice", field=name[:80])
                left.remove(name)

    def require_exactly(self, names: Collection[str]) -> None:
        """Refuse a member that is not among the names.

        Raises:
            FormatError: It names the member and the ones that exist.
        """
        for name in self._members:
            if name not in names:
                raise FormatError(
                    f"{self._label()} has the unknown field {excerpt(name)}, it knows {', '.join(names)}",
                    field=name[:80],
                )

    def names(self) -> tuple[str, ...]:
        """Return the names of all members, in the order they were written."""
        return tuple(self._members)

    def has(self, name: str) -> bool:
        """Return whether the member exists and is not null."""
        return self._members.get(name) is not None

    def value(self, name: str) -> JsonValue:
        """Return a member of any type.

        Raises:
            FormatError: It is missing.
        """
        try:
            return self._members[name]
        except KeyError:
            raise FormatError(f"{self._label()} lacks the field {name}", field=self.path(name)) from None

    def text(self, name: str) -> str:
        """Return a string.

        Raises:
            FormatError: It is missing or no string.
        """
        value = self.value(name)
        if not isinstance(value, str):
            raise self._type_error(name, value, "a string")
        return value

    def text_or_null(self, name: str) -> str | None:
        """Return a string, or None for null.

        Raises:
            FormatError: It is missing, or neither a string nor null.
        """
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise self._type_error(name, value, "a string or null")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string, or None when it is missing or null.

        Raises:
            FormatError: It is neither a string nor null.
        """
        return self.text_or_null(name) if name in self._members else None

    def integer(self, name: str, maximum: int) -> int:
        """Return an integer from zero to the maximum, written as a plain integer.

        Raises:
            FormatError: It is missing, of another type, spelt as another number, or out of range.
        """
        value = self.value(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= maximum:
            raise self._type_error(name, value, f"an integer from 0 to {maximum}")
        return value

    def fields(self, name: str) -> Fields:
        """Return an object of a fixed shape.

        Raises:
            FormatError: It is missing, no object, or names a member twice.
        """
        return Fields(self.value(name), self._what, self.path(name))

    def items(self, name: str) -> list[JsonValue]:
        """Return the items of an array.

        Raises:
            FormatError: It is missing or no array.
        """
        value = self.value(name)
        if not isinstance(value, list):
            raise self._type_error(name, value, "an array")
        return value

    def texts(self, name: str) -> dict[str, str]:
        """Return an object whose values are all strings; of a key that stands twice the last one counts.

        Raises:
            FormatError: It is missing, no object, or has another value.
        """
        value = self.value(name)
        if not isinstance(value, JsonObject):
            raise self._type_error(name, value, "an object")
        texts: dict[str, str] = {}
        for key, member in value.members:
            if not isinstance(member, str):
                raise self._type_error(f"{name}[{excerpt(key)}]", member, "a string")
            texts[key] = member
        return texts

    def path(self, name: str) -> str:
        """Return the dotted path of a member."""
        return f"{self._path}.{name}" if self._path else name

    def _label(self) -> str:
        return f"{self._path} in {self._what}" if self._path else self._what

    def _type_error(self, name: str, value: JsonValue, wanted: str) -> FormatError:
        path = self.path(name)
        return FormatError(f"{path} in {self._what} is {describe(value)}, not {wanted}", field=path)


def describe(value: JsonValue) -> str:
    """Return what the value is, short enough for a message."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return f"the number {value}"
    if isinstance(value, JsonNumber):
        return f"the number {excerpt(value.spelling)}"
    if isinstance(value, str):
        return f"the string {excerpt(value)}"
    return "an object" if isinstance(value, JsonObject) else "an array"
