# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a release to hosts: what one of them needs, what came of it, and what that means for all. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import MicrosandboxError, RequestError, StateError, UnsupportedError, excerpt
from .._formats.snapshot_names import require_snapshot_name

KEEP, INDEX, INSTALL, REFUSE = "keep", "index", "install", "refuse"
PRESENT, INSTALLED, FAILED, UNREACHABLE, NOT_BEGUN = "present", "installed", "failed", "unreachable", "not_begun"

_HEADINGS = {
    INSTALLED: ("installed", "would be installed"),
    PRESENT: ("already there", "already there"),
    FAILED: ("failed", "would fail"),
    UNREACHABLE: ("unreachable", "unreachable"),
    NOT_BEGUN: ("not begun", "not begun"),
}
# A reason says what is there, what is wanted and what helps, with paths and digests in it.
_LONGEST_REASON = 400


@dataclass(frozen=True)
class HostPlan:
    """What a host needs to have a release.

    Attributes:
        action: ``keep`` for nothing, ``index`` for a row in the index, ``install`` for the archive, or ``refuse``.
        code: Whose problem it is when it is refused, as in a failed task's ``error.code``.
        problem: Why it is refused.
    """

    action: str
    code: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class HostResult:
    """What came of a host.

    Attributes:
        state: ``present``, ``installed``, ``failed`` or ``unreachable``.
        changed: Whether something changed there.
        name: Name of the snapshot.
        digest: Its digest.
        received_bytes: How much of the archive came to the host.
        resumed_bytes: How much of it was there from an interrupted run.
        code: Whose problem it is, if the host failed.
        problem: Why it failed.
    """

    state: str
    changed: bool
    name: str
    digest: str
    received_bytes: int
    resumed_bytes: int
    code: str | None
    problem: str | None


def plan_distribution(listing: Mapping[str, Any], release: Mapping[str, Any], name: str, force: bool) -> HostPlan:
    """Decide what a host needs, before a byte moves.

    Args:
        listing: What module ``snapshot_info`` returned for all snapshots of the host.
        release: The release record.
        name: Name that the snapshot gets.
        force: Replace another snapshot of that name.
    """
    if "snapshots" not in listing or "home" not in listing:
        return HostPlan(REFUSE)
    for snapshot in listing["snapshots"]:
        if snapshot["digest"] == release["digest"]:
            if snapshot["name"] != name:
                return _refusal(
                    StateError(
                        f"the host has snapshot {release['digest']} as {excerpt(snapshot['name'])}, wanted"
                        f" {excerpt(name)}: a home holds a snapshot once; remove it there or distribute it as that"
                    )
                )
            if snapshot["image"]["boots_offline"] or not release["image"]["included"]:
                return HostPlan(KEEP if _is_indexed(listing, snapshot["path"]) else INDEX)
        elif snapshot["name"] == name and not force:
            return _refusal(
                StateError(
                    f"{snapshot['path']} is snapshot {snapshot['digest']}, the release {excerpt(name)} is"
                    f" {release['digest']}; force replaces it"
                )
            )
    return _refuse_impossible(listing, release, name, force) or HostPlan(INSTALL)


def judge_host(
    plan: HostPlan, results: Sequence[Mapping[str, Any]], release: Mapping[str, Any], name: str
) -> HostResult:
    """Say what came of a host.

    Args:
        plan: What it needed.
        results: Those of its tasks in their order, skipped ones among them.
        release: The release record.
        name: Name of the snapshot.
    """
    state, code, problem = PRESENT if plan.action in (KEEP, INDEX) else INSTALLED, plan.code, plan.problem
    if problem is not None:
        state = FAILED
    for result in results:
        if result.get("unreachable") or result.get("failed"):
            state = UNREACHABLE if result.get("unreachable") else FAILED
            code = (result.get("error") or {}).get("code")
            problem = _why_failed(result)
            break
    moved = [result["bytes"] for result in results if "received" in (result.get("bytes") or {})]
    return HostResult(
        state=state,
        changed=any(bool(result.get("changed")) for result in results),
        name=name,
        digest=release["digest"],
        received_bytes=sum(each["received"] for each in moved),
        resumed_bytes=sum(each["resumed"] for each in moved),
        code=code,
        problem=problem,
    )


def summarise(hosts: Iterable[str], results: Mapping[str, Mapping[str, Any]], check_mode: bool) -> dict[str, Any]:
    """Return the hosts by what came of them, and that as lines to read.

    Args:
        hosts: All that the play is for.
        results: What came of those that have been begun.
        check_mode: Whether it is a prediction.
    """
    by_state: dict[str, list[str]] = {state: [] for state in _HEADINGS}
    for host in hosts:
        by_state[results[host]["state"] if host in results else NOT_BEGUN].append(host)
    lines = []
    for state, named in by_state.items():
        if named:
            lines.append(f"{_HEADINGS[state][check_mode]} ({len(named)}): {', '.join(named)}")
        if state in (FAILED, UNREACHABLE):
            lines += [f"  {host}: {_first_line(results[host]['problem'])}" for host in named]
    received = sum(result["received_bytes"] for result in results.values())
    if received:
        lines.append(f"{received} bytes of archives came to the hosts")
    return {**by_state, "received_bytes": received, "lines": lines}


def _refuse_impossible(
    listing: Mapping[str, Any], release: Mapping[str, Any], name: str, force: bool
) -> HostPlan | None:
    """Refuse what would fail only after the archive has come."""
    home = listing["home"]
    if home["obstacle"] is not None:
        return HostPlan(REFUSE, home["obstacle"]["code"], home["obstacle"]["reason"])
    try:
        require_snapshot_name(name)
    except RequestError as exc:
        return _refusal(exc)
    for broken in listing.get("invalid", ()):
        if broken["path"].rpartition("/")[2] == name and not force:
            return _refusal(StateError(f"{broken['path']} is in the way of the release: {broken['reason']}"))
    if home["zstd"] is None and release["archive"]["file"].endswith(".zst"):
        return _refusal(
            UnsupportedError("the host has no zstd library for the archive: role host_prepare installs zstandard")
        )
    wanted, free = release["archive"]["unpacked_bytes"], home["free_bytes"]
    if free is not None and free < wanted:
        return _refusal(StateError(f"{home['snapshots_dir']} has {free} bytes free, the import takes {wanted}"))
    return None


def _why_failed(result: Mapping[str, Any]) -> str:
    """Return what a task says of its failure; one that was carried out has failed by what it found."""
    if result.get("failed_when_result") and result.get("snapshots"):
        missing = "; ".join(result["snapshots"][-1]["image"]["missing"])
        return "the snapshot does not boot offline after its import" + (f": {missing}" if missing else "")
    return str(result.get("msg") or "it failed without a word")


def _refusal(error: MicrosandboxError) -> HostPlan:
    return HostPlan(REFUSE, error.code, error.message)


def _is_indexed(listing: Mapping[str, Any], path: str) -> bool:
    index = listing.get("index") or {}
    return path not in [*index.get("missing_rows", ()), *index.get("stale_rows", ())]


def _first_line(problem: Any) -> str:
    line = str(problem).strip().partition("\n")[0]
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "..."
