# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts against snapshots."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import (
    AuditedHost,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.html_text import markup
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.report_matrix import matrix
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils._formats.sample_reports import (
    host,
    report,
    snapshot,
)


def table(*hosts: AuditedHost, **options: Any) -> str:
    return markup(matrix(report(*hosts, **options)))


def columns(text: str) -> list[str]:
    return re.findall(r"<th>([^<]*)</th>", text.partition("</thead>")[0])


def test_desired_snapshots_come_first_then_the_most_common() -> None:
    hosts = [host("a", snapshot("z"), snapshot("b")), host("b", snapshot("b")), host("c", snapshot("a"))]
    assert columns(table(*hosts, desired=("z", "nowhere"))) == ["host", "z", "b", "a"]


def test_a_desired_snapshot_that_no_host_has_gets_a_column() -> None:
    text = table(host("a", missing=("golden",), status="problems"), desired=("golden",))
    assert columns(text) == ["host", "golden"]
    assert '<td class="missing" data-label="golden"><span class="state">missing</span></td>' in text


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, '<td class="verified" data-label="golden"><code>aaaaaaaaaaaa</code>'),
        ({}, '<span class="state">verified 2026-11-20</span>'),
        ({"content": "damaged"}, '<td class="damaged" data-label="golden">'),
        ({"content": "not_yet_verified", "verified_at": None}, '<span class="state">not yet verified</span>'),
        ({"content": "not_recorded", "verified_at": None}, '<span class="state">no integrity recorded</span>'),
        ({"content": "unsupported", "verified_at": None}, '<span class="state">cannot be verified</span>'),
        ({"boots_offline": False}, '<span class="registry">needs a registry</span>'),
        ({}, '<span class="offline">boots offline</span>'),
        ({"drift": ("other_digest", "other_digest")}, '<span class="drift">other digest</span></td>'),
        ({"drift": ("not_offline",)}, '<span class="offline">boots offline</span></td>'),
    ],
)
def test_a_cell_says_what_is_known(changes: dict[str, Any], cell: str) -> None:
    assert cell in table(host("edge", snapshot(**changes)))


def test_what_is_not_there_is_told_from_what_nobody_knows() -> None:
    text = table(
        host("a", snapshot()),
        host("b"),
        host("c", status="unreachable", home=None),
        host("d", broken=("golden",), status="problems"),
        host("g", unsupported=("golden",), status="problems"),
    )
    assert text.count('<td class="none" data-label="golden">\N{EN DASH}</td>') == 1
    assert text.count('<td class="none" data-label="golden">?</td>') == 1
    assert text.count('<span class="state">broken</span>') == 1
    assert text.count('<span class="state">unsupported</span>') == 1


def test_rare_snapshots_beyond_the_columns_are_listed_together() -> None:
    rare = [snapshot(f"rare-{number:03d}") for number in range(70)]
    text = table(host("a", *rare), host("b"))
    assert len(columns(text)) == 62
    assert columns(text)[-1] == "others"
    assert "rare-069 aaaaaaaaaaaa verified 2026-11-20" in text


def test_only_a_wide_table_is_printed_as_a_list() -> None:
    assert 'class="matrix stacked"' in table(host("a", *(snapshot(str(number)) for number in range(6))))
    assert 'class="matrix stacked wide"' in table(host("a", *(snapshot(str(number)) for number in range(7))))
