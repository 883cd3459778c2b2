# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host in a fleet report: what its tasks answered, as values, and what is wrong there."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import MicrosandboxError
from .._formats.fleet_report import (
    FAILED,
    NOT_RECORDED,
    NOT_YET_VERIFIED,
    OK,
    PROBLEMS,
    UNREACHABLE,
    UNSUPPORTED,
    AuditedHost,
    AuditedSnapshot,
    Problem,
    human_bytes,
)
from .._formats.verification_record import DAMAGED, VERIFIED, Verification, parse_verification_record
from .audit import Rules, judge_snapshots, problem
from .verification import Candidate, remember

_RECORDED = "recorded"
_MISMATCH = "mismatch"
_UNSUPPORTED_CODE = "unsupported"
# What a verification says of a snapshot that is damaged. With any other code it says nothing of the content: the
# snapshot changed or went while it was read, or became one of a later generation.
_DAMAGE_CODES = frozenset({"integrity", "format", "os"})
_MAX_MESSAGE = 300


@dataclass(frozen=True)
class Answers:
    """What the tasks of an audit answered on a host; empty where one did not run.

    Attributes:
        listed: ``snapshot_info`` of all snapshots.
        recalled: ``slurp`` of the record of verifications.
        verified: ``snapshot_info`` of those that it verified.
        kept: ``copy`` of the new record.
        at: When they were asked, None for the time of the report: batches of a play are audited one after the other.
    """

    listed: Mapping[str, Any] = field(default_factory=dict)
    recalled: Mapping[str, Any] = field(default_factory=dict)
    verified: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    at: str | None = None


def read_record(recalled: Mapping[str, Any]) -> dict[str, Verification]:
    """Return the last verifications that a host's record holds; without a record none.

    Raises:
        MicrosandboxError: It is no record.
    """
    content = recalled.get("content")
    if not content:
        return {}
    try:
        text = base64.b64decode(content).decode("utf-8", "surrogateescape")
    except binascii.Error:
        return {}
    return parse_verification_record(text)


def known_verifications(recalled: Mapping[str, Any]) -> dict[str, Verification]:
    """Return what a host's record holds, and nothing where it cannot be read."""
    try:
        return read_record(recalled)
    except MicrosandboxError:
        return {}


def candidates(listed: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Return the snapshots of a host that can be verified."""
    return tuple(
        Candidate(snapshot["digest"], snapshot["upper"]["apparent_bytes"])
        for snapshot in listed.get("snapshots", ())
        if snapshot["upper"]["integrity"]["state"] == _RECORDED
    )


def verifications_after(answers: Answers, now: str) -> dict[str, Verification]:
    """Return the last verifications of a host after its tasks."""
    digests = {snapshot["path"]: snapshot["digest"] for snapshot in answers.listed.get("snapshots", ())}
    found: dict[str, str] = {}
    for snapshot in answers.verified.get("snapshots", ()):
        state = snapshot["upper"]["integrity"]["state"]
        if state == _MISMATCH:
            found[snapshot["digest"]] = DAMAGED
        elif state == VERIFIED:
            found.setdefault(snapshot["digest"], VERIFIED)
    for entry in answers.verified.get("invalid", ()):
        if entry["path"] in digests and entry["code"] in _DAMAGE_CODES:
            found[digests[entry["path"]]] = DAMAGED
    return remember(known_verifications(answers.recalled), digests.values(), found, answers.at or now)


def audit_host(name: str, answers: Answers, rules: Rules, now: str) -> tuple[AuditedHost, tuple[Problem, ...]]:
    """Return a host as the report shows it, and its problems.

    An answer that is not in the shape of this collection's modules is a problem of that host alone.
    """
    listed = answers.listed
    if listed.get("unreachable"):
        return _silent(name, UNREACHABLE, "unreachable", _message(listed))
    if not listed:
        return _silent(name, FAILED, "failed", "the play had lost the host before its audit")
    if listed.get("failed") or "snapshots" not in listed:
        return _silent(name, FAILED, "failed", _message(listed))
    try:
        return _audit_answer(name, answers, rules, now)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        return _silent(name, FAILED, "failed", f"its answer has another shape than expected: {exc!r}"[:_MAX_MESSAGE])


def _silent(name: str, status: str, kind: str, message: str) -> tuple[AuditedHost, tuple[Problem, ...]]:
    return AuditedHost(name, status), (problem(kind, name, name, message),)


def _audit_answer(name: str, answers: Answers, rules: Rules, now: str) -> tuple[AuditedHost, tuple[Problem, ...]]:
    listed, home = answers.listed, answers.listed["home"]
    known = verifications_after(answers, now)
    verified = answers.verified.get("invalid", ())
    found_invalid = (*listed.get("invalid", ()), *(entry for entry in verified if entry["code"] in _DAMAGE_CODES))
    invalid = {entry["path"]: entry["reason"] for entry in found_invalid}
    # Nothing is wrong with what a later microsandbox has written: it is this collection that cannot read it.
    later_paths = {entry["path"] for entry in found_invalid if entry["code"] == _UNSUPPORTED_CODE}
    broken, later = _names(invalid.keys() - later_paths), _names(later_paths)
    unverified = {entry["path"]: entry["reason"] for entry in verified if entry["path"] not in invalid}
    snapshots = [_snapshot(entry, known) for entry in listed["snapshots"] if entry["path"] not in invalid]
    of_snapshots = [
        *(
            problem("unsupported" if path in later_paths else "damaged", name, _base(path), reason)
            for path, reason in invalid.items()
        ),
        *(problem("verification_failed", name, _base(path), reason) for path, reason in unverified.items()),
        *judge_snapshots(name, snapshots, (*broken, *later), rules),
        *_judge_index(name, listed.get("index") or {}),
    ]
    drift: dict[str, list[str]] = {}
    for one in of_snapshots:
        drift.setdefault(one.subject, []).append(one.kind)
    found = (*of_snapshots, *_judge_home(name, answers, rules))
    host = AuditedHost(
        name=name,
        status=PROBLEMS if found else OK,
        home=home["path"],
        filesystem=home["filesystem"],
        free_bytes=home["free_bytes"],
        zstd=home["zstd"],
        snapshots=tuple(replace(one, drift=tuple(drift.get(one.name, ()))) for one in snapshots),
        missing=tuple(dict.fromkeys(one.subject for one in found if one.kind == "missing")),
        broken=broken,
        unsupported=later,
    )
    return host, found


def _snapshot(entry: Mapping[str, Any], known: Mapping[str, Verification]) -> AuditedSnapshot:
    upper, image = entry["upper"], entry["image"]
    recorded = upper["integrity"]["state"]
    found = known.get(entry["digest"]) if recorded == _RECORDED else None
    unknown = {NOT_RECORDED: NOT_RECORDED, UNSUPPORTED: UNSUPPORTED}.get(recorded, NOT_YET_VERIFIED)
    return AuditedSnapshot(
        name=entry["name"],
        digest=entry["digest"],
        parent=entry["parent"],
        labels={str(key): str(value) for key, value in entry["labels"].items()},
        created_at=entry["created_at"],
        image_reference=image["reference"],
        image_manifest_digest=image["manifest_digest"],
        boots_offline=bool(image["boots_offline"]),
        apparent_bytes=int(upper["apparent_bytes"]),
        allocated_bytes=int(upper["allocated_bytes"]),
        content=unknown if found is None else found.state,
        verified_at=None if found is None else found.at,
    )


def _judge_index(name: str, index: Mapping[str, Sequence[str]]) -> list[Problem]:
    kinds = (
        ("missing_rows", "index_row_missing", "the index has no row for it"),
        ("stale_rows", "index_row_stale", "the index says something else than the snapshot"),
        ("missing_artifacts", "index_artifact_missing", "the index has a row, the snapshot is gone"),
    )
    return [problem(kind, name, _base(path), text) for key, kind, text in kinds for path in index.get(key, ())]


def _judge_home(name: str, answers: Answers, rules: Rules) -> list[Problem]:
    """Return what is wrong with the home, and with what the audit did there."""
    home, found = answers.listed["home"], []
    if not home["exists"]:
        found.append(problem("no_home", name, home["path"], "there is no home of microsandbox"))
    if home["read_only"]:
        message = "the file system of the home or of the snapshots is mounted read-only"
        found.append(problem("read_only", name, "file system", message))
    if home["free_bytes"] is not None and home["free_bytes"] < rules.min_free_bytes:
        found.append(
            problem("low_space", name, "free space", f"less than {human_bytes(rules.min_free_bytes)} are left")
        )
    if home["zstd"] is None:
        found.append(problem("no_zstd", name, "zstd", "no zstd library: only plain .tar archives can be used"))
    if answers.listed.get("orphans"):
        found.append(problem("orphans", name, "staging", "dead runs have left staging areas among the snapshots"))
    if answers.verified.get("failed") or answers.verified.get("unreachable"):
        found.append(problem("verification_failed", name, "verification", _message(answers.verified)))
    if answers.kept.get("failed") or answers.kept.get("unreachable"):
        found.append(problem("record_not_kept", name, "record of verifications", _message(answers.kept)))
    try:
        read_record(answers.recalled)
    except MicrosandboxError as exc:
        found.append(problem("record_lost", name, "record of verifications", f"{exc.message}; it starts anew"))
    return found


def _message(answer: Mapping[str, Any]) -> str:
    return str(answer.get("msg") or "no reason given")[:_MAX_MESSAGE]


def _names(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(map(_base, paths)))


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
