# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet report from what the tasks of an audit answered on all hosts: pure."""

from __future__ import annotations

from collections.abc import Mapping

from .._formats.fleet_report import OK, AuditedHost, FleetReport, Problem
from .audit import Rules, worst_first
from .audited_host import Answers, audit_host, verifications_after
from .verification import next_due


def make_fleet_report(
    answers: Mapping[str, Answers], rules: Rules, verify_after_days: int | None, now: str, limit: str | None = None
) -> FleetReport:
    """Return the report of a fleet.

    Args:
        answers: What the tasks answered, by host.
        rules: What the hosts are held to.
        verify_after_days: When a verified snapshot is due again, or None if the audit verifies nothing.
        now: The time of the audit.
        limit: Pattern that the run was limited to, if it was.
    """
    hosts: list[AuditedHost] = []
    problems: list[Problem] = []
    due: list[str] = []
    for name in sorted(answers):
        host, found = audit_host(name, answers[name], rules, now)
        hosts.append(host)
        problems += found
        if verify_after_days is not None and host.snapshots:
            first = next_due(verifications_after(answers[name], now).values(), verify_after_days)
            due += [] if first is None else [first]
    return FleetReport(
        written_at=now,
        next_due_at=min(due, default=None),
        problems=worst_first(problems),
        hosts=tuple(sorted(hosts, key=lambda host: (host.status == OK, host.name))),
        desired=tuple(dict.fromkeys(wish.title for wish in rules.desired)),
        limit=limit,
    )
