# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshot descends from which, drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .html_text import Html, element

_WIDTH, _HEIGHT = 210, 46
_STEP_X, _STEP_Y = 264, 60
_MARGIN = 4
_MAX_NODES = 300
_MAX_NAME = 24


@dataclass(frozen=True)
class LineageNode:
    """A snapshot in the drawing.

    Attributes:
        digest: Its identity.
        parent: Digest of the snapshot that it descends from.
        title: What is written in bold.
        detail: What is written below.
        is_absent: No host has it; it is only named as a parent.
        is_bad: Something is wrong with it on some host.
    """

    digest: str
    parent: str | None
    title: str
    detail: str
    is_absent: bool = False
    is_bad: bool = False


@dataclass(frozen=True)
class _Placed:
    node: LineageNode
    column: int
    row: int


def draw_lineage(nodes: Sequence[LineageNode]) -> tuple[Html | None, int]:
    """Draw the families of snapshots, and return the drawing and how many snapshots are not in it.

    A snapshot without relatives is not drawn, and a drawing has a limited size.

    Args:
        nodes: Snapshots with different digests; parents that are not among them are drawn as absent.
    """
    known = {node.digest: node for node in nodes}
    for node in nodes:
        if node.parent is not None and node.parent not in known:
            known[node.parent] = LineageNode(node.parent, None, "on no host", short(node.parent), is_absent=True)
    children: dict[str, list[LineageNode]] = {}
    for node in known.values():
        if node.parent is not None:
            children.setdefault(node.parent, []).append(node)
    placed = _place([node for node in known.values() if node.parent is None and node.digest in children], children)
    drawn = sum(not spot.node.is_absent for spot in placed.values())
    return (_svg(placed) if placed else None), len(nodes) - drawn


def short(digest: str) -> str:
    """Return the part of a digest that a person compares."""
    return digest.partition(":")[2][:12] or digest[:12]


def _place(roots: Sequence[LineageNode], children: Mapping[str, Sequence[LineageNode]]) -> dict[str, _Placed]:
    """Give every node a column by its depth and a row by its turn; a cycle has no root and no place."""
    placed: dict[str, _Placed] = {}
    waiting = [(node, 0) for node in sorted(roots, key=_order, reverse=True)]
    row, last_column = 0, -1
    while waiting and len(placed) < _MAX_NODES:
        node, column = waiting.pop()
        # The first child stands beside its parent, every other one in a row of its own.
        row += column <= last_column
        placed[node.digest] = _Placed(node, column, row)
        last_column = column
        waiting += [(child, column + 1) for child in sorted(children.get(node.digest, ()), key=_order, reverse=True)]
    return placed


def _order(node: LineageNode) -> tuple[str, str]:
    return node.title, node.digest


def _svg(placed: Mapping[str, _Placed]) -> Html:
    width = max(spot.column for spot in placed.values()) * _STEP_X + _WIDTH + 2 * _MARGIN
    height = max(spot.row for spot in placed.values()) * _STEP_Y + _HEIGHT + 2 * _MARGIN
    edges = [
        _edge(placed[spot.node.parent], spot)
        for spot in placed.values()
        if spot.node.parent is not None and spot.node.parent in placed
    ]
    boxes = [_box(spot) for spot in placed.values()]
    size = {"viewBox": f"0 0 {width} {height}", "width": width, "height": height}
    return element("svg", edges, boxes, class_="lineage", role="img", aria_label="Lineage of the snapshots", **size)


def _corner(spot: _Placed) -> tuple[int, int]:
    return _MARGIN + spot.column * _STEP_X, _MARGIN + spot.row * _STEP_Y


def _edge(parent: _Placed, child: _Placed) -> Html:
    (x1, y1), (x2, y2) = _corner(parent), _corner(child)
    x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return element("path", d=f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}", class_="edge")


def _box(spot: _Placed) -> Html:
    node, (x, y) = spot.node, _corner(spot)
    name = node.title if len(node.title) <= _MAX_NAME else node.title[: _MAX_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    kind = "absent" if node.is_absent else "bad" if node.is_bad else None
    return element(
        "g",
        element("title", f"{node.title} {node.digest}"),
        element("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=8),
        element("text", name, x=x + 12, y=y + 20, class_="name"),
        element("text", node.detail, x=x + 12, y=y + 36, class_="detail"),
        class_=kind,
    )
