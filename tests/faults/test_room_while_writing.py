# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that turn out too small while a run writes, because nothing said before how much there would be to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mounts import Mount, mounted, why_no_mounts
from needs import require
from state import observe_state
from worlds import Operation, Scene

# Room is looked for every 32 MiB: after the first, there is none for 32 more and the reserve.
_DISK_BYTES = 64 << 20
_UPPER_BYTES = 72 << 20
_EXPORT = {"state": "exported", "snapshot": "bulky", "layout": "dense", "compression": "none"}


def _with_bulky_snapshot(world: Path) -> None:
    """Capture an upper that is all data, and larger than the disk."""
    upper = world / "home/sandboxes/base/upper.ext4"
    upper.write_bytes(b"data" * (_UPPER_BYTES // 4))
    _require_changed(Operation("prepare", "snapshot", {"name": "bulky", "sandbox": "base", "integrity": False}), world)
    upper.write_bytes(b"data")


def _with_bulky_archive(world: Path) -> None:
    """Leave an archive of that upper, whose headers call it dense: it may well be all zeros."""
    _with_bulky_snapshot(world)
    _require_changed(Operation("prepare", "snapshot_archive", _EXPORT | {"path": "{}/archives/bulky.tar"}), world)
    _require_changed(Operation("prepare", "snapshot", {"state": "absent", "name": "bulky"}), world)


def _require_changed(operation: Operation, world: Path) -> None:
    result = operation.run(world)
    if result["failed"] or not result["changed"]:
        raise AssertionError(f"a world cannot be prepared: {result}")


@pytest.fixture
def disk(directory: Path) -> Iterator[Mount]:
    """Return an empty disk without room for the upper."""
    require(why_no_mounts())
    with mounted("tmpfs", directory, _DISK_BYTES) as disk:
        yield disk


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        (Operation("export", "snapshot_archive", _EXPORT, _with_bulky_snapshot), {"path": "{}/bulky.tar"}),
        (
            Operation(
                "import",
                "snapshot_archive",
                {"state": "imported", "path": "{}/archives/bulky.tar"},
                _with_bulky_archive,
            ),
            {"snapshots_dir": "{}/store"},
        ),
    ],
    ids=["export", "import"],
)
def test_a_run_stops_before_it_has_filled_the_disk(
    disk: Mount, directory: Path, operation: Operation, place: dict[str, str]
) -> None:
    disk.path.joinpath("store").mkdir()
    scene = Scene(directory, operation)
    scene.reset()
    before = observe_state(scene.world)
    there = {option: text.format(disk.path) for option, text in place.items()}

    result = Operation(operation.name, operation.module, {**operation.parameters, **there}).run(scene.world)

    assert (result["failed"], result["code"]) == (True, "state")
    assert f"needs {32 << 20} bytes more and" in result["msg"]
    assert observe_state(scene.world) == before
    assert sorted(os.listdir(disk.path)) == ["store"]
    assert os.listdir(disk.path / "store") == []
