# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What microsandbox 0.6.2 wrote is what our modules read, verify and import."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Callable

import pytest
from listing import tree
from our_modules import ModuleFailure, OurModules
from real_062 import Sdk062

_UPPER_BYTES = 16 << 20

OnHome062 = Callable[[str], Sdk062]
OnHomeOurs = Callable[[str], OurModules]


@pytest.fixture
def builder(sdk062: OnHome062, content: Path) -> Sdk062:
    """Return the SDK on a home with the stopped sandbox ``base``."""
    sdk = sdk062("builder")
    sdk.make_stopped_sandbox("base", upper_bytes=_UPPER_BYTES, content=content)
    return sdk


@pytest.mark.parametrize(("integrity", "state"), [(True, "verified"), (False, "not_recorded")])
def test_an_artifact_of_062_is_listed_and_verified_with_every_field_as_062_opens_it(
    builder: Sdk062, ours: OnHomeOurs, integrity: bool, state: str
) -> None:
    theirs = builder.call(
        "create", source_sandbox="base", name="golden", labels={"b": "2", "a": "ä\n"}, record_integrity=integrity
    )

    (snapshot,) = ours("builder").run("snapshot_info", verify=True)["snapshots"]

    assert snapshot["generation"] == "G1"
    assert snapshot["digest"] == theirs["digest"]
    assert snapshot["path"] == theirs["path"]
    assert snapshot["created_at"] == theirs["created_at"]
    assert snapshot["labels"] == theirs["labels"]
    assert snapshot["source_sandbox"] == "base"
    assert snapshot["image"]["reference"] == theirs["image_ref"]
    assert snapshot["image"]["manifest_digest"] == theirs["image_manifest_digest"]
    assert snapshot["upper"]["apparent_bytes"] == _UPPER_BYTES
    assert snapshot["upper"]["integrity"]["state"] == state


def test_listing_and_verifying_a_home_of_062_changes_nothing_in_it(builder: Sdk062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    before = tree(builder.home)

    result = ours("builder").run("snapshot_info", verify=True)

    assert result["changed"] is False
    assert tree(builder.home) == before


def test_the_index_of_062_is_found_in_agreement_with_its_artifacts(builder: Sdk062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden")
    rows = builder.index_rows()

    result = ours("builder").run("snapshot_index")

    assert result["changed"] is False
    assert builder.index_rows() == rows


def test_an_upper_that_changed_after_062_recorded_it_is_a_mismatch(builder: Sdk062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    with (builder.home / "snapshots/golden/upper.ext4").open("r+b") as upper:
        upper.seek(_UPPER_BYTES - 1)
        upper.write(b"x")

    result = ours("builder").run("snapshot_info", verify=True)

    (snapshot,) = result["snapshots"]
    assert snapshot["upper"]["integrity"]["state"] == "mismatch"


@pytest.mark.parametrize("plain", [True, False], ids=["tar", "zstd"])
@pytest.mark.parametrize("integrity", [True, False], ids=["integrity", "no_integrity"])
def test_an_archive_of_062_is_imported_and_062_reads_what_came_of_it(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs, plain: bool, integrity: bool
) -> None:
    created = builder.call("create", source_sandbox="base", name="golden", record_integrity=integrity)
    archive = builder.home.parent / ("golden.tar" if plain else "golden.tar.zst")
    builder.call("export", name_or_path="golden", out=archive, plain_tar=plain)
    target = sdk062("target")
    target.call("list")

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert result["changed"] is True
    assert [row["digest"] for row in target.call("list")] == [created["digest"]]
    assert target.call("get", name_or_digest="golden")["digest"] == created["digest"]
    wanted = "verified" if integrity else "not_recorded"
    assert target.call("verify", path_or_name="golden")["upper"]["kind"] == wanted


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
def test_importing_an_archive_of_062_is_predicted_and_the_second_time_touches_nothing(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs, pinned: bool
) -> None:
    digest = builder.call("create", source_sandbox="base", name="golden", record_integrity=True)["digest"]
    archive = builder.home.parent / "golden.tar.zst"
    builder.call("export", name_or_path="golden", out=archive)
    target = sdk062("target")
    target.call("list")
    options = {"state": "imported", "path": archive, "name": "golden", **({"digest": digest} if pinned else {})}
    empty = tree(target.home)

    predicted = ours("target").run("snapshot_archive", check_mode=True, **options)
    assert tree(target.home) == empty
    first = ours("target").run("snapshot_archive", **options)
    installed = tree(target.home)
    second_predicted = ours("target").run("snapshot_archive", check_mode=True, **options)
    second = ours("target").run("snapshot_archive", **options)

    assert (predicted["changed"], first["changed"]) == (True, True)
    assert predicted["steps"] == first["steps"]
    assert (second_predicted["changed"], second["changed"]) == (False, False)
    assert tree(target.home) == installed


def test_what_062_imported_itself_is_not_imported_again(builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    archive = builder.home.parent / "golden.tar.zst"
    builder.call("export", name_or_path="golden", out=archive)
    target = sdk062("target")
    target.call("import", archive=archive)
    before = tree(target.home)

    result = ours("target").run("snapshot_archive", state="imported", path=archive)

    assert result["changed"] is False
    assert tree(target.home) == before


def test_a_truncated_archive_of_062_installs_nothing(builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden")
    archive = builder.home.parent / "golden.tar.zst"
    builder.call("export", name_or_path="golden", out=archive)
    archive.write_bytes(archive.read_bytes()[:-100])
    target = sdk062("target")
    target.call("list")

    with pytest.raises(ModuleFailure) as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "format"
    assert set(tree(target.home / "snapshots")) == set()
    assert target.call("list") == []


def test_a_chain_exported_by_062_is_imported_whole_with_its_youngest_as_the_head(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    digests = []
    for name in ("one", "two", "three"):
        digests.append(builder.create_with_parent("base", name, digests[-1] if digests else None))
    archive = builder.home.parent / "chain.tar.zst"
    builder.call("export", name_or_path="three", out=archive, with_parents=True)
    target = sdk062("target")
    target.call("list")

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="three")

    assert result["archive"]["head"] == digests[-1]
    parents = {row["digest"]: row["parent_digest"] for row in target.call("list")}
    assert parents == dict(zip(digests, [None, *digests[:-1]]))
    assert {row["digest"]: row["child_count"] for row in target.index_rows()} == dict(zip(digests, [1, 1, 0]))
    assert target.call("verify", path_or_name="three")["upper"]["kind"] == "verified"


def test_a_broken_archive_of_062_is_refused_and_leaves_the_target_as_it_was(
    builder: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    archive = builder.home.parent / "golden.tar"
    builder.call("export", name_or_path="golden", out=archive, plain_tar=True)
    content = bytearray(archive.read_bytes())
    content[content.index(b"golden\n")] ^= 1
    archive.write_bytes(content)
    target = sdk062("target")
    target.call("list")

    with pytest.raises(ModuleFailure) as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "integrity"
    assert set(tree(target.home / "snapshots")) == set()
    assert target.index_rows() == []


def test_a_snapshot_of_062_is_removed_and_062_no_longer_knows_it(builder: Sdk062, ours: OnHomeOurs) -> None:
    builder.call("create", source_sandbox="base", name="golden")
    builder.call("create", source_sandbox="base", name="other")

    result = ours("builder").run("snapshot", state="absent", name="golden")

    assert result["changed"] is True
    assert [row["name"] for row in builder.call("list")] == ["other"]
    assert [path.name for path in (builder.home / "snapshots").iterdir()] == ["other"]


def test_a_parent_of_062_is_not_removed_while_its_child_is_there(builder: Sdk062, ours: OnHomeOurs) -> None:
    parent = builder.create_with_parent("base", "parent", None)
    builder.create_with_parent("base", "child", parent)

    with pytest.raises(ModuleFailure) as failure:
        ours("builder").run("snapshot", state="absent", name="parent")

    assert failure.value.result["error"]["code"] == "state"
    assert {row["name"] for row in builder.call("list")} == {"parent", "child"}


@pytest.mark.parametrize("status", ["Running", "Draining", "Paused", "Frozen"])
def test_a_sandbox_that_062_does_not_call_stopped_is_not_captured(
    builder: Sdk062, ours: OnHomeOurs, status: str
) -> None:
    connection = sqlite3.connect(builder.home / "db/msb.db")
    with connection:
        connection.execute("UPDATE sandbox SET status = ?", (status,))
    connection.close()

    with pytest.raises(ModuleFailure) as failure:
        ours("builder").run("snapshot", sandbox="base", name="golden")

    assert failure.value.result["error"]["code"] in {"state", "unsupported"}
    assert not (builder.home / "snapshots/golden").exists()
