# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of a host answered becomes a host in the report, whatever they answered."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import AuditedHost
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.verification_record import (
    Verification,
    verification_record_text,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.audit import Rules, parse_rules
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.audited_host import (
    Answers,
    audit_host,
    candidates,
    known_verifications,
    verifications_after,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.verification import Candidate

NOW = "2026-11-21T00:00:00Z"
EARLIER = "2026-11-01T00:00:00Z"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
STORE = "/home/op/.microsandbox/snapshots"


def snapshot(name: str, digest: str, state: str = "recorded", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"{STORE}/{name}",
        "digest": digest,
        "parent": None,
        "created_at": "2026-11-20T09:59:05Z",
        "labels": {"team": "ml"},
        "image": {"reference": "tiny:1", "manifest_digest": B, "boots_offline": True},
        "upper": {"apparent_bytes": 10, "allocated_bytes": 5, "integrity": {"state": state}},
        **changes,
    }


def listed(*snapshots: dict[str, Any], home: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    usual = {
        "path": "/home/op/.microsandbox",
        "exists": True,
        "filesystem": "ext4",
        "free_bytes": 100,
        "read_only": False,
        "zstd": "zstandard 0.25.0",
    }
    return {"snapshots": list(snapshots), "invalid": [], "orphans": [], "home": {**usual, **(home or {})}, **changes}


def recalled(text: str) -> dict[str, Any]:
    return {"content": base64.b64encode(text.encode()).decode()}


def record(**known: str) -> dict[str, Any]:
    return recalled(verification_record_text({{"a": A, "b": B}[k]: Verification(v, EARLIER) for k, v in known.items()}))


def audit(rules: Rules | None = None, **answers: Any) -> tuple[AuditedHost, list[tuple[str, str]]]:
    host, problems = audit_host("edge", Answers(**answers), rules or Rules(), NOW)
    return host, [(found.kind, found.subject) for found in problems]


def test_a_host_in_order_has_no_problems() -> None:
    host, problems = audit(listed=listed(snapshot("golden", A)), recalled=record(a="verified"))
    assert (host.status, problems) == ("ok", [])
    assert (host.home, host.filesystem, host.free_bytes, host.zstd) == (
        "/home/op/.microsandbox",
        "ext4",
        100,
        "zstandard 0.25.0",
    )
    (found,) = host.snapshots
    assert (found.name, found.digest, found.content, found.verified_at) == ("golden", A, "verified", EARLIER)
    assert (found.apparent_bytes, found.allocated_bytes, found.boots_offline) == (10, 5, True)


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({"unreachable": True, "msg": "no route"}, "unreachable", "unreachable"),
        ({"failed": True, "msg": "no python"}, "failed", "failed"),
        ({"msg": "strange"}, "failed", "failed"),
        ({}, "failed", "failed"),
        ({"snapshots": [{}], "home": {}}, "failed", "failed"),
        ({"snapshots": 5, "home": {}}, "failed", "failed"),
        ({"snapshots": [], "home": None}, "failed", "failed"),
        ({"snapshots": [], "invalid": [{}], "home": {}}, "failed", "failed"),
        ({"snapshots": ["x"]}, "failed", "failed"),
    ],
)
def test_a_host_without_a_usable_answer_is_a_problem_itself(answer: dict[str, Any], status: str, kind: str) -> None:
    host, problems = audit(listed=answer)
    assert (host.status, host.snapshots, problems) == (status, (), [(kind, "edge")])


def test_the_reason_is_told() -> None:
    dummy, (found,) = audit_host("edge", Answers({"unreachable": True, "msg": "x" * 1000}), Rules(), NOW)
    assert found.message == "x" * 300
    dummy, (found,) = audit_host("edge", Answers(), Rules(), NOW)
    assert found.message == "the play had lost the host before its audit"


@pytest.mark.parametrize(
    ("recorded", "content"),
    [("recorded", "not_yet_verified"), ("not_recorded", "not_recorded"), ("unsupported", "unsupported")],
)
def test_what_was_never_verified_says_why(recorded: str, content: str) -> None:
    host, dummy = audit(listed=listed(snapshot("golden", A, recorded)))
    assert (host.snapshots[0].content, host.snapshots[0].verified_at) == (content, None)


def test_a_verification_has_the_time_of_its_batch() -> None:
    verified = listed(snapshot("golden", A, "verified"))
    host, dummy = audit(listed=listed(snapshot("golden", A)), verified=verified, at=EARLIER)
    assert host.snapshots[0].verified_at == EARLIER


def test_a_verification_of_this_run_counts() -> None:
    verified = listed(snapshot("golden", A, "verified"))
    host, problems = audit(listed=listed(snapshot("golden", A)), verified=verified)
    assert (host.snapshots[0].content, host.snapshots[0].verified_at, problems) == ("verified", NOW, [])


def test_damage_is_found_and_remembered() -> None:
    verified = listed(snapshot("golden", A, "mismatch"))
    answers: dict[str, Any] = {"listed": listed(snapshot("golden", A)), "recalled": record(a="verified")}
    host, problems = audit(**answers, verified=verified)
    assert (host.status, problems) == ("problems", [("damaged", "golden")])
    assert host.snapshots[0].drift == ("damaged",)
    assert verifications_after(Answers(**answers, verified=verified), NOW) == {A: Verification("damaged", NOW)}
    dummy, problems = audit(listed=answers["listed"], recalled=record(a="damaged"))
    assert problems == [("damaged", "golden")]


def test_one_bad_copy_makes_its_digest_bad() -> None:
    for states in (("verified", "mismatch"), ("mismatch", "verified")):
        verified = listed(*(snapshot(state, A, state) for state in states))
        found = verifications_after(Answers(listed(snapshot("golden", A)), {}, verified), NOW)
        assert found == {A: Verification("damaged", NOW)}


@pytest.mark.parametrize("code", ["state", "unsupported", "request"])
def test_a_snapshot_that_changes_or_goes_while_it_is_verified_is_not_verified_and_not_damaged(code: str) -> None:
    entry = {"path": f"{STORE}/golden", "code": code, "reason": "upper.ext4 changed while it was read"}
    answers = Answers(listed(snapshot("golden", A)), record(a="verified"), listed(invalid=[entry]))
    host, problems = audit_host("edge", answers, Rules(), NOW)
    assert [(found.kind, found.subject, found.message) for found in problems] == [
        ("verification_failed", "golden", "upper.ext4 changed while it was read")
    ]
    (found,) = host.snapshots
    assert (found.content, found.verified_at, found.drift) == ("verified", EARLIER, ("verification_failed",))
    assert host.broken == ()
    assert verifications_after(answers, NOW) == {A: Verification("verified", EARLIER)}
    never = Answers(answers.listed, {}, answers.verified)
    assert audit_host("edge", never, Rules(), NOW)[0].snapshots[0].content == "not_yet_verified"
    assert verifications_after(never, NOW) == {}


@pytest.mark.parametrize("code", ["integrity", "format", "os"])
def test_a_snapshot_that_cannot_be_verified_is_damaged(code: str) -> None:
    entry = {"path": f"{STORE}/golden", "code": code, "reason": "the content cannot be read"}
    answers = Answers(listed(snapshot("golden", A), snapshot("other", B)), {}, listed(invalid=[entry]))
    host, problems = audit_host("edge", answers, Rules(), NOW)
    assert [(found.kind, found.subject, found.message) for found in problems] == [
        ("damaged", "golden", "the content cannot be read")
    ]
    assert ([found.name for found in host.snapshots], host.broken) == (["other"], ("golden",))
    assert verifications_after(answers, NOW) == {A: Verification("damaged", NOW)}


def test_what_is_no_snapshot_is_damaged() -> None:
    entry = {"path": f"{STORE}/broken", "code": "format", "reason": "no manifest"}
    host, problems = audit(listed=listed(invalid=[entry]), verified=listed(invalid=[entry]))
    assert (problems, host.broken) == ([("damaged", "broken")], ("broken",))


def test_what_a_later_microsandbox_wrote_is_not_damaged_and_not_missing() -> None:
    entry = {"path": f"{STORE}/golden", "code": "unsupported", "reason": "is a group of snapshots of generation G3"}
    rules = parse_rules({"desired": [{"name": "golden"}]})
    host, problems = audit_host("edge", Answers(listed(invalid=[entry])), rules, NOW)
    assert [(found.severity, found.kind, found.subject) for found in problems] == [("warning", "unsupported", "golden")]
    assert (host.broken, host.unsupported, host.missing) == ((), ("golden",), ())


def test_the_index_is_compared() -> None:
    index = {
        "missing_rows": [f"{STORE}/golden"],
        "stale_rows": [f"{STORE}/other"],
        "missing_artifacts": [f"{STORE}/gone"],
    }
    host, problems = audit(listed=listed(snapshot("golden", A), snapshot("other", B), index=index))
    assert problems == [
        ("index_row_missing", "golden"),
        ("index_row_stale", "other"),
        ("index_artifact_missing", "gone"),
    ]
    assert [found.drift for found in host.snapshots] == [("index_row_missing",), ("index_row_stale",)]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"listed": listed(home={"exists": False})}, ("no_home", "/home/op/.microsandbox")),
        ({"listed": listed(home={"read_only": True})}, ("read_only", "file system")),
        ({"listed": listed(home={"free_bytes": 49})}, ("low_space", "free space")),
        ({"listed": listed(home={"zstd": None})}, ("no_zstd", "zstd")),
        ({"listed": listed(orphans=["/x/.sandboxops-staging-1"])}, ("orphans", "staging")),
        ({"listed": listed(), "verified": {"failed": True}}, ("verification_failed", "verification")),
        ({"listed": listed(), "verified": {"unreachable": True}}, ("verification_failed", "verification")),
        ({"listed": listed(), "kept": {"failed": True}}, ("record_not_kept", "record of verifications")),
        ({"listed": listed(), "recalled": recalled("x")}, ("record_lost", "record of verifications")),
    ],
)
def test_each_fault_of_a_home_is_named(answers: dict[str, Any], problem: tuple[str, str]) -> None:
    host, problems = audit(Rules(min_free_bytes=50), **answers)
    assert (host.status, problems) == ("problems", [problem])


def test_a_fault_of_the_home_is_not_that_of_a_snapshot_of_its_name() -> None:
    host, problems = audit(listed=listed(snapshot("staging", A), orphans=["x"]))
    assert problems == [("orphans", "staging")]
    assert host.snapshots[0].drift == ()


@pytest.mark.parametrize("answer", [{}, {"failed": True, "msg": "no such file"}, {"content": ""}, {"content": "%"}])
def test_without_a_record_nothing_was_ever_verified(answer: dict[str, Any]) -> None:
    assert known_verifications(answer) == {}


def test_a_record_that_cannot_be_read_is_none() -> None:
    assert known_verifications(recalled('{"version": 2}')) == {}


def test_only_recorded_integrity_can_be_verified() -> None:
    store = listed(snapshot("a", A), snapshot("b", B, "not_recorded"), snapshot("c", B, "unsupported"))
    assert candidates(store) == (Candidate(A, 10),)
