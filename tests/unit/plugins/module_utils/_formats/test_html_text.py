# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No text gets out of its place in a page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.html_text import (
    Html,
    element,
    escape,
    markup,
)
from hypothesis import given
from hypothesis import strategies as st


class _Reader(HTMLParser):
    """Collects what a parser sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for dummy, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(data)

    def handle_decl(self, decl: str) -> None:
        self.tags.append(decl)

    def handle_pi(self, data: str) -> None:
        self.tags.append(data)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain text", "plain text"),
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;"),
        ("{{ x }}", "&#123;&#123; x &#125;&#125;"),
        ("a\nb\x00", "a\\nb\\x00"),
        ("\u202efdp.exe", "\\u202efdp.exe"),
        ("\udcff", "\\udcff"),
        ("caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c"),
    ],
)
def test_text_stands_for_itself(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text())
def test_no_text_is_markup_anywhere(text: str) -> None:
    reader = _Reader()
    reader.feed(markup(element("p", text, title=text)))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.values == [reader.text]
    assert all(char.isprintable() for char in reader.text)
    if text.isprintable():
        assert reader.text == text


def test_an_element_has_attributes_and_content() -> None:
    inner = element("b", "x", class_="a", data_label='"', hidden=None)
    assert markup([inner, Html("<i>"), ["y", ("z",)]]) == '<b class="a" data-label="&quot;">x</b><i>yz'


def test_some_elements_have_no_end() -> None:
    assert markup(element("rect", x=1, y=2)) == '<rect x="1" y="2"/>'
