# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks refuse so that nothing is lost, on a real home of microsandbox 0.6.2."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_export import export_snapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_capture import capture_snapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_inspection import (
    inspect_directory,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.snapshot_removal import remove_snapshots
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    RequestError,
    StateError,
)

FIRST = "sha256:f99833b45ab19e76143c909b201411bd2f468199643823fd99934523b20ec2d4"
CHILD = "sha256:9695801b5256663f12465e27fa429c3e563290caa886104fb366bf6637b91b9c"
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("snapshots_dir", "cache_dir", "name", "path", "digest", "digests", "dir", "image", "snapshot")),
    **dict.fromkeys(("source_sandbox", "compression")),
    "lock_timeout": 1,
    "labels": {},
    "integrity": True,
    "recreate": "never",
    "force": False,
    "verify": False,
    "strict": False,
    "limits": {},
    "with_parents": False,
    "with_image": False,
    "level": 3,
    "threads": 1,
    "layout": "auto",
}


@pytest.fixture
def home(unpack_home: Callable[[str], Path]) -> Path:
    return unpack_home("0.6.2")


def run(work: Callable[..., Any], home: Path, **params: Any) -> Any:
    task = Task(params={**DEFAULTS, "home": str(home), **params}, check_mode=False, now_ns=1_795_230_000_000_000_000)
    return work(task, task.observe_home())


def damage(upper: Path) -> None:
    with upper.open("r+b") as file:
        file.seek(100)
        file.write(b"x")


def test_force_does_not_remove_the_disk_of_a_sandbox(home: Path) -> None:
    disk = home / "sandboxes/crashed"
    with pytest.raises(StateError, match="which microsandbox keeps for itself"):
        run(remove_snapshots, home, path=str(disk), force=True)
    assert (disk / "upper.ext4").is_file()


def test_force_does_not_replace_the_disk_of_a_sandbox(home: Path) -> None:
    disk = home / "sandboxes/busy"
    before = os.stat(disk / "upper.ext4")
    with pytest.raises(StateError, match="which microsandbox keeps for itself"):
        run(capture_snapshot, home, path=str(disk), sandbox="base", force=True)
    assert (disk / "upper.ext4").stat().st_ino == before.st_ino


def test_a_snapshot_that_others_descend_from_is_captured_again_with_force_only(home: Path) -> None:
    wish = {"name": "first", "sandbox": "base", "labels": {"new": "label"}, "recreate": "if_changed"}
    with pytest.raises(StateError, match="has descendants"):
        run(capture_snapshot, home, **wish)
    assert run(capture_snapshot, home, **wish, force=True).results["snapshot"]["labels"] == {"new": "label"}


def test_a_child_counts_though_its_upper_is_damaged_and_no_index_knows_it(home: Path) -> None:
    (home / "db/msb.db").unlink()
    os.truncate(home / "snapshots/child/upper.ext4", 1)
    with pytest.raises(StateError, match="has a child"):
        run(remove_snapshots, home, name="first")


def test_a_damaged_snapshot_is_removed_by_its_digest(home: Path) -> None:
    os.truncate(home / "snapshots/child/upper.ext4", 1)
    assert [entry["digest"] for entry in run(remove_snapshots, home, digest=CHILD).results["removed"]] == [CHILD]
    assert not (home / "snapshots/child").exists()


def test_an_export_does_not_replace_a_good_archive_by_one_of_damaged_content(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "first.tar.zst"
    wish = {"snapshot": "first", "path": str(archive), "verify": True}
    run(export_snapshot, home, **wish)
    before = archive.read_bytes()
    damage(home / "snapshots/first/upper.ext4")
    for layout in ("dense", "sparse"):
        with pytest.raises(IntegrityError, match="its descriptor recorded"):
            run(export_snapshot, home, **wish, level=4, layout=layout)
        assert archive.read_bytes() == before
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_an_export_leaves_what_somebody_else_compressed(home: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql.zst"
    dump.write_bytes(subprocess.run(["zstd", "-qc"], input=b"rows", stdout=subprocess.PIPE, check=True).stdout)
    before = dump.read_bytes()
    with pytest.raises(StateError, match="exists and is no archive"):
        run(export_snapshot, home, snapshot="first", path=str(dump))
    assert dump.read_bytes() == before


def test_an_export_does_not_write_into_what_microsandbox_keeps(unpack_home: Callable[[str], Path]) -> None:
    later = unpack_home("0.7.11")
    with pytest.raises(StateError, match="which microsandbox keeps for itself"):
        run(export_snapshot, later, snapshot="first", path=str(later / "cache/x.tar.zst"))


@pytest.mark.parametrize("place", ["first.tar", "archives/first.tar"])
def test_an_export_does_not_write_into_a_snapshot_that_may_be_removed(home: Path, place: str) -> None:
    (home / "snapshots/second/archives").mkdir()
    (home / "linked").symlink_to(home / "snapshots")
    for store in ("snapshots", "linked"):
        with pytest.raises(
            StateError, match="lies in the snapshot .*/snapshots/second, and would go with it"
        ) as caught:
            run(export_snapshot, home, snapshot="first", path=f"{home}/{store}/second/{place}")
        assert caught.value.facts["snapshot"] == str(home / "snapshots/second")
    assert list(home.rglob("*.tar")) == []


def test_what_goes_with_a_snapshot_that_is_none_of_its_files_is_told(home: Path) -> None:
    (home / "snapshots/second/notes.txt").touch()
    task = Task(params={**DEFAULTS, "home": str(home), "name": "second"}, check_mode=True, now_ns=1)
    remove_snapshots(task, task.observe_home())
    assert task.warnings == [f"{home}/snapshots/second has 'notes.txt' besides the snapshot, which goes with it"]
    task = Task(params={**DEFAULTS, "home": str(home), "name": "child"}, check_mode=True, now_ns=1)
    remove_snapshots(task, task.observe_home())
    assert task.warnings == []


def test_strict_fails_when_the_named_snapshot_is_not_there(home: Path) -> None:
    assert run(inspect_directory, home, name="gone")["snapshots"] == []
    with pytest.raises(StateError, match="there is no snapshot gone"):
        run(inspect_directory, home, name="gone", strict=True)
    with pytest.raises(StateError, match=f"there is no snapshot {CHILD[:-1]}0"):
        run(inspect_directory, home, digest=CHILD[:-1] + "0", strict=True)
    assert len(run(inspect_directory, home, digest=FIRST, strict=True)["snapshots"]) == 1


def test_strict_fails_where_there_is_nothing_to_look_at(home: Path, tmp_path: Path) -> None:
    typo = tmp_path / "typo"
    for places in ({"dir": str(typo)}, {"snapshots_dir": str(typo)}):
        assert run(inspect_directory, home, **places)["snapshots"] == []
        with pytest.raises(StateError, match=f"there is no directory {typo}"):
            run(inspect_directory, home, **places, strict=True)
    with pytest.raises(StateError, match=f"there is no home {typo}"):
        run(inspect_directory, typo, strict=True)
    typo.mkdir()
    assert run(inspect_directory, typo, strict=True)["snapshots"] == []


@pytest.mark.parametrize("patience", [float("nan"), float("inf"), -1])
def test_a_patience_that_never_ends_is_refused(home: Path, patience: float) -> None:
    with pytest.raises(RequestError, match="lock_timeout is"):
        run(remove_snapshots, home, name="first", lock_timeout=patience)
