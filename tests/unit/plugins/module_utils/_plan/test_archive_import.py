# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions on archives, as tables: write or leave, install or keep, and under which names."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    RequestError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archived_snapshot import ArchivedSnapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import Artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import IntegrityState
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import Target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    WantedArchive,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive_import import (
    ImportName,
    PromoteSnapshot,
    WantedImport,
    import_names,
    plan_import,
    require_head,
    require_installed_name,
    sort_oldest_first,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARCHIVE = WantedArchive("/x/a.tar.zst", "zstd", 3, "dense", force=False)
IMPORT = WantedImport("/s", None, None, force=False)


def descriptor(digest: str, parent: str | None = None) -> Descriptor:
    return Descriptor(
        "G1",
        digest,
        "raw",
        "ext4",
        "tiny:1",
        "sha256:9d",
        parent,
        "2026-11-21T03:00:00+00:00",
        (),
        "upper.ext4",
        1,
        None,
        "base",
    )


def artifact(name: str, digest: str, parent: str | None = None) -> Artifact:
    return Artifact(f"/s/{name}", descriptor(digest, parent), 0)


def archive(*pairs: tuple[str, str | None]) -> Archive:
    """Return an archive of (digest, parent), the head last."""
    snapshots = tuple(
        ArchivedSnapshot(f"prefix-{digest[7:]}", descriptor(digest, parent), "dense", 1, IntegrityState("not_recorded"))
        for digest, parent in pairs
    )
    parents = {parent for dummy, parent in pairs}
    head = next(found for found in snapshots if found.descriptor.digest not in parents)
    return Archive("/x/a.tar", 1, "sha256:f", "none", (), snapshots, head, ())


CHAIN = archive(("sha256:1", None), ("sha256:2", "sha256:1"), ("sha256:3", "sha256:2"))


def decide(
    wanted: WantedImport = IMPORT,
    found: Archive = CHAIN,
    installed: tuple[Artifact, ...] = (),
    taken: dict[str, Target] | None = None,
) -> Plan:
    names = import_names(wanted, found, None)
    targets = {entry.name: Target(f"/s/{entry.name}", is_absent=True) for entry in names}
    targets.update(taken or {})
    return plan_import(wanted, found, names, {a.descriptor.digest: a for a in installed}, targets)


def test_all_that_is_new_is_installed_parents_first() -> None:
    plan = decide()
    assert plan.steps == (
        PromoteSnapshot("sha256:1", "prefix-1", "/s", "prefix-1", None),
        PromoteSnapshot("sha256:2", "prefix-2", "/s", "prefix-2", None),
        PromoteSnapshot("sha256:3", "prefix-3", "/s", "prefix-3", None),
    )
    assert str(plan.steps[0]) == "install snapshot sha256:1 as prefix-1 in /s"
    assert (plan.before, plan.after) == (
        {},
        {"prefix-1": "sha256:1", "prefix-2": "sha256:2", "prefix-3": "sha256:3"},
    )


def test_what_is_installed_stays_where_it_is() -> None:
    here = (artifact("under any name", "sha256:1"), artifact("b", "sha256:2"))
    assert decide(installed=here).steps == (PromoteSnapshot("sha256:3", "prefix-3", "/s", "prefix-3", None),)
    assert decide(installed=(*here, artifact("c", "sha256:3"))) == Plan((), {}, {})


def test_a_head_that_is_installed_under_another_name_is_told() -> None:
    here = tuple(artifact(name, f"sha256:{number}") for number, name in enumerate("abc", 1))
    named = dataclasses.replace(IMPORT, name="nightly")
    with pytest.raises(
        StateError, match="sha256:3 is installed as 'c', wanted 'nightly': a home holds a snapshot once"
    ):
        decide(named, installed=here)
    assert decide(dataclasses.replace(IMPORT, name="c"), installed=here).steps == ()


@pytest.mark.parametrize("digest", ["sha256:1", "sha256:0"])
def test_another_head_than_wanted_is_refused(digest: str) -> None:
    with pytest.raises(IntegrityError, match=f"has the head sha256:3, wanted {digest}") as caught:
        decide(dataclasses.replace(IMPORT, digest=digest))
    assert caught.value.facts == {"expected": digest, "actual": "sha256:3"}
    require_head(dataclasses.replace(IMPORT, digest="sha256:3"), "sha256:3", "/x")
    require_head(IMPORT, "sha256:3", "/x")


TAKEN = Target("/s/prefix-3", artifact=artifact("prefix-3", "sha256:x"), digest="sha256:x", is_replaceable=True)
DAMAGED = Target("/s/prefix-3", digest="sha256:3", reason="is damaged: no upper", is_replaceable=True)
FOREIGN = Target("/s/prefix-3", reason="is no snapshot of this collection: photos")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (TAKEN, "/s/prefix-3 is snapshot sha256:x, the archive's snapshot of that name is sha256:3; force replaces it"),
        (DAMAGED, "/s/prefix-3 is damaged: no upper, the archive's .* is sha256:3; force replaces it"),
        (FOREIGN, "/s/prefix-3 is no snapshot of this collection: photos, the archive's .* is sha256:3$"),
    ],
)
def test_a_name_that_is_taken_is_refused(target: Target, message: str) -> None:
    with pytest.raises(StateError, match=message):
        decide(taken={"prefix-3": target})


@pytest.mark.parametrize(("target", "replaces"), [(TAKEN, "sha256:x"), (DAMAGED, "sha256:3")])
def test_force_replaces_the_head(target: Target, replaces: str) -> None:
    plan = decide(dataclasses.replace(IMPORT, force=True), taken={"prefix-3": target})
    assert plan.steps[-1] == PromoteSnapshot("sha256:3", "prefix-3", "/s", "prefix-3", replaces)
    assert str(plan.steps[-1]) == f"install snapshot sha256:3 as prefix-3 in /s in place of {replaces}"
    assert plan.before == {"prefix-3": replaces}


def test_force_replaces_nothing_of_somebody_else_and_no_ancestor() -> None:
    forced = dataclasses.replace(IMPORT, force=True)
    with pytest.raises(StateError, match="photos"):
        decide(forced, taken={"prefix-3": FOREIGN})
    with pytest.raises(StateError, match="/s/prefix-1 is snapshot sha256:x") as caught:
        decide(forced, taken={"prefix-1": dataclasses.replace(TAKEN, path="/s/prefix-1")})
    assert "force" not in caught.value.message


@pytest.mark.parametrize(
    ("asked", "suggested", "head"),
    [(None, None, "prefix-2"), (None, "nightly", "nightly"), ("mine", "nightly", "mine"), ("mine", None, "mine")],
)
def test_the_head_gets_the_name_that_is_asked_for_or_suggested(
    asked: str | None, suggested: str | None, head: str
) -> None:
    found = archive(("sha256:1", None), ("sha256:2", "sha256:1"))
    assert import_names(dataclasses.replace(IMPORT, name=asked), found, suggested) == (
        ImportName("prefix-1", "sha256:1", "prefix-1"),
        ImportName("prefix-2", "sha256:2", head),
    )


@pytest.mark.parametrize(("asked", "suggested"), [("prefix-1", None), (None, "prefix-1")])
def test_the_head_does_not_get_the_name_of_an_ancestor(asked: str | None, suggested: str | None) -> None:
    with pytest.raises(RequestError, match="name 'prefix-1' is that of an ancestor in the archive, sha256:1"):
        import_names(dataclasses.replace(IMPORT, name=asked), CHAIN, suggested)


@pytest.mark.parametrize("suggested", ["../evil", ".hidden", "a/b", "~root"])
def test_a_suggestion_that_is_no_name_is_refused(suggested: str) -> None:
    with pytest.raises(RequestError):
        import_names(IMPORT, CHAIN, suggested)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_parents_come_before_children_in_any_archive(order: tuple[int, ...]) -> None:
    pairs = [("sha256:1", None), ("sha256:2", "sha256:1"), ("sha256:3", "sha256:2")]
    shuffled = archive(*(pairs[index] for index in order))
    assert [found.descriptor.digest for found in sort_oldest_first(shuffled)] == ["sha256:1", "sha256:2", "sha256:3"]


def test_a_parent_outside_the_archive_ends_the_order() -> None:
    found = archive(("sha256:2", "sha256:1"), ("sha256:3", "sha256:2"))
    assert [snapshot.descriptor.digest for snapshot in sort_oldest_first(found)] == ["sha256:2", "sha256:3"]


def test_a_name_of_an_installed_snapshot_is_its_directory() -> None:
    require_installed_name(artifact("one", "sha256:1"), "one")
    with pytest.raises(StateError, match="is installed as 'one', wanted 'other'") as caught:
        require_installed_name(artifact("one", "sha256:1"), "other")
    assert caught.value.facts == {"path": "/s/one", "found": "one", "wanted": "other"}
