# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML that is safe by construction: text is escaped wherever it enters, and only this file makes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Union

_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
    # No text of a host may look like a template to whatever carries the page on.
    "{": "&#123;",
    "}": "&#125;",
}
_SPECIAL = re.compile("[&<>\"'{}]|[^ -~]")
_VOID = frozenset({"br", "circle", "meta", "path", "rect"})


class Html:
    """Finished markup.

    Args:
        text: The markup.
    """

    def __init__(self, text: str) -> None:
        self.text = text


Content = Union[str, Html, Iterable["Content"]]


def element(tag: str, *content: Content, **attributes: object) -> Html:
    """Return an element; strings in it and the values of its attributes are escaped.

    Args:
        tag: Its name.
        content: What is in it.
        attributes: An underscore in a name stands for a hyphen, one at its end for nothing. None leaves one out.
    """
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{tag}{shown}/>")
    return Html(f"<{tag}{shown}>{markup(content)}</{tag}>")


def markup(content: Content) -> str:
    """Return content as markup."""
    if isinstance(content, Html):
        return content.text
    if isinstance(content, str):
        return escape(content)
    return "".join(markup(part) for part in content)


def escape(text: str) -> str:
    """Return text that stands for itself in a document and in an attribute.

    What cannot be seen, controls the direction of writing, or is no Unicode is written as a Python escape.
    """
    return _SPECIAL.sub(_escape_char, text)


def _escape_char(found: re.Match[str]) -> str:
    char = found[0]
    hidden = "" if char.isprintable() else char.encode("unicode_escape").decode("ascii")
    return _ENTITIES.get(char) or hidden or char
