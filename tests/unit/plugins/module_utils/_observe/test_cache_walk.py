# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image cache files of an archive: judged one by one, and as images once all are seen."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    MicrosandboxError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import BufferPool, Segment
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import MAX_CACHE_FILES
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_reader import ArchiveReader
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_walk import (
    CacheSink,
    CacheWalk,
    CarriedImage,
    PinnedImage,
)
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils._observe.real_images import (
    OWN,
    SHARED,
    TINY,
    TINY2,
    diff_id,
    member,
)

PIN, PIN2 = PinnedImage(TINY.reference, TINY.digest), PinnedImage(TINY2.reference, TINY2.digest)
(VMDK,) = TINY.of("vmdk")
(METADATA,) = TINY.of("manifests")
(FSMETA,) = TINY.of("fsmeta")
DISK = TINY.files[VMDK].decode()

Walk = Callable[..., CacheWalk]


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    """Walk over an archive of these members."""

    def run(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], sink: CacheSink | None = None) -> CacheWalk:
        pairs = files.items() if isinstance(files, Mapping) else files
        path = tmp_path / "archive"
        path.write_bytes(b"".join(member(*pair) for pair in pairs) + bytes(1024))
        found = CacheWalk(sink, BufferPool())
        with path.open("rb") as file:
            reader = ArchiveReader(file.fileno(), ArchiveLimits())
            for each in reader.members():
                assert isinstance(each.name, CacheFile)
                found.take(reader, each, each.name)
        return found

    return run


def without(*names: str) -> dict[str, bytes]:
    return {name: content for name, content in TINY.files.items() if name not in names}


def test_an_image_is_judged_with_its_files(walk: Walk) -> None:
    found = walk(TINY.files)
    (image,) = found.judge([PIN])
    assert (image.reference, image.metadata.manifest_digest) == (TINY.reference, TINY.digest)
    assert image.metadata_bytes == TINY.files[METADATA]
    sizes = {f"cache/{name.kind}/{name.file}": size for name, size in image.sizes}
    erofs = {name: content for name, content in TINY.files.items() if name.endswith(".erofs")}
    assert sizes == {name: len(content) for name, content in erofs.items()}
    assert {f"cache/{n.kind}/{n.file}": file.sha256 for n, file in found.files.items()} == {
        name: "sha256:" + hashlib.sha256(content).hexdigest() for name, content in erofs.items()
    }


@pytest.mark.parametrize("is_reversed", [False, True])
def test_files_may_come_in_any_order(walk: Walk, is_reversed: bool) -> None:
    files = sorted(TINY.files.items(), reverse=is_reversed)
    assert len(walk(files).judge([PIN])) == 1


def test_an_archive_without_such_files_has_no_image(walk: Walk) -> None:
    assert walk({}).judge([PIN]) == ()


def test_two_images_share_a_layer(walk: Walk) -> None:
    images = walk({**TINY.files, **TINY2.files}).judge([PIN, PIN2])
    assert [image.reference for image in images] == [TINY.reference, TINY2.reference]


@pytest.mark.parametrize("pinned", [[PIN, PIN2], [PIN, PIN], [PIN, PinnedImage(TINY.reference, TINY2.digest)]])
def test_only_the_first_image_has_to_be_there(walk: Walk, pinned: list[PinnedImage]) -> None:
    assert [image.reference for image in walk(TINY.files).judge(pinned)] == [TINY.reference]
    with pytest.raises(MicrosandboxError):
        walk(TINY2.files).judge(pinned)


@pytest.mark.parametrize("name", sorted(TINY.files))
def test_no_file_may_be_missing(walk: Walk, name: str) -> None:
    with pytest.raises(FormatError, match=f"'{name}'"):
        walk(without(name)).judge([PIN])


@pytest.mark.parametrize("name", sorted(TINY2.files.keys() - {SHARED}))
def test_no_file_may_be_there_that_no_pinned_image_has(walk: Walk, name: str) -> None:
    found = walk({**TINY.files, name: TINY2.files[name]})
    with pytest.raises(FormatError, match=f"archive carries '{name}', which belongs to no image that it pins"):
        found.judge([PIN])


@pytest.mark.parametrize("name", sorted(TINY.files))
def test_no_file_may_be_there_twice(walk: Walk, name: str) -> None:
    with pytest.raises(FormatError, match=f"archive has the member '{name}' twice"):
        walk([*TINY.files.items(), (name, TINY.files[name])])


def test_there_may_not_be_many_files(walk: Walk) -> None:
    found = walk({})
    found.texts = {CacheFile("vmdk", f"{number}.vmdk"): b"" for number in range(MAX_CACHE_FILES)}
    with pytest.raises(FormatError, match=f"more than {MAX_CACHE_FILES} image cache files"):
        found.take(None, None, CacheFile("vmdk", "x.vmdk"))  # type: ignore[arg-type]


def test_metadata_of_another_digest_is_refused(walk: Walk) -> None:
    with pytest.raises(IntegrityError, match="the snapshot pins") as caught:
        walk(TINY.files).judge([PinnedImage(TINY.reference, TINY2.digest)])
    assert caught.value.facts == {"expected": TINY2.digest, "actual": TINY.digest}


def test_a_reference_that_is_none_is_refused(walk: Walk) -> None:
    with pytest.raises(FormatError, match="reference"):
        walk(TINY.files).judge([PinnedImage("NOT A REF!", TINY.digest)])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("/their/cache/layers", "/other/cache/layers", "has the extent 2 24 sectors of '/other/cache/layers"),
        ("RW 16 ", "RW 8 ", "has the extent 1 8 sectors of"),
        (
            '" 0\n\n',
            '" 0\nRW 8 FLAT "/etc/shadow" 0\n\n',
            "has the extent 4 8 sectors of '/etc/shadow' from 0, .* none",
        ),
        ("\n", "\r\n", "line 1 of member 'cache/vmdk/"),
        ('cylinders = "1"', 'cylinders = "9"', "line 15 of member"),
    ],
)
def test_a_disk_of_anything_else_is_refused(walk: Walk, old: str, new: str, message: str) -> None:
    text = DISK.replace(old, new) if old == "\n" else DISK.replace(old, new, 1)
    assert text != DISK
    with pytest.raises(FormatError, match=message):
        walk({**TINY.files, VMDK: text.encode()}).judge([PIN])


def test_a_disk_lacks_no_extent(walk: Walk) -> None:
    lines = DISK.split("\n")
    with pytest.raises(FormatError, match="has the extent 3 none, the image has 24 sectors"):
        walk({**TINY.files, VMDK: "\n".join([*lines[:9], *lines[10:]]).encode()}).judge([PIN])


@pytest.mark.parametrize("cache", ["", "/", "relative", "/a b/\u00e9"])
def test_a_disk_may_be_one_of_any_cache(walk: Walk, cache: str) -> None:
    text = DISK.replace("/their/cache", cache)
    assert len(walk({**TINY.files, VMDK: text.encode()}).judge([PIN])) == 1


@pytest.mark.parametrize("text", [b"", b"# vmdk", b"#\n#\n"])
def test_a_disk_of_nothing_passes_while_every_layer_is_there(walk: Walk, text: bytes) -> None:
    assert len(walk({**TINY.files, VMDK: text}).judge([PIN])) == 1
    with pytest.raises(FormatError, match="archive lacks a file of image"):
        walk({**without(OWN), VMDK: text}).judge([PIN], [diff_id(OWN)])


def test_a_layer_that_may_be_missing_has_the_size_that_the_disk_says(walk: Walk) -> None:
    (image,) = walk(without(OWN)).judge([PIN], [diff_id(OWN)])
    sizes = {f"cache/{name.kind}/{name.file}": size for name, size in image.sizes}
    assert sizes[OWN] == len(TINY.files[OWN])


def test_an_excluded_layer_may_be_there_all_the_same(walk: Walk) -> None:
    assert len(walk(TINY.files).judge([PIN], [diff_id(OWN)])) == 1


def test_no_other_file_may_be_excluded(walk: Walk) -> None:
    with pytest.raises(FormatError, match="archive lacks a file of image"):
        walk(without(FSMETA)).judge([PIN], [TINY.digest])


@pytest.mark.parametrize("name", [FSMETA, OWN])
@pytest.mark.parametrize("content", [b"", bytes(4096), bytes(5)])
def test_what_is_no_erofs_image_is_refused_as_it_comes(walk: Walk, name: str, content: bytes) -> None:
    with pytest.raises(FormatError, match=f"member '{name}' "):
        walk({name: content})


@pytest.mark.parametrize(("name", "limit"), [(METADATA, 2 << 20), (VMDK, 1 << 20)])
def test_texts_have_a_limit(walk: Walk, name: str, limit: int) -> None:
    assert len(walk({name: b"#" * limit}).texts) == 1
    with pytest.raises(FormatError, match=f"at most {limit} stored ones are allowed"):
        walk({name: b"#" * (limit + 1)})


class Spool:
    """Keeps files in memory, but for one that it does not want."""

    def __init__(self, unwanted: str = "") -> None:
        self.unwanted = unwanted
        self.kept: dict[str, bytes] = {}

    @contextlib.contextmanager
    def take_cache_file(self, name: CacheFile, size_bytes: int) -> Iterator[Callable[[Segment], None] | None]:
        key = f"cache/{name.kind}/{name.file}"
        if key == self.unwanted:
            yield None
            return
        content = bytearray(size_bytes)

        def put(segment: Segment) -> None:
            content[segment.offset : segment.offset + segment.length] = segment.view

        yield put
        self.kept[key] = bytes(content)


def test_a_sink_gets_the_erofs_files_whole(walk: Walk) -> None:
    sink = Spool()
    walk(TINY.files, sink)
    assert sink.kept == {name: content for name, content in TINY.files.items() if name.endswith(".erofs")}


def test_what_the_sink_does_not_want_is_judged_all_the_same(walk: Walk) -> None:
    found = walk(TINY.files, Spool(OWN))
    (image,) = found.judge([PIN])
    assert isinstance(image, CarriedImage)
    with pytest.raises(FormatError, match="no EROFS image"):
        walk({OWN: bytes(4096)}, Spool(OWN))


def test_what_is_damaged_does_not_stay_with_the_sink(walk: Walk) -> None:
    sink = Spool()
    with pytest.raises(FormatError):
        walk({FSMETA: TINY.files[FSMETA], OWN: bytes(8192)}, sink)
    assert sink.kept == {FSMETA: TINY.files[FSMETA]}
