# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report's table of hosts against snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .fleet_report import (
    DAMAGED,
    NOT_RECORDED,
    NOT_YET_VERIFIED,
    OK,
    UNREACHABLE,
    UNSUPPORTED,
    VERIFIED,
    AuditedHost,
    AuditedSnapshot,
    FleetReport,
)
from .html_text import Html, element
from .report_lineage import short

_MAX_COLUMNS = 60
_PRINTED_COLUMNS = 6
_STATES = {
    VERIFIED: "verified",
    DAMAGED: "damaged",
    NOT_YET_VERIFIED: "not yet verified",
    NOT_RECORDED: "no integrity recorded",
    UNSUPPORTED: "cannot be verified",
}
# Drift that the cell shows anyway, by its colour or its words.
_SHOWN = ("damaged", "missing", "not_offline")


def matrix(report: FleetReport) -> Html:
    """Return the table of hosts against snapshots."""
    names = _columns(report)
    has_others = any(one.name not in names for host in report.hosts for one in host.snapshots)
    others = ["others"] if has_others else []
    head = element("tr", *(element("th", name) for name in ("host", *names, *others)))
    rows = [_row(host, names, has_others) for host in report.hosts]
    kind = "matrix stacked wide" if len(names) > _PRINTED_COLUMNS else "matrix stacked"
    table = element("table", element("thead", head), element("tbody", *rows), class_=kind)
    return element("div", table, class_="card scroll")


def host_status(host: AuditedHost) -> Html:
    """Return how a host is, as a badge."""
    kind = {OK: "good"}.get(host.status, "bad")
    return element("span", host.status, class_=f"badge {kind}")


def _columns(report: FleetReport) -> list[str]:
    """Return the names that have a column: the desired ones, then those that most hosts have."""
    counts = Counter(name for host in report.hosts for name in {one.name for one in host.snapshots})
    missing = {name for host in report.hosts for name in host.missing}
    first = [name for name in report.desired if name in counts or name in missing]
    common = sorted(counts, key=lambda name: (-counts[name], name))
    return list(dict.fromkeys([*first, *common]))[:_MAX_COLUMNS]


def _row(host: AuditedHost, names: Sequence[str], has_others: bool) -> Html:
    found = {one.name: one for one in host.snapshots}
    cells = [_cell(host, name, found.get(name)) for name in names]
    if has_others:
        others = [one for one in host.snapshots if one.name not in names]
        shown = [element("span", f"{one.name} {short(one.digest)} {_state(one)}") for one in others]
        cells.append(element("td", *shown, class_=None if shown else "none", data_label="others"))
    return element("tr", element("th", host.name, " ", host_status(host)), *cells)


def _cell(host: AuditedHost, name: str, snapshot: AuditedSnapshot | None) -> Html:
    if snapshot is not None:
        return _snapshot_cell(name, snapshot)
    if name in host.broken:
        return element("td", element("span", "broken", class_="state"), class_="damaged", data_label=name)
    if name in host.unsupported:
        return element("td", element("span", "unsupported", class_="state"), data_label=name)
    if name in host.missing:
        return element("td", element("span", "missing", class_="state"), class_="missing", data_label=name)
    is_unknown = host.status == UNREACHABLE or host.home is None
    return element("td", "?" if is_unknown else "\N{EN DASH}", class_="none", data_label=name)


def _snapshot_cell(name: str, snapshot: AuditedSnapshot) -> Html:
    offline = ("boots offline", "offline") if snapshot.boots_offline else ("needs a registry", "registry")
    drift = [kind.replace("_", " ") for kind in dict.fromkeys(snapshot.drift) if kind not in _SHOWN]
    return element(
        "td",
        element("code", short(snapshot.digest)),
        element("span", _state(snapshot), class_="state"),
        element("span", offline[0], class_=offline[1]),
        *(element("span", kind, class_="drift") for kind in drift),
        class_=snapshot.content if snapshot.content in (VERIFIED, DAMAGED) else None,
        data_label=name,
    )


def _state(snapshot: AuditedSnapshot) -> str:
    day = f" {snapshot.verified_at[:10]}" if snapshot.verified_at else ""
    return _STATES[snapshot.content] + day
