# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: whole, the same for the same report, and safe whatever hosts say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import (
    FleetReport,
    Problem,
    content_digest,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.report_html import report_html
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils._formats.sample_reports import (
    host,
    report,
    snapshot,
)

HOSTILE = "</td></style><script>alert(1)</script><img src=x onerror=alert(1)> \" ' {{ x }} javascript:"
# fmt: off
_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "p", "ul", "ol", "li", "b", "span",
    "section", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary", "footer", "svg", "g",
    "path", "rect", "text",
}
_ATTRIBUTES = {
    "aria-label", "charset", "class", "content", "d", "data-label", "height", "http-equiv", "lang", "name", "role",
    "rx", "viewbox", "width", "x", "y",
}
# fmt: on


class _Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, dummy in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_report(text: str) -> FleetReport:
    bad = snapshot(text, labels={text: text}, image_reference=text, created_at=text, parent=text, drift=(text,))
    unknown = snapshot(text + "2", digest=text, boots_offline=False, content="damaged", verified_at=text)
    hosts = (
        host(text, bad, unknown, home=text, filesystem=text, status="problems", missing=(text + "3",), broken=(text,)),
        host("silent", status="unreachable", home=None, filesystem=None, free_bytes=None),
    )
    problems = tuple(Problem("error", text, f"{text}{number}", text, text) for number in range(20))
    return report(*hosts, problems=problems, desired=(text + "3",))


def test_nothing_that_hosts_say_is_markup() -> None:
    reader = _Reader(report_html(hostile_report(HOSTILE)))
    harmless = _Reader(report_html(hostile_report("harmless")))
    assert reader.tags == harmless.tags
    assert set(reader.tags) <= _TAGS
    assert reader.attributes <= _ATTRIBUTES
    assert HOSTILE in reader.text


def test_the_page_needs_nothing_else() -> None:
    page = report_html(hostile_report("harmless"))
    assert not re.search(r"url\(|@import|https?:|src=|href=|<script|<link", page)
    assert "default-src &#39;none&#39;" in page
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_nothing_in_the_page_looks_like_a_template() -> None:
    page = report_html(hostile_report("{{ x }}{% y %}{# z #}"))
    assert not any(start in page for start in ("{{", "{%", "{#"))


def test_the_same_report_gives_the_same_page() -> None:
    assert report_html(hostile_report("x")) == report_html(hostile_report("x"))


def test_problems_come_first_and_errors_before_warnings() -> None:
    problems = (
        Problem("warning", "orphans", "a", "staging", "dead runs"),
        Problem("error", "missing", "a", "golden", "no such snapshot"),
    )
    page = report_html(report(host("a", status="problems"), problems=problems))
    order = ["no such snapshot", "dead runs", "Hosts and their snapshots", "Lineage", "Disk"]
    assert [page.index(text) for text in order] == sorted(page.index(text) for text in order)


def test_a_problem_of_many_hosts_is_named_once() -> None:
    problems = tuple(Problem("error", "missing", f"h{n:02d}", "golden", "no such snapshot") for n in range(13))
    page = report_html(report(problems=problems))
    assert page.count("no such snapshot") == 1
    assert "<summary>13 hosts</summary>" in page
    assert "<span>h12</span>" in page


def test_an_empty_fleet_has_a_page() -> None:
    text = _Reader(report_html(FleetReport("2026-11-21T10:00:00Z", None, (), (), ()))).text
    assert "No problems" in text
    assert "0 of 0" in text
    assert "There are no snapshots." in text


def test_the_page_says_when_and_what_it_was_made_of() -> None:
    made = report(host("edge", snapshot()))
    page = report_html(made)
    assert content_digest(made) in page
    assert "As found on 2026-11-21 10:00 UTC" in page
    assert "due on 2026-11-27 00:00 UTC" in page
    assert "1 snapshot without relatives is not drawn." in page


def test_a_large_fleet_fits_into_a_few_megabytes() -> None:
    digests = ["sha256:" + f"{number:064x}" for number in range(50)]
    parents = [None, *(digests[number // 3] for number in range(1, 50))]
    snapshots = [snapshot(f"s-{number:02d}", digest=digests[number], parent=parents[number]) for number in range(50)]
    page = report_html(report(*(host(f"host-{number:03d}", *snapshots) for number in range(200))))
    assert len(page) < 3 << 20
    assert page.count("boots offline") == 200 * 50


def test_a_large_fleet_without_anything_in_common_fits_too() -> None:
    digests = ["sha256:" + f"{number:064x}" for number in range(200 * 50)]
    snapshots = [snapshot(f"s-{number}", digest=digest) for number, digest in enumerate(digests)]
    hosts = [host(f"host-{number:03d}", *snapshots[50 * number : 50 * number + 50]) for number in range(200)]
    assert len(report_html(report(*hosts))) < 8 << 20
