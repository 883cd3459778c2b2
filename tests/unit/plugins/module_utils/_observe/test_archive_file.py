# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive as a file: what it is by its first bytes, its digest, and the table of contents at its end."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.digest_record import (
    record_digest,
    recorded_digest,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import skippable_frame
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import (
    MAX_CONTENTS_BYTES,
    ArchiveContents,
    contents_to_bytes,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_file import (
    find_sha256,
    hash_archive,
    is_archive,
    open_archive,
    read_contents,
    require_checksum,
)

Write = Callable[..., Path]
END = bytes(1024)


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def snapshot() -> bytes:
    info = tarfile.TarInfo("a/upper.ext4")
    info.size = 512
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(512)


def compressed(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an archive of these bytes, with an end marker."""

    def write_archive(*records: bytes, is_compressed: bool = False) -> Path:
        path = tmp_path / "archive"
        stream = b"".join(records) + END
        path.write_bytes(compressed(stream) if is_compressed else stream)
        return path

    return write_archive


def test_archives_are_told_by_their_first_bytes(write: Write) -> None:
    assert is_archive(str(write(snapshot())))
    assert is_archive(str(write(snapshot(), is_compressed=True)))
    path = write(snapshot())
    os.truncate(path, 511)
    assert not is_archive(str(path))
    os.truncate(path, 0)
    assert not is_archive(str(path))


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_no_archive_and_keeps_nobody_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(StateError, match="is no regular file"), open_archive(str(path)):
        pytest.fail("it was opened")


def test_an_archive_is_hashed_whole(write: Write) -> None:
    path = write(snapshot())
    assert hash_archive(str(path), Traffic()) == digest_of(path.read_bytes())


def test_an_archive_without_a_record_is_hashed(write: Write) -> None:
    path, traffic = write(snapshot()), Traffic()
    assert find_sha256(str(path), traffic) == digest_of(path.read_bytes())
    assert traffic.read > 0


def test_an_archive_is_not_read_while_the_record_of_its_digest_fits_it(write: Write) -> None:
    path, traffic = write(snapshot()), Traffic()
    fd = os.open(path, os.O_RDWR)
    try:
        record_digest(fd, digest_of(b"recorded"))
        assert recorded_digest(fd) is not None
    finally:
        os.close(fd)
    assert find_sha256(str(path), traffic) == digest_of(b"recorded")
    assert traffic.read == 0
    assert hash_archive(str(path), traffic) == digest_of(path.read_bytes())
    with path.open("ab") as file:
        file.write(bytes(512))
    assert find_sha256(str(path), traffic) == digest_of(path.read_bytes())


def test_an_archive_is_read_when_somebody_else_can_have_written_its_record(write: Write) -> None:
    path = write(snapshot())
    with path.open("r+b") as file:
        record_digest(file.fileno(), digest_of(b"recorded"))
    path.chmod(0o666)
    assert find_sha256(str(path), Traffic()) == digest_of(path.read_bytes())


HEAD = "sha256:" + "a" * 64


def contents_of(path: Path, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "head": HEAD,
        "digests": (HEAD,),
        "suggested_name": "nightly",
        "compression": "none",
        "level": 0,
        "layout": "dense",
        "archive_bytes": path.stat().st_size,
        **changes,
    }
    return contents_to_bytes(ArchiveContents(**values))


def test_a_table_of_contents_is_found_without_reading_the_archive(write: Write) -> None:
    path = write(snapshot())
    with path.open("ab") as file:
        file.write(skippable_frame(contents_of(path)))
    contents = read_contents(str(path))
    assert contents is not None
    assert (contents.head, contents.suggested_name) == (HEAD, "nightly")


@pytest.mark.parametrize("kind", ["none", "moved", "another frame", "damaged", "a bare footer", "empty file"])
def test_a_table_that_does_not_fit_is_none(write: Write, kind: str) -> None:
    path = write(snapshot())
    table = skippable_frame(contents_of(path))
    tails = {
        "none": b"",
        "moved": skippable_frame(contents_of(path, archive_bytes=1)),
        "another frame": b"\x28\xb5\x2f\xfd" + table[4:],
        "damaged": table[:20] + b"\xff" + table[21:],
        "a bare footer": table[-12:],
        "empty file": b"",
    }
    with path.open("ab") as file:
        file.write(tails[kind])
    if kind == "empty file":
        os.truncate(path, 0)
    assert read_contents(str(path)) is None


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("kind", ["script", "empty", "cut off", "foreign member", "unsafe name"])
def test_other_files_are_no_archives(write: Write, kind: str, is_compressed: bool) -> None:
    info = tarfile.TarInfo({"foreign member": "README", "unsafe name": "../x/y"}.get(kind, "a/b"))
    content = {"script": b"#!/bin/sh\n" * 100, "empty": b"", "cut off": snapshot()[:300]}.get(kind, info.tobuf())
    path = write()
    path.write_bytes(compressed(content) if is_compressed else content)
    assert not is_archive(str(path))


def test_the_image_cache_makes_an_archive_too(write: Write) -> None:
    assert is_archive(str(write(tarfile.TarInfo("cache/layers/a.erofs").tobuf(tarfile.GNU_FORMAT))))


def test_a_table_that_says_it_is_longer_than_the_file_is_none(write: Write) -> None:
    path = write()
    with path.open("ab") as file:
        file.write(skippable_frame(b"x" + (MAX_CONTENTS_BYTES).to_bytes(4, "little") + b"SBXTOC1\n"))
    assert read_contents(str(path)) is None


def test_a_missing_archive_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no archive at .*/missing"):
        hash_archive(str(tmp_path / "missing"), Traffic())


def test_the_checksum_that_is_wanted_is_required() -> None:
    require_checksum("/x", "sha256:a", "sha256:a")
    with pytest.raises(IntegrityError, match="archive /x has the checksum sha256:a, wanted sha256:b") as caught:
        require_checksum("/x", "sha256:a", "sha256:b")
    assert caught.value.facts == {"path": "/x", "expected": "sha256:b", "actual": "sha256:a"}


def test_a_file_that_cannot_be_read_is_named() -> None:
    # Nothing is mapped at the start of a process's memory.
    with pytest.raises(OSError, match="Input/output error") as caught:
        read_contents("/proc/self/mem")
    assert caught.value.filename == f"/proc/{os.getpid()}/mem"
