# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention as tables, and what it must never do whatever it is told."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.timestamps import rfc3339_from_ns
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.retention import (
    RetentionPlan,
    created_ns,
    plan_retention,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.retention_rules import (
    GroupKey,
    KeepRules,
    LabelSelector,
    ListedSnapshot,
    Selection,
    parse_group_keys,
    parse_keep_rules,
)
from hypothesis import given
from hypothesis import strategies as st

DAY = 86_400 * 10**9
NOW = 1_795_219_200 * 10**9  # 2026-11-21T00:00:00Z
MINE = Selection(name="g*")


def snapshot(name: str, days: float = 0, **changes: Any) -> ListedSnapshot:
    """Return a snapshot of some age whose digest is its name."""
    values: dict[str, Any] = {
        "name": name,
        "digest": name,
        "parent": None,
        "created_at": rfc3339_from_ns(NOW - int(days * DAY)),
        "labels": {},
        "source_sandbox": "base",
        "image_reference": "tiny:1",
        "allocated_bytes": 4096,
        **changes,
    }
    return ListedSnapshot(**values)


def decide(
    *snapshots: ListedSnapshot, group_by: tuple[str, ...] = (), allow_empty: bool = False, **rules: Any
) -> RetentionPlan:
    wanted = parse_keep_rules(rules.get("last"), rules.get("within"), rules.get("labels", ()), allow_empty)
    return plan_retention(snapshots, MINE, wanted, parse_group_keys(group_by), NOW)


def kept(plan: RetentionPlan) -> list[str]:
    return [verdict.snapshot.name for verdict in plan.verdicts if verdict.keep]


def reason(plan: RetentionPlan, name: str) -> str:
    (found,) = [verdict.reason for verdict in plan.verdicts if verdict.snapshot.name == name]
    return found


AGES = [snapshot("g1", 1), snapshot("g10", 10), snapshot("g20", 20, labels={"pinned": "yes"}), snapshot("g40", 40)]


@pytest.mark.parametrize(
    ("rules", "stay"),
    [
        ({"last": 1}, ["g1"]),
        ({"last": 2}, ["g1", "g10"]),
        ({"last": 9}, ["g1", "g10", "g20", "g40"]),
        ({"within": "10d"}, ["g1", "g10"]),
        ({"within": "9d23h59m59s"}, ["g1"]),
        ({"labels": ["pinned"]}, ["g20"]),
        ({"labels": ["pinned=no", "pinned=yes"]}, ["g20"]),
        ({"last": 1, "labels": ["pinned"], "within": "1d"}, ["g1", "g20"]),
        ({"last": 0}, ["g1"]),
        ({"within": "0s"}, ["g1"]),
        ({"labels": ["other"]}, ["g1"]),
        ({"last": 0, "allow_empty": True}, []),
        ({"within": "1h", "allow_empty": True}, []),
    ],
)
def test_rules_keep_what_they_say(rules: dict[str, Any], stay: list[str]) -> None:
    plan = decide(*AGES, **rules)
    assert kept(plan) == stay
    assert set(plan.remove) == {found.name for found in AGES} - set(stay)


@pytest.mark.parametrize(
    ("group_by", "stay"),
    [
        ((), ["g-new"]),
        (("source_sandbox",), ["g-new", "g-web"]),
        (("image",), ["g-new", "g-two"]),
        (("label:channel",), ["g-two", "g-new", "g-web", "g-old"]),
        (("name:g-[a-n]",), ["g-new", "g-two", "g-web", "g-old"]),
        (("name:g-.",), ["g-new", "g-old", "g-two", "g-web"]),
        (("source_sandbox", "image"), ["g-new", "g-two", "g-web"]),
    ],
)
def test_rules_hold_for_every_group(group_by: tuple[str, ...], stay: list[str]) -> None:
    plan = decide(
        snapshot("g-old", 9),
        snapshot("g-two", 3, image_reference="tiny:2", labels={"channel": "beta"}),
        snapshot("g-new", 1),
        snapshot("g-web", 5, source_sandbox="web"),
        group_by=group_by,
        last=1,
    )
    assert kept(plan) == stay


def test_what_belongs_to_no_group_stays_and_is_said_to() -> None:
    plan = decide(snapshot("g1", 1), snapshot("g2", 2), group_by=("label:channel",), last=1)
    assert kept(plan) == ["g1", "g2"]
    assert reason(plan, "g2") == "it belongs to no group"


def test_what_is_not_selected_stays_and_is_not_listed() -> None:
    plan = decide(snapshot("g1", 1), snapshot("g2", 2), snapshot("other", 3), last=1)
    assert plan.remove == ("g2",)
    assert [verdict.snapshot.name for verdict in plan.verdicts] == ["g1", "g2"]


def test_no_ancestor_of_a_kept_snapshot_goes() -> None:
    plan = decide(
        snapshot("g1", 1, parent="g2"),
        snapshot("g2", 2, parent="g3"),
        snapshot("g3", 3, parent="g4"),
        snapshot("g4", 4),
        snapshot("g5", 5),
        last=1,
    )
    assert plan.remove == ("g5",)
    assert reason(plan, "g4") == "g1, which stays, descends from it"


def test_no_ancestor_of_somebody_elses_snapshot_goes() -> None:
    plan = decide(snapshot("g1", 1), snapshot("g2", 2), snapshot("other", 1, parent="g2"), last=1)
    assert plan.remove == ()
    assert reason(plan, "g2") == "other, which stays, descends from it"


def test_children_go_before_their_parents() -> None:
    plan = decide(
        snapshot("g1", 1),
        snapshot("g4", 4),
        snapshot("g3", 3, parent="g4"),
        snapshot("g2", 2, parent="g3"),
        snapshot("g9", 9),
        last=1,
    )
    assert plan.remove == ("g2", "g3", "g4", "g9")


def test_a_cycle_of_parents_ends() -> None:
    plan = decide(snapshot("g1", 1), snapshot("g2", 2, parent="g3"), snapshot("g3", 3, parent="g2"), last=1)
    assert set(plan.remove) == {"g2", "g3"}


def test_copies_stay_and_count_once() -> None:
    copies = [snapshot("g1", 1), snapshot("g-copy", 1, digest="g1")]
    assert decide(*copies, snapshot("g2", 2), snapshot("g3", 3), last=2).remove == ("g3",)
    plan = decide(*copies, snapshot("g0", 0), last=1)
    assert plan.remove == ()
    assert reason(plan, "g1") == "it is there as g-copy and as g1"


def test_a_copy_that_is_not_selected_keeps_the_snapshot() -> None:
    plan = decide(snapshot("g1", 1), snapshot("g2", 2), snapshot("other", 2, digest="g2"), last=1)
    assert plan.remove == ()
    assert reason(plan, "g2") == "it is there as g2 and as other"


def test_what_has_no_readable_time_stays_and_takes_nobodys_place() -> None:
    plan = decide(snapshot("g0", created_at="yesterday"), snapshot("g1", 1), snapshot("g2", 2), last=1)
    assert kept(plan) == ["g1", "g0"]
    assert reason(plan, "g0") == "its time of capture cannot be read"


@pytest.mark.parametrize("rules", [{"last": 1}, {"within": "1d"}, {"last": 0}])
def test_a_snapshot_from_the_future_stays_and_takes_nobodys_place(rules: dict[str, Any]) -> None:
    plan = decide(snapshot("g1", -3), snapshot("g2", 2), snapshot("g3", 3), **rules)
    assert kept(plan) == ["g2", "g1"]
    assert reason(plan, "g1").startswith("its time of capture has not come yet, so a clock was wrong")


def test_a_label_keeps_a_snapshot_from_the_future_as_any_other() -> None:
    plan = decide(snapshot("g1", -3, labels={"pinned": ""}), snapshot("g2", 2), labels=["pinned"])
    assert kept(plan) == ["g1"]
    assert reason(plan, "g1").endswith("; it has the label pinned")


def test_clocks_may_differ_by_five_minutes() -> None:
    minute = 1 / 1440
    assert kept(decide(snapshot("g1", -5 * minute), snapshot("g2", 2), last=1)) == ["g1"]
    assert kept(decide(snapshot("g1", -5.01 * minute), snapshot("g2", 2), last=1)) == ["g2", "g1"]


def test_nanoseconds_and_time_zones_decide_who_is_newer() -> None:
    plan = decide(
        snapshot("g1", created_at="2026-11-20T10:00:00.000000001+00:00"),
        snapshot("g2", created_at="2026-11-20T12:00:00.000000002+02:00"),
        snapshot("g3", created_at="2026-11-20T10:00:00Z"),
        last=1,
    )
    assert kept(plan) == ["g2"]


def test_of_equally_old_snapshots_the_digest_decides_whatever_the_order() -> None:
    twins = [snapshot("g1", 1), snapshot("g2", 1)]
    assert decide(*twins, last=1).remove == decide(*reversed(twins), last=1).remove == ("g1",)


def test_verdicts_are_lines_with_their_reasons() -> None:
    plan = decide(
        snapshot("g1", 1, labels={"pinned": ""}), snapshot("g45", 45.5), last=1, within="2d", labels=["pinned"]
    )
    assert [str(verdict) for verdict in plan.verdicts] == [
        "keep   g1 (2026-11-20T00:00:00+00:00, all): it is not older than 2d; it is one of the last 1; it has the label"
        " pinned",
        "remove g45 (2026-10-06T12:00:00+00:00, all): no rule keeps number 2 of 2, 45d12h old",
    ]


def test_nothing_selected_removes_nothing() -> None:
    assert decide(snapshot("other", 99), last=0, allow_empty=True) == RetentionPlan((), ())


def test_a_line_of_ten_thousand_is_planned_in_a_second() -> None:
    line = [snapshot(f"g{n}", n + 1, parent=f"g{n + 1}") for n in range(10_000)]
    start = time.process_time()
    assert len(decide(snapshot("g-new"), *line, last=1).remove) == 10_000
    assert time.process_time() - start < 1


labels = st.dictionaries(st.sampled_from(["pinned", "team"]), st.sampled_from(["a", "b"]))
names = st.sampled_from([f"{prefix}{n}" for prefix in ("g", "g-", "other") for n in range(4)])
digests = st.sampled_from([f"d{n}" for n in range(8)])
times = st.integers(-2, 60).map(lambda days: rfc3339_from_ns(NOW - days * DAY)) | st.just("yesterday")
listed = st.builds(
    snapshot,
    names,
    digest=digests,
    parent=st.none() | digests,
    created_at=times,
    labels=labels,
    source_sandbox=st.sampled_from(["base", "web", None]),
)


def _agreeing(found: list[ListedSnapshot]) -> list[ListedSnapshot]:
    """Give copies what the digest stands for: their parent, time, labels and sandbox."""
    first: dict[str, ListedSnapshot] = {}
    for each in found:
        first.setdefault(each.digest, each)
    return [
        snapshot(
            each.name,
            digest=each.digest,
            parent=first[each.digest].parent,
            created_at=first[each.digest].created_at,
            labels=first[each.digest].labels,
            source_sandbox=first[each.digest].source_sandbox,
        )
        for each in found
    ]


stores = st.lists(listed, max_size=10, unique_by=lambda found: found.name).map(_agreeing)
selections = st.sampled_from(
    [MINE, Selection(source_sandbox="base"), Selection((LabelSelector("team", "a"),)), Selection(name="g-*")]
)
keep_rules = st.builds(
    KeepRules,
    st.integers(0, 3),
    st.none() | st.integers(0, 40).map(lambda days: days * DAY),
    st.sampled_from([(), (LabelSelector("pinned", None),)]),
    st.booleans(),
)
groupings = st.sampled_from(
    [(), (GroupKey("source_sandbox"),), (GroupKey("label", "team"),), (GroupKey("name", "g-?"), GroupKey("image"))]
)


@given(stores, selections, keep_rules, groupings)
def test_nothing_outside_the_selection_and_no_ancestor_of_what_stays_goes(
    store: list[ListedSnapshot], selection: Selection, rules: KeepRules, group_by: tuple[GroupKey, ...]
) -> None:
    leaving = set(plan_retention(store, selection, rules, group_by, NOW).remove)
    parents = {found.digest: found.parent for found in store}
    for found in store:
        if not selection.matches(found):
            assert found.digest not in leaving
        ancestor, seen = found.parent, {found.digest}
        while found.digest not in leaving and ancestor is not None and ancestor not in seen:
            assert ancestor not in leaving
            seen.add(ancestor)
            ancestor = parents.get(ancestor)


@given(stores, selections, keep_rules, groupings)
def test_every_group_keeps_one_unless_it_may_lose_all(
    store: list[ListedSnapshot], selection: Selection, rules: KeepRules, group_by: tuple[GroupKey, ...]
) -> None:
    plan = plan_retention(store, selection, rules, group_by, NOW)
    staying = {verdict.group for verdict in plan.verdicts if verdict.keep}
    if not rules.allow_empty:
        assert staying == {verdict.group for verdict in plan.verdicts}


@given(stores, selections, keep_rules, groupings)
def test_a_rule_is_never_broken(
    store: list[ListedSnapshot], selection: Selection, rules: KeepRules, group_by: tuple[GroupKey, ...]
) -> None:
    plan = plan_retention(store, selection, rules, group_by, NOW)
    for verdict in plan.verdicts:
        found, ns = verdict.snapshot, created_ns(verdict.snapshot)
        if not verdict.keep:
            assert ns is not None
            assert rules.within_ns is None or NOW - ns > rules.within_ns
            assert not any(label.matches(found) for label in rules.labels)
            peers = {v.snapshot.digest: v.snapshot for v in plan.verdicts if v.group == verdict.group}
            newer = [peer for peer in peers.values() if (created_ns(peer) or 0) >= ns and peer != found]
            assert len(newer) >= (rules.last or 0)


@given(stores, selections, keep_rules, groupings)
def test_planning_again_after_the_removal_removes_nothing(
    store: list[ListedSnapshot], selection: Selection, rules: KeepRules, group_by: tuple[GroupKey, ...]
) -> None:
    leaving = plan_retention(store, selection, rules, group_by, NOW).remove
    rest = [found for found in store if found.digest not in leaving]
    assert plan_retention(rest, selection, rules, group_by, NOW).remove == ()


@given(stores, selections, keep_rules, groupings)
def test_a_child_goes_before_its_parent(
    store: list[ListedSnapshot], selection: Selection, rules: KeepRules, group_by: tuple[GroupKey, ...]
) -> None:
    leaving = plan_retention(store, selection, rules, group_by, NOW).remove
    assert len(leaving) == len(set(leaving))
    parents = {found.digest: found.parent for found in store}
    for position, digest in enumerate(leaving):
        line, parent = {digest}, parents[digest]
        while parent is not None and parent not in line:
            line.add(parent)
            parent = parents.get(parent)
        if parent is None:  # no cycle
            assert not set(leaving[:position]) & (line - {digest})


def test_groups_whose_labels_spell_the_same_text_stay_apart() -> None:
    one = snapshot("g1", 1, labels={"app": "1", "env": "2, label:env=3"})
    two = snapshot("g2", 2, labels={"app": "1, label:env=2", "env": "3"})
    assert kept(decide(one, two, group_by=("label:app", "label:env"), last=1)) == ["g1", "g2"]


def test_what_labels_hold_does_not_reach_a_terminal() -> None:
    (verdict,) = decide(
        snapshot("g1", 1, labels={"app": "\x1b[31m" + "x" * 5000}), group_by=("label:app",), last=1
    ).verdicts
    assert str(verdict).isprintable()
    assert len(str(verdict)) < 300
