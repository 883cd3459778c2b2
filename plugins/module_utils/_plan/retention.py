# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding which of one's own snapshots retire, and saying of each why it stays or goes.

Whatever cannot be judged stays: a snapshot that belongs to no group, one whose time of capture cannot be read or has
not come yet, and copies of one snapshot under several names, of which a digest does not say which is meant. It takes no
other's place among the newest: a clock that was wrong once would have those removed that are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._core.durations import duration_text
from .._core.errors import excerpt
from .._core.timestamps import index_text_from_rfc3339, ns_from_index_text
from .retention_rules import GroupKey, KeepRules, ListedSnapshot, Selection

_NO_GROUP = "none"
# By how much the clocks of a host and of the controller may differ.
_SKEW_NS = 300 * 10**9


@dataclass(frozen=True)
class Verdict:
    """What becomes of a snapshot.

    Attributes:
        snapshot: The snapshot.
        group: The group that it was judged in.
        keep: Whether it stays.
        reason: Why, as a sentence.
    """

    snapshot: ListedSnapshot
    group: str
    keep: bool
    reason: str

    def __str__(self) -> str:
        """Return the verdict as a line of a plan."""
        what = "keep  " if self.keep else "remove"
        name, created_at = _shown(self.snapshot.name), _shown(self.snapshot.created_at)
        return f"{what} {name} ({created_at}, {self.group}): {self.reason}"


@dataclass(frozen=True)
class RetentionPlan:
    """What becomes of one's own snapshots.

    Attributes:
        verdicts: Of every selected snapshot, group by group and the newest first, those without a believable time last.
        remove: Digests of those to remove, children before parents.
    """

    verdicts: tuple[Verdict, ...]
    remove: tuple[str, ...]


def plan_retention(
    snapshots: Sequence[ListedSnapshot],
    selection: Selection,
    rules: KeepRules,
    group_by: Sequence[GroupKey],
    now_ns: int,
) -> RetentionPlan:
    """Decide which snapshots to remove.

    Args:
        snapshots: All snapshots of the store; those that are not selected stay, and so do their ancestors.
        selection: Which of them are one's own.
        rules: What keeps one of these.
        group_by: What makes a group; with nothing, the selection is one.
        now_ns: The current time, nanoseconds since 1970.
    """
    selected = [snapshot for snapshot in snapshots if selection.matches(snapshot)]
    foreign = [snapshot for snapshot in snapshots if not selection.matches(snapshot)]
    reasons: dict[str, list[str]] = {snapshot.digest: [] for snapshot in selected}
    judgements = [_Judgement(name, members, now_ns) for name, members in _groups(selected, group_by)]
    for judgement in judgements:
        for digest, reason in judgement.reasons(rules):
            reasons[digest].append(reason)
    for digest, names in _copies(snapshots).items():
        if digest in reasons:
            reasons[digest].append(f"it is there as {' and as '.join(map(_shown, names))}")
    survivors = foreign + [snapshot for snapshot in selected if reasons[snapshot.digest]]
    for digest, heir in _ancestors(survivors, snapshots):
        if digest in reasons:
            reasons[digest].append(f"{_shown(heir)}, which stays, descends from it")
    verdicts = tuple(verdict for judgement in judgements for verdict in judgement.verdicts(reasons))
    leaving = {verdict.snapshot.digest for verdict in verdicts if not verdict.keep}
    return RetentionPlan(verdicts, _children_first(leaving, snapshots))


class _Judgement:
    """One group: its snapshots by age, each once however many copies of it there are.

    Args:
        name: What its snapshots have in common, None for those that belong to no group.
        members: Its snapshots.
        now_ns: The current time.
    """

    def __init__(self, name: str | None, members: Sequence[ListedSnapshot], now_ns: int) -> None:
        self._name = name
        self._now_ns = now_ns
        self._times = {snapshot.digest: created_ns(snapshot) for snapshot in members}
        latest_ns = now_ns + _SKEW_NS
        times = ((ns, digest) for digest, ns in self._times.items() if ns is not None and ns <= latest_ns)
        dated = sorted(times, reverse=True)
        self._ranks = {digest: rank for rank, (dummy, digest) in enumerate(dated)}
        self._members = sorted(members, key=lambda snapshot: self._ranks.get(snapshot.digest, len(dated)))

    def reasons(self, rules: KeepRules) -> Iterable[tuple[str, str]]:
        """Yield what keeps which digest, but for what others need of it."""
        for member in self._members:
            yield from ((member.digest, doubt) for doubt in self._doubts_of(member))
        kept = [(m.digest, reason) for m in self._members for reason in self._reasons_of(m, rules)]
        yield from kept
        if not kept and self._ranks and self._name is not None and not rules.allow_empty:
            yield self._members[0].digest, "it is the newest of a group that no rule keeps anything of"

    def verdicts(self, reasons: Mapping[str, Sequence[str]]) -> Iterable[Verdict]:
        """Yield what becomes of its snapshots."""
        for snapshot in self._members:
            why = reasons[snapshot.digest]
            reason = "; ".join(dict.fromkeys(why)) if why else self._age_of(snapshot)
            yield Verdict(snapshot, _NO_GROUP if self._name is None else self._name, bool(why), reason)

    def _doubts_of(self, snapshot: ListedSnapshot) -> Iterable[str]:
        """Yield why it cannot be judged."""
        if self._name is None:
            yield "it belongs to no group"
        if self._times[snapshot.digest] is None:
            yield "its time of capture cannot be read"
        elif snapshot.digest not in self._ranks:
            yield "its time of capture has not come yet, so a clock was wrong and its place among the others is unknown"

    def _reasons_of(self, snapshot: ListedSnapshot, rules: KeepRules) -> Iterable[str]:
        ns = self._times[snapshot.digest]
        age_ns = self._now_ns - ns if ns is not None and snapshot.digest in self._ranks else None
        if age_ns is not None and rules.within_ns is not None and age_ns <= rules.within_ns:
            yield f"it is not older than {duration_text(rules.within_ns)}"
        if rules.last is not None and self._ranks.get(snapshot.digest, rules.last) < rules.last:
            yield f"it is one of the last {rules.last}"
        for label in rules.labels:
            if label.matches(snapshot):
                yield f"it has the label {label}"

    def _age_of(self, snapshot: ListedSnapshot) -> str:
        age_ns = self._now_ns - (self._times[snapshot.digest] or 0)
        rank = self._ranks[snapshot.digest] + 1
        return f"no rule keeps number {rank} of {len(self._ranks)}, {duration_text(age_ns)} old"


def created_ns(snapshot: ListedSnapshot) -> int | None:
    """Return when a snapshot was captured in nanoseconds since 1970, or None where that cannot be read."""
    text = index_text_from_rfc3339(snapshot.created_at)
    return None if text is None else ns_from_index_text(text)


def _groups(
    snapshots: Iterable[ListedSnapshot], group_by: Sequence[GroupKey]
) -> list[tuple[str | None, list[ListedSnapshot]]]:
    """Return the name and the snapshots of every group, the groups sorted and at the end what belongs to none."""
    groups: dict[tuple[str, ...] | None, list[ListedSnapshot]] = {}
    for snapshot in snapshots:
        values = [key.value_of(snapshot) for key in group_by]
        known = tuple(value for value in values if value is not None)
        groups.setdefault(known if len(known) == len(values) else None, []).append(snapshot)
    ordered = sorted(groups.items(), key=lambda item: (item[0] is None, item[0] or ()))
    return [(_group_name(group_by, values), members) for values, members in ordered]


def _group_name(group_by: Sequence[GroupKey], values: tuple[str, ...] | None) -> str | None:
    if values is None:
        return None
    return ", ".join(f"{key}={_shown(value)}" for key, value in zip(group_by, values)) or "all"


def _shown(text: str) -> str:
    """Return foreign text fit for a line of a plan."""
    return excerpt(text)[1:-1]


def _copies(snapshots: Iterable[ListedSnapshot]) -> dict[str, list[str]]:
    """Return the names of snapshots that are there more than once, by digest."""
    names: dict[str, list[str]] = {}
    for snapshot in snapshots:
        names.setdefault(snapshot.digest, []).append(snapshot.name)
    return {digest: sorted(found) for digest, found in names.items() if len(found) > 1}


def _ancestors(survivors: Iterable[ListedSnapshot], snapshots: Iterable[ListedSnapshot]) -> Iterable[tuple[str, str]]:
    """Yield every ancestor of those that stay, with the name of one that descends from it."""
    parents = {snapshot.digest: snapshot.parent for snapshot in snapshots}
    seen: set[str] = set()
    for snapshot in survivors:
        parent = snapshot.parent
        while parent is not None and parent not in seen:
            seen.add(parent)
            yield parent, snapshot.name
            parent = parents.get(parent)


def _children_first(leaving: set[str], snapshots: Iterable[ListedSnapshot]) -> tuple[str, ...]:
    """Order digests by how many ancestors they have, the most first; a cycle ends the count."""
    parents = {snapshot.digest: snapshot.parent for snapshot in snapshots}
    depths: dict[str, int] = {}
    for digest in leaving:
        line: dict[str, None] = {}
        found: str | None = digest
        while found is not None and found not in depths and found not in line:
            line[found] = None
            found = parents.get(found)
        known = depths.get(found or "", 0)
        depths.update((each, known + above) for above, each in enumerate(reversed(line), start=1))
    return tuple(sorted(leaving, key=lambda digest: (-depths[digest], digest)))
