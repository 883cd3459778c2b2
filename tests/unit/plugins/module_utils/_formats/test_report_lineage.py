# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing of descent."""

from __future__ import annotations

import re

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.html_text import markup
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.report_lineage import (
    LineageNode,
    draw_lineage,
    short,
)


def node(digest: str, parent: str | None = None, title: str | None = None, is_bad: bool = False) -> LineageNode:
    return LineageNode(digest, parent, title or digest, "detail", is_bad=is_bad)


def draw(*nodes: LineageNode) -> tuple[str, int]:
    drawing, others = draw_lineage(nodes)
    return "" if drawing is None else markup(drawing), others


def boxes(drawing: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r'<rect x="(\d+)" y="(\d+)"', drawing)]


def test_children_stand_beside_their_parent_and_below_each_other() -> None:
    drawing, others = draw(node("c", "a"), node("b", "a"), node("a"), node("z"), node("d", "b"))
    assert others == 1
    assert boxes(drawing) == [(4, 4), (268, 4), (532, 4), (268, 64)]
    assert drawing.count('class="edge"') == 3
    assert 'width="746" height="114"' in drawing


def test_a_parent_that_no_host_has_is_drawn_as_absent() -> None:
    drawing, others = draw(node("b", "sha256:" + "a" * 64), node("c", "sha256:" + "a" * 64))
    assert others == 0
    assert drawing.count('class="absent"') == 1
    assert "on no host" in drawing
    assert "a" * 12 + "</text>" in drawing


def test_families_stand_apart() -> None:
    drawing, dummy = draw(node("a"), node("b", "a"), node("x"), node("y", "x"))
    assert boxes(drawing) == [(4, 4), (268, 4), (4, 64), (268, 64)]


def test_nothing_is_drawn_without_relatives() -> None:
    assert draw(node("a"), node("b")) == ("", 2)
    assert draw() == ("", 0)


def test_a_circle_ends() -> None:
    assert draw(node("a", "b"), node("b", "a"), node("c", "c")) == ("", 3)


def test_a_long_line_has_a_limit() -> None:
    drawing, others = draw(node("0"), *(node(str(n), str(n - 1)) for n in range(1, 1000)))
    assert len(boxes(drawing)) == 300
    assert others == 700


def test_names_are_cut_and_escaped() -> None:
    drawing, dummy = draw(node("a", title="<script>" + "x" * 50), node("b", "a", is_bad=True))
    assert ">&lt;script&gt;" + "x" * 15 + "\N{HORIZONTAL ELLIPSIS}</text>" in drawing
    assert "<script" not in drawing
    assert drawing.count('class="bad"') == 1


def test_a_digest_is_shortened() -> None:
    assert short("sha256:" + "0123456789abcdef" * 4) == "0123456789ab"
    assert short("something else") == "something el"
