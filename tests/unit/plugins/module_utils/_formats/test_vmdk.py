# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk descriptions, as the real tools wrote them and as nobody should."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.vmdk import (
    MAX_VMDK_BYTES,
    VmdkExtent,
    parse_vmdk,
    vmdk_extents,
    vmdk_to_bytes,
)

DATA = Path(__file__).parents[3] / "data"
WHAT = "vmdk/x.vmdk"
EXTENTS = vmdk_extents([("/c/fsmeta/a.erofs", 8192), ("/c/layers/b.erofs", 12288)])
TEXT = vmdk_to_bytes(EXTENTS)


def real_texts(version: str) -> Iterator[bytes]:
    with tarfile.open(DATA / f"homes/home-{version}.tar.xz") as home:
        for name in home.getnames():
            if name.endswith(".vmdk"):
                member = home.extractfile(name)
                assert member is not None
                yield member.read()


@pytest.mark.parametrize("name", ["tiny", "tiny2"])
def test_a_real_text_is_written_byte_for_byte(name: str) -> None:
    image = json.loads(DATA.joinpath(f"image-cache/{name}.expected.json").read_text("utf-8"))
    layers = [f"layers/{diff_id.replace(':', '_')}.erofs" for diff_id in image["diff_ids_bottom_to_top"]]
    names = [f"fsmeta/{image['manifest_digest'].replace(':', '_')}.erofs", *layers]
    written = vmdk_to_bytes(vmdk_extents((f"/x y/ü/{name}", image["files"][name]["size"]) for name in names))
    assert written.decode() == image["vmdk"]["template"].replace("{CACHE}", "/x y/ü")


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2", "0.7.11"])
def test_real_texts_are_read(version: str) -> None:
    texts = list(real_texts(version))
    counts = []
    for text in texts:
        extents = parse_vmdk(text, WHAT)
        assert vmdk_to_bytes(extents) == text
        counts.append(len(extents))
    # One image has a layer twice.
    assert sorted(counts) == [2, 3, 4]


def test_the_repeated_layer_of_a_real_image_is_two_extents() -> None:
    longest = max(real_texts("0.7.11"), key=len)
    paths = [extent.path for extent in parse_vmdk(longest, WHAT)]
    assert len(paths) - len(set(paths)) == 1


def test_a_long_file_is_split_with_increasing_offsets() -> None:
    sectors = (5 << 30) // 512
    assert vmdk_extents([("/a", 512), ("/b", 5 << 30)]) == (
        VmdkExtent(1, "/a", 0),
        VmdkExtent(4194304, "/b", 0),
        VmdkExtent(4194304, "/b", 4194304),
        VmdkExtent(sectors - 2 * 4194304, "/b", 2 * 4194304),
    )


def test_a_long_file_is_split_as_microsandbox_0_7_11_splits_it() -> None:
    # Read from the cache of msb 0.7.11 after it loaded an image with one file of 2200 MiB.
    files = [("/c/fsmeta/a.erofs", 4513792), ("/c/layers/b.erofs", 2306875392)]
    lines = vmdk_to_bytes(vmdk_extents(files)).decode().split("\n")
    assert lines[7:10] == [
        'RW 8816 FLAT "/c/fsmeta/a.erofs" 0',
        'RW 4194304 FLAT "/c/layers/b.erofs" 0',
        'RW 311312 FLAT "/c/layers/b.erofs" 4194304',
    ]
    assert lines[14] == 'ddb.geometry.cylinders = "4479"'


def test_a_file_of_exactly_2_gib_is_one_extent() -> None:
    assert vmdk_extents([("/a", 2 << 30)]) == (VmdkExtent(4194304, "/a", 0),)


@pytest.mark.parametrize(("size", "cylinders"), [(512, 1), (1008 * 512, 1), (1009 * 512, 2), (3 << 30, 6242)])
def test_the_last_cylinder_may_be_partly_used(size: int, cylinders: int) -> None:
    assert f'cylinders = "{cylinders}"\n'.encode() in vmdk_to_bytes(vmdk_extents([("/a", size)]))


@pytest.mark.parametrize("size", [0, -512, 511, 4097])
def test_a_file_that_is_no_extent_is_refused(size: int) -> None:
    with pytest.raises(FormatError, match=f"/a has {size} bytes, an extent has a positive multiple of 512"):
        vmdk_extents([("/a", size)])


@pytest.mark.parametrize("path", ['/a"b', "/a\nb", "/a\rb", "/a\0b", "/a\x7f", "/a\x85", "/a\udcff"])
def test_a_path_that_cannot_be_written_is_refused(path: str) -> None:
    with pytest.raises(FormatError, match="a disk cannot be made of '/a"):
        vmdk_to_bytes([VmdkExtent(1, path, 0)])


def test_what_is_written_is_read_again() -> None:
    extents = vmdk_extents([("/x y/ü/a'b\\", 5 << 30), ("/", 512)])
    assert parse_vmdk(vmdk_to_bytes(extents), WHAT) == extents


@pytest.mark.parametrize("text", [b"", b"\n", b"# vmdk", b"# Disk DescriptorFile\n\n#DDB\n"])
def test_a_text_of_comments_names_no_disk(text: bytes) -> None:
    assert parse_vmdk(text, WHAT) == ()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b"\n", b"\r\n", 1),
        (b"version=1", b"version=2", 2),
        (b"fffffffe", b"FFFFFFFE", 3),
        (b"parentCID=ffffffff\n", b'parentCID=ffffffff\nparentFileNameHint="/etc/shadow"\n', 5),
        (b"twoGbMaxExtentFlat", b"monolithicFlat", 5),
        (b"RW 16", b"RDONLY 16", 8),
        (b"RW 16 ", b"RW  16 ", 8),
        (b"RW 16 ", b"RW 016 ", 8),
        (b"RW 16 ", b"RW 0 ", 8),
        (b"RW 16 ", b"RW 4194305 ", 8),
        (b"RW 16 ", b"RW 99999999999999999999 ", 8),
        (b"RW 16 FLAT", b"RW 16 SPARSE", 8),
        (b'.erofs" 0\n\n', b'.erofs" -1\n\n', 9),
        (b'.erofs" 0\n\n', b'.erofs" 0 \n\n', 9),
        (b'.erofs" 0\n\n', b'.erofs"\n\n', 9),
        (b"/c/fsmeta", b'/c"/fsmeta', 8),
        (b"/c/fsmeta", b"/c\x1b/fsmeta", 8),
        (b"\n\n# The", b'\nRW 8 ZERO\n\n# The', 10),
        (b"\n\n# The", b'\n\nRW 8 FLAT "/etc/shadow" 0\n# The', 11),
        (b'cylinders = "1"', b'cylinders = "2"', 14),
        (b'heads = "16"', b'heads = "255"', 15),
        (b'"ide"\n', b'"ide"\nddb.uuid = "1"\n', 18),
    ],
)  # fmt: skip
def test_every_other_byte_is_refused_with_its_line(old: bytes, new: bytes, line: int) -> None:
    changed = TEXT.replace(old, new)
    assert changed != TEXT
    with pytest.raises(FormatError, match=f"^line {line} of vmdk/x.vmdk is ") as caught:
        parse_vmdk(changed, WHAT)
    assert caught.value.facts == {"line": line}


@pytest.mark.parametrize(
    "text",
    [TEXT[:-1], TEXT + b"\n", TEXT + b"# more\n", b"\xef\xbb\xbf" + TEXT, TEXT[: TEXT.index(b"# The")], b"x", b"RW 1"],
)
def test_a_text_that_is_longer_or_shorter_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError, match="vmdk/x.vmdk"):
        parse_vmdk(text, WHAT)


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(FormatError, match="vmdk/x.vmdk is not UTF-8 at byte 1"):
        parse_vmdk(b"#\xff", WHAT)


def test_a_text_has_a_limit() -> None:
    with pytest.raises(FormatError, match=f"at most {MAX_VMDK_BYTES} are read"):
        parse_vmdk(b"#" * (MAX_VMDK_BYTES + 1), WHAT)
