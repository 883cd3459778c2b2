# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a release."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    RequestError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.release_record import (
    archive_file,
    parse_release,
    require_release_name,
)

DIGEST = "sha256:" + "a" * 64
RECORD: dict[str, Any] = {
    "schema": "sandboxops.microsandbox.release/1",
    "name": "golden",
    "digest": DIGEST,
    "archive": {
        "file": f"golden/{'a' * 64}.tar.zst",
        "sha256": "sha256:" + "b" * 64,
        "size_bytes": 5458,
        "unpacked_bytes": 1134592,
        "snapshots": 2,
    },
    "image": {"reference": "localhost/golden:1", "manifest_digest": "sha256:" + "c" * 64, "included": True},
    "labels": {"team": "größe"},
    "created_at": "2026-11-21T04:05:41.649203622+00:00",
    "source_sandbox": None,
}


def changed(path: str, value: Any) -> bytes:
    record = copy.deepcopy(RECORD)
    *parents, last = path.split(".")
    inner = record
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return json.dumps(record).encode()


def test_a_record_is_read_back_as_it_was_written() -> None:
    release = parse_release(json.dumps(RECORD).encode())
    assert release.to_mapping() == RECORD
    assert parse_release(release.to_bytes()) == release


@pytest.mark.parametrize("absent", [True, False], ids=["absent", "null"])
def test_a_record_need_not_say_how_many_snapshots_there_are(absent: bool) -> None:
    record = copy.deepcopy(RECORD)
    record["archive"]["snapshots"] = None
    if absent:
        del record["archive"]["snapshots"]
    release = parse_release(json.dumps(record).encode())
    assert release.archive.snapshots is None
    assert "snapshots" not in release.to_mapping()["archive"]
    assert parse_release(release.to_bytes()) == release


def test_the_same_release_gives_the_same_bytes() -> None:
    turned = dict(reversed(list(RECORD.items())))
    one, other = (parse_release(json.dumps(record).encode()).to_bytes() for record in (RECORD, turned))
    assert one == other
    assert one.endswith(b"}\n")


def test_a_later_version_is_named() -> None:
    with pytest.raises(UnsupportedError, match="release/2.*knows sandboxops.microsandbox.release/1"):
        parse_release(changed("schema", "sandboxops.microsandbox.release/2"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "other/1"),
        ("more", 1),
        ("name", "a/b"),
        ("name", ".hidden"),
        ("name", "a b"),
        ("digest", "sha256:x"),
        ("archive", []),
        ("archive.more", 1),
        ("archive.file", ""),
        ("archive.file", "/etc/passwd"),
        ("archive.file", "../x.tar.zst"),
        ("archive.file", "golden//x.tar.zst"),
        ("archive.file", "golden/../../x.tar.zst"),
        ("archive.file", "http://other/x.tar.zst"),
        ("archive.file", "golden/x.tar.zst?y"),
        ("archive.file", "golden/x.tar.zst\n"),
        ("archive.sha256", "md5:1"),
        ("archive.size_bytes", -1),
        ("archive.size_bytes", "5"),
        ("archive.unpacked_bytes", 1.5),
        ("archive.snapshots", "2"),
        ("archive.snapshots", -1),
        ("image.included", "true"),
        ("image.manifest_digest", None),
        ("labels", {"team": 1}),
        ("created_at", "yesterday"),
        ("source_sandbox", 5),
    ],
)
def test_what_is_no_record_is_refused(path: str, value: Any) -> None:
    with pytest.raises(FormatError):
        parse_release(changed(path, value))


def test_an_archive_lies_below_its_name() -> None:
    assert archive_file("golden", DIGEST) == RECORD["archive"]["file"]


@pytest.mark.parametrize("name", ["golden", "golden-2.1", "G_1"])
def test_a_portable_name_names_a_release(name: str) -> None:
    assert require_release_name(name) == name


@pytest.mark.parametrize("name", ["", "größe", "a b", "a/b", "-a", "a.", "a.json", "nul", "x" * 129])
def test_another_name_names_none(name: str) -> None:
    with pytest.raises(RequestError, match="is no name for a release"):
        require_release_name(name)
