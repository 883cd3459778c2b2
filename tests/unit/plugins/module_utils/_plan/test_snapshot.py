# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions on one artifact, as tables; what was decided and done is not decided again."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor, Integrity
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sandbox_config import (
    parse_sandbox_config,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import Artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.sandbox import CaptureSource, Sandbox
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import Target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.snapshot import (
    Capture,
    Remove,
    WantedSnapshot,
    plan_capture,
    plan_removal,
    snapshot_state,
)

IMAGE = "sha256:" + "9d" * 32
WANTED = WantedSnapshot("/s/one", "base", (("a", "1"),), integrity=True, recreate="never", force=False)
SANDBOX = Sandbox(
    "base", "Stopped", parse_sandbox_config('{"image":{"Oci":{"reference":"tiny:1"}}}'), "/b", "/b/upper.ext4", None, 1
)
SOURCE = CaptureSource(SANDBOX, 65536, "tiny:1", IMAGE)
BUSY = StateError("sandbox 'base' is Running", sandbox="base")
ABSENT = Target("/s/one", is_absent=True)
LEFTOVER = Target("/s/one", reason="is what an interrupted capture left", is_replaceable=True)
DAMAGED = Target("/s/one", digest="sha256:d", reason="is damaged: no upper", is_replaceable=True)
FOREIGN = Target("/s/one", reason="is no snapshot of this collection: photos")


def descriptor(digest: str = "sha256:1", **changes: Any) -> Descriptor:
    values: dict[str, Any] = {
        "generation": "G1",
        "digest": digest,
        "format": "raw",
        "fstype": "ext4",
        "image_reference": "tiny:1",
        "image_manifest_digest": IMAGE,
        "parent": None,
        "created_at": "2026-11-21T03:00:00+00:00",
        "labels": (("a", "1"),),
        "upper_file": "upper.ext4",
        "upper_bytes": 65536,
        "integrity": Integrity("msb-sparse-sha256-v1", "sha256:0"),
        "source_sandbox": "base",
        **changes,
    }
    return Descriptor(**values)


def target(path: str = "/s/one", digest: str = "sha256:1", **changes: Any) -> Target:
    artifact = Artifact(path, descriptor(digest, **changes), 4096)
    return Target(path, artifact=artifact, digest=digest, is_replaceable=True)


def wanted(**changes: Any) -> WantedSnapshot:
    return dataclasses.replace(WANTED, **changes)


def decide(
    asked: WantedSnapshot, found: Target, source: CaptureSource | MicrosandboxError = SOURCE, differs: bool = False
) -> Plan:
    return plan_capture(asked, found, source, differs)


def test_what_is_absent_is_captured() -> None:
    plan = decide(WANTED, ABSENT)
    assert plan.steps == (Capture("/s/one", "base", None),)
    assert str(plan.steps[0]) == "capture sandbox base to /s/one"
    assert plan.before == {}
    assert plan.after == {
        "path": "/s/one",
        "source_sandbox": "base",
        "image": {"reference": "tiny:1", "manifest_digest": IMAGE},
        "labels": {"a": "1"},
        "upper": {"apparent_bytes": 65536},
    }


def test_what_matches_is_left() -> None:
    plan = decide(WANTED, target())
    assert plan.steps == ()
    assert plan.before == plan.after == snapshot_state("/s/one", descriptor())
    assert plan.warnings == ()


DIFFERENT = [
    pytest.param(wanted(sandbox="other"), target(), False, "source_sandbox is base, wanted other", id="sandbox"),
    pytest.param(wanted(labels=()), target(), False, "labels is {'a': '1'}, wanted {}", id="labels"),
    pytest.param(
        WANTED, target(image_reference="tiny:0"), False, "image.reference is tiny:0, wanted tiny:1", id="reference"
    ),
    pytest.param(
        WANTED, target(image_manifest_digest="sha256:0"), False, "image.manifest_digest is sha256:0", id="image"
    ),
    pytest.param(WANTED, target(), True, "upper is the content captured then, wanted the content", id="content"),
]


@pytest.mark.parametrize(("asked", "found", "differs", "message"), DIFFERENT)
def test_what_differs_is_refused_with_the_difference(
    asked: WantedSnapshot, found: Target, differs: bool, message: str
) -> None:
    with pytest.raises(StateError, match=message) as caught:
        decide(asked, found, SOURCE, differs)
    assert "force or recreate=if_changed captures it again" in caught.value.message
    assert caught.value.facts["path"] == "/s/one"
    assert len(caught.value.facts["differences"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"force": True}, {"recreate": "if_changed"}])
@pytest.mark.parametrize(("asked", "found", "differs", "message"), DIFFERENT)
def test_what_differs_is_captured_again_where_the_task_says_so(
    asked: WantedSnapshot, found: Target, differs: bool, message: str, change: dict[str, Any]
) -> None:
    plan = decide(dataclasses.replace(asked, **change), found, SOURCE, differs)
    assert plan.steps == (Capture("/s/one", asked.sandbox, "sha256:1"),)
    assert str(plan.steps[0]).endswith(" to /s/one in place of sha256:1")
    assert plan.before == snapshot_state("/s/one", found.artifact.descriptor if found.artifact else descriptor())


@pytest.mark.parametrize("change", [{}, {"force": True}, {"recreate": "if_changed"}])
def test_neither_force_nor_recreate_captures_what_matches(change: dict[str, Any]) -> None:
    assert decide(wanted(**change), target()).steps == ()


def test_a_sandbox_that_cannot_be_captured_matters_only_when_it_must_be() -> None:
    assert decide(WANTED, target(), BUSY).steps == ()
    with pytest.raises(StateError) as caught:
        decide(WANTED, ABSENT, BUSY)
    assert caught.value is BUSY
    with pytest.raises(StateError) as caught:
        decide(wanted(labels=(), force=True), target(), BUSY)
    assert caught.value is BUSY
    with pytest.raises(StateError, match="labels is"):
        decide(wanted(labels=()), target(), BUSY)


def test_a_snapshot_without_integrity_is_left_with_a_warning() -> None:
    plan = decide(WANTED, target(integrity=None))
    assert plan.steps == ()
    assert plan.warnings == ("snapshot /s/one was captured without integrity, so its content cannot be verified",)
    assert decide(wanted(integrity=False), target(integrity=None)).warnings == ()


@pytest.mark.parametrize(
    ("found", "force", "message"),
    [
        (LEFTOVER, False, "/s/one exists and is what an interrupted capture left, wanted .*; force replaces it"),
        (DAMAGED, False, "/s/one exists and is damaged: no upper, wanted a snapshot of sandbox base; force"),
        (FOREIGN, False, "/s/one exists and is no snapshot of this collection: photos, wanted .* base$"),
        (FOREIGN, True, "/s/one exists and is no snapshot of this collection: photos, wanted .* base$"),
    ],
)
def test_what_is_in_the_way_is_named(found: Target, force: bool, message: str) -> None:
    with pytest.raises(StateError, match=message):
        decide(wanted(force=force), found)


@pytest.mark.parametrize("found", [LEFTOVER, DAMAGED])
def test_force_replaces_what_is_replaceable(found: Target) -> None:
    plan = decide(wanted(force=True), found)
    assert plan.steps == (Capture("/s/one", "base", found.reason),)
    assert plan.before == {"path": "/s/one", "state": found.reason}


def test_recreating_replaces_no_damage() -> None:
    with pytest.raises(StateError, match="is damaged"):
        decide(wanted(recreate="if_changed"), DAMAGED)


def artifact(digest: str, parent: str | None = None) -> Artifact:
    return Artifact(f"/s/{digest[7:]}", descriptor(digest, parent=parent), 0)


def removal(
    targets: list[Target], others: tuple[Artifact, ...] = (), indexed: tuple[tuple[str, str], ...] = (), **options: bool
) -> Plan:
    return plan_removal(targets, others, dict(indexed), options.get("force", False))


def test_what_is_absent_is_not_removed() -> None:
    assert removal([ABSENT]) == Plan((), {}, {})


def test_a_snapshot_is_removed() -> None:
    plan = removal([target()])
    assert plan.steps == (Remove("/s/one", "snapshot sha256:1"),)
    assert str(plan.steps[0]) == "remove snapshot sha256:1 at /s/one"
    assert (plan.before, plan.after) == ({"/s/one": "sha256:1"}, {})


@pytest.mark.parametrize(
    ("others", "indexed"),
    [
        pytest.param((artifact("sha256:c", "sha256:1"),), (), id="a child on the disk"),
        pytest.param((), (("sha256:c", "sha256:1"),), id="a child in the index"),
        pytest.param((artifact("sha256:c", "sha256:1"),), (("sha256:c", "sha256:1"),), id="a child in both"),
    ],
)
def test_a_snapshot_with_a_child_stays(others: tuple[Artifact, ...], indexed: tuple[tuple[str, str], ...]) -> None:
    message = r"nothing is removed: snapshot /s/one has a child \(sha256:c\); force removes it"
    with pytest.raises(StateError, match=message) as caught:
        removal([target()], others, indexed)
    assert len(caught.value.facts["refusals"]) == 1  # type: ignore[arg-type]
    assert removal([target()], others, indexed, force=True).steps == (Remove("/s/one", "snapshot sha256:1"),)


def test_the_disk_knows_better_than_the_index() -> None:
    # The row says that c descends from 1; the artifact itself says otherwise.
    others = (artifact("sha256:c", "sha256:2"),)
    assert removal([target()], others, (("sha256:c", "sha256:1"),)).steps == (Remove("/s/one", "snapshot sha256:1"),)


def test_many_children_are_counted_and_three_are_named() -> None:
    others = tuple(artifact(f"sha256:c{number}", "sha256:1") for number in range(5))
    with pytest.raises(StateError, match=r"has 5 children \(sha256:c0, sha256:c1, sha256:c2\)"):
        removal([target()], others)


def test_children_go_before_parents_whatever_the_order_asked_for() -> None:
    one = target("/s/one", "sha256:1")
    two = target("/s/two", "sha256:2", parent="sha256:1")
    three = target("/s/three", "sha256:3", parent="sha256:2")
    others = tuple(t.artifact for t in (one, two, three) if t.artifact is not None)
    for order in ([one, two, three], [three, one, two], [two, three, one]):
        plan = removal(order, others)
        assert [step.path for step in plan.steps if isinstance(step, Remove)] == ["/s/three", "/s/two", "/s/one"]


def test_one_that_must_stay_keeps_all() -> None:
    free, parent = target("/s/free", "sha256:f"), target("/s/parent", "sha256:p")
    with pytest.raises(StateError, match="nothing is removed: snapshot /s/parent has a child"):
        removal([free, parent], (artifact("sha256:c", "sha256:p"),))


@pytest.mark.parametrize(
    ("found", "force", "is_removed"),
    [(LEFTOVER, False, False), (LEFTOVER, True, True), (DAMAGED, False, True), (FOREIGN, False, False)],
)
def test_what_is_no_snapshot_is_removed_only_where_it_was_to_be_one(
    found: Target, force: bool, is_removed: bool
) -> None:
    if is_removed:
        what = f"snapshot {found.digest}" if found.digest else f"what {found.reason}"
        assert removal([found], force=force).steps == (Remove("/s/one", what),)
    else:
        with pytest.raises(StateError, match=f"nothing is removed: /s/one {found.reason}"):
            removal([found], force=force)


def test_force_removes_nothing_of_somebody_else() -> None:
    with pytest.raises(StateError) as caught:
        removal([FOREIGN], force=True)
    assert "force" not in caught.value.message


def test_a_cycle_in_a_manipulated_index_ends() -> None:
    indexed = (("sha256:1", "sha256:2"), ("sha256:2", "sha256:1"))
    assert len(removal([target()], (), indexed, force=True).steps) == 1
