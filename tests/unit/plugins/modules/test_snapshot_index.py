# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on real homes: check, run, check again, run again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import (
    Outcome,
    Task,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    RequestError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.modules.snapshot_index import work

HOMES = Path(__file__).parents[2] / "data/homes"
NOW_NS = 1_795_230_000_000_000_001


def unpack(version: str, target: Path) -> Path:
    with tarfile.open(HOMES / f"home-{version}.tar.xz") as archive:
        archive.extractall(target, filter="data")
    return target / ".microsandbox"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of 0.6.2 whose index knows its snapshots where they are now."""
    path = unpack("0.6.2", tmp_path)
    with contextlib.closing(sqlite3.connect(path / "db/msb.db", isolation_level=None)) as connection:
        connection.execute("UPDATE snapshot_index SET artifact_path = ? || name", (f"{path}/snapshots/",))
    return path


def run(home: Path, check_mode: bool = False, **params: Any) -> Outcome:
    defaults = {"snapshots_dir": None, "cache_dir": None, "lock_timeout": 1, "dir": None, "prune": False}
    return work(Task({"home": str(home), **defaults, **params}, check_mode, NOW_NS))


def listing(directory: Path) -> Mapping[str, tuple[int, ...]]:
    found = {str(path): path.lstat() for path in [directory, *directory.rglob("*")]}
    return {
        path: (stat.st_ino, stat.st_size, stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns)
        for path, stat in found.items()
    }


def run_four_times(home: Path, **params: Any) -> Outcome:
    """Check, run, check again and run again; return the outcome of the first run."""
    before = listing(home)
    predicted = run(home, check_mode=True, **params)
    assert listing(home) == before
    first = run(home, **params)
    assert [str(step) for step in predicted.plan.steps] == [str(step) for step in first.plan.steps]
    assert predicted.plan.before == first.plan.before
    assert predicted.plan.after == first.plan.after
    assert predicted.results == first.results
    settled = listing(home)
    for check_mode in (True, False):
        again = run(home, check_mode=check_mode, **params)
        assert (again.plan.steps, again.plan.before, again.plan.after) == ((), {}, {})
        assert again.results == first.results
        assert listing(home) == settled
    return first


def test_a_sound_index_is_left_alone(home: Path) -> None:
    before = listing(home)
    outcome = run_four_times(home, prune=True)
    assert outcome.plan.steps == ()
    assert outcome.results == {
        "index": {"database": f"{home}/db/msb.db", "schema": "G1", "rows": 3, "missing_artifacts": []},
        "invalid": [],
    }
    assert listing(home) == before


def test_a_snapshot_that_was_copied_by_hand_is_indexed(home: Path) -> None:
    shutil.copytree(home / "snapshots/child", home / "snapshots/copied")
    home.joinpath("snapshots/child/manifest.json").write_text("{}", "utf-8")
    outcome = run_four_times(home)
    path = f"{home}/snapshots/copied"
    digest = "sha256:9695801b5256663f12465e27fa429c3e563290caa886104fb366bf6637b91b9c"
    assert [str(step) for step in outcome.plan.steps] == [f"index {path} as {digest}"]
    assert list(outcome.plan.before) == [f"{home}/snapshots/child"]
    assert "indexed_at" not in outcome.plan.after[path]  # no check could predict it
    assert outcome.results["index"]["rows"] == 3
    assert [(each["path"], each["code"]) for each in outcome.results["invalid"]] == [
        (f"{home}/snapshots/child", "format")
    ]


def test_a_snapshot_that_is_gone_is_dropped_only_when_told(home: Path) -> None:
    shutil.rmtree(home / "snapshots/child")
    kept = run_four_times(home)
    assert kept.plan.steps == ()
    assert kept.results["index"]["missing_artifacts"] == [f"{home}/snapshots/child"]
    dropped = run_four_times(home, prune=True)
    assert [str(step) for step in dropped.plan.steps] == [f"drop the index row of {home}/snapshots/child"]
    assert dropped.results["index"]["rows"] == 2
    # Its parent has lost a child.
    assert dropped.plan.before[f"{home}/snapshots/first"]["child_count"] == 1
    assert dropped.plan.after[f"{home}/snapshots/first"]["child_count"] == 0


def test_wrong_counts_are_corrected(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "db/msb.db", isolation_level=None)) as connection:
        connection.execute("UPDATE snapshot_index SET child_count = 4 WHERE name = 'first'")
    outcome = run_four_times(home)
    assert [str(step) for step in outcome.plan.steps] == ["recount the children in the index"]


def test_a_directory_elsewhere_can_be_indexed_and_its_absence_is_no_error(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "snapshots/second", tmp_path / "shared/other")
    shutil.rmtree(home / "snapshots/second")
    outcome = run_four_times(home, dir=str(tmp_path / "shared"))
    assert list(outcome.plan.after) == [f"{tmp_path}/shared/other"]
    assert run_four_times(home, dir=str(tmp_path / "missing")).plan.steps == ()
    assert not tmp_path.joinpath("missing").exists()


def test_two_copies_of_one_snapshot_do_not_take_turns(home: Path) -> None:
    shutil.copytree(home / "snapshots/second", home / "snapshots/a-copy")
    assert run_four_times(home).plan.steps == ()


def test_a_path_that_no_index_can_hold_is_left_out_with_a_warning(home: Path) -> None:
    shutil.copytree(home / "snapshots/second", home / "snapshots/bad\udcff")
    outcome = run_four_times(home)
    assert outcome.plan.steps == ()
    (warning,) = outcome.plan.warnings
    assert "bad\\udcff' is not Unicode text" in warning
    warning.encode("utf-8")


def test_a_row_with_a_relative_path_is_kept(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "db/msb.db", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE snapshot_index SET digest = 'sha256:x', name = 'r', artifact_path = 'r' WHERE name = 'second'"
        )
    shutil.rmtree(home / "snapshots/second")
    assert run_four_times(home, prune=True).plan.steps == ()


@pytest.mark.parametrize("prune", [False, True])
def test_a_home_without_an_index_gets_none(tmp_path: Path, prune: bool) -> None:
    home = tmp_path / "home"
    shutil.copytree(unpack("0.6.2", tmp_path) / "snapshots", home / "snapshots")
    outcome = run_four_times(home, prune=prune)
    assert outcome.results["index"] == {
        "database": f"{home}/db/msb.db",
        "schema": "absent",
        "rows": 0,
        "missing_artifacts": [],
    }
    assert not home.joinpath("db").exists()


@pytest.mark.parametrize("check_mode", [True, False])
def test_an_index_of_a_later_generation_is_refused_by_name(tmp_path: Path, check_mode: bool) -> None:
    home = unpack("0.7.11", tmp_path)
    before = listing(home)
    with pytest.raises(UnsupportedError, match="has the schema G3, this collection writes G1"):
        run(home, check_mode=check_mode, prune=True)
    assert listing(home) == before


def test_a_relative_directory_is_refused(home: Path) -> None:
    with pytest.raises(RequestError, match="dir is snapshots, expected an absolute path"):
        run(home, dir="snapshots")
