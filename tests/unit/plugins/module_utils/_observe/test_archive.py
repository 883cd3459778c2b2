# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: the real ones are judged as microsandbox judged them, and what breaks a rule is refused whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    MicrosandboxError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    Traffic,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame
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
END = bytes(1024)
SIZE = 65536

Records = list[bytes]


def observe(path: Path, verify: bool = True, limits: ArchiveLimits | None = None) -> Archive:
    return observe_archive(str(path), limits or ArchiveLimits(), verify, Traffic())


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


def member(name: str, content: bytes = b"", **fields: Any) -> bytes:
    """Return a member as Python's tarfile writes it, with its padding."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def snapshot(prefix: str = "a", content: bytes = bytes(SIZE), **changes: Any) -> bytes:
    return member(f"{prefix}/manifest.json", manifest(**changes)) + member(f"{prefix}/upper.ext4", content)


def compressed(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive of these bytes, with an end marker."""

    def write_archive(*records: bytes, end: bytes = END, tail: bytes = b"", is_compressed: bool = False) -> Path:
        path = tmp_path / "archive"
        stream = b"".join(records) + end
        path.write_bytes((compressed(stream) if is_compressed else stream) + tail)
        return path

    return write_archive


Write = Callable[..., Path]


def test_there_are_all_the_real_archives() -> None:
    assert len(REAL) == 10
    assert SWEPT in REAL


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("name", [name for name in REAL if name != SWEPT])
def test_a_real_archive_is_judged_as_its_maker_did(name: str, verify: bool) -> None:
    path, expected = DATA / "g1-archives" / name, REAL[name]
    archive = observe(path, verify)
    assert archive.head.descriptor.digest == expected["head"]
    assert list(archive.members) == [entry["name"] for entry in expected["members"]]
    carried = [f"cache/{file.name.kind}/{file.name.file}" for file in archive.cache_files]
    assert carried == [name for name in archive.members if name.startswith("cache/") and name.endswith(".erofs")]
    assert len(archive.images) == bool(carried)
    assert archive.sha256 == digest_of(path.read_bytes())
    assert archive.size_bytes == path.stat().st_size
    assert archive.compression == ("zstd" if name.endswith(".zst") else "none")
    chain = expected.get("chain", [{"digest": expected["head"], "archive_dir": f"sha256-{expected['head'][7:23]}"}])
    assert [(s.descriptor.digest, s.prefix) for s in archive.snapshots] == [
        (entry["digest"], entry["archive_dir"]) for entry in chain
    ]
    sizes = {entry["name"]: entry["stored_size"] for entry in expected["members"]}
    for found in archive.snapshots:
        assert found.layout == "dense"
        assert found.stored_bytes == sizes[f"{found.prefix}/upper.ext4"] == found.descriptor.upper_bytes
        is_recorded = found.descriptor.integrity is not None
        definition = "extent-framed" if name.startswith("extentframed") else "logical"
        if not is_recorded:
            assert found.integrity == IntegrityState("not_recorded")
        else:
            assert found.integrity == (IntegrityState("verified", definition) if verify else IntegrityState("recorded"))


def test_an_archive_with_the_lock_files_of_an_old_microsandbox_is_refused_by_its_grammar() -> None:
    with pytest.raises(FormatError, match=r"member 'cache/fsmeta/.*\.erofs\.lock' is no image cache file"):
        observe(DATA / "g1-archives" / SWEPT)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(DATA.glob("g[23]-archives/*")) if path.suffix != ".json"],
    ids=lambda path: path.name,
)
def test_a_real_archive_of_a_later_generation_is_refused_by_its_name(path: Path) -> None:
    generation = path.parent.name[:2].upper()
    with pytest.raises(UnsupportedError, match=f"belongs to an archive of generation {generation}") as caught:
        observe(path)
    assert caught.value.facts["generation"] == generation


def test_there_are_all_the_real_archives_of_later_generations() -> None:
    assert len([path for path in DATA.glob("g2-archives/*") if path.suffix != ".json"]) == 4
    assert len([path for path in DATA.glob("g3-archives/*") if path.suffix != ".json"]) == 7


@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_archive_of_another_program_is_read(write: Write, is_compressed: bool) -> None:
    archive = observe(write(snapshot("any name"), is_compressed=is_compressed))
    assert archive.members == ("any name/manifest.json", "any name/upper.ext4")
    assert archive.head.prefix == "any name"


def test_compression_is_told_by_the_content_not_by_the_name(write: Write, tmp_path: Path) -> None:
    path = write(snapshot()).rename(tmp_path / "archive.tar.zst")
    assert observe(path).compression == "none"
    path = write(snapshot(), is_compressed=True).rename(tmp_path / "archive.tar")
    assert observe(path).compression == "zstd"


def chain_of(*prefixes: str) -> tuple[Records, list[str]]:
    """Return snapshots of which each descends from the one before, and their digests."""
    records: Records = []
    digests: list[str] = []
    for prefix in prefixes:
        parent = digests[-1] if digests else None
        described = manifest(parent=parent, labels={"prefix": prefix})
        digests.append(digest_of(described))
        records.append(member(f"{prefix}/manifest.json", described) + member(f"{prefix}/upper.ext4", bytes(SIZE)))
    return records, digests


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_head_is_nobodys_parent_whatever_the_order(write: Write, order: tuple[int, ...]) -> None:
    records, digests = chain_of("one", "two", "three")
    archive = observe(write(*(records[index] for index in order)))
    assert archive.head.descriptor.digest == digests[2]
    assert [found.descriptor.digest for found in archive.snapshots] == [digests[index] for index in order]


def test_a_head_whose_parent_is_not_there_is_a_head(write: Write) -> None:
    records, digests = chain_of("one", "two")
    assert observe(write(records[1])).head.descriptor.parent == digests[0]


def test_two_heads_are_refused(write: Write) -> None:
    records, dummy = chain_of("one", "two")
    other = snapshot("other", labels={"other": "head"})
    with pytest.raises(FormatError, match=r"archive has 2 heads \('two', 'other'\), expected one snapshot"):
        observe(write(*records, other))


def test_one_snapshot_under_two_names_is_refused(write: Write) -> None:
    with pytest.raises(FormatError, match="archive holds the snapshot sha256:[0-9a-f]+ twice"):
        observe(write(snapshot("one"), snapshot("two")))


MANIFEST = member("a/manifest.json", manifest())
UPPER = member("a/upper.ext4", bytes(SIZE))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        pytest.param([], "archive holds no snapshot", id="nothing"),
        pytest.param([MANIFEST], "has no member 'a/upper.ext4', its manifest.json describes one", id="no upper"),
        pytest.param([UPPER], "has the directory 'a' without a manifest.json", id="no manifest"),
        pytest.param([MANIFEST, MANIFEST, UPPER], "member 'a/manifest.json' twice", id="two manifests"),
        pytest.param([MANIFEST, UPPER, UPPER], "a snapshot has one file besides manifest.json", id="two uppers"),
        pytest.param(
            [MANIFEST, UPPER, member("a/notes", b"x")], "a snapshot has one file besides", id="a file too many"
        ),
        pytest.param([MANIFEST, member("a/other", bytes(SIZE))], "describes 'upper.ext4' only", id="another file"),
        pytest.param([member("a/other", bytes(SIZE)), MANIFEST], "describes 'upper.ext4' only", id="another, first"),
        pytest.param([MANIFEST, member("a/upper.ext4", b"x")], "has 1 bytes, its manifest.json says 65536", id="short"),
        pytest.param([member("a/upper.ext4", b"x"), MANIFEST], "has 1 bytes, its manifest.json", id="short, first"),
        pytest.param(
            [snapshot(), member("b", type=tarfile.DIRTYPE)], "directory 'b' without a manifest", id="an empty directory"
        ),
        pytest.param(
            [member("a", type=tarfile.DIRTYPE)] * 2 + [snapshot()], "the directory 'a' twice", id="a directory twice"
        ),
        pytest.param(
            [snapshot(), member("a", type=tarfile.DIRTYPE)], "twice, or behind its files", id="a directory behind"
        ),
        pytest.param(
            [snapshot(), member("cache/vmdk/x.vmdk"), member("cache/vmdk/x.vmdk")],
            "member 'cache/vmdk/x.vmdk' twice",
            id="a cache file twice",
        ),
        pytest.param([snapshot(), member("../x", b"x")], "unsafe path", id="an unsafe path"),
        pytest.param([snapshot(), member("/x/y", b"x")], "unsafe path", id="an absolute path"),
        pytest.param(
            [snapshot(), member("a/l", type=tarfile.SYMTYPE, linkname="/")], "is of tar type '2'", id="a symlink"
        ),
        pytest.param(
            [snapshot(), member("a/l", type=tarfile.LNKTYPE, linkname="a/upper.ext4")], "tar type '1'", id="a hard link"
        ),
        pytest.param([snapshot(), member("a/d", type=tarfile.CHRTYPE)], "is of tar type '3'", id="a device"),
        pytest.param([snapshot(), member("a/p", type=tarfile.FIFOTYPE)], "is of tar type '6'", id="a FIFO"),
        pytest.param([snapshot(), member("x", b"", type=b"g")], "is of tar type 'g'", id="a global PAX header"),
        pytest.param([MANIFEST, member("a/upper.ext4", bytes(SIZE), mode=0o4755)], "mode 4755, with", id="setuid"),
        pytest.param([MANIFEST, member("a/upper.ext4", bytes(SIZE), mode=0o1644)], "mode 1644, with", id="sticky"),
        pytest.param([member("a", b"body", type=tarfile.DIRTYPE)], "has a body of 4 bytes", id="a directory's body"),
        pytest.param([member("a/manifest.json", b"{}"), UPPER], "manifest.json", id="a malformed manifest"),
        pytest.param(
            [member("a/manifest.json", b" " * ((1 << 20) + 1)), UPPER],
            "has 1048577 bytes, at most 1048576 stored ones are allowed",
            id="a large manifest",
        ),
        pytest.param(
            [member("a/manifest.json", manifest(created_at="yesterday")), UPPER],
            "was created at 'yesterday', which is no RFC 3339 time",
            id="no time",
        ),
    ],
)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_what_breaks_a_rule_is_refused(write: Write, records: Records, message: str, is_compressed: bool) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        observe(write(*records, is_compressed=is_compressed))
    assert caught.value.message.isprintable()


def test_a_format_that_nobody_uses_is_refused(write: Write) -> None:
    with pytest.raises(UnsupportedError, match="has an upper in the format qcow2, only raw is used"):
        observe(write(snapshot(format="qcow2")))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"members": 1}, "more than 1 members"),
        ({"manifest_bytes": 100}, "at most 100 stored ones are allowed"),
        ({"apparent_bytes": SIZE - 1}, "have 65536 apparent bytes, at most 65535 are allowed"),
        ({"name_bytes": 150}, "a name record of 20[0-9] bytes, at most 151 are allowed"),
        ({"window_bytes": 1 << 10}, "needs a window of"),
    ],
)
def test_limits_are_kept(write: Write, limits: dict[str, int], message: str) -> None:
    path = write(snapshot("a"), member("b" * 150 + "/" + "c" * 50), is_compressed=True)
    with pytest.raises(FormatError, match=message):
        observe(path, limits=ArchiveLimits(**limits))


def test_all_uppers_together_count(write: Write) -> None:
    records, dummy = chain_of("one", "two")
    assert len(observe(write(*records), limits=ArchiveLimits(apparent_bytes=2 * SIZE)).snapshots) == 2
    with pytest.raises(FormatError, match="have 131072 apparent bytes, at most 131071"):
        observe(write(*records), limits=ArchiveLimits(apparent_bytes=2 * SIZE - 1))


def sparse_member(*runs: tuple[int, bytes], size: int = SIZE, name: str = "a/upper.ext4") -> bytes:
    pairs = [SparsePair(start, len(content)) for start, content in runs]
    if not pairs or sum(pairs[-1]) < size:
        pairs.append(SparsePair(size, 0))
    body = b"".join(content for dummy, content in runs)
    return sparse_header(name, tuple(pairs), size) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_sparse_member_is_read_with_its_holes(write: Write, count: int, is_compressed: bool) -> None:
    runs = [(8192 * number, b"%d" % number * 4096) for number in range(count)]
    content = bytearray(SIZE)
    for start, run in runs:
        content[start : start + len(run)] = run
    recorded = {"algorithm": "msb-sparse-sha256-v1", "digest": sparse_digest(bytes(content))}
    described = member("a/manifest.json", manifest(upper={"integrity": recorded}))
    archive = observe(write(described, sparse_member(*runs), is_compressed=is_compressed))
    assert archive.head.layout == "sparse"
    assert archive.head.stored_bytes == 4096 * count
    assert archive.head.integrity == IntegrityState("verified", "logical")


def test_a_sparse_map_has_a_limit(write: Write) -> None:
    runs = [(1024 * number, b"x" * 512) for number in range(30)]
    path = write(MANIFEST, sparse_member(*runs))
    assert observe(path, limits=ArchiveLimits(extents=31)).head.layout == "sparse"
    with pytest.raises(FormatError, match="sparse member 'a/upper.ext4' has more than 20 runs"):
        observe(path, limits=ArchiveLimits(extents=20))


def test_a_sparse_map_that_breaks_a_rule_is_refused(write: Write) -> None:
    broken = sparse_header("a/upper.ext4", (SparsePair(0, 512),), SIZE) + bytes(512)
    with pytest.raises(FormatError, match="ends its map at 512, its real size is 65536"):
        observe(write(MANIFEST, broken))


def test_a_manifest_may_not_be_sparse(write: Write) -> None:
    with pytest.raises(FormatError, match="member 'a/manifest.json' has 1099511627776 bytes"):
        observe(write(sparse_member(size=1 << 40, name="a/manifest.json"), UPPER))


def test_an_upper_of_nothing_but_a_hole_is_not_written_out(write: Write) -> None:
    # 64 GiB of zeros, which nobody may read, write or hash here.
    described = member("a/manifest.json", manifest(upper={"size_bytes": 64 << 30}))
    archive = observe(write(described, sparse_member(size=64 << 30)))
    assert archive.head.descriptor.upper_bytes == 64 << 30


@pytest.mark.parametrize("kind", ["GNU", "PAX"])
def test_a_name_beyond_a_header_is_read(write: Write, kind: str) -> None:
    prefix = "p" * 200
    infos = []
    for name, content in (("manifest.json", manifest()), ("upper.ext4", bytes(SIZE))):
        info = tarfile.TarInfo(f"{prefix}/{name}")
        info.size = len(content)
        records = info.tobuf(tarfile.GNU_FORMAT if kind == "GNU" else tarfile.PAX_FORMAT)
        infos.append(records + content + bytes(-len(content) % 512))
    assert observe(write(*infos)).head.prefix == prefix


def test_a_long_name_that_names_nothing_is_refused(write: Write) -> None:
    long = member("x" * 200 + "/y")[:1024]
    with pytest.raises(FormatError, match="ends after a long name that names no member"):
        observe(write(snapshot(), long))
    with pytest.raises(FormatError, match="names one member twice"):
        observe(write(snapshot(), long, long))


def test_a_pax_header_that_changes_the_size_is_refused(write: Write) -> None:
    info = tarfile.TarInfo("a/upper.ext4")
    info.pax_headers = {"size": "65536"}
    with pytest.raises(FormatError, match="PAX header sets 'size'"):
        observe(write(MANIFEST, info.tobuf(tarfile.PAX_FORMAT), bytes(SIZE)))


OUR_TABLE = skippable_frame(b"table of contents")


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    ("end", "tail"),
    [
        pytest.param(END, b"", id="the end marker alone"),
        pytest.param(END + bytes(8192), b"", id="zeros that fill up a block"),
        pytest.param(END, OUR_TABLE, id="a skippable frame"),
        pytest.param(END, OUR_TABLE + skippable_frame(b"", 15), id="two skippable frames"),
    ],
)
def test_what_may_follow_the_last_member(write: Write, end: bytes, tail: bytes, is_compressed: bool) -> None:
    path = write(snapshot(), end=end, tail=tail, is_compressed=is_compressed)
    assert observe(path).sha256 == digest_of(path.read_bytes())


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    ("end", "tail", "message"),
    [
        pytest.param(b"", b"", "without its end marker|lone zero", id="no end marker"),
        pytest.param(bytes(512), b"", "without its end marker", id="half an end marker"),
        pytest.param(bytes(512) + snapshot("b"), b"", "a lone zero record", id="a zero record between members"),
        pytest.param(END + snapshot("b"), b"", "data after its end marker", id="a member behind the end"),
        pytest.param(END + b"x", b"", "data after its end marker", id="a byte behind the end"),
        pytest.param(END + bytes(2 << 20), b"", "more than 1048576 bytes after its end marker", id="endless zeros"),
        pytest.param(END, b"x", "data after its end marker", id="a byte behind the archive"),
        pytest.param(END, OUR_TABLE + b"x", "data after its end marker", id="a byte behind the table"),
        pytest.param(END, OUR_TABLE[:-1], "data after its end marker", id="a table that is cut off"),
        pytest.param(END, skippable_frame(bytes(5 << 20)), "bytes after its end marker", id="a large frame"),
    ],
)
def test_what_else_follows_is_refused(write: Write, end: bytes, tail: bytes, message: str, is_compressed: bool) -> None:
    path = write(snapshot(), end=end, tail=tail, is_compressed=is_compressed)
    with pytest.raises(FormatError, match=message):
        observe(path)


def test_a_second_zstd_frame_is_refused(write: Write) -> None:
    path = write(snapshot(), tail=compressed(b"x" * 100), is_compressed=True)
    with pytest.raises(FormatError, match="data after its end marker"):
        observe(path)


def test_skippable_frames_in_front_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(OUR_TABLE + compressed(snapshot() + END))
    with pytest.raises(FormatError):
        observe(path)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_archive_that_is_cut_off_anywhere_is_refused(write: Write, is_compressed: bool) -> None:
    whole = write(snapshot(content=os.urandom(SIZE)), is_compressed=is_compressed)
    size = whole.stat().st_size
    for length in (0, 1, 3, 100, 512, 1024, size // 2, size - 1025, size - 513, size - 1):
        os.truncate(write(snapshot(content=os.urandom(SIZE)), is_compressed=is_compressed), length)
        with pytest.raises(FormatError):
            observe(whole)


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"#!/bin/sh\n" * 1000)
    with pytest.raises(FormatError, match="it is damaged, or no tar archive"):
        observe(path)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no archive at .*/missing"):
        observe(tmp_path / "missing")


def test_judging_an_archive_touches_nothing(tmp_path: Path, list_tree: Callable[[Path], object]) -> None:
    shutil.copytree(DATA / "g1-archives", tmp_path / "archives")
    before = list_tree(tmp_path)
    for path in tmp_path.joinpath("archives").iterdir():
        with contextlib.suppress(MicrosandboxError):
            observe(path)
    assert list_tree(tmp_path) == before


MEASURE = """
import re, sys
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
archive = observe_archive(sys.argv[1], ArchiveLimits(), False, Traffic())
# Not ru_maxrss: that of a new process begins with what the process that forked it had.
with open("/proc/self/status", encoding="ascii") as status:
    print(archive.head.descriptor.upper_bytes, re.search(r"VmHWM:\\s+([0-9]+) kB", status.read()).group(1))
"""


@pytest.mark.parametrize(("is_compressed", "mebibytes"), [(False, 256), (True, 1024)])
def test_memory_stays_constant(tmp_path: Path, collections_path: Path, is_compressed: bool, mebibytes: int) -> None:
    # A dense upper of zeros; the file that holds it is sparse, so that no disk is filled.
    path, upper_bytes = tmp_path / "archive", mebibytes << 20
    described = member("a/manifest.json", manifest(upper={"size_bytes": upper_bytes}))
    header = tarfile.TarInfo("a/upper.ext4")
    header.size = upper_bytes
    with path.open("wb") as file:
        file.write(described + header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(file.tell() + upper_bytes + len(END))
    if is_compressed:
        with tmp_path.joinpath("compressed").open("wb") as file:
            subprocess.run(["zstd", "-qc", "-1", path], stdout=file, check=True)
        path = tmp_path / "compressed"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        env={**os.environ, "PYTHONPATH": str(collections_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    size, peak_kib = map(int, done.stdout.split())
    assert size == upper_bytes
    assert peak_kib < 120 << 10
