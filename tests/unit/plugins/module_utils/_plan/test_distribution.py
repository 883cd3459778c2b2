# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs to have a release, and what is said of it afterwards, as tables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.distribution import (
    HostPlan,
    HostResult,
    judge_host,
    plan_distribution,
    summarise,
)

DIGEST = "sha256:" + "1" * 64
RELEASE: dict[str, Any] = {
    "digest": DIGEST,
    "archive": {"file": "golden/1.tar.zst", "unpacked_bytes": 1000},
    "image": {"included": True},
}
HOME: dict[str, Any] = {"zstd": "zstandard", "free_bytes": 1000, "snapshots_dir": "/s", "path": "/h", "obstacle": None}
LATER = {**HOME, "obstacle": {"code": "unsupported", "reason": "home /h is of generation G3"}}


def snapshot(name: str, digest: str = DIGEST, boots_offline: bool = True) -> dict[str, Any]:
    return {"name": name, "path": f"/s/{name}", "digest": digest, "image": {"boots_offline": boots_offline}}


def listing(*snapshots: dict[str, Any], home: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"snapshots": list(snapshots), "home": home or HOME, "invalid": [], **more}


GOLDEN = snapshot("golden")
OTHER = snapshot("golden", "sha256:2")
BROKEN = {"path": "/s/golden", "code": "format", "reason": "it has no descriptor"}


@pytest.mark.parametrize(
    ("found", "action"),
    [
        pytest.param(listing(), "install", id="nothing"),
        pytest.param(listing(snapshot("else", "sha256:2")), "install", id="another-name"),
        pytest.param(listing(GOLDEN), "keep", id="there"),
        pytest.param(listing(GOLDEN, home={**HOME, "free_bytes": 0, "zstd": None}), "keep", id="there-and-full"),
        pytest.param(listing(snapshot("golden", boots_offline=False)), "install", id="without-its-image"),
        pytest.param(listing(GOLDEN, index={"missing_rows": ["/s/golden"], "stale_rows": []}), "index", id="no-row"),
        pytest.param(listing(GOLDEN, index={"missing_rows": [], "stale_rows": ["/s/golden"]}), "index", id="stale-row"),
        pytest.param(listing(GOLDEN, index={"missing_rows": ["/s/x"], "stale_rows": []}), "keep", id="others-row"),
        pytest.param(listing(snapshot("else")), "refuse", id="other-name"),
        pytest.param(listing(OTHER), "refuse", id="name-taken"),
        pytest.param(listing(invalid=[BROKEN]), "refuse", id="something-broken-there"),
        pytest.param(listing(home={**HOME, "free_bytes": 999}), "refuse", id="full"),
        pytest.param(listing(home={**HOME, "free_bytes": None}), "install", id="space-unknown"),
        pytest.param(listing(home={**HOME, "zstd": None}), "refuse", id="no-zstd"),
        pytest.param(listing(home=LATER), "refuse", id="later-home"),
        pytest.param({"unreachable": True, "msg": "no route"}, "refuse", id="unreachable"),
    ],
)
def test_a_host_needs_what_it_lacks(found: dict[str, Any], action: str) -> None:
    assert plan_distribution(found, RELEASE, "golden", False).action == action


@pytest.mark.parametrize(
    ("found", "action"),
    [
        pytest.param(listing(OTHER), "install", id="name-taken"),
        pytest.param(listing(invalid=[BROKEN]), "install", id="something-broken-there"),
        pytest.param(listing(snapshot("else")), "refuse", id="other-name"),
        pytest.param(listing(GOLDEN), "keep", id="there"),
    ],
)
def test_force_replaces_what_has_the_name(found: dict[str, Any], action: str) -> None:
    assert plan_distribution(found, RELEASE, "golden", True).action == action


def test_an_archive_without_the_image_asks_for_none() -> None:
    bare = {**RELEASE, "image": {"included": False}}
    assert plan_distribution(listing(snapshot("golden", boots_offline=False)), bare, "golden", False).action == "keep"


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (listing(OTHER), "state", ["/s/golden", "sha256:2", DIGEST, "force"]),
        (listing(snapshot("else")), "state", ["else", "golden", DIGEST]),
        (listing(invalid=[BROKEN]), "state", ["/s/golden", "it has no descriptor"]),
        (listing(home={**HOME, "free_bytes": 999}), "state", ["/s", "999", "1000"]),
        (listing(home={**HOME, "zstd": None}), "unsupported", ["zstd", "host_prepare"]),
        (listing(home=LATER), "unsupported", ["home /h is of generation G3"]),
    ],
)
def test_a_refusal_says_why(found: dict[str, Any], code: str, words: list[str]) -> None:
    plan = plan_distribution(found, RELEASE, "golden", False)
    assert plan.code == code
    assert [word for word in words if word not in (plan.problem or "")] == []


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("name", ["", "a/b", ".a", "cache"])
def test_a_name_that_no_snapshot_can_have_is_refused(name: str, force: bool) -> None:
    plan = plan_distribution(listing(), RELEASE, name, force)
    assert (plan.action, plan.code) == ("refuse", "request")
    assert "the snapshot name" in (plan.problem or "")


def test_force_changes_nothing_of_what_a_home_takes() -> None:
    assert plan_distribution(listing(home=LATER), RELEASE, "golden", True).code == "unsupported"


OK, SKIPPED = {"changed": False}, {"changed": False, "skipped": True}
MOVED = {"changed": True, "bytes": {"received": 70, "resumed": 30, "read": 1}}
LOST = {"unreachable": True, "msg": "ssh is gone"}
# What Ansible itself says of a task that was carried out, and that the role has judged as failed.
UNKNOWN = {"failed": True, "failed_when_result": True, "msg": "Unknown error."}
ONLINE = {
    **UNKNOWN,
    "changed": True,
    "snapshots": [{"image": {"boots_offline": False, "missing": ["/c/x is missing"]}}],
}
BAD = {
    "failed": True,
    "failed_when_result": True,
    "msg": "it hashes to another digest",
    "error": {"code": "integrity", "facts": {}},
}


@pytest.mark.parametrize(
    ("plan", "results", "expected"),
    [
        (HostPlan("keep"), [OK, SKIPPED, SKIPPED, OK], ("present", False, 0, 0, None, None)),
        (HostPlan("index"), [OK, SKIPPED, {"changed": True}, OK], ("present", True, 0, 0, None, None)),
        (HostPlan("install"), [OK, MOVED, {"changed": True}, OK], ("installed", True, 70, 30, None, None)),
        (HostPlan("refuse", "state", "taken"), [OK, SKIPPED], ("failed", False, 0, 0, "state", "taken")),
        (HostPlan("refuse"), [LOST, SKIPPED], ("unreachable", False, 0, 0, None, "ssh is gone")),
        (HostPlan("install"), [OK, LOST, SKIPPED], ("unreachable", False, 0, 0, None, "ssh is gone")),
        (HostPlan("install"), [OK, MOVED, BAD, LOST], ("failed", True, 70, 30, "integrity", BAD["msg"])),
        (
            HostPlan("install"),
            [OK, MOVED, ONLINE],
            ("failed", True, 70, 30, None, "the snapshot does not boot offline after its import: /c/x is missing"),
        ),
        (HostPlan("install"), [OK, {"failed": True}], ("failed", False, 0, 0, None, "it failed without a word")),
    ],
)
def test_a_host_is_judged_by_what_its_tasks_returned(
    plan: HostPlan, results: list[dict[str, Any]], expected: tuple[Any, ...]
) -> None:
    state, changed, received, resumed, code, problem = expected
    assert judge_host(plan, results, RELEASE, "golden") == HostResult(
        state, changed, "golden", DIGEST, received, resumed, code, problem
    )


def result(state: str, problem: str | None = None, received_bytes: int = 0) -> dict[str, Any]:
    return {"state": state, "problem": problem, "received_bytes": received_bytes}


def test_a_summary_names_every_host_and_what_is_wrong_with_it() -> None:
    results = {
        "h1": result("installed", received_bytes=70),
        "h2": result("present"),
        "h3": result("failed", "the name is taken\nby another"),
        "h4": result("unreachable", "x" * 500),
    }
    summary = summarise(["h1", "h2", "h3", "h4", "h5", "h6"], results, False)
    assert summary["lines"] == [
        "installed (1): h1",
        "already there (1): h2",
        "failed (1): h3",
        "  h3: the name is taken",
        "unreachable (1): h4",
        "  h4: " + "x" * 400 + "...",
        "not begun (2): h5, h6",
        "70 bytes of archives came to the hosts",
    ]
    assert summary["not_begun"] == ["h5", "h6"]


def test_a_summary_says_what_helps_against_a_name_that_is_taken() -> None:
    path = f"/srv/microsandbox/a-rather-long-directory/snapshots/{'g' * 64}"
    taken = {**OTHER, "path": path, "digest": "sha256:" + "2" * 64}
    plan = plan_distribution(listing(taken), RELEASE, "golden", False)
    (dummy, line) = summarise(["h1"], {"h1": result("failed", plan.problem)}, False)["lines"]
    assert line.endswith("; force replaces it")


def test_a_prediction_says_would() -> None:
    results = {"h1": result("installed"), "h2": result("failed", "full")}
    lines = summarise(["h1", "h2"], results, True)["lines"]
    assert lines == ["would be installed (1): h1", "would fail (1): h2", "  h2: full"]
