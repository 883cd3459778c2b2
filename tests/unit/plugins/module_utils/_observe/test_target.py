# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at a path, and whether force may put something else there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import Target, observe_target

DATA = Path(__file__).parents[3] / "data"

Make = Callable[..., Path]


def test_nothing_stands_at_a_free_path(tmp_path: Path) -> None:
    path = str(tmp_path / "free")
    assert observe_target(path) == Target(path, is_absent=True)


def test_a_snapshot_is_replaceable(make_artifact: Make) -> None:
    target = observe_target(str(make_artifact("a")))
    assert target.artifact is not None
    assert target.digest == target.artifact.descriptor.digest
    assert (target.is_absent, target.is_replaceable, target.reason) == (False, True, "")


def test_a_snapshot_without_its_upper_is_known_by_its_digest_and_replaceable(make_artifact: Make) -> None:
    path = make_artifact("a")
    digest = observe_target(str(path)).digest
    path.joinpath("upper.ext4").unlink()
    target = observe_target(str(path))
    assert (target.artifact, target.digest, target.is_replaceable) == (None, digest, True)
    assert target.reason.startswith("is damaged: ")
    assert "upper.ext4 is missing" in target.reason


@pytest.mark.parametrize("files", [(), ("upper.ext4",), ("upper.ext4", "manifest.json.tmp")])
def test_what_an_interrupted_capture_left_is_replaceable(tmp_path: Path, files: tuple[str, ...]) -> None:
    path = tmp_path / "it"
    path.mkdir()
    for name in files:
        path.joinpath(name).touch()
    target = observe_target(str(path))
    assert target == Target(str(path), reason="is what an interrupted capture left", is_replaceable=True)


@pytest.mark.parametrize("kind", ["file", "symlink", "dangling symlink", "fifo", "photos", "malformed", "G2", "G3"])
def test_what_is_somebody_elses_is_not_replaceable(tmp_path: Path, make_artifact: Make, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "file":
        path.touch()
    elif kind == "symlink":
        path.symlink_to(make_artifact("a"))
    elif kind == "dangling symlink":
        path.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "photos":
        path.mkdir()
        path.joinpath("photo.jpg").touch()
    elif kind == "malformed":
        make_artifact("it").joinpath("manifest.json").write_text("{}", "utf-8")
    else:
        sources = {"G2": "g2-artifacts/basic-0.6.7", "G3": "g3-groups/basic-0.7.11"}
        shutil.copytree(DATA / sources[kind], path)
    target = observe_target(str(path))
    assert (target.is_absent, target.artifact, target.digest, target.is_replaceable) == (False, None, None, False)
    assert target.reason.startswith("is no snapshot of this collection: ")
    assert kind not in ("G2", "G3") or f"generation {kind}" in target.reason
