# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives are installed whole, oldest first and with their holes, or leave nothing."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_export import apply_export
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_import import StagingSink
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    MicrosandboxError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import scan_extents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive, observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import verify_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.lineage import observe_lineage
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import find_digest, observe_store
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.target import observe_target
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import WantedArchive, WriteArchive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive_import import (
    PromoteSnapshot,
    WantedImport,
    import_names,
    plan_import,
)

DATA = Path(__file__).parents[3] / "data"
REAL = {
    path.name[: -len(".expected.json")]: json.loads(path.read_text("utf-8"))
    for path in sorted(DATA.glob("g1-archives/*.expected.json"))
    if not path.name.startswith("imgsweep")
}
CHAIN = DATA / "g1-archives/chain3-0.6.2-parents.tar.zst"
BASIC = DATA / "g1-archives/basic-0.6.2-zst.tar.zst"

Listing = Callable[[Path], Any]


def decide(store: Path, archive: Archive, wanted: WantedImport) -> tuple[PromoteSnapshot, ...]:
    names = import_names(wanted, archive, None)
    installed = {entry.digest: find_digest(str(store), entry.digest) for entry in names}
    targets = {entry.name: observe_target(str(store / entry.name)) for entry in names}
    found = {digest: artifact for digest, artifact in installed.items() if artifact is not None}
    steps = plan_import(wanted, archive, names, found, targets).steps
    return tuple(step for step in steps if isinstance(step, PromoteSnapshot))


def install(
    store: Path, path: Path, name: str | None = None, force: bool = False, traffic: Traffic | None = None
) -> tuple[PromoteSnapshot, ...]:
    """Judge, plan and install as the module does, and return the steps."""
    traffic = traffic or Traffic()
    wanted = WantedImport(str(store), None, name, force)
    with StagingSink(str(store), lambda digest: find_digest(str(store), digest) is not None, traffic) as sink:
        archive = observe_archive(str(path), ArchiveLimits(), True, traffic, sink)
        steps = decide(store, archive, wanted)
        sink.complete(archive, steps)
        for step in steps:
            sink.promote(step)
    return steps


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@pytest.mark.parametrize("name", REAL)
def test_a_real_archive_is_installed_with_its_identity(store: Path, name: str) -> None:
    expected = REAL[name]
    install(store, DATA / "g1-archives" / name)
    found = observe_store(str(store))
    assert (found.invalid, found.orphans) == ((), ())
    chain = expected.get("chain", [{"digest": expected["head"]}])
    assert {artifact.descriptor.digest for artifact in found.artifacts} == {entry["digest"] for entry in chain}
    for artifact in found.artifacts:
        state = verify_artifact(artifact, Traffic()).state
        assert state == ("not_recorded" if artifact.descriptor.integrity is None else "verified")
        assert names(Path(artifact.path)) == ["manifest.json", "upper.ext4"]
    head = next(artifact for artifact in found.artifacts if artifact.descriptor.digest == expected["head"])
    assert [artifact.descriptor.digest for artifact in observe_lineage(head, str(store))] == [
        entry["digest"] for entry in chain
    ]


@pytest.mark.parametrize("maker", ["basic-0.6.2", "holes-0.6.6", "extentframed-0.4.4"])
def test_the_holes_of_an_upper_come_back_from_a_dense_archive(store: Path, maker: str) -> None:
    name = f"{maker}-zst.tar.zst"
    upper = REAL[name]["upper"]
    traffic = Traffic()
    install(store, DATA / "g1-archives" / name, traffic=traffic)
    (artifact,) = observe_store(str(store)).artifacts
    with Path(artifact.path, "upper.ext4").open("rb") as file:
        content = file.read()
        data = {b for start, end in scan_extents(file.fileno()).extents for b in range(start, end, 4096)}
    assert data == {start for start in range(0, len(content), 4096) if any(content[start : start + 4096])}
    assert traffic.written == artifact.allocated_bytes == 4096 * len(data)
    assert artifact.allocated_bytes <= sum(length for dummy, length in upper["extents"])


def test_what_is_installed_has_fixed_modes(store: Path) -> None:
    before = os.umask(0o077)
    try:
        install(store, BASIC)
    finally:
        os.umask(before)
    (artifact,) = observe_store(str(store)).artifacts
    assert stat.S_IMODE(os.stat(artifact.path).st_mode) == 0o755
    for name in ("manifest.json", "upper.ext4"):
        assert stat.S_IMODE(os.stat(f"{artifact.path}/{name}").st_mode) == 0o644


def test_parents_are_promoted_before_their_children(store: Path) -> None:
    steps = install(store, CHAIN, "tip")
    assert [step.digest for step in steps] == [entry["digest"] for entry in REAL[CHAIN.name]["chain"]]
    assert names(store) == ["sha256-7874ed43828e8358", "sha256-b71da5d701e880ea", "tip"]


def test_a_kill_between_two_promotions_leaves_no_child_without_its_parent(store: Path) -> None:
    wanted = WantedImport(str(store), None, None, force=False)
    with StagingSink(str(store), lambda digest: False, Traffic()) as sink:
        archive = observe_archive(str(CHAIN), ArchiveLimits(), True, Traffic(), sink)
        steps = decide(store, archive, wanted)
        sink.complete(archive, steps)
        for step in steps:
            sink.promote(step)
            found = observe_store(str(store)).artifacts
            digests = {artifact.descriptor.digest for artifact in found}
            assert all(a.descriptor.parent is None or a.descriptor.parent in digests for a in found)


def test_importing_again_plans_nothing_and_touches_nothing(store: Path, list_tree: Listing) -> None:
    install(store, CHAIN)
    before = list_tree(store)
    assert install(store, CHAIN) == ()
    assert list_tree(store) == before


def test_what_is_there_of_a_chain_is_kept_and_the_rest_is_added(store: Path, list_tree: Listing) -> None:
    install(store, CHAIN)
    head = find_digest(str(store), REAL[CHAIN.name]["head"])
    assert head is not None
    old = [store / name for name in names(store) if str(store / name) != head.path]
    before = {path: list_tree(path) for path in old}
    for path in Path(head.path).iterdir():
        path.unlink()
    Path(head.path).rmdir()
    (step,) = install(store, CHAIN)
    assert step.digest == head.descriptor.digest
    assert {path: list_tree(path) for path in old} == before


def recorded_wrongly(prefix: str = "a") -> bytes:
    manifest = json.loads(DATA.joinpath("g1-artifacts/basic-0.6.2/manifest.json").read_text("utf-8"))
    manifest["upper"]["integrity"]["digest"] = "sha256:" + "0" * 64
    upper = DATA.joinpath("g1-artifacts/basic-0.6.2/upper.ext4").read_bytes()
    return member(f"{prefix}/manifest.json", json.dumps(manifest).encode()) + member(f"{prefix}/upper.ext4", upper)


def member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def plain(path: Path) -> bytes:
    return subprocess.run(["zstd", "-dqc", path], stdout=subprocess.PIPE, check=True).stdout


GOOD_MANIFEST = DATA.joinpath("g1-artifacts/basic-0.6.2/manifest.json").read_bytes()


@pytest.mark.parametrize(
    ("end", "message"),
    [
        pytest.param(recorded_wrongly() + bytes(1024), "a/upper.ext4 has the msb-sparse-sha256-v1", id="wrong digest"),
        pytest.param(b"", "without its end marker", id="cut off"),
        pytest.param(plain(BASIC), "archive has 2 heads", id="two heads"),
        pytest.param(member("sha256-7928c1995b78ef90/x", b"x"), "has one file besides", id="a file too many"),
        pytest.param(member("../evil", b"x"), "unsafe path", id="an unsafe name"),
        pytest.param(member("b/manifest.json", GOOD_MANIFEST) + bytes(1024), "has no member 'b/upper", id="no upper"),
    ],
)
def test_a_failing_import_leaves_nothing(
    store: Path, tmp_path: Path, list_tree: Listing, end: bytes, message: str
) -> None:
    install(store, DATA / "g1-archives/nolabels-0.6.2-plain.tar", "other")
    path = tmp_path / "archive"
    path.write_bytes(plain(CHAIN)[:-1024] + end)
    before = {path: list_tree(path) for path in store.iterdir()}
    with pytest.raises(MicrosandboxError, match=message):
        install(store, path)
    assert {path: list_tree(path) for path in store.iterdir()} == before
    assert names(tmp_path) == ["archive", "store"]


def test_a_name_that_is_taken_changes_nothing(store: Path, list_tree: Listing) -> None:
    install(store, BASIC, "nightly")
    before = {path: list_tree(path) for path in store.iterdir()}
    with pytest.raises(StateError, match="nightly is snapshot .*; force replaces it"):
        install(store, CHAIN, "nightly")
    assert {path: list_tree(path) for path in store.iterdir()} == before


def test_force_puts_the_head_in_the_place_of_another(store: Path) -> None:
    install(store, BASIC, "nightly")
    install(store, CHAIN, "nightly", force=True)
    assert observe_artifact(str(store / "nightly")).descriptor.digest == REAL[CHAIN.name]["head"]
    assert find_digest(str(store), REAL[BASIC.name]["head"]) is None
    assert observe_store(str(store)).orphans == ()


def test_a_name_that_appears_meanwhile_is_left_and_nothing_else_stays(store: Path) -> None:
    wanted = WantedImport(str(store), None, "nightly", force=False)

    def race() -> None:
        with StagingSink(str(store), lambda digest: False, Traffic()) as sink:
            archive = observe_archive(str(BASIC), ArchiveLimits(), True, Traffic(), sink)
            (step,) = decide(store, archive, wanted)
            store.joinpath("nightly").mkdir()
            sink.complete(archive, [step])
            sink.promote(step)

    with pytest.raises(StateError, match="nightly exists, though it did not when this run looked"):
        race()
    assert names(store) == ["nightly"]
    assert names(store / "nightly") == []


def test_a_snapshot_that_goes_while_the_archive_is_read_is_told_and_nothing_stays(store: Path) -> None:
    """The program microsandbox, which takes none of our locks, removes a parent that therefore was not staged."""
    (root, *dummy) = install(store, CHAIN)
    for entry in names(store):
        if entry != root.name:
            shutil.rmtree(store / entry)

    def race() -> None:
        wanted = WantedImport(str(store), None, None, force=False)
        with StagingSink(str(store), lambda digest: find_digest(str(store), digest) is not None, Traffic()) as sink:
            archive = observe_archive(str(CHAIN), ArchiveLimits(), True, Traffic(), sink)
            shutil.rmtree(store / root.name)
            sink.complete(archive, decide(store, archive, wanted))

    with pytest.raises(StateError, match="is gone, though it was there when this run looked") as caught:
        race()
    assert caught.value.facts == {"path": str(store), "digest": root.digest}
    assert names(store) == []


def test_uppers_that_take_too_much_are_refused_and_leave_nothing(store: Path) -> None:
    allocated = 12 * 4096
    for limit, is_enough in ((allocated - 1, False), (1 << 20, True)):
        with StagingSink(str(store), lambda digest: False, Traffic(), limit) as sink:
            if is_enough:
                observe_archive(str(BASIC), ArchiveLimits(), True, Traffic(), sink)
            else:
                with pytest.raises(FormatError, match=f"take more than the {limit} bytes that are allowed"):
                    observe_archive(str(BASIC), ArchiveLimits(), True, Traffic(), sink)
        assert names(store) == []


def test_a_wrong_digest_is_found_before_anything_is_promoted(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(recorded_wrongly() + bytes(1024))
    with pytest.raises(IntegrityError, match="allocation-dependent"):
        install(store, path)
    assert names(store) == []


def artifact_of(path: Path, size: int, chunks: tuple[tuple[int, bytes], ...]) -> Artifact:
    """Make an artifact without integrity, which would take minutes to compute for a large upper."""
    path.mkdir(parents=True)
    with path.joinpath("upper.ext4").open("wb") as file:
        file.truncate(size)
        for offset, content in chunks:
            os.pwrite(file.fileno(), content, offset)
    manifest = json.loads(DATA.joinpath("g1-artifacts/nolabels-0.6.2/manifest.json").read_text("utf-8"))
    manifest["upper"]["size_bytes"] = size
    path.joinpath("manifest.json").write_text(json.dumps(manifest, separators=(",", ":")), "utf-8")
    return observe_artifact(str(path))


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize(("layout", "size"), [("dense", 16 << 20), ("sparse", 64 << 30)])
def test_what_is_exported_and_imported_is_the_same_and_no_denser(
    store: Path, tmp_path: Path, compression: str, layout: str, size: int
) -> None:
    chunks = ((8192, b"a" * 4096), (size // 2, b"b" * 8192), (size - 100, b"c" * 100))
    original = artifact_of(tmp_path / "elsewhere/nightly", size, chunks)
    archive = tmp_path / "archive"
    wanted = WantedArchive(str(archive), compression, 3 if compression == "zstd" else 0, layout, force=False)
    apply_export(WriteArchive(wanted, (original,)), 1, Traffic())
    install(store, archive, "nightly")
    found = observe_artifact(str(store / "nightly"))
    assert found.descriptor == original.descriptor
    assert found.allocated_bytes == original.allocated_bytes == 16384
    one, two = (Path(artifact.path) for artifact in (original, found))
    assert two.joinpath("manifest.json").read_bytes() == one.joinpath("manifest.json").read_bytes()
    with one.joinpath("upper.ext4").open("rb") as first, two.joinpath("upper.ext4").open("rb") as second:
        assert scan_extents(second.fileno()) == scan_extents(first.fileno())
        for start, end in scan_extents(first.fileno()).extents:
            assert os.pread(second.fileno(), end - start, start) == os.pread(first.fileno(), end - start, start)


def test_an_archive_that_cannot_be_read_makes_no_staging_area(store: Path, tmp_path: Path, list_tree: Listing) -> None:
    before = list_tree(store)
    with pytest.raises(StateError, match="there is no archive at"):
        install(store, tmp_path / "missing")
    assert list_tree(store) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_what_root_installs_belongs_to_the_owner_of_the_store(store: Path) -> None:
    os.chown(store, 12345, 23456)
    install(store, CHAIN)
    for path in store.rglob("*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
