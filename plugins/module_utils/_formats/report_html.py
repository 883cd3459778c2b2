# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report as one page of HTML that needs nothing else: no script, no file, no network."""

from __future__ import annotations

from collections.abc import Sequence

from .fleet_report import (
    ERROR,
    AuditedHost,
    AuditedSnapshot,
    FleetReport,
    Problem,
    content_digest,
    human_bytes,
    summary,
)
from .html_text import Html, element, markup
from .report_lineage import LineageNode, draw_lineage, short
from .report_matrix import host_status, matrix
from .report_style import STYLE

_MAX_HOSTS_SHOWN = 12
# Even if markup of a host got through, the browser would neither run nor load anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_html(report: FleetReport) -> str:
    """Return the page; the same report gives the same page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Html("\n"),
        element("meta", name="content-digest", content=content_digest(report)),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", "Fleet of microsandbox snapshots"),
        Html(f"<style>{STYLE}</style>"),
    )
    sections = [
        ("Problems", _problems(report.problems)),
        ("Hosts and their snapshots", matrix(report)),
        ("Lineage", _lineage(report)),
        ("Snapshots", _snapshots(report)),
        ("Disk", _disk(report.hosts)),
    ]
    body = [element("section", element("h2", title), content) for title, content in sections]
    main = element("main", _header(report), *body, _footer(report))
    return "<!doctype html>\n" + markup(element("html", head, element("body", main), lang="en")) + "\n"


def _header(report: FleetReport) -> Html:
    total = summary(report)
    hosts = total["hosts"]
    tiles = [
        ("hosts without problems", f"{total['hosts_ok']} of {hosts}", _tone(hosts - total["hosts_ok"])),
        ("errors", str(total["errors"]), _tone(total["errors"])),
        ("warnings", str(total["warnings"]), "warn" if total["warnings"] else "good"),
        ("snapshots", str(total["snapshots"]), None),
        ("copies verified", f"{total['copies_verified']} of {total['copies']}", None),
        ("copies that boot offline", f"{total['copies_that_boot_offline']} of {total['copies']}", None),
        ("on disk", human_bytes(total["allocated_bytes"]), None),
        ("apparent", human_bytes(total["apparent_bytes"]), None),
    ]
    shown = [element("li", element("b", value), what, class_=f"card {tone or ''}") for what, value, tone in tiles]
    return element(
        "header",
        element("h1", "Fleet of microsandbox snapshots"),
        element("p", f"As found on {_time(report.written_at)}{_extent(report)}", class_="soft"),
        element("ul", *shown, class_="tiles"),
    )


def _extent(report: FleetReport) -> str:
    return "" if report.limit is None else f", only on the hosts of the limit {report.limit}"


def _tone(bad: int) -> str:
    return "bad" if bad else "good"


def _time(text: str) -> str:
    return f"{text[:10]} {text[11:16]} UTC"


def _problems(problems: Sequence[Problem]) -> Html:
    if not problems:
        return element("p", "No problems: every host has what it should have.", class_="card all-good")
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for found in problems:
        # A host that is a problem itself need not be named twice.
        subject = "" if found.subject == found.host else found.subject
        groups.setdefault((found.severity, found.kind, subject, found.message), []).append(found.host)
    ordered = sorted(groups.items(), key=lambda group: group[0][0] != ERROR)
    return element("ol", *(_problem(*key, hosts) for key, hosts in ordered), class_="card problems")


def _problem(severity: str, kind: str, subject: str, message: str, hosts: Sequence[str]) -> Html:
    names = [element("span", host) for host in hosts]
    listed = element("div", *names, class_="hosts")
    if len(hosts) > _MAX_HOSTS_SHOWN:
        listed = element("details", element("summary", f"{len(hosts)} hosts"), listed)
    return element(
        "li",
        element("span", kind.replace("_", " "), class_=f"badge {severity}"),
        element("b", subject),
        " " if subject else "",
        message,
        listed,
        class_=severity,
    )


def _by_digest(report: FleetReport) -> dict[str, list[tuple[AuditedHost, AuditedSnapshot]]]:
    found: dict[str, list[tuple[AuditedHost, AuditedSnapshot]]] = {}
    for host in report.hosts:
        for snapshot in host.snapshots:
            found.setdefault(snapshot.digest, []).append((host, snapshot))
    return found


def _names(copies: Sequence[tuple[AuditedHost, AuditedSnapshot]]) -> str:
    return ", ".join(sorted({snapshot.name for dummy, snapshot in copies}))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _lineage(report: FleetReport) -> Html:
    nodes = [
        LineageNode(
            digest=digest,
            parent=copies[0][1].parent,
            title=_names(copies),
            detail=f"{short(digest)} \N{MIDDLE DOT} {_count(len({host.name for host, dummy in copies}), 'host')}",
            is_bad=any(snapshot.drift for dummy, snapshot in copies),
        )
        for digest, copies in _by_digest(report).items()
    ]
    drawing, others = draw_lineage(nodes)
    rest = f"{_count(others, 'snapshot')} without relatives {'is' if others == 1 else 'are'} not drawn."
    note = element("p", rest if nodes else "There are no snapshots.", class_="soft")
    shown = element("div", drawing, class_="card scroll") if drawing is not None else ""
    return element("div", shown, note if others or not nodes else "")


def _snapshots(report: FleetReport) -> Html:
    rows = [
        element(
            "tr",
            element("th", _names(copies)),
            element("td", element("code", digest), class_="digest", data_label="digest"),
            element("td", first.image_reference, data_label="image"),
            element("td", _labels(first), data_label="labels", class_=None if first.labels else "none"),
            element("td", first.created_at[:10], class_="date", data_label="captured"),
            element("td", str(len({host.name for host, dummy in copies})), class_="number", data_label="hosts"),
        )
        for digest, copies in sorted(_by_digest(report).items(), key=lambda item: (_names(item[1]), item[0]))
        for first in [copies[0][1]]
    ]
    return _table(("name", "digest", "image", "labels", "captured", "hosts"), rows)


def _labels(snapshot: AuditedSnapshot) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(snapshot.labels.items()))


def _disk(hosts: Sequence[AuditedHost]) -> Html:
    sizes = {
        host.name: (
            sum(one.allocated_bytes for one in host.snapshots),
            sum(one.apparent_bytes for one in host.snapshots),
        )
        for host in hosts
    }
    most = max((max(pair) for pair in sizes.values()), default=0) or 1
    rows = [
        element(
            "tr",
            element("th", host.name, " ", host_status(host)),
            element("td", _bars(*sizes[host.name], most), data_label="on disk against apparent"),
            element("td", human_bytes(sizes[host.name][0]), class_="number", data_label="on disk"),
            element("td", human_bytes(sizes[host.name][1]), class_="number", data_label="apparent"),
            element("td", _known(host.free_bytes), class_="number", data_label="free"),
            element("td", host.filesystem or "?", data_label="file system"),
            element("td", host.home or "?", data_label="home"),
        )
        for host in hosts
    ]
    return _table(("host", "", "on disk", "apparent", "free", "file system", "home"), rows)


def _known(size: int | None) -> str:
    return "?" if size is None else human_bytes(size)


def _bars(allocated: int, apparent: int, most: int) -> Html:
    bars = [
        element("rect", x=0, y=0, width=f"{100 * apparent / most:.1f}%", height=18, rx=3, class_="apparent"),
        element("rect", x=0, y=4, width=f"{100 * allocated / most:.1f}%", height=10, rx=3, class_="allocated"),
    ]
    return element("svg", *bars, class_="bars", role="img", aria_label="on disk against apparent")


def _table(names: Sequence[str], rows: Sequence[Html]) -> Html:
    head = element("thead", element("tr", *(element("th", name) for name in names)))
    return element("div", element("table", head, element("tbody", *rows), class_="plain stacked"), class_="card scroll")


def _footer(report: FleetReport) -> Html:
    due = (
        f" The next verification is due on {_time(report.next_due_at)}: if the page is much older, nobody audits."
        if report.next_due_at
        else ""
    )
    text = f"An audit writes this page anew when what it finds has changed.{due} Free space is as of that time."
    return element("footer", text)
