# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the image cache become members that every tar program reads, and only as they were planned."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.cache_export import (
    cache_member_bytes,
    cache_member_name,
    put_cache_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_shipment import ShipFile

DATA = Path(__file__).parents[3] / "data/image-cache/tiny/cache"
LAYER = CacheFile("layers", "sha256_09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b.erofs")
SIZE = 12288


class Collected:
    """Keeps what it gets, and counts the zeros that nobody had to spell out."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.content = b""
        self.zeros = 0
        self._meanwhile = meanwhile

    def put(self, view: memoryview) -> None:
        self.content += bytes(view)
        self._meanwhile()

    def put_zeros(self, length: int) -> None:
        self.content += bytes(length)
        self.zeros += length


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "cache"))


def place(cache: Path) -> Path:
    return cache / LAYER.kind / LAYER.file


def put(cache: Path, file: ShipFile, sink: Collected | None = None) -> tuple[Collected, Traffic]:
    sink, traffic = sink or Collected(), Traffic()
    put_cache_file(file, str(cache), sink, traffic)
    return sink, traffic


def only_member(content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content + bytes(1024))) as opened:
        (info,) = opened.getmembers()
        file = opened.extractfile(info)
        assert file is not None
        return info, file.read()


def test_a_file_becomes_a_member(cache: Path) -> None:
    sink, traffic = put(cache, ShipFile(LAYER, SIZE))
    info, content = only_member(sink.content)
    assert info.name == cache_member_name(ShipFile(LAYER, SIZE)) == f"cache/layers/{LAYER.file}"
    assert content == place(cache).read_bytes()
    assert traffic.read + traffic.holes_skipped == SIZE


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 512, b"x" * 513])
def test_content_of_ours_becomes_a_member_of_whole_records(cache: Path, content: bytes) -> None:
    file = ShipFile(CacheFile("vmdk", "sha256_00.vmdk"), len(content), content)
    sink, traffic = put(cache, file)
    assert only_member(sink.content)[1] == content
    assert len(sink.content) == cache_member_bytes(file)
    assert len(sink.content) % 512 == 0
    assert traffic.read == 0


@pytest.mark.parametrize("name", [LAYER.file, "x.erofs", "x" * 81 + ".erofs"])
def test_the_length_of_a_member_is_known_beforehand(cache: Path, name: str) -> None:
    place(cache).rename(cache / "layers" / name)
    file = ShipFile(CacheFile("layers", name), SIZE)
    sink, dummy = put(cache, file)
    assert len(sink.content) == cache_member_bytes(file)
    assert only_member(sink.content)[0].name == f"cache/layers/{name}"


def test_a_member_does_not_depend_on_when_and_by_whom_its_file_was_made(cache: Path) -> None:
    first, dummy = put(cache, ShipFile(LAYER, SIZE))
    os.utime(place(cache), (1, 1))
    place(cache).chmod(0o600)
    assert put(cache, ShipFile(LAYER, SIZE))[0].content == first.content


def test_holes_are_not_read(cache: Path) -> None:
    size = 64 << 20
    with place(cache).open("wb") as file:
        file.truncate(size)
        os.pwrite(file.fileno(), b"x" * 4096, 32 << 20)
    sink, traffic = put(cache, ShipFile(LAYER, size))
    assert only_member(sink.content)[1] == place(cache).read_bytes()
    assert traffic.read < 1 << 20
    assert sink.zeros == traffic.holes_skipped == size - traffic.read


@pytest.mark.parametrize("planned", [SIZE - 4096, SIZE + 4096])
def test_a_file_that_has_another_length_by_now_is_not_shipped(cache: Path, planned: int) -> None:
    with pytest.raises(StateError, match=f"has {SIZE} bytes, it had {planned} when this run looked") as caught:
        put(cache, ShipFile(LAYER, planned))
    assert caught.value.facts == {"path": str(place(cache)), "expected": planned, "actual": SIZE}


def test_a_file_that_is_written_to_meanwhile_is_not_shipped(cache: Path) -> None:
    def write() -> None:
        with place(cache).open("r+b") as file:
            file.write(b"x")

    with pytest.raises(StateError, match=LAYER.file):
        put(cache, ShipFile(LAYER, SIZE), Collected(write))


def test_a_file_that_is_gone_is_an_error_of_the_system(cache: Path) -> None:
    place(cache).unlink()
    with pytest.raises(FileNotFoundError):
        put(cache, ShipFile(LAYER, SIZE))


@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink"])
def test_what_is_no_file_is_not_shipped(cache: Path, kind: str) -> None:
    content = place(cache).read_bytes()
    place(cache).unlink()
    if kind == "symlink":
        cache.joinpath("elsewhere").write_bytes(content)
        place(cache).symlink_to("../elsewhere")
    else:
        os.mkfifo(place(cache)) if kind == "fifo" else place(cache).mkdir()
    with pytest.raises(FormatError, match="is no regular file"):
        put(cache, ShipFile(LAYER, SIZE))
