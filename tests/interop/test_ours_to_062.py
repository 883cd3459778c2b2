# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our modules write is what microsandbox 0.6.2 opens, verifies, lists, imports and removes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Callable

import pytest
from our_modules import ModuleFailure, OurModules
from real_062 import Sdk062, SdkRefusal

_UPPER_BYTES = 16 << 20

OnHome062 = Callable[[str], Sdk062]
OnHomeOurs = Callable[[str], OurModules]


@pytest.fixture
def builder(sdk062: OnHome062, content: Path) -> Sdk062:
    """Return the SDK on a home with the stopped sandbox ``base``."""
    sdk = sdk062("builder")
    sdk.make_stopped_sandbox("base", upper_bytes=_UPPER_BYTES, content=content)
    return sdk


@pytest.mark.parametrize(("integrity", "kind"), [(True, "verified"), (False, "not_recorded")])
def test_our_capture_is_opened_listed_and_verified_by_062(
    builder: Sdk062, ours: OnHomeOurs, integrity: bool, kind: str
) -> None:
    labels = {"b": "2", "a": 'ä "quoted" \\ \n', "": "empty key"}

    result = ours("builder").run("snapshot", sandbox="base", name="golden", labels=labels, integrity=integrity)

    captured = result["snapshot"]
    opened = builder.call("open", path_or_name="golden")
    assert opened["digest"] == captured["digest"]
    assert opened["labels"] == labels
    assert opened["created_at"] == captured["created_at"]
    assert opened["size_bytes"] == _UPPER_BYTES
    assert opened["source_sandbox"] == "base"
    assert [row["digest"] for row in builder.call("list")] == [captured["digest"]]
    assert builder.call("verify", path_or_name="golden")["upper"]["kind"] == kind


def test_our_capture_holds_the_bytes_that_a_capture_of_062_holds(builder: Sdk062, ours: OnHomeOurs) -> None:
    ours("builder").run("snapshot", sandbox="base", name="ours")
    builder.call("create", source_sandbox="base", name="theirs", record_integrity=True)

    fields = {}
    for name in ("ours", "theirs"):
        text = (builder.home / "snapshots" / name / "manifest.json").read_text(encoding="utf-8")
        fields[name] = json.loads(text)
        assert text == json.dumps(fields[name], separators=(",", ":"))
        del fields[name]["created_at"]
    assert fields["ours"] == fields["theirs"]
    uppers = [(builder.home / "snapshots" / name / "upper.ext4").read_bytes() for name in ("ours", "theirs")]
    assert uppers[0] == uppers[1]


def test_the_row_of_our_capture_is_the_row_that_062_writes_for_it(builder: Sdk062, ours: OnHomeOurs) -> None:
    ours("builder").run("snapshot", sandbox="base", name="golden", labels={"a": "b"})
    ours_rows = builder.index_rows()

    builder.call("reindex")

    assert len(ours_rows) == 1
    assert builder.index_rows() == ours_rows
    (handle,) = builder.call("list")
    assert (
        builder.call("get", name_or_digest=handle["digest"]) == builder.call("get", name_or_digest="golden") == handle
    )


def test_our_reindex_of_a_chain_writes_the_rows_that_062_writes(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    parent = builder.create_with_parent("base", "parent", None)
    builder.create_with_parent("base", "first", parent)
    builder.create_with_parent("base", "second", parent)
    theirs = builder.index_rows()
    for name in ("parent", "first", "second"):
        shutil.move(builder.home / "snapshots" / name, builder.home / name)
    ours("builder").run("snapshot_index", prune=True)
    assert builder.call("list") == []
    for name in ("parent", "first", "second"):
        shutil.move(builder.home / name, builder.home / "snapshots" / name)

    result = ours("builder").run("snapshot_index")

    assert result["changed"] is True
    assert builder.index_rows() == theirs
    with pytest.raises(SdkRefusal, match="has 2 indexed child snapshot"):
        builder.call("remove", path_or_name="parent")


def test_062_removes_our_capture_and_we_no_longer_list_it(builder: Sdk062, ours: OnHomeOurs) -> None:
    ours("builder").run("snapshot", sandbox="base", name="golden")

    builder.call("remove", path_or_name="golden")

    result = ours("builder").run("snapshot_info")
    assert result["snapshots"] == []
    assert builder.index_rows() == []


def test_a_capture_into_an_explicit_path_is_opened_by_062_where_it_lies(builder: Sdk062, ours: OnHomeOurs) -> None:
    path = builder.home.parent / "elsewhere/golden"
    path.parent.mkdir()

    captured = ours("builder").run("snapshot", sandbox="base", path=path)["snapshot"]

    assert builder.call("open", path_or_name=path)["digest"] == captured["digest"]
    assert builder.call("verify", path_or_name=path)["upper"]["kind"] == "verified"
    assert [item["digest"] for item in builder.call("list_dir", dir=path.parent)] == [captured["digest"]]


def test_a_snapshot_imported_into_a_home_without_a_database_is_found_by_062(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    digest = ours("builder").run("snapshot", sandbox="base", name="golden")["snapshot"]["digest"]
    archive = builder.home.parent / "golden.tar.zst"
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive)
    target = sdk062("target")

    ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert not (target.home / "db").exists()
    assert target.call("reindex") == 1
    assert [(row["name"], row["digest"]) for row in target.call("list")] == [("golden", digest)]


@pytest.mark.parametrize("name", ["golden.tar", "golden.tar.zst"])
@pytest.mark.parametrize("integrity", [True, False], ids=["integrity", "no_integrity"])
def test_our_dense_archive_is_imported_by_062(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs, name: str, integrity: bool
) -> None:
    captured = ours("builder").run("snapshot", sandbox="base", name="golden", integrity=integrity)["snapshot"]
    archive = builder.home.parent / name
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive, layout="dense")
    target = sdk062("target")

    imported = target.call("import", archive=archive)

    assert imported["digest"] == captured["digest"]
    wanted = "verified" if integrity else "not_recorded"
    assert target.call("verify", path_or_name=imported["name"])["upper"]["kind"] == wanted
    original = builder.home / "snapshots/golden/upper.ext4"
    assert (Path(imported["path"]) / "upper.ext4").read_bytes() == original.read_bytes()


def test_the_layout_we_choose_for_a_compressed_archive_is_one_that_062_imports(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    captured = ours("builder").run("snapshot", sandbox="base", name="golden")["snapshot"]
    archive = builder.home.parent / "golden.tar.zst"
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive)

    imported = sdk062("target").call("import", archive=archive)

    assert imported["digest"] == captured["digest"]


def test_062_refuses_our_sparse_layout_and_leaves_nothing(builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs) -> None:
    ours("builder").run("snapshot", sandbox="base", name="golden")
    archive = builder.home.parent / "golden.tar.zst"
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive, layout="sparse")
    target = sdk062("target")

    with pytest.raises(SdkRefusal, match="unsupported entry type"):
        target.call("import", archive=archive)


def test_our_archive_of_a_chain_is_imported_by_062_with_the_same_head_and_parents(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    digests = []
    for name in ("one", "two", "three"):
        digests.append(builder.create_with_parent("base", name, digests[-1] if digests else None))
    archive = builder.home.parent / "chain.tar.zst"
    ours("builder").run(
        "snapshot_archive", state="exported", snapshot="three", path=archive, with_parents=True, layout="dense"
    )
    target = sdk062("target")

    imported = target.call("import", archive=archive)

    assert imported["digest"] == digests[-1]
    parents = {row["digest"]: row["parent_digest"] for row in target.call("list")}
    assert parents == dict(zip(digests, [None, *digests[:-1]]))


def test_an_archive_that_062_must_not_overwrite_is_exported_again_without_a_write(
    builder: Sdk062, ours: OnHomeOurs
) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    archive = builder.home.parent / "golden.tar.zst"
    options = {"state": "exported", "snapshot": "golden", "path": archive, "layout": "dense"}
    assert ours("builder").run("snapshot_archive", **options)["changed"] is True
    before = archive.stat()

    again = ours("builder").run("snapshot_archive", **options)

    assert again["changed"] is False
    after = archive.stat()
    # Reading may move the time of the last access.
    for field in ("st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(after, field) == getattr(before, field), field


def test_what_062_changed_under_the_name_is_not_taken_for_our_capture(builder: Sdk062, ours: OnHomeOurs) -> None:
    ours("builder").run("snapshot", sandbox="base", name="golden", labels={"owner": "ours"})
    builder.call("create", source_sandbox="base", name="golden", labels={"owner": "theirs"}, force=True)

    with pytest.raises(ModuleFailure) as failure:
        ours("builder").run("snapshot", sandbox="base", name="golden", labels={"owner": "ours"})

    assert failure.value.result["error"]["code"] == "state"
    assert builder.call("open", path_or_name="golden")["labels"] == {"owner": "theirs"}
