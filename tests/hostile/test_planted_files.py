# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symlinks, FIFOs, directories and the like where files should be, and hostile umasks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import stat
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
from importing import KEPT, listing, make_home
from modules import run_module
from samples import IMAGE, PINNED, PLAIN, UPPER, archive

Run = Callable[..., dict[str, Any]]
Plant = Callable[[Path], object]

ARCHIVE = archive(PLAIN.members)
LOCK_NAME = hashlib.sha256(b"box").hexdigest()[:32] + ".lock"
STAGING = ".sandboxops-staging-0123456789abcdef"


def plant_socket(path: Path) -> None:
    """Bind a socket by a short name, which is all that its address holds."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def plant_loop(path: Path) -> None:
    path.symlink_to(path.name)


KINDS: dict[str, Plant] = {
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
    "socket": plant_socket,
    "loop": plant_loop,
    "dangling symlink": lambda path: path.symlink_to("/nonexistent/file"),
    "symlink to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture
def run(collections_path: Path) -> Run:
    return partial(run_module, collections_path)


@pytest.fixture
def home(world: Path) -> Path:
    """A home with a stopped sandbox, and a directory beside it that links can lead to."""
    path = make_home(world)
    path.joinpath("db").mkdir()
    config = json.dumps({"image": {"Oci": IMAGE}, "manifest_digest": PINNED})
    with contextlib.closing(sqlite3.connect(path / "db/msb.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE sandbox (id integer PRIMARY KEY, name text, config text, status text)")
        connection.execute("INSERT INTO sandbox VALUES (1, 'box', ?, 'Stopped')", (config,))
    upper = path / "sandboxes/box/upper.ext4"
    upper.parent.mkdir(parents=True)
    upper.write_bytes(UPPER)
    elsewhere = world / "elsewhere"
    elsewhere.mkdir()
    elsewhere.joinpath("precious").write_text("precious\n", encoding="utf-8")
    world.joinpath("archive.tar").write_bytes(ARCHIVE)
    return path


def installed(home: Path) -> Path:
    return home / "snapshots" / PLAIN.prefix


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_no_file_is_refused_at_once(kind: str, home: Path, world: Path, run: Run) -> None:
    path = world / "planted.tar"
    KINDS[kind](path)
    before = listing(world)
    for module, options in (
        ("snapshot_archive", {"state": "imported", "path": path, "home": home}),
        ("snapshot_info", {"archive": path, "home": home}),
    ):
        result = run(module, **options)
        assert result["failed"]
        assert result["error"]["code"] in ("state", "os")
        assert str(path) in result["msg"]
    after = listing(world)
    store = "home/snapshots"
    assert {**after, store: None} == {**before, store: None}


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_never_writes_through_what_is_planted_at_its_path(
    kind: str, home: Path, world: Path, run: Run
) -> None:
    path = world / "planted.tar"
    KINDS[kind](path)
    before = path.lstat()
    result = run("snapshot_archive", state="exported", path=path, home=home, snapshot=KEPT.prefix)
    if not result.get("failed"):
        assert stat.S_ISREG(path.lstat().st_mode)
    else:
        assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not os.path.lexists("/nonexistent")


def test_an_archive_may_be_reached_through_a_symlink(home: Path, world: Path, run: Run) -> None:
    link = world / "link.tar"
    link.symlink_to("archive.tar")
    assert run("snapshot_archive", state="imported", path=link, home=home)["archive"]["head"] == PLAIN.digest


@pytest.mark.parametrize("name", [STAGING, "planted", ".hidden"])
@pytest.mark.parametrize("kind", [*KINDS, "symlink"])
def test_what_is_planted_in_a_store_stays_and_leads_nowhere(
    kind: str, name: str, home: Path, world: Path, run: Run
) -> None:
    path = home / "snapshots" / name
    if kind == "symlink":
        path.symlink_to(world / "elsewhere")
    else:
        KINDS[kind](path)
    elsewhere = listing(world / "elsewhere")
    assert run("snapshot_archive", state="imported", path=world / "archive.tar", home=home)["changed"]
    assert installed(home).joinpath("upper.ext4").read_bytes() == UPPER
    names = [snapshot["name"] for snapshot in run("snapshot_info", home=home)["snapshots"]]
    assert sorted(names) == sorted([KEPT.prefix, PLAIN.prefix])
    swept = kind == "directory" and name == STAGING
    assert os.path.lexists(path) is not swept
    assert listing(world / "elsewhere") == elsewhere


def test_sweeping_a_dead_staging_area_follows_no_symlink(home: Path, world: Path, run: Run) -> None:
    area = home / "snapshots" / STAGING
    area.joinpath("deep/er").mkdir(parents=True)
    area.joinpath("deep/er/link").symlink_to(world / "elsewhere")
    area.joinpath("file-link").symlink_to(world / "elsewhere/precious")
    os.link(world / "elsewhere/precious", area / "hard")
    os.mkfifo(area / "fifo")
    before = world.joinpath("elsewhere/precious").read_bytes()
    assert run("snapshot_archive", state="imported", path=world / "archive.tar", home=home)["changed"]
    assert not os.path.lexists(area)
    assert world.joinpath("elsewhere/precious").read_bytes() == before


@pytest.mark.parametrize("file", ["upper.ext4", "manifest.json"])
@pytest.mark.parametrize("kind", [*KINDS, "symlink to a good file"])
def test_an_artifact_with_a_planted_file_is_invalid_and_can_not_be_exported(
    kind: str, file: str, home: Path, world: Path, run: Run
) -> None:
    path = home / "snapshots" / KEPT.prefix / file
    good = world / "elsewhere" / file
    shutil.move(path, good)
    if kind == "symlink to a good file":
        path.symlink_to(good)
    else:
        KINDS[kind](path)
    before = listing(world)
    shown = run("snapshot_info", home=home, verify=True)
    assert ([entry["path"] for entry in shown["invalid"]], shown["snapshots"]) == ([str(path.parent)], [])
    target = world / "out.tar"
    for options in ({"snapshot": KEPT.prefix}, {"snapshot": KEPT.digest}, {"snapshot": path.parent}):
        assert run("snapshot_archive", state="exported", path=target, home=home, **options)["failed"]
    assert run("snapshot_info", home=home, strict=True)["failed"]
    after = listing(world)
    assert {**after, ".": None} == {**before, ".": None}


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "directory"), "file"])
def test_a_store_that_is_no_directory_is_left_alone(kind: str, home: Path, world: Path, run: Run) -> None:
    store = world / "store"
    if kind == "file":
        store.write_text("mine\n", encoding="utf-8")
    else:
        KINDS[kind](store)
    before = listing(world)
    result = run("snapshot_archive", state="imported", path=world / "archive.tar", home=home, snapshots_dir=store)
    assert result["failed"]
    assert listing(world) == before


def test_a_link_at_the_name_of_a_snapshot_is_never_replaced(home: Path, world: Path, run: Run) -> None:
    installed(home).symlink_to(world / "elsewhere")
    before = listing(world / "elsewhere")
    result = run("snapshot_archive", state="imported", path=world / "archive.tar", home=home, force=True)
    assert result["error"]["code"] == "state"
    assert installed(home).is_symlink()
    result = run("snapshot", state="absent", name=PLAIN.prefix, home=home, force=True)
    assert result["failed"]
    assert listing(world / "elsewhere") == before


@pytest.mark.parametrize("kind", [*KINDS, "symlink to a file"])
def test_only_a_regular_upper_is_captured(kind: str, home: Path, world: Path, run: Run) -> None:
    upper = home / "sandboxes/box/upper.ext4"
    upper.unlink()
    if kind == "symlink to a file":
        upper.symlink_to(world / "elsewhere/precious")
    else:
        KINDS[kind](upper)
    result = run("snapshot", name="new", sandbox="box", home=home)
    assert (result["error"]["code"], str(upper) in result["msg"]) == ("state", True)
    assert not os.path.lexists(home / "snapshots/new")


@pytest.mark.parametrize("kind", [*KINDS, "symlink to a file"])
def test_a_lifecycle_lock_that_is_no_file_stops_a_capture(kind: str, home: Path, world: Path, run: Run) -> None:
    lock = home / "run/locks" / LOCK_NAME
    lock.parent.mkdir(parents=True)
    if kind == "symlink to a file":
        lock.symlink_to(world / "elsewhere/precious")
    else:
        KINDS[kind](lock)
    elsewhere = listing(world / "elsewhere")
    result = run("snapshot", name="new", sandbox="box", home=home)
    assert result["error"]["code"] in ("state", "os")
    assert str(lock) in result["msg"]
    assert not os.path.lexists(home / "snapshots/new")
    assert listing(world / "elsewhere") == elsewhere


@pytest.mark.parametrize("name", ["run", "run/locks"])
def test_no_lock_is_made_behind_a_symlink(name: str, home: Path, world: Path, run: Run) -> None:
    path = home / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(world / "elsewhere")
    elsewhere = listing(world / "elsewhere")
    result = run("snapshot", name="new", sandbox="box", home=home)
    assert (result["error"]["code"], str(path) in result["msg"]) == ("state", True)
    assert listing(world / "elsewhere") == elsewhere
    assert not os.path.lexists(home / "snapshots/new")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
def test_modes_do_not_depend_on_the_umask(umask: int, home: Path, world: Path, run: Run) -> None:
    private = home / "sandboxes/box/upper.ext4"
    private.chmod(0o600)
    for module, options in (
        ("snapshot_archive", {"state": "imported", "path": world / "archive.tar"}),
        ("snapshot", {"name": "captured", "sandbox": "box"}),
        ("snapshot_archive", {"state": "exported", "snapshot": "captured", "path": world / "out.tar"}),
    ):
        assert run(module, umask=umask, home=home, **options).get("changed")
    assert {path.name: oct(mode(path)) for path in [installed(home), *installed(home).iterdir()]} == {
        PLAIN.prefix: "0o755",
        "manifest.json": "0o644",
        "upper.ext4": "0o644",
    }
    captured = home / "snapshots/captured"
    assert {path.name: oct(mode(path)) for path in [captured, *captured.iterdir()]} == {
        "captured": "0o755",
        "manifest.json": "0o644",
        "upper.ext4": "0o600",
    }
    assert oct(mode(world / "out.tar")) == "0o600"
