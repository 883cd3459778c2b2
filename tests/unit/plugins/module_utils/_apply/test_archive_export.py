# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that we write: the same bytes every time, read by other programs, and never in the way of the old one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_export import (
    apply_export,
    member_names,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import recorded_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import scan_extents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive, observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_file import read_contents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import IntegrityState
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    WantedArchive,
    WriteArchive,
    plan_export,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_shipment import NO_SHIPMENT

DATA = Path(__file__).parents[3] / "data/g1-artifacts"
SIZE = 4 << 20
BLOCK = 4096

Chunks = tuple[tuple[int, bytes], ...]
# More runs than a header and an extension record hold, a tail that is no block, and zeros.
CHUNKS: Chunks = (
    *((number * 3 * BLOCK, hashlib.shake_128(b"%d" % number).digest(BLOCK)) for number in range(40)),
    (1 << 20, b"text " * 50000),
    (3 << 20, bytes(100000)),
)
ODD_SIZE = SIZE + 777

SHAPES = [("zstd", "dense"), ("zstd", "sparse"), ("none", "dense"), ("none", "sparse")]


class Meddler(Traffic):
    """Counts like any other, and does something when a counter leaves zero."""

    def __init__(self, counter: str, meddle: Callable[[], object]) -> None:
        self._meddle: Callable[[], object] | None = None
        self._counter = counter
        super().__init__()
        self._meddle = meddle

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if value and self._meddle is not None and name == self._counter:
            meddle, self._meddle = self._meddle, None
            meddle()


def names_of(artifact: Artifact) -> list[str]:
    return member_names([artifact], NO_SHIPMENT)


def make_artifact(path: Path, size: int = ODD_SIZE, chunks: Chunks = CHUNKS, parent: str | None = None) -> Artifact:
    """Make an artifact by hand, in the canonical form."""
    path.mkdir(parents=True)
    with path.joinpath("upper.ext4").open("wb") as file:
        file.truncate(size)
        for offset, content in chunks:
            os.pwrite(file.fileno(), content, offset)
    digest = "sha256:" + hashlib.sha256(path.joinpath("upper.ext4").read_bytes()).hexdigest() if size < 1 << 30 else ""
    manifest = {
        "schema": 1,
        "format": "raw",
        "fstype": "ext4",
        "image": {"ref": "localhost/tiny:1", "manifest_digest": "sha256:" + "9d" * 32},
        "parent": parent,
        "created_at": "2026-11-21T03:00:00+00:00",
        "labels": {"name": path.name},
        "upper": {
            "file": "upper.ext4",
            "size_bytes": size,
            "integrity": {"algorithm": "sha256", "digest": digest} if digest else None,
        },
        "source_sandbox": "base",
    }
    path.joinpath("manifest.json").write_text(json.dumps(manifest, separators=(",", ":")), "utf-8")
    return observe_artifact(str(path))


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return make_artifact(tmp_path / "store/nightly")


def step(path: Path, *artifacts: Artifact, shape: tuple[str, str] = ("none", "dense")) -> WriteArchive:
    compression, layout = shape
    level = 3 if compression == "zstd" else 0
    return WriteArchive(WantedArchive(str(path), compression, level, layout, force=False), artifacts)


def export(path: Path, *artifacts: Artifact, threads: int = 1, shape: tuple[str, str] = ("none", "dense")) -> bytes:
    path.parent.mkdir(exist_ok=True)
    digest = apply_export(step(path, *artifacts, shape=shape), threads, Traffic())
    content = path.read_bytes()
    assert digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert os.listdir(path.parent) == [path.name]
    return content


def judge(path: Path) -> Archive:
    return observe_archive(str(path), ArchiveLimits(), True, Traffic())


def test_the_archive_has_a_record_of_its_digest_that_fits_it(tmp_path: Path, artifact: Artifact) -> None:
    path = tmp_path / "out/archive"
    digest = "sha256:" + hashlib.sha256(export(path, artifact)).hexdigest()
    with path.open("rb") as file:
        assert recorded_digest(file.fileno()) == digest


@pytest.mark.parametrize(("compression", "layout"), SHAPES)
def test_the_archive_holds_the_snapshot_and_says_so(
    tmp_path: Path, artifact: Artifact, compression: str, layout: str
) -> None:
    path = tmp_path / "out/archive"
    export(path, artifact, shape=(compression, layout))
    archive = judge(path)
    prefix = "sha256-" + artifact.descriptor.digest[7:23]
    assert archive.members == (f"{prefix}/manifest.json", f"{prefix}/upper.ext4") == tuple(names_of(artifact))
    assert archive.head.descriptor == artifact.descriptor
    assert (archive.head.layout, archive.compression) == (layout, compression)
    assert archive.head.integrity == IntegrityState("verified")
    contents = read_contents(str(path))
    assert contents is not None
    assert (contents.head, contents.digests) == (artifact.descriptor.digest, (artifact.descriptor.digest,))
    assert (contents.suggested_name, contents.layout, contents.compression) == ("nightly", layout, compression)


@pytest.mark.parametrize(("compression", "layout"), SHAPES)
def test_the_same_snapshot_gives_the_same_bytes(
    tmp_path: Path, artifact: Artifact, compression: str, layout: str
) -> None:
    shape = (compression, layout)
    first = export(tmp_path / "one/archive", artifact, shape=shape)
    assert export(tmp_path / "two/other-name", artifact, shape=shape) == first
    assert export(tmp_path / "three/archive", artifact, threads=3, shape=shape) == first


@pytest.mark.parametrize(("compression", "layout"), SHAPES)
def test_the_allocation_of_the_upper_does_not_change_the_bytes(
    tmp_path: Path, artifact: Artifact, compression: str, layout: str
) -> None:
    shape = (compression, layout)
    dense = tmp_path / "elsewhere/nightly"
    shutil.copytree(artifact.path, dense)
    dense.joinpath("upper.ext4").write_bytes(Path(artifact.path, "upper.ext4").read_bytes())
    copied = observe_artifact(str(dense))
    assert copied.allocated_bytes > 2 * artifact.allocated_bytes
    assert export(tmp_path / "one/a", artifact, shape=shape) == export(tmp_path / "two/a", copied, shape=shape)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_zeros_that_are_allocated_in_a_long_hole_do_not_change_the_bytes(tmp_path: Path, layout: str) -> None:
    size, data = 200 << 20, ((0, b"x" * 5000), (150 << 20, b"y" * BLOCK))
    zeros = ((8192, bytes(BLOCK)), (70 << 20, bytes(3 * BLOCK)), (size - BLOCK, bytes(BLOCK)))
    shape = ("zstd", layout)
    plain = make_artifact(tmp_path / "one/nightly", size, data)
    padded = make_artifact(tmp_path / "two/nightly", size, (*data, *zeros))
    assert padded.allocated_bytes > plain.allocated_bytes
    assert padded.descriptor == plain.descriptor
    assert export(tmp_path / "a/a", padded, shape=shape) == export(tmp_path / "b/a", plain, shape=shape)


@pytest.mark.parametrize(("compression", "layout"), SHAPES)
@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_other_programs_unpack_the_upper_as_it_was(
    tmp_path: Path, artifact: Artifact, compression: str, layout: str, program: str
) -> None:
    path, target = tmp_path / "out/archive.tar", tmp_path / "unpacked"
    export(path, artifact, shape=(compression, layout))
    target.mkdir()
    if compression == "zstd":
        # tar would not know what follows the frame; its own decompression does the same as this.
        with tmp_path.joinpath("plain.tar").open("wb") as file:
            subprocess.run(["zstd", "-dqc", path], stdout=file, check=True)
        path = tmp_path / "plain.tar"
    subprocess.run([program, "-xf", path, "-C", target], check=True)
    for name in names_of(artifact):
        assert target.joinpath(name).read_bytes() == Path(artifact.path, name.partition("/")[2]).read_bytes()
    if layout == "sparse":
        unpacked = target.joinpath(names_of(artifact)[1]).stat()
        # XFS allocates more than is written by programs that give a file its size last.
        assert unpacked.st_blocks * 512 < unpacked.st_size / 2


def test_the_headers_are_the_same_on_every_host(tmp_path: Path, artifact: Artifact) -> None:
    export(tmp_path / "out/archive.tar", artifact)
    listed = subprocess.run(
        ["tar", "--numeric-owner", "--utc", "-tvf", tmp_path / "out/archive.tar"],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["-rw-r--r--", "0/0"]] * 2
    assert all("1970-01-01 00:00" in line for line in listed)


@pytest.mark.parametrize("name", ["basic-0.6.2", "extentframed-0.4.4", "nolabels-0.6.2", "unicode-0.6.2"])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_real_snapshots_keep_their_identity(tmp_path: Path, name: str, layout: str) -> None:
    artifact = observe_artifact(str(DATA / name))
    content = export(tmp_path / "out/archive", artifact, shape=("none", layout))
    assert DATA.joinpath(name, "manifest.json").read_bytes() in content
    assert judge(tmp_path / "out/archive").head.descriptor == artifact.descriptor


@pytest.mark.parametrize(
    ("size", "chunks", "layout"),
    [
        pytest.param(0, (), "dense", id="an empty upper"),
        pytest.param(SIZE, (), "sparse", id="nothing but a hole"),
        pytest.param(5, ((0, b"hello"),), "dense", id="less than a block"),
        pytest.param(SIZE, ((0, b"x" * SIZE),), "dense", id="no hole at all"),
        pytest.param(SIZE, ((SIZE - 1, b"x"),), "sparse", id="a last byte"),
        pytest.param(SIZE + 1, ((SIZE, b"x"),), "sparse", id="a last byte that is a record of its own"),
    ],
)
def test_a_sparse_archive_of_any_upper_is_sound(tmp_path: Path, size: int, chunks: Chunks, layout: str) -> None:
    artifact = make_artifact(tmp_path / "store/a", size, chunks)
    export(tmp_path / "out/archive", artifact, shape=("none", "sparse"))
    archive = judge(tmp_path / "out/archive")
    assert archive.head.integrity == IntegrityState("verified")
    assert archive.head.layout == layout
    subprocess.run(["tar", "-xf", tmp_path / "out/archive", "-C", tmp_path], check=True)
    name = names_of(artifact)[1]
    assert tmp_path.joinpath(name).read_bytes() == Path(artifact.path, "upper.ext4").read_bytes()


def bytes_read_by_this_process() -> int:
    counters = Path("/proc/self/io").read_text("ascii").split()
    return int(counters[counters.index("rchar:") + 1])


def test_holes_are_neither_read_nor_written(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "store/a", 1 << 40, ((1 << 39, b"x" * BLOCK),))
    path, traffic = tmp_path / "archive", Traffic()
    before = bytes_read_by_this_process()
    apply_export(step(path, artifact, shape=("none", "sparse")), 1, traffic)
    # Once to find the blocks that are not zero, once to store them.
    assert bytes_read_by_this_process() - before < 64 << 10
    assert traffic.read == 2 * BLOCK
    assert path.stat().st_size < 16 << 10


def test_a_chain_is_written_oldest_first(tmp_path: Path) -> None:
    old = make_artifact(tmp_path / "store/old", 8192, ())
    new = make_artifact(tmp_path / "store/new", 8192, ((0, b"n"),), old.descriptor.digest)
    export(tmp_path / "out/archive", old, new)
    archive = judge(tmp_path / "out/archive")
    assert [found.descriptor for found in archive.snapshots] == [old.descriptor, new.descriptor]
    contents = read_contents(str(tmp_path / "out/archive"))
    assert contents is not None
    assert (contents.suggested_name, contents.digests[-1]) == ("new", new.descriptor.digest)


@pytest.mark.parametrize(("mode", "archived"), [(0o600, 0o600), (0o644, 0o644), (0o664, 0o644)])
def test_the_archive_of_a_private_upper_is_private(
    tmp_path: Path, artifact: Artifact, mode: int, archived: int
) -> None:
    Path(artifact.path, "upper.ext4").chmod(mode)
    export(tmp_path / "out/archive", artifact)
    assert stat.S_IMODE(tmp_path.joinpath("out/archive").stat().st_mode) == archived


def change_content(upper: Path) -> None:
    with upper.open("r+b") as file:
        file.write(b"changed")


@pytest.mark.parametrize("meddle", [change_content, os.utime, lambda upper: os.truncate(upper, 1)])
@pytest.mark.parametrize(("compression", "layout"), SHAPES)
def test_an_upper_that_changes_meanwhile_leaves_the_previous_archive_untouched(
    tmp_path: Path,
    artifact: Artifact,
    list_tree: Callable[[Path], Any],
    meddle: Callable[[Path], None],
    compression: str,
    layout: str,
) -> None:
    path = tmp_path / "out/archive"
    path.parent.mkdir()
    path.write_bytes(b"the previous archive")
    before = list_tree(path.parent)[str(path)]
    upper = Path(artifact.path, "upper.ext4")
    export_step = step(path, artifact, shape=(compression, layout))
    with pytest.raises((StateError, IntegrityError), match="upper.ext4 (changed while|has 1 bytes)|it shrank"):
        apply_export(export_step, 1, Meddler("read" if compression == "zstd" else "written", lambda: meddle(upper)))
    assert os.listdir(path.parent) == ["archive"]
    assert list_tree(path.parent)[str(path)] == before


def test_an_upper_that_is_gone_leaves_nothing(tmp_path: Path, artifact: Artifact) -> None:
    os.truncate(Path(artifact.path, "upper.ext4"), 5)
    tmp_path.joinpath("out").mkdir()
    with pytest.raises(IntegrityError, match="has 5 bytes"):
        apply_export(step(tmp_path / "out/archive", artifact), 1, Traffic())
    assert os.listdir(tmp_path / "out") == []


def test_a_missing_directory_is_an_error_and_is_not_made(tmp_path: Path, artifact: Artifact) -> None:
    with pytest.raises(FileNotFoundError):
        apply_export(step(tmp_path / "missing/archive", artifact), 1, Traffic())
    assert not tmp_path.joinpath("missing").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_file_system_leaves_the_previous_archive(tmp_path: Path, artifact: Artifact) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    try:
        small.joinpath("archive").write_bytes(b"the previous archive")
        with pytest.raises((OSError, StateError), match="space|free"):
            apply_export(step(small / "archive", artifact), 1, Traffic())
        assert os.listdir(small) == ["archive"]
        assert small.joinpath("archive").read_bytes() == b"the previous archive"
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize(("compression", "layout"), SHAPES)
def test_what_was_exported_is_not_exported_again(
    tmp_path: Path, artifact: Artifact, compression: str, layout: str
) -> None:
    path = tmp_path / "out/archive"
    export(path, artifact, shape=(compression, layout))
    wanted = step(path, artifact, shape=(compression, layout)).wanted
    assert plan_export(wanted, (artifact,), read_contents(str(path)), exists=True, is_archive=True).steps == ()


def test_a_new_archive_takes_the_place_of_the_old_one(tmp_path: Path, artifact: Artifact) -> None:
    path = tmp_path / "out/archive"
    first = export(path, artifact, shape=("zstd", "dense"))
    assert export(path, artifact, shape=("none", "sparse")) != first
    assert judge(path).head.layout == "sparse"


def test_the_upper_is_not_touched(tmp_path: Path, artifact: Artifact, list_tree: Callable[[Path], Any]) -> None:
    before = list_tree(Path(artifact.path))
    export(tmp_path / "out/archive", artifact)
    assert list_tree(Path(artifact.path)) == before
    with Path(artifact.path, "upper.ext4").open("rb") as file:
        assert scan_extents(file.fileno()).size_bytes == ODD_SIZE
