# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks without room, and disks and directories that may not be written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Callable

import pytest
from mounts import Mount
from state import observe_state
from tracing import start_apart
from trial import NEW, OLD, SOME, UNINDEXED, Bench
from worlds import Operation, Scene

_WRITING = (
    *("capture, new", "capture, replacing", "export, replacing", "import, single", "import, chain", "index"),
    *("export with image", "import with image", "import with image, replacing", "bundle export", "bundle import"),
)
_REMOVING = ("removal", "removal of two")
_FREE_BYTES = tuple(kib << 10 for kib in (0, 32, 96, 224, 480, 992))
_NOBODY = 65534


@pytest.mark.parametrize("mount", ["ext4", "tmpfs"], indirect=True)
@pytest.mark.parametrize("name", [*_WRITING, *_REMOVING])
def test_a_full_disk_leaves_old_or_new(mount: Mount, name: str, operation_named: Callable[[str], Operation]) -> None:
    bench = Bench(Scene(mount.path, operation_named(name)))
    verdicts = []
    for free_bytes in _FREE_BYTES:
        bench.scene.reset()
        mount.flush()
        with mount.filled(free_bytes):
            ended = start_apart(bench.operation, bench.scene.world)()
        verdicts.append(bench.judge_end(f"{free_bytes} bytes free", ended, may_leave=False))

    assert [(verdict.what, verdict.problems) for verdict in verdicts if verdict.problems] == []
    assert {verdict.ended for verdict in verdicts} >= {"failed"}
    assert {verdict.state for verdict in verdicts} <= {OLD, NEW, UNINDEXED, SOME}


@pytest.mark.parametrize("mount", ["ext4"], indirect=True)
@pytest.mark.parametrize(("free_bytes", "state"), [(0, OLD), (4 << 10, UNINDEXED)])
def test_a_removal_needs_room_for_one_directory_entry(
    mount: Mount, directory: Path, free_bytes: int, state: str, operation_named: Callable[[str], Operation]
) -> None:
    bench = Bench(Scene(mount.path, operation_named("removal")))
    bench.scene.reset()
    # The private copies of the database lie on another disk, which has room.
    temporary = bench.scene.world / "tmp"
    temporary.rmdir()
    temporary.symlink_to(directory)
    mount.flush()
    with mount.filled(free_bytes):
        ended = start_apart(bench.operation, bench.scene.world)()
    temporary.unlink()
    temporary.mkdir()

    verdict = bench.judge_end(f"{free_bytes} bytes free", ended, may_leave=False)

    assert (verdict.state, verdict.ended, verdict.problems) == (state, "failed", ())


@pytest.mark.parametrize("mount", ["ext4"], indirect=True)
@pytest.mark.parametrize("name", [*_WRITING, "removal"])
def test_a_read_only_file_system_is_an_error_that_names_it(
    mount: Mount, name: str, operation_named: Callable[[str], Operation]
) -> None:
    bench = Bench(Scene(mount.path, operation_named(name)))
    bench.scene.reset()
    with mount.read_only():
        result = bench.operation.run(bench.scene.world)
        after = observe_state(bench.scene.world)

    assert result["failed"]
    # SQLite has words of its own.
    assert re.search("Read-only file system|readonly database|unable to open database file", result["msg"])
    assert str(bench.scene.world) in result["msg"]
    assert after == bench.old
    assert not bench.operation.run(bench.scene.world)["failed"]
    assert observe_state(bench.scene.world) == bench.new


@pytest.mark.parametrize("mount", ["ext4"], indirect=True)
@pytest.mark.parametrize("name", [*_WRITING, "removal"])
def test_nothing_to_do_is_ok_on_a_read_only_file_system(
    mount: Mount, name: str, operation_named: Callable[[str], Operation]
) -> None:
    bench = Bench(Scene(mount.path, operation_named(name)))
    bench.scene.reset()
    bench.operation.run(bench.scene.world)
    with mount.read_only():
        result = bench.operation.run(bench.scene.world)

    assert (result["failed"], result.get("changed")) == (False, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", [*_WRITING, "removal"])
def test_another_users_home_is_an_error_and_stays_as_it_is(bench_of: Callable[[str], Bench], name: str) -> None:
    bench = bench_of(name)
    bench.scene.reset()
    bench.scene.world.joinpath("tmp").chmod(0o1777)

    ended = start_apart(_as_nobody(bench.operation), bench.scene.world)()

    assert ended.result is not None
    assert ended.result["failed"], ended
    assert re.search("Permission denied|readonly database|unable to open database file", ended.result["msg"])
    assert observe_state(bench.scene.world) == bench.old


def _as_nobody(operation: Operation) -> Operation:
    class ByNobody(Operation):
        def run(self, world: Path) -> dict[str, object]:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            return operation.run(world)

    return ByNobody(operation.name, operation.module, operation.parameters)
