# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet from the answers of its hosts."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import OK, report_json
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.verification_record import (
    Verification,
    verification_record_text,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.audit import Rules, Wish
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.audited_host import Answers
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.fleet_report import make_fleet_report

NOW = "2026-11-21T00:00:00Z"
DIGEST = "sha256:" + "a" * 64


def answers(verified_at: str | None = None, **home: Any) -> Answers:
    snapshot = {
        "name": "golden",
        "path": "/h/snapshots/golden",
        "digest": DIGEST,
        "parent": None,
        "created_at": "2026-11-20T09:59:05Z",
        "labels": {},
        "image": {"reference": "tiny:1", "manifest_digest": DIGEST, "boots_offline": True},
        "upper": {"apparent_bytes": 10, "allocated_bytes": 5, "integrity": {"state": "recorded"}},
    }
    facts = {
        "path": "/h",
        "exists": True,
        "filesystem": "ext4",
        "free_bytes": 100,
        "read_only": False,
        "zstd": "zstandard",
    }
    facts |= home
    known = {} if verified_at is None else {DIGEST: Verification("verified", verified_at)}
    content = base64.b64encode(verification_record_text(known).encode()).decode()
    return Answers({"snapshots": [snapshot], "home": facts}, {"content": content})


def test_hosts_with_problems_come_first() -> None:
    fleet = {"c": answers(), "b": Answers({"unreachable": True}), "a": answers(), "d": answers(zstd=None)}
    report = make_fleet_report(fleet, Rules(), None, NOW)
    assert [host.name for host in report.hosts] == ["b", "d", "a", "c"]
    assert [problem.kind for problem in report.problems] == ["unreachable", "no_zstd"]


def test_the_order_of_the_answers_does_not_matter() -> None:
    fleet = {"a": answers(), "b": Answers(), "c": answers(zstd=None)}
    turned = dict(reversed(list(fleet.items())))
    rules = Rules((Wish(name="x"), Wish(name="golden"), Wish(name="x")))
    first, second = (report_json(make_fleet_report(given, rules, 7, NOW)) for given in (fleet, turned))
    assert first == second


def test_the_first_that_is_due_again_is_told() -> None:
    fleet = {"a": answers("2026-11-20T00:00:00Z"), "b": answers("2026-11-18T00:00:00Z"), "c": answers(), "d": Answers()}
    assert make_fleet_report(fleet, Rules(), 7, NOW).next_due_at == "2026-11-25T00:00:00Z"
    assert make_fleet_report(fleet, Rules(), None, NOW).next_due_at is None


def test_one_host_does_not_spoil_the_report_of_the_others() -> None:
    strange = Answers({"snapshots": [{"name": 5}], "home": {"path": []}}, {"content": 7})
    report = make_fleet_report({"good": answers(), "strange": strange}, Rules(), 7, NOW)
    assert {host.name: host.status for host in report.hosts} == {"good": OK, "strange": "failed"}


def test_an_empty_fleet_has_a_report() -> None:
    report = make_fleet_report({}, Rules((Wish(name="golden"),)), 7, NOW)
    assert (report.hosts, report.problems, report.desired, report.written_at) == ((), (), ("golden",), NOW)
