# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image caches with links, FIFOs and directories where files should be, and caches without room or rights."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from image_samples import APP, PIN, Image, bundle, carrying, erofs
from importing import Entry, at_rest, import_archive, import_bundle, listing, make_home
from modules import run_module

sys.path.append(str(Path(__file__).parents[1] / "faults"))

from mounts import Mount, mounted, why_no_mounts
from needs import require

LOWER, UPPERMOST = APP.layer_names
LOCKS = (
    f"cache/manifests/{APP.key}.lock",
    f"{APP.fsmeta_name}.lock",
    f"{LOWER}.lock",
    f"{UPPERMOST}.lock",
)
KINDS = ("fsmeta", "layers", "manifests", "vmdk")
LARGE = Image("localhost/large:1", {"large": erofs(b"\xaa" * 1000, 2048)})

Plant = Callable[[Path], object]
PLANTS: dict[str, Plant] = {
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
    "loop": lambda path: path.symlink_to(path.name),
    "dangling symlink": lambda path: path.symlink_to("/nonexistent/file"),
    "symlink": lambda path: path.symlink_to(path.parents[3] / "outside"),
}


def lease(name: str) -> str:
    path = Path(name)
    return str(path.parent / ".msb-leases" / (hashlib.sha256(path.name.encode()).hexdigest() + ".lock"))


LEASES = (
    *map(lease, (APP.metadata_name, APP.fsmeta_name, APP.vmdk_name, LOWER)),
    lease(f"cache/manifests/{APP.key}.publication"),
)


@pytest.fixture
def archive(world: Path) -> Path:
    """An archive of a snapshot with its image."""
    path = world / "archive.tar"
    path.write_bytes(carrying())
    return path


@pytest.fixture
def home(world: Path, archive: Path) -> Path:
    """A home whose cache had the image once: directories, leases and locks are there."""
    path = make_home(world)
    for kind in KINDS:
        path.joinpath("cache", kind, ".msb-leases").mkdir(parents=True)
    import_archive(archive, path)
    shutil.rmtree(path / "snapshots" / PIN.prefix)
    for name in APP.files:
        path.joinpath(name).unlink()
    return path


def require_untouched(before: dict[str, Entry], world: Path) -> None:
    """Check that names, sizes, inodes and times are as they were, but for what a rename and its undoing leaves."""
    passed = [".", *(f"home/cache/{kind}" for kind in KINDS)]
    assert at_rest(listing(world), *passed) == at_rest(before, *passed)


def refuse(archive: Path, home: Path, **params: Any) -> MicrosandboxError:
    with pytest.raises(MicrosandboxError) as caught:
        import_archive(archive, home, **params)
    assert caught.value.message.isprintable()
    return caught.value


@pytest.mark.parametrize("kind", PLANTS)
@pytest.mark.parametrize("name", [*LOCKS, *LEASES], ids=lambda name: "/".join(name.split("/")[1:])[:24])
def test_a_lock_that_is_no_file_stops_the_import(name: str, kind: str, home: Path, archive: Path, world: Path) -> None:
    home.joinpath(name).unlink()
    PLANTS[kind](home / name)
    before = listing(world)
    error = refuse(archive, home)
    assert (error.code, str(home / name) in error.message) == ("state", True)
    assert listing(world / "outside") == {".": before["outside"]}
    require_untouched(before, world)


@pytest.mark.parametrize("kind", ["fifo", "symlink", "loop", "file"])
@pytest.mark.parametrize("leases", [f"cache/{kind}/.msb-leases" for kind in KINDS])
def test_leases_that_are_no_directory_stop_the_import(
    leases: str, kind: str, home: Path, archive: Path, world: Path
) -> None:
    home.joinpath(leases).rename(world / "elsewhere")
    if kind == "symlink":
        home.joinpath(leases).symlink_to(world / "elsewhere")
    else:
        (Path.touch if kind == "file" else PLANTS[kind])(home / leases)
    before = listing(world)
    error = refuse(archive, home)
    assert (error.code, leases in error.message) == ("state", True)
    require_untouched(before, world)


@pytest.mark.parametrize("kind", ["fifo", "dangling symlink", "loop", "file"])
@pytest.mark.parametrize("name", ["cache", *(f"cache/{kind}" for kind in KINDS)])
def test_a_directory_of_the_cache_that_is_none_stops_the_import(
    name: str, kind: str, home: Path, archive: Path, world: Path
) -> None:
    shutil.rmtree(home / name)
    (Path.touch if kind == "file" else PLANTS[kind])(home / name)
    before = listing(world)
    with pytest.raises((MicrosandboxError, OSError)) as caught:
        import_archive(archive, home)
    assert str(home / name) in str(caught.value)
    require_untouched(before, world)
    assert not os.path.lexists("/nonexistent")


def test_a_cache_may_be_a_link_to_one_elsewhere(home: Path, archive: Path, world: Path) -> None:
    home.joinpath("cache").rename(world / "elsewhere")
    home.joinpath("cache").symlink_to(world / "elsewhere")
    outcome = import_archive(archive, home)
    assert outcome.results["snapshots"][-1]["image"]["boots_offline"]
    disk = home.joinpath(APP.vmdk_name).read_text("utf-8")
    assert disk == APP.disk(str(world.resolve() / "elsewhere"))


@pytest.mark.parametrize("character", ['"', "\n", "\x7f"], ids=ascii)
def test_a_cache_whose_path_no_disk_can_name_stops_the_import(
    character: str, home: Path, archive: Path, world: Path
) -> None:
    cache = world / f"ca{character}che"
    before = listing(world)
    error = refuse(archive, home, cache_dir=str(cache))
    assert "a disk cannot be made of" in error.message
    require_untouched(before, world)


@pytest.mark.parametrize("name", [LOWER, APP.fsmeta_name, APP.vmdk_name, APP.metadata_name])
@pytest.mark.parametrize("kind", PLANTS)
def test_force_replaces_files_alone(kind: str, name: str, home: Path, archive: Path, world: Path) -> None:
    PLANTS[kind](home / name)
    before = listing(world)
    error = refuse(archive, home, force=True)
    assert (error.code, str(home / name) in error.message) == ("state", True)
    require_untouched(before, world)


def test_force_puts_the_image_into_the_place_of_another(home: Path, archive: Path) -> None:
    for name in APP.files:
        home.joinpath(name).write_bytes(b"\xdd" * 4096)
    outcome = import_archive(archive, home, force=True)
    assert outcome.results["snapshots"][-1]["image"]["boots_offline"]


@pytest.mark.parametrize("files", [{}, {LOWER: erofs(magic=1)}], ids=["good", "damaged"])
def test_a_later_name_that_is_taken_takes_the_image_back(files: dict[str, bytes], home: Path, world: Path) -> None:
    world.joinpath("archive.tar").write_bytes(carrying(files))
    home.joinpath("snapshots", PIN.prefix).mkdir()
    before = listing(world)
    assert refuse(world / "archive.tar", home).code == ("format" if files else "state")
    require_untouched(before, world)


# Disks without room or rights, and a cache on a disk of its own.


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    require(why_no_mounts())
    with mounted(request.param, tmp_path) as mount:
        yield mount


@pytest.mark.parametrize("disk", ["tmpfs", "ext4"], indirect=True)
def test_a_cache_on_another_file_system_than_the_store_is_installed(disk: Mount, world: Path, archive: Path) -> None:
    home, cache = make_home(world), disk.path / "cache"
    outcome = import_archive(archive, home, cache_dir=str(cache))
    assert outcome.results["snapshots"][-1]["image"]["boots_offline"]
    assert cache.joinpath(*APP.vmdk_name.split("/")[1:]).read_text("utf-8") == APP.disk(str(cache))
    assert {path.name for path in home.joinpath("cache/layers").iterdir()} == {"sha256_00.erofs"}


@pytest.mark.parametrize("disk", ["tmpfs", "ext4"], indirect=True)
@pytest.mark.parametrize("free_bytes", [0, 1 << 20, 5 << 20])
def test_a_cache_without_room_changes_nothing(disk: Mount, free_bytes: int, world: Path) -> None:
    home, cache = make_home(world), disk.path / "cache"
    cache.joinpath("layers").mkdir(parents=True)
    world.joinpath("archive.tar").write_bytes(carrying(image=LARGE))
    before, cached = listing(world), listing(cache)
    with disk.filled(free_bytes), pytest.raises((MicrosandboxError, OSError)) as caught:
        import_archive(world / "archive.tar", home, cache_dir=str(cache))
    assert str(disk.path) in str(caught.value)
    require_untouched(before, world)
    names = {path: (entry.inode, entry.size, entry.mode) for path, entry in listing(cache).items()}
    assert names == {path: (entry.inode, entry.size, entry.mode) for path, entry in cached.items()}
    assert import_archive(world / "archive.tar", home, cache_dir=str(cache)).plan.steps


@pytest.mark.parametrize("disk", ["ext4"], indirect=True)
def test_a_store_without_room_leaves_the_cache_alone(disk: Mount, world: Path, archive: Path) -> None:
    home, store = make_home(world), disk.path / "store"
    store.mkdir()
    before = listing(world)
    with disk.filled(0), pytest.raises((MicrosandboxError, OSError)):
        import_archive(archive, home, snapshots_dir=str(store))
    require_untouched(before, world)


@pytest.mark.parametrize("disk", ["ext4"], indirect=True)
def test_a_cache_on_a_read_only_disk_changes_nothing(disk: Mount, world: Path, archive: Path) -> None:
    home, cache = make_home(world), disk.path / "cache"
    cache.mkdir()
    before = listing(world)
    with disk.read_only(), pytest.raises(OSError, match="Read-only file system") as caught:
        import_archive(archive, home, cache_dir=str(cache))
    assert str(caught.value.filename).startswith(str(cache))
    require_untouched(before, world)


@pytest.mark.parametrize("name", ["cache", *(f"cache/{kind}" for kind in KINDS)])
def test_a_directory_that_may_not_be_written_changes_nothing(
    name: str, home: Path, archive: Path, world: Path, collections_path: Path
) -> None:
    run = partial(run_module, collections_path, home=home, path=archive, state="imported", lock_timeout=1)
    home.joinpath(name).chmod(0o555)
    before = listing(world)
    result = run("snapshot_archive")
    assert (result["error"]["code"], str(home / "cache") in result["msg"]) == ("os", True), result["msg"]
    require_untouched(before, world)
    home.joinpath(name).chmod(0o755)
    assert run("snapshot_archive")["snapshots"][-1]["image"]["boots_offline"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
def test_modes_of_cache_files_do_not_depend_on_the_umask(
    umask: int, home: Path, world: Path, collections_path: Path
) -> None:
    shutil.rmtree(home / "cache")
    world.joinpath("bundle.tar").write_bytes(bundle([APP], APP.files))
    options = {"home": home, "path": world / "bundle.tar", "state": "imported"}
    assert run_module(collections_path, "image_cache_bundle", umask=umask, **options).get("changed")
    assert {oct(home.joinpath(name).stat().st_mode) for name in APP.files} == {"0o100644"}


def test_a_bundle_meets_the_same_cache(home: Path, world: Path) -> None:
    world.joinpath("bundle.tar").write_bytes(bundle([APP], APP.files))
    home.joinpath(LOWER).symlink_to(world / "outside")
    before = listing(world)
    with pytest.raises(MicrosandboxError, match="is no regular file"):
        import_bundle(world / "bundle.tar", home)
    require_untouched(before, world)
