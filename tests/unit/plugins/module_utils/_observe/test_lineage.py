# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's ancestors, oldest first."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.lineage import observe_lineage

Unpack = Callable[[str], Path]
Make = Callable[..., Path]


def chain(make_artifact: Make, *names: str) -> list[Artifact]:
    """Make artifacts of which each descends from the one before."""
    made: list[Artifact] = []
    for name in names:
        parent = made[-1].descriptor.digest if made else None
        made.append(observe_artifact(str(make_artifact(name, parent=parent))))
    return made


def test_a_snapshot_without_a_parent_is_its_own_lineage(tmp_path: Path, make_artifact: Make) -> None:
    (head,) = chain(make_artifact, "store/a")
    assert observe_lineage(head, str(tmp_path / "store")) == (head,)


def test_ancestors_come_oldest_first(tmp_path: Path, make_artifact: Make) -> None:
    made = chain(make_artifact, "store/z", "store/m", "store/a", "store/k")
    assert observe_lineage(made[-1], str(tmp_path / "store")) == tuple(made)
    assert observe_lineage(made[1], str(tmp_path / "store")) == tuple(made[:2])


def test_the_parent_of_a_real_snapshot_is_found(unpack_home: Unpack) -> None:
    store = unpack_home("0.6.2") / "snapshots"
    lineage = observe_lineage(observe_artifact(str(store / "child")), str(store))
    assert [artifact.name for artifact in lineage] == ["first", "child"]


def test_ancestors_may_stand_in_the_store_or_beside_the_head(tmp_path: Path, make_artifact: Make) -> None:
    made = chain(make_artifact, "store/a", "elsewhere/b", "elsewhere/c")
    assert observe_lineage(made[-1], str(tmp_path / "store")) == tuple(made)


def test_a_missing_ancestor_is_named_with_its_child(tmp_path: Path, make_artifact: Make) -> None:
    parent = "sha256:" + "0" * 64
    first = observe_artifact(str(make_artifact("store/a", parent=parent)))
    head = observe_artifact(str(make_artifact("store/b", parent=first.descriptor.digest)))
    message = f"snapshot {first.path} descends from {parent}, which is not in {tmp_path / 'store'}"
    with pytest.raises(StateError, match=message) as caught:
        observe_lineage(head, str(tmp_path / "store"))
    assert caught.value.facts == {"path": first.path, "parent": parent}
