# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of contents behind an archive: read back whole, and otherwise taken for none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import (
    FOOTER_BYTES,
    MARK,
    MAX_CONTENTS_BYTES,
    ArchiveContents,
    ContentsFile,
    ContentsImage,
    contents_to_bytes,
    parse_contents,
    parse_contents_footer,
)
from hypothesis import given
from hypothesis import strategies as st

A, B, C, D = ("sha256:" + letter * 64 for letter in "abcd")
CONTENTS = ArchiveContents(
    B,
    (A, B),
    "nightly",
    "zstd",
    3,
    "dense",
    12345,
    (ContentsImage("alpine", C),),
    (ContentsFile("layers/x.erofs", 4096),),
    (D,),
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
digests = st.binary(min_size=32, max_size=32).map(lambda value: f"sha256:{value.hex()}")
names = st.sampled_from(["manifests/x.json", "fsmeta/x.erofs", "layers/x.erofs", "vmdk/\u00e4.vmdk"])
contents = st.builds(
    ArchiveContents,
    head=st.none() | digests,
    digests=st.lists(digests).map(tuple),
    suggested_name=st.none() | texts,
    compression=st.sampled_from(["zstd", "none"]),
    level=st.integers(0, 22),
    layout=st.sampled_from(["dense", "sparse"]),
    archive_bytes=st.integers(0, (1 << 64) - 1),
    images=st.lists(st.builds(ContentsImage, texts, digests)).map(tuple),
    cache_files=st.lists(st.builds(ContentsFile, names, st.integers(0, (1 << 64) - 1))).map(tuple),
    excluded_layers=st.lists(digests).map(tuple),
)


@given(contents)
def test_what_is_written_is_read_back(written: ArchiveContents) -> None:
    content = contents_to_bytes(written)
    length = parse_contents_footer(content[-FOOTER_BYTES:])
    assert length == len(content) - FOOTER_BYTES
    assert parse_contents(content[:length]) == written


def test_the_bytes_are_these() -> None:
    assert (
        contents_to_bytes(CONTENTS)
        == (
            f'{{"schema":"sandboxops.archive-contents/1","head":"{B}","digests":["{A}","{B}"],'
            '"suggested_name":"nightly","compression":"zstd","level":3,"layout":"dense","archive_bytes":12345,'
            f'"images":[{{"reference":"alpine","manifest_digest":"{C}"}}],'
            f'"cache_files":[{{"name":"layers/x.erofs","size_bytes":4096}}],"excluded_layers":["{D}"]}}'
        ).encode()
        + b"\x94\x02\x00\x00SBXTOC1\n"
    )


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        MARK,
        b"\x05\0\0\0SBXTOC2\n",
        b"\x05\0\0\0SBXTOC1\n ",
        b"\0\0\0\0" + MARK,
        (MAX_CONTENTS_BYTES + 1).to_bytes(4, "little") + MARK,
    ],
)
def test_other_last_bytes_are_no_footer(footer: bytes) -> None:
    assert parse_contents_footer(footer) is None


def as_json(**changes: Any) -> bytes:
    written = contents_to_bytes(CONTENTS)[:-FOOTER_BYTES]
    return json.dumps({**json.loads(written), **changes}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"{" * 100000,
        as_json(schema="sandboxops.archive-contents/2"),
        as_json(schema=1),
        as_json(head=1),
        as_json(digests=A),
        as_json(digests=[A, 1]),
        as_json(level=-1),
        as_json(level="3"),
        as_json(archive_bytes=1 << 64),
        as_json(suggested_name=1),
        as_json(images=["alpine"]),
        as_json(images=[{"reference": "alpine"}]),
        as_json(images=[{"reference": "alpine", "manifest_digest": C}] * 257),
        as_json(cache_files=[{"name": "layers/x.erofs", "size_bytes": "4096"}]),
        as_json(excluded_layers=[1]),
        as_json(head="nightly"),
        as_json(head=""),
        as_json(digests=[A, "sha256:" + "B" * 64]),
        as_json(excluded_layers=["sha256:d"]),
        as_json(images=[{"reference": "alpine", "manifest_digest": "sha512:" + "c" * 128}]),
        as_json(compression="\x1b[31mgzip"),
        as_json(layout="auto"),
        as_json(cache_files=[{"name": "../../etc/passwd", "size_bytes": 1}]),
        as_json(cache_files=[{"name": "layers/x.lock", "size_bytes": 1}]),
        as_json(cache_files=[{"name": "layers/\x1b.erofs", "size_bytes": 1}]),
        as_json(cache_files=[{"name": "layers", "size_bytes": 1}]),
    ],
)
def test_other_json_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_contents(text)


def test_fields_of_the_future_are_passed_over() -> None:
    assert parse_contents(as_json(future=[1, 2])) == CONTENTS
