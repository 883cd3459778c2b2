# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift from what is desired, as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import (
    ERROR,
    WARNING,
    AuditedSnapshot,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.audit import (
    SEVERITIES,
    Rules,
    Wish,
    judge_snapshots,
    parse_desired,
    parse_rules,
    problem,
    worst_first,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGE = "sha256:" + "1" * 64


def snapshot(name: str = "golden", digest: str = A, **changes: Any) -> AuditedSnapshot:
    usual: dict[str, Any] = {
        "parent": None,
        "labels": {"team": "ml"},
        "created_at": "2026-11-20T09:59:05Z",
        "image_reference": "tiny:1",
        "image_manifest_digest": IMAGE,
        "boots_offline": True,
        "apparent_bytes": 1,
        "allocated_bytes": 1,
        "content": "verified",
        "verified_at": "2026-11-20T00:00:00Z",
    }
    return AuditedSnapshot(name=name, digest=digest, **{**usual, **changes})


def judge(rules: Rules, *snapshots: AuditedSnapshot, broken: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(found.kind, found.subject) for found in judge_snapshots("edge", snapshots, broken, rules)]


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        (Wish(name="golden"), []),
        (Wish(name="golden", digest=A), []),
        (Wish(digest=A), []),
        (Wish(labels={"team": "ml"}), []),
        (Wish(image="tiny:1"), []),
        (Wish(name="golden", image=IMAGE, labels={"team": "ml"}), []),
        (Wish(name="other"), [("missing", "other")]),
        (Wish(digest=B), [("missing", B)]),
        (Wish(labels={"team": "ops"}), [("missing", "team=ops")]),
        (Wish(image="tiny:2"), [("missing", "tiny:2")]),
        (Wish(digest=A, labels={"team": "ops"}), [("missing", A)]),
        (Wish(name="golden", digest=B), [("other_digest", "golden")]),
        (Wish(name="other", digest=A), [("other_name", "golden")]),
        (Wish(name="golden", image="tiny:2"), [("other_image", "golden")]),
        (Wish(name="golden", labels={"team": "ops"}), [("other_labels", "golden")]),
        (Wish(name="golden", labels={"stage": "x"}), [("other_labels", "golden")]),
        (
            Wish(name="golden", digest=B, image="x", labels={"a": "b"}),
            [("other_digest", "golden"), ("other_image", "golden"), ("other_labels", "golden")],
        ),
    ],
)
def test_a_snapshot_is_held_to_what_is_wished(wish: Wish, found: list[tuple[str, str]]) -> None:
    assert judge(Rules((wish,)), snapshot()) == found


def test_both_sides_of_a_difference_are_named() -> None:
    (found,) = judge_snapshots("edge", [snapshot()], (), Rules((Wish(name="golden", digest=B),)))
    assert (found.severity, found.host) == (ERROR, "edge")
    assert found.message == f"is {A}, wanted is {B}"


def test_a_broken_snapshot_is_not_missing_too() -> None:
    assert judge(Rules((Wish(name="golden"),)), broken=("golden",)) == []
    assert judge(Rules((Wish(name="golden"),)), broken=("other",)) == [("missing", "golden")]


def test_damage_is_a_problem_whatever_is_desired() -> None:
    assert judge(Rules(), snapshot(content="damaged")) == [("damaged", "golden")]
    assert judge(Rules((Wish(name="golden"),)), snapshot(content="damaged")) == [("damaged", "golden")]


@pytest.mark.parametrize("content", ["not_yet_verified", "not_recorded", "unsupported"])
def test_what_is_not_known_to_be_damaged_is_no_problem(content: str) -> None:
    assert judge(Rules(), snapshot(content=content, verified_at=None)) == []


def test_desired_snapshots_must_boot_offline_or_all_when_none_are_desired() -> None:
    far, other = snapshot(boots_offline=False), snapshot("other", B, boots_offline=False)
    assert judge(Rules(), far, other) == [("not_offline", "golden"), ("not_offline", "other")]
    assert judge(Rules((Wish(name="golden"),)), far, other) == [("not_offline", "golden")]
    assert judge(Rules((Wish(digest=B),)), far, other) == [("not_offline", "other")]
    assert judge(Rules(require_offline=False), far, other) == []


def test_others_are_unexpected_only_where_the_desired_set_is_exclusive() -> None:
    both = snapshot(), snapshot("other", B)
    assert judge(Rules((Wish(name="golden"),)), *both) == []
    assert judge(Rules((Wish(name="golden"),), exclusive=True), *both) == [("unexpected", "other")]
    assert judge(Rules((Wish(name="moved", digest=B),), exclusive=True), *both) == [
        ("other_name", "other"),
        ("unexpected", "golden"),
    ]


def test_the_worst_comes_first_and_nothing_twice() -> None:
    missing, orphans = problem("missing", "b", "x", "m"), problem("orphans", "a", "x", "m")
    assert worst_first([orphans, missing, missing]) == (missing, orphans)


def test_errors_are_worse_than_any_warning() -> None:
    severities = list(SEVERITIES.values())
    assert severities == sorted(severities)
    assert set(severities) == {ERROR, WARNING}


def test_every_kind_is_in_the_readme_of_the_role() -> None:
    readme = Path(__file__).resolve().parents[5].joinpath("roles/snapshot_audit/README.md").read_text(encoding="utf-8")
    assert [kind for kind in SEVERITIES if f"`{kind}`" not in readme] == []


def test_the_desired_set_is_a_list_or_its_text() -> None:
    value = [{"name": "golden", "digest": A, "labels": {"n": 1}}, {"image": "tiny:1"}]
    wishes = (Wish("golden", A, None, {"n": "1"}), Wish(image="tiny:1"))
    assert parse_desired(value) == parse_desired(json.dumps(value)) == wishes
    assert parse_desired("") == parse_desired(" \n") == parse_desired([]) == ()


@pytest.mark.parametrize(
    "value",
    [
        "golden",
        "{",
        5,
        None,
        {"name": "golden"},
        ["golden"],
        [{}],
        [{"names": "golden"}],
        [{"name": "golden", "path": "/x"}],
        [{"name": None}],
        [{"name": ""}],
        [{"digest": "sha256:abc"}],
        [{"name": "golden", "labels": ["a"]}],
    ],
)
def test_a_desired_set_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(RequestError, match="desired"):
        parse_desired(value)


def test_rules_are_read_with_their_defaults() -> None:
    assert parse_rules({}) == Rules()
    assert parse_rules({"desired": "", "exclusive": True, "require_offline": False, "min_free_bytes": "5"}) == Rules(
        (), True, False, 5
    )


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="min_free_bytes is 'much', not a number"):
        parse_rules({"min_free_bytes": "much"})
