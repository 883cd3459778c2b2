# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image cache files are installed all or none, metadata last, under microsandbox's locks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.image_cache import CacheStaging
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.locking import locked_directory, try_lock
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import STAGING_PREFIX
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_files import (
    metadata_file,
    vmdk_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive, observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_target import (
    observe_erofs_targets,
    observe_text_targets,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import observe_image
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_cache import (
    InstallCacheFile,
    plan_install,
)

DATA = Path(__file__).parents[3] / "data"
ARCHIVE = DATA / "g1-archives/nolabels-0.6.2-img.tar.zst"
TINY = json.loads(DATA.joinpath("image-cache/tiny.expected.json").read_text("utf-8"))
REFERENCE, DIGEST = TINY["reference"], TINY["manifest_digest"]
METADATA, VMDK = metadata_file(REFERENCE), vmdk_file(DIGEST)
SIZES = {name: facts["size"] for name, facts in TINY["files"].items() if name.endswith(".erofs")}

Listing = Callable[[Path], object]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A place for a cache, whose path has no surprises for a disk."""
    return tmp_path / "cache"


def holding(cache: Path) -> Callable[[], AbstractContextManager[None]]:
    return lambda: locked_directory(str(cache), 0, create=True)


def staging(cache: Path, keep_all: bool = False, traffic: Traffic | None = None, limit: int = 1 << 40) -> CacheStaging:
    return CacheStaging(str(cache), holding(cache), keep_all, traffic or Traffic(), limit)


def judge(sink: CacheStaging) -> Archive:
    return observe_archive(str(ARCHIVE), ArchiveLimits(), True, Traffic(), None, sink)


def decide(cache: Path, archive: Archive, force: bool = False) -> tuple[InstallCacheFile, ...]:
    (image,) = archive.images
    targets = observe_erofs_targets(str(cache), dict(image.sizes), Traffic())
    targets.update(observe_text_targets(str(cache), [METADATA, VMDK], 1 << 20))
    files = {file.name: file for file in archive.cache_files}
    return plan_install(archive.images, files, targets, os.path.realpath(cache), force)


def install(cache: Path, force: bool = False, traffic: Traffic | None = None) -> tuple[InstallCacheFile, ...]:
    """Judge, plan and install as the modules do, and return the steps."""
    with staging(cache, force, traffic) as sink:
        archive = judge(sink)
        steps = decide(cache, archive, force)
        with sink.installed(steps, archive.images, 0):
            pass
    return steps


@contextlib.contextmanager
def installing(cache: Path, patience: float = 0, force: bool = False) -> Iterator[Callable[[], None]]:
    """Install, and yield while the files are there and the locks are held."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(staging(cache, force))
        archive = judge(sink)
        yield stack.enter_context(sink.installed(decide(cache, archive, force), archive.images, patience))


def found(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_an_image_is_installed_and_boots(cache: Path) -> None:
    traffic = Traffic()
    steps = install(cache, traffic=traffic)
    assert found(cache) == {f"{step.name.kind}/{step.name.file}" for step in steps}
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline
    assert {name: cache.joinpath(name).stat().st_size for name in SIZES} == SIZES
    assert traffic.written <= sum(SIZES.values()) + sum(len(step.content or b"") for step in steps)


def test_installing_again_plans_nothing_and_touches_nothing(cache: Path, list_tree: Listing) -> None:
    install(cache)
    before = list_tree(cache)
    assert install(cache) == ()
    assert list_tree(cache) == before


def test_what_is_installed_has_fixed_modes(cache: Path) -> None:
    before = os.umask(0o077)
    try:
        install(cache)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(cache.joinpath(name).stat().st_mode) for name in found(cache)} == {0o644}


def test_an_archive_that_brings_nothing_new_makes_no_staging_area(cache: Path) -> None:
    install(cache)
    before = cache.stat().st_mtime_ns
    with staging(cache) as sink:
        judge(sink)
        assert [path for path in cache.iterdir() if path.name.startswith(STAGING_PREFIX)] == []
    assert cache.stat().st_mtime_ns == before


def test_what_is_judged_and_not_installed_leaves_nothing(cache: Path) -> None:
    with staging(cache) as sink:
        judge(sink)
        assert len(list(cache.iterdir())) == 1
    assert not cache.exists() or list(cache.iterdir()) == []


def test_files_that_take_too_much_are_refused(cache: Path) -> None:
    with (
        pytest.raises(FormatError, match="take more than the 9000 bytes"),
        staging(cache, limit=9000) as sink,
    ):
        judge(sink)
    assert not cache.exists()


def test_the_metadata_comes_last(cache: Path) -> None:
    # Its place is taken while the others are put into theirs, and they have to go again.
    with staging(cache) as sink:
        archive = judge(sink)
        steps = decide(cache, archive)
        (cache / "manifests").mkdir()
        (cache / "manifests" / METADATA.file).write_bytes(b"mine")
        with pytest.raises(StateError, match=f"{METADATA.file} exists, though it did not"):
            enter(sink, steps, archive)
    assert [step.name.kind for step in steps] == ["fsmeta", "layers", "layers", "vmdk", "manifests"]
    assert found(cache) == {f"manifests/{METADATA.file}"}


def enter(sink: CacheStaging, steps: tuple[InstallCacheFile, ...], archive: Archive) -> None:
    with sink.installed(steps, archive.images, 0):
        pass


@pytest.mark.parametrize("number", range(5))
def test_a_place_that_is_taken_meanwhile_takes_everything_back(cache: Path, number: int) -> None:
    with staging(cache) as sink:
        archive = judge(sink)
        steps = decide(cache, archive)
        taken = Path(steps[number].path)
        taken.parent.mkdir(exist_ok=True)
        taken.mkdir()
        with pytest.raises(StateError, match="exists, though it did not when this run looked"):
            enter(sink, steps, archive)
    assert found(cache) == set()
    assert taken.is_dir()


@pytest.mark.parametrize("number", range(5))
def test_a_file_that_cannot_be_put_into_its_place_takes_everything_back(cache: Path, number: int) -> None:
    install(cache)
    before = {name: cache.joinpath(name).stat().st_ino for name in found(cache)}
    for name in before:
        cache.joinpath(name).write_bytes(b"\xdd" * 8192)
    with staging(cache, keep_all=True) as sink:
        archive = judge(sink)
        steps = decide(cache, archive, force=True)
        # What it was to replace is gone, so that keeping it fails with an error of the system.
        missing = Path(steps[number].path)
        missing.unlink()
        with pytest.raises(OSError, match="No such file or directory"):
            enter(sink, steps, archive)
    after = {name: cache.joinpath(name).stat().st_ino for name in found(cache)}
    assert after == {name: inode for name, inode in before.items() if cache / name != missing}
    assert {cache.joinpath(name).read_bytes() for name in after} == {b"\xdd" * 8192}


def fail_late(cache: Path, force: bool = False, is_kept: bool = False) -> None:
    """Install, and fail once every file is in its place."""
    with installing(cache, force=force) as keep:
        assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline
        if is_kept:
            keep()
        raise KeyError


def test_a_block_that_fails_takes_the_image_back(cache: Path) -> None:
    with pytest.raises(KeyError):
        fail_late(cache)
    assert found(cache) == set()


def test_a_block_that_fails_brings_back_what_was_replaced(cache: Path) -> None:
    install(cache)
    before = {}
    for name in found(cache):
        cache.joinpath(name).write_bytes(b"\xdd" * 8192)
        before[name] = cache.joinpath(name).stat().st_ino
    with pytest.raises(KeyError):
        fail_late(cache, force=True)
    assert {name: cache.joinpath(name).stat().st_ino for name in found(cache)} == before
    assert {cache.joinpath(name).read_bytes() for name in before} == {b"\xdd" * 8192}


def test_what_a_snapshot_needs_by_then_stays(cache: Path) -> None:
    with pytest.raises(KeyError):
        fail_late(cache, is_kept=True)
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline


def test_force_replaces_what_is_there(cache: Path) -> None:
    install(cache)
    for name in found(cache):
        cache.joinpath(name).write_bytes(b"\xdd" * 8192)
    assert {step.replaces is None for step in install(cache, force=True)} == {False}
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline
    assert [path for path in cache.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_goes_meanwhile_is_missed(cache: Path) -> None:
    install(cache)
    cache.joinpath("manifests", METADATA.file).unlink()
    with staging(cache) as sink:
        archive = judge(sink)
        steps = decide(cache, archive)
        gone = next(cache.joinpath("layers").glob("*.erofs"))
        gone.unlink()
        with pytest.raises(StateError, match=f"{gone.name} is gone, though it was there"):
            enter(sink, steps, archive)
    assert not cache.joinpath("manifests", METADATA.file).exists()


def test_a_file_that_changes_meanwhile_is_refused(cache: Path) -> None:
    install(cache)
    cache.joinpath("manifests", METADATA.file).unlink()
    with staging(cache) as sink:
        archive = judge(sink)
        steps = decide(cache, archive)
        changed = next(cache.joinpath("layers").glob("*.erofs"))
        size = changed.stat().st_size
        changed.write_bytes(b"\xdd" * 100)
        with pytest.raises(StateError, match=f"{changed.name} has 100 bytes, though it had {size} when this run"):
            enter(sink, steps, archive)
    assert not cache.joinpath("manifests", METADATA.file).exists()


def test_a_file_that_goes_before_the_decision_is_missed(cache: Path) -> None:
    # It was there when the archive brought it, so it was not staged.
    install(cache)
    with staging(cache) as sink:
        archive = judge(sink)
        gone = next(cache.joinpath("layers").glob("*.erofs"))
        gone.unlink()
        with pytest.raises(StateError, match=f"{gone.name} is gone, though it was there"):
            enter(sink, decide(cache, archive), archive)
    install(cache)
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline


def lose_and_fail(cache: Path, name: str) -> None:
    """Install, lose one of the files, and fail."""
    with installing(cache):
        cache.joinpath(name).unlink()
        raise KeyError


@pytest.mark.parametrize("name", [f"manifests/{METADATA.file}", f"vmdk/{VMDK.file}", *SIZES])
def test_a_file_that_cannot_be_taken_back_stops_no_other(cache: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        lose_and_fail(cache, name)
    assert found(cache) == set()


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_a_directory_that_is_none_leaves_those_that_were_made(cache: Path, tmp_path: Path, kind: str) -> None:
    with staging(cache) as sink:
        archive = judge(sink)
        steps = decide(cache, archive)
        if kind == "symlink":
            tmp_path.joinpath("elsewhere").mkdir()
            cache.joinpath("vmdk").symlink_to("../elsewhere")
        else:
            cache.joinpath("vmdk").touch()
        with pytest.raises(StateError, match=f"{cache}/vmdk is no directory"):
            enter(sink, steps, archive)
    assert {path.name for path in cache.iterdir()} == {"vmdk"}


LOCKS = (
    f"manifests/{TINY['key']}.lock",
    *(f"{name}.lock" for name in SIZES),
    f"vmdk/.msb-leases/{TINY['lease_file_names'][TINY['vmdk']['path']]}",
    f"manifests/.msb-leases/{TINY['lease_file_names']['publication (manifests dir)']}",
)


@pytest.mark.parametrize("name", LOCKS)
def test_another_holder_of_a_lock_stops_the_installation(cache: Path, name: str) -> None:
    install(cache)
    for file in found(cache):
        cache.joinpath(file).unlink()
    for kind in ("manifests", "layers", "fsmeta", "vmdk"):
        cache.joinpath(kind, ".msb-leases").mkdir()
    fd = os.open(cache / name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        with pytest.raises(StateError, match=f"{cache / name} is locked by another process"), installing(cache, 0.1):
            pytest.fail("it was installed")
    finally:
        os.close(fd)
    assert found(cache) == set()
    install(cache)
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline


@pytest.mark.parametrize("kept", sorted(SIZES))
def test_files_that_are_only_needed_are_locked_as_well(cache: Path, kept: str) -> None:
    install(cache)
    for name in found(cache) - {kept}:
        cache.joinpath(name).unlink()
    with installing(cache):
        fd = os.open(f"{cache / kept}.lock", os.O_RDONLY)
        assert not try_lock(fd)
        os.close(fd)


@pytest.mark.parametrize("kept", sorted(SIZES))
def test_who_reads_a_file_that_is_only_needed_stops_no_installation(cache: Path, kept: str) -> None:
    install(cache)
    for name in found(cache) - {kept}:
        cache.joinpath(name).unlink()
    leases = cache.joinpath(kept).parent / ".msb-leases"
    leases.mkdir()
    reader = os.open(leases / TINY["lease_file_names"][kept], os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(reader, fcntl.LOCK_SH)
        install(cache)
    finally:
        os.close(reader)
    assert observe_image(str(cache), REFERENCE, DIGEST).boots_offline


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_what_root_installs_belongs_to_the_owner_of_the_cache(cache: Path) -> None:
    cache.mkdir()
    os.chown(cache, 12345, 23456)
    install(cache)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in cache.rglob("*")} == {(12345, 23456)}
