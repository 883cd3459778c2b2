# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``retention_plan``: from a list of snapshots and rules to a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError, RequestError, excerpt
from ..module_utils._core.timestamps import index_text_from_rfc3339, ns_from_index_text
from ..module_utils._plan.retention import RetentionPlan, plan_retention
from ..module_utils._plan.retention_rules import (
    ListedSnapshot,
    Selection,
    parse_group_keys,
    parse_keep_rules,
    parse_label_selectors,
)


def retention_plan(
    snapshots: Sequence[Mapping[str, Any]],
    now: str,
    select: Mapping[str, Any],
    keep: Mapping[str, Any],
    group_by: Sequence[str] | str = (),
    allow_empty: bool = False,
) -> dict[str, Any]:
    """Decide which snapshots retire; the options are described in retention_plan.yml."""
    try:
        _require_known(select, ("labels", "name", "source_sandbox"), "select")
        _require_known(keep, ("last", "within", "labels"), "keep")
        selection = Selection(
            parse_label_selectors(_texts(select.get("labels"), "select.labels"), "select.labels"),
            _text(select.get("name"), "select.name"),
            _text(select.get("source_sandbox"), "select.source_sandbox"),
        )
        rules = parse_keep_rules(
            _count(keep.get("last"), "keep.last"),
            _text(keep.get("within"), "keep.within"),
            _texts(keep.get("labels"), "keep.labels"),
            allow_empty is True,
        )
        keys = parse_group_keys(_texts(group_by, "group_by"))
        return _result(plan_retention([_listed(found) for found in snapshots], selection, rules, keys, _ns(now)))
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"retention_plan: {exc.message}") from exc


def _require_known(options: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Check the names of options: one that is misspelt must not widen what is removed."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise RequestError(f"{what} has {', '.join(unknown)}, expected {', '.join(known)}", option=what)


def _text(value: object, what: str) -> str | None:
    """Return a text, or None for what a survey leaves blank."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    raise RequestError(f"{what} is {excerpt(str(value))}, expected a text", option=what)


def _texts(value: object, what: str) -> list[str]:
    """Return a list of texts; a survey gives them with commas between, or one a line."""
    if value is None:
        return []
    items = value.replace("\n", ",").split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise RequestError(f"{what} is {excerpt(str(value))}, expected a list", option=what)
    return [text for text in (_text(item, what) for item in items) if text is not None]


def _count(value: object, what: str) -> int | None:
    """Return a whole number; a survey gives it as text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise RequestError(f"{what} is {excerpt(str(value))}, expected a whole number", option=what)


def _ns(now: str) -> int:
    text = index_text_from_rfc3339(now)
    ns = None if text is None else ns_from_index_text(text)
    if ns is None:
        raise RequestError(f"now is {excerpt(now)}, expected a time like 2026-11-21T09:30:00Z", option="now")
    return ns


def _listed(found: Mapping[str, Any]) -> ListedSnapshot:
    return ListedSnapshot(
        name=found["name"],
        digest=found["digest"],
        parent=found["parent"],
        created_at=found["created_at"],
        labels=dict(found["labels"]),
        source_sandbox=found["source_sandbox"],
        image_reference=found["image"]["reference"],
        allocated_bytes=found["upper"]["allocated_bytes"],
    )


def _result(plan: RetentionPlan) -> dict[str, Any]:
    return {
        "remove": list(plan.remove),
        "lines": [str(verdict) for verdict in plan.verdicts],
        "allocated_bytes": sum(v.snapshot.allocated_bytes for v in plan.verdicts if not v.keep),
        "snapshots": [
            {
                "name": verdict.snapshot.name,
                "digest": verdict.snapshot.digest,
                "created_at": verdict.snapshot.created_at,
                "group": verdict.group,
                "keep": verdict.keep,
                "reason": verdict.reason,
            }
            for verdict in plan.verdicts
        ],
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"retention_plan": retention_plan}
