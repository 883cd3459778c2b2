# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as JSON, and what makes it another one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import (
    SCHEMA,
    AuditedHost,
    AuditedSnapshot,
    FleetReport,
    Problem,
    content_digest,
    human_bytes,
    report_json,
    summary,
)
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils._formats.sample_reports import (
    host,
    report,
    snapshot,
)

PROBLEM = Problem("error", "missing", "edge", "golden", "it is missing")


def test_a_report_is_documented_json() -> None:
    found = json.loads(report_json(report(host("edge", snapshot(labels={"b": "2", "a": "1"})), problems=(PROBLEM,))))
    names = [
        "content_digest",
        "desired",
        "hosts",
        "limit",
        "next_due_at",
        "problems",
        "schema",
        "summary",
        "written_at",
    ]
    assert list(found) == names
    assert found["schema"] == SCHEMA
    assert found["problems"] == [
        {"severity": "error", "kind": "missing", "host": "edge", "subject": "golden", "message": "it is missing"}
    ]
    assert found["hosts"][0]["snapshots"][0]["labels"] == {"a": "1", "b": "2"}


def test_every_field_is_in_the_readme_of_the_role() -> None:
    readme = Path(__file__).resolve().parents[5].joinpath("roles/snapshot_audit/README.md").read_text(encoding="utf-8")
    names = [field.name for kind in (FleetReport, AuditedHost, AuditedSnapshot, Problem) for field in fields(kind)]
    assert [name for name in (*names, *summary(report())) if f"`{name}`" not in readme] == []
    assert SCHEMA in readme


def test_the_time_and_the_space_that_is_left_make_no_other_report() -> None:
    before = report(host("edge", snapshot()))
    after = replace(before, written_at="2027-01-01T00:00:00Z", hosts=(host("edge", snapshot(), free_bytes=5),))
    assert content_digest(before) == content_digest(after)


@pytest.mark.parametrize(
    "changed",
    [
        report(host("edge", snapshot(verified_at="2026-11-21T00:00:00Z"))),
        report(host("edge", snapshot(), status="problems")),
        report(host("edge", snapshot(labels={"a": "1"}))),
        report(host("edge", snapshot()), problems=(PROBLEM,)),
        report(host("edge", snapshot()), desired=("golden",)),
        report(host("edge", snapshot()), host("other")),
    ],
)
def test_anything_else_makes_another_report(changed: FleetReport) -> None:
    assert content_digest(changed) != content_digest(report(host("edge", snapshot())))


def test_no_text_in_the_json_looks_like_a_template() -> None:
    hostile = "{{{% x %}{# y #}{{ z }}{{{{"
    text = report_json(report(host(hostile, snapshot(hostile, labels={hostile: hostile}))))
    assert not any(start in text for start in ("{{", "{%", "{#"))
    found = json.loads(text)["hosts"][0]
    assert (found["name"], found["snapshots"][0]["labels"]) == (hostile, {hostile: hostile})


def test_names_that_are_no_unicode_can_be_written() -> None:
    text = report_json(report(host("edge", snapshot("\udcff"))))
    assert text.isascii()
    assert json.loads(text)["hosts"][0]["snapshots"][0]["name"] == "\udcff"


def test_a_report_is_summed_up() -> None:
    hosts = (
        host("a", snapshot(), snapshot("b", content="damaged", boots_offline=False)),
        host("b", snapshot(), status="problems"),
        host("c", status="unreachable", home=None),
    )
    assert summary(report(*hosts, problems=(PROBLEM, replace(PROBLEM, severity="warning")))) == {
        "hosts": 3,
        "hosts_ok": 1,
        "errors": 1,
        "warnings": 1,
        "snapshots": 1,
        "copies": 3,
        "copies_verified": 2,
        "copies_that_boot_offline": 2,
        "apparent_bytes": 12 << 30,
        "allocated_bytes": 3 << 20,
    }


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "0.98 KiB"),
        (4 << 30, "4.00 GiB"),
        (10 << 30, "10.0 GiB"),
        (999 << 20, "999 MiB"),
        (8 << 60, "8192 PiB"),
    ],
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert human_bytes(size) == text
