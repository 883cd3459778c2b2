# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``fleet_report``: from the answers of all hosts to a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError, RequestError, excerpt
from ..module_utils._formats.fleet_report import OK, FleetReport, content_digest, report_json, summary
from ..module_utils._formats.report_html import report_html
from ..module_utils._plan.audit import parse_rules
from ..module_utils._plan.audited_host import Answers
from ..module_utils._plan.fleet_report import make_fleet_report

_PREFIX = "_snapshot_audit_"
_ANSWERS = ("listed", "recalled", "verified", "kept")


def fleet_report(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    now: str,
    rules: Mapping[str, Any],
    verify_after_days: int | str | None = None,
    form: str = "summary",
) -> Any:
    """Return the report of a fleet in a form; the options are described in fleet_report.yml."""
    try:
        answers = {str(host): _answers(hostvars[host]) for host in hosts}
        # Some versions of Ansible make a text of none.
        days = None if verify_after_days is None or verify_after_days == "" else int(verify_after_days)
        limits = [str(hostvars[host]["ansible_limit"]) for host in answers if hostvars[host].get("ansible_limit")]
        limit = limits[0] if limits else None
        return _render(make_fleet_report(answers, parse_rules(rules), days, str(now), limit), form)
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"fleet_report: {exc.message}") from exc


def _render(report: FleetReport, form: str) -> Any:
    if form == "html":
        return report_html(report)
    if form == "json":
        return report_json(report)
    if form != "summary":
        raise RequestError(f"form is {excerpt(form)}, expected summary, html or json", option="form")
    return {
        **summary(report),
        "content_digest": content_digest(report),
        "hosts_with_problems": [host.name for host in report.hosts if host.status != OK],
        "problem_kinds": _kinds_by_host(report),
    }


def _kinds_by_host(report: FleetReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in report.problems:
        kinds = found.setdefault(problem.host, [])
        if problem.kind not in kinds:
            kinds.append(problem.kind)
    return found


def _answers(variables: Mapping[str, Any]) -> Answers:
    found = {key: variables[_PREFIX + key] for key in _ANSWERS if _PREFIX + key in variables}
    # A task that was skipped has answered nothing.
    given = {key: answer for key, answer in found.items() if not answer.get("skipped")}
    return Answers(**given, at=variables.get(_PREFIX + "now"))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"fleet_report": fleet_report}
