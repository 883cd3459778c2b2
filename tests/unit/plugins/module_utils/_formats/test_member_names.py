# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed grammar of member names."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import (
    CacheDirectory,
    CacheFile,
    MemberName,
    SnapshotDirectory,
    SnapshotFile,
    parse_member_name,
    snapshot_prefix,
)
from hypothesis import given
from hypothesis import strategies as st

PREFIX = "sha256-0123456789abcdef"
HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("name", "is_directory", "parsed"),
    [
        (f"{PREFIX}/manifest.json", False, SnapshotFile(PREFIX, "manifest.json")),
        (f"{PREFIX}/upper.ext4", False, SnapshotFile(PREFIX, "upper.ext4")),
        ("any name/any file", False, SnapshotFile("any name", "any file")),
        ("\u00fcber/\U0001f600", False, SnapshotFile("\u00fcber", "\U0001f600")),
        ("a/.hidden", False, SnapshotFile("a", ".hidden")),
        ("snapshots/file", False, SnapshotFile("snapshots", "file")),
        ("x" * 255 + "/" + "y" * 255, False, SnapshotFile("x" * 255, "y" * 255)),
        (PREFIX, True, SnapshotDirectory(PREFIX)),
        (PREFIX + "/", True, SnapshotDirectory(PREFIX)),
        ("cache", True, CacheDirectory(None)),
        ("cache/layers/", True, CacheDirectory("layers")),
        ("cache/manifests/0.json", False, CacheFile("manifests", "0.json")),
        ("cache/fsmeta/sha256_0.erofs", False, CacheFile("fsmeta", "sha256_0.erofs")),
        ("cache/layers/sha256_0.erofs", False, CacheFile("layers", "sha256_0.erofs")),
        ("cache/vmdk/sha256_0.vmdk", False, CacheFile("vmdk", "sha256_0.vmdk")),
    ],
)
def test_names_of_the_grammar_are_understood(name: str, is_directory: bool, parsed: MemberName) -> None:
    found = parse_member_name(name.encode(), is_directory)
    assert found == parsed
    assert type(found) is type(parsed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "unsafe path"),
        ("/etc/passwd", "unsafe path"),
        ("/", "unsafe path"),
        ("..", "unsafe path"),
        ("../evil", "unsafe path"),
        ("a/..", "unsafe path"),
        ("a/../b", "unsafe path"),
        ("./a", "unsafe path"),
        ("a/.", "unsafe path"),
        ("a//b", "unsafe path"),
        ("a/b/", "unsafe path"),
        ("file", "has 1 components, a snapshot's file has 2"),
        ("a/b/c", "has 3 components, a snapshot's file has 2"),
        (".hidden/manifest.json", "starts with '.' or '~'"),
        ("~root/manifest.json", "starts with '.' or '~'"),
        ("a/b\\c", "a backslash or an unprintable character"),
        ("a\nb/c", "a backslash or an unprintable character"),
        ("a/\x1b[31m", "a backslash or an unprintable character"),
        ("a/b\0c", "a backslash or an unprintable character"),
        ("a/\u202egnp.exe", "a backslash or an unprintable character"),
        ("x" * 256 + "/a", "a component of more than 255 bytes"),
        ("a/" + "\u00fc" * 128, "a component of more than 255 bytes"),
        ("cache/file", "is no image cache file"),
        ("cache/layers/file", "is no image cache file"),
        ("cache/layers/sha256_0.erofs.lock", "is no image cache file"),
        ("cache/vmdk/sha256_0.erofs", "is no image cache file"),
        ("cache/tmp/x.erofs", "is no image cache file"),
        ("cache/layers/x/y.erofs", "is no image cache file"),
    ],
)
def test_other_files_are_refused(name: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        parse_member_name(name.encode(), False)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b", "is nested, a snapshot's directory stands alone"),
        ("a//", "unsafe path"),
        ("/", "unsafe path"),
        ("./", "unsafe path"),
        (".hidden", "starts with '.' or '~'"),
        ("cache/other", "is no image cache file"),
        ("cache/layers/x", "is no image cache file"),
    ],
)
def test_other_directories_are_refused(name: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_member_name(name.encode(), True)


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("archive.json", "G2"),
        (f"snapshots/{HEX}/snapshot.json", "G2"),
        (f"files/{HEX}/upper.ext4", "G2"),
        ("images/manifests/0.json", "G2"),
        (f"snapshots/snap_{HEX[:32]}/snapshot.json", "G3"),
        (f"snapshots/snap_{HEX[:32]}/metadata.json", "G3"),
    ],
)
def test_a_member_of_a_later_generation_is_named_as_one(name: str, generation: str) -> None:
    with pytest.raises(UnsupportedError, match=f"belongs to an archive of generation {generation}") as caught:
        parse_member_name(name.encode(), False)
    assert caught.value.facts == {"generation": generation}


def test_a_name_that_is_no_text_is_refused_with_its_bytes_escaped() -> None:
    with pytest.raises(FormatError, match=r"member 'a/\\xff' has a name that is not UTF-8"):
        parse_member_name(b"a/\xff", False)


def test_a_long_name_is_not_echoed_whole() -> None:
    with pytest.raises(FormatError) as caught:
        parse_member_name(b"x" * 100000, False)
    assert len(caught.value.message) < 300


@given(st.binary(max_size=40) | st.text(alphabet="ab./~\\\n\0cache", max_size=20).map(str.encode), st.booleans())
def test_what_is_accepted_stays_below_where_it_is_unpacked(name: bytes, is_directory: bool) -> None:
    try:
        parsed = parse_member_name(name, is_directory)
    except (FormatError, UnsupportedError):
        return
    for part in parsed:
        assert part is None or (part not in ("", ".", "..") and not set(part) & set("/\\\0\n"))
    assert not (parsed[0] or "").startswith((".", "~"))


def test_the_prefix_is_that_of_every_microsandbox() -> None:
    assert snapshot_prefix(f"sha256:{HEX}") == "sha256-0123456789abcdef"
