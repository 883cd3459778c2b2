# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk over an archive: what it hands on, what it hashes, and what it reads a second time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    Segment,
    SparseWriter,
    Traffic,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import SnapshotFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import SparsePair
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_records import sparse_header
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import Archive, observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import IntegrityState

DATA = Path(__file__).parents[3] / "data"
REAL = {
    path.name[: -len(".expected.json")]: json.loads(path.read_text("utf-8"))
    for path in sorted(DATA.glob("g1-archives/*.expected.json"))
}
SWEPT = "imgsweep-0.5.4-img.tar.zst"
SIZE = 65536

Write = Callable[..., Path]


def observe(path: Path, verify: bool = True) -> Archive:
    return observe_archive(str(path), ArchiveLimits(), verify, Traffic())


def sparse_digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(b"msb-sparse-sha256-v1\0" + struct.pack("<Q", len(content)) + content).hexdigest()


def manifest(**changes: Any) -> bytes:
    upper = {"file": "upper.ext4", "size_bytes": SIZE, "integrity": None, **changes.pop("upper", {})}
    fields = {
        "schema": 1,
        "format": "raw",
        "fstype": "ext4",
        "image": {"ref": "localhost/tiny:1", "manifest_digest": "sha256:" + "9d" * 32},
        "parent": None,
        "created_at": "2026-11-21T03:00:00+00:00",
        "labels": {},
        "upper": upper,
        "source_sandbox": "base",
        **changes,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def snapshot(prefix: str = "a", **changes: Any) -> bytes:
    return member(f"{prefix}/manifest.json", manifest(**changes)) + member(f"{prefix}/upper.ext4", bytes(SIZE))


MANIFEST = member("a/manifest.json", manifest())
UPPER = member("a/upper.ext4", bytes(SIZE))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an archive of these bytes, with an end marker."""

    def write_archive(*records: bytes) -> Path:
        path = tmp_path / "archive"
        path.write_bytes(b"".join(records) + bytes(1024))
        return path

    return write_archive


def test_the_manifest_may_come_after_the_upper(write: Write) -> None:
    content = b"x" * 100 + bytes(SIZE - 100)
    recorded = {"algorithm": "msb-sparse-sha256-v1", "digest": sparse_digest(content)}
    described = manifest(upper={"integrity": recorded})
    path = write(member("a/upper.ext4", content), member("a/manifest.json", described))
    assert observe(path).head.integrity == IntegrityState("verified", "logical")


@pytest.mark.parametrize("is_sound", [True, False])
def test_a_manifest_after_the_upper_may_record_another_algorithm(write: Write, is_sound: bool) -> None:
    content = b"x" * 100 + bytes(SIZE - 100)
    recorded = {"algorithm": "sha256", "digest": digest_of(content if is_sound else b"other")}
    path = write(member("a/upper.ext4", content), member("a/manifest.json", manifest(upper={"integrity": recorded})))
    if is_sound:
        assert observe(path).head.integrity == IntegrityState("verified")
    else:
        with pytest.raises(IntegrityError, match=f"has the sha256 digest {digest_of(content)}"):
            observe(path)


def test_a_wrong_digest_is_refused_without_being_called_corrupt(write: Write) -> None:
    recorded = {"algorithm": "msb-sparse-sha256-v1", "digest": "sha256:" + "0" * 64}
    path = write(snapshot(upper={"integrity": recorded}))
    with pytest.raises(IntegrityError, match="a/upper.ext4 has the msb-sparse-sha256-v1 digest") as caught:
        observe(path)
    assert "allocation-dependent" in caught.value.message
    assert "corrupt" not in caught.value.message.lower()
    assert caught.value.facts["actual"] == sparse_digest(bytes(SIZE))
    assert observe(path, verify=False).head.integrity == IntegrityState("recorded")


def test_an_unknown_algorithm_is_refused_only_where_it_is_to_be_verified(write: Write) -> None:
    path = write(snapshot(upper={"integrity": {"algorithm": "blake3", "digest": "blake3:0"}}))
    with pytest.raises(UnsupportedError, match="has integrity recorded as 'blake3'"):
        observe(path)
    assert observe(path, verify=False).head.integrity == IntegrityState("unsupported")


class Spool:
    """Keeps uppers in files of a directory."""

    def __init__(self, directory: Path, unwanted: str | None = None) -> None:
        self.directory = directory
        self.unwanted = unwanted
        self.digests: list[str | None] = []
        self.least_bytes: list[int] = []
        self.reopened: list[str] = []

    @contextlib.contextmanager
    def take_upper(
        self, name: SnapshotFile, digest: str | None, size_bytes: int, least_bytes: int
    ) -> Iterator[Callable[[Segment], None] | None]:
        self.digests.append(digest)
        self.least_bytes.append(least_bytes)
        if digest is not None and digest == self.unwanted:
            yield None
            return
        with self.directory.joinpath(name.prefix).open("wb") as file:
            yield SparseWriter(file.fileno(), Traffic(), size_bytes).put

    @contextlib.contextmanager
    def open_upper(self, name: SnapshotFile) -> Iterator[int]:
        self.reopened.append(name.prefix)
        with self.directory.joinpath(name.prefix).open("rb") as file:
            yield file.fileno()


@pytest.mark.parametrize("name", [name for name in REAL if name != SWEPT])
def test_a_sink_gets_every_upper_whole_and_sparse(tmp_path: Path, name: str) -> None:
    sink = Spool(tmp_path)
    path = DATA / "g1-archives" / name
    archive = observe_archive(str(path), ArchiveLimits(), True, Traffic(), sink)
    assert sink.digests == [found.descriptor.digest for found in archive.snapshots]
    plain = tmp_path / "plain.tar"
    with plain.open("wb") as file:
        subprocess.run(["zstd", "-dqc", path] if name.endswith(".zst") else ["cat", path], stdout=file, check=True)
    with tarfile.open(plain) as opened:
        for found in archive.snapshots:
            reference = opened.extractfile(f"{found.prefix}/upper.ext4")
            assert reference is not None
            content = reference.read()
            assert tmp_path.joinpath(found.prefix).read_bytes() == content
            blocks = sum(any(content[start : start + 4096]) for start in range(0, len(content), 4096))
            assert tmp_path.joinpath(found.prefix).stat().st_blocks * 512 == blocks * 4096


def test_a_sink_is_told_how_much_is_known_to_be_data(write: Write, tmp_path: Path) -> None:
    pairs = (SparsePair(0, 4096), SparsePair(40960, 4096), SparsePair(SIZE, 0))
    sparse = sparse_header("a/upper.ext4", pairs, SIZE) + b"x" * 8192
    # Any part of a dense upper may be zeros.
    for upper, least_bytes in ((UPPER, 0), (sparse, 8192)):
        sink = Spool(tmp_path)
        observe_archive(str(write(MANIFEST, upper)), ArchiveLimits(), True, Traffic(), sink)
        assert sink.least_bytes == [least_bytes]


def test_an_upper_that_the_sink_does_not_want_is_judged_all_the_same(tmp_path: Path) -> None:
    name = "extentframed-0.4.4-zst.tar.zst"
    sink = Spool(tmp_path, unwanted=REAL[name]["head"])
    archive = observe_archive(str(DATA / "g1-archives" / name), ArchiveLimits(), True, Traffic(), sink)
    assert archive.head.integrity == IntegrityState("verified", "extent-framed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("records", [(MANIFEST, UPPER), (UPPER, MANIFEST)])
def test_an_upper_that_nobody_hashes_is_not_hashed(write: Write, records: tuple[bytes, ...]) -> None:
    assert observe(write(*records), verify=False).head.integrity == IntegrityState("not_recorded")


def test_an_upper_that_was_kept_is_hashed_again_where_it_was_kept(write: Write, tmp_path: Path) -> None:
    content = b"x" * 100 + bytes(SIZE - 100)
    recorded = {"algorithm": "sha256", "digest": digest_of(content)}
    path = write(member("a/upper.ext4", content), member("a/manifest.json", manifest(upper={"integrity": recorded})))
    sink = Spool(tmp_path)
    archive = observe_archive(str(path), ArchiveLimits(), True, Traffic(), sink)
    assert (archive.head.integrity, sink.reopened) == (IntegrityState("verified"), ["a"])


def test_nothing_of_a_damaged_archive_is_judged(write: Write, tmp_path: Path) -> None:
    sink = Spool(tmp_path)
    with pytest.raises(FormatError, match="has no member 'b/upper.ext4'"):
        observe_archive(
            str(write(snapshot(), member("b/manifest.json", manifest(labels={"b": "b"})))),
            ArchiveLimits(),
            True,
            Traffic(),
            sink,
        )
    assert sink.digests == [digest_of(manifest())]
