# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our archives in microsandbox 0.7.11, and its sandboxes, stores and archives in our modules."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Callable

import pytest
from listing import allocated_bytes, tree
from our_modules import ModuleFailure, OurModules
from real_062 import Sdk062
from real_0711 import Msb0711

_UPPER_BYTES = 16 << 20

OnHome062 = Callable[[str], Sdk062]
OnHome0711 = Callable[[str], Msb0711]
OnHomeOurs = Callable[[str], OurModules]


def _snapshot_id(digest: str) -> str:
    """Return the id that 0.7.11 gives a snapshot of that digest: the first 32 digits."""
    return "snap_" + digest[len("sha256:") :][:32]


@pytest.fixture
def builder(sdk062: OnHome062, content: Path) -> Sdk062:
    """Return the 0.6.2 SDK on a home with the stopped sandbox ``base``."""
    sdk = sdk062("builder")
    sdk.make_stopped_sandbox("base", upper_bytes=_UPPER_BYTES, content=content)
    return sdk


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("name", ["golden.tar", "golden.tar.zst"])
@pytest.mark.parametrize("integrity", [True, False], ids=["integrity", "no_integrity"])
def test_our_archive_is_imported_and_verified_by_0711(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs, layout: str, name: str, integrity: bool
) -> None:
    captured = ours("builder").run("snapshot", sandbox="base", name="golden", integrity=integrity)["snapshot"]
    archive = builder.home.parent / name
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive, layout=layout)
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    (row,) = msb.snapshots()
    assert row["snapshot_id"] == _snapshot_id(captured["digest"])
    assert row["size_bytes"] == _UPPER_BYTES
    verdict = msb.run("snapshot", "verify", row["artifact_path"])
    assert ("verified (" in verdict) is integrity
    imported = Path(row["artifact_path"], "upper.ext4")
    original = builder.home / "snapshots/golden/upper.ext4"
    assert imported.read_bytes() == original.read_bytes()
    if layout == "sparse":
        assert allocated_bytes(imported) <= allocated_bytes(original)


def test_our_sparse_archive_of_a_fragmented_upper_is_imported_byte_for_byte_by_0711(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    source = builder.home / "sandboxes/base/upper.ext4"
    with source.open("r+b") as upper:
        upper.truncate(0)
        upper.truncate(_UPPER_BYTES)
        for number in range(200):
            upper.seek(number * 81920)
            upper.write(number.to_bytes(2, "big") * 2048)
    ours("builder").run("snapshot", sandbox="base", name="golden")
    archive = builder.home.parent / "golden.tar"
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive, layout="sparse")
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    (row,) = msb.snapshots()
    assert Path(row["artifact_path"], "upper.ext4").read_bytes() == source.read_bytes()
    assert "verified (" in msb.run("snapshot", "verify", row["artifact_path"])


def test_a_home_with_our_captures_is_migrated_by_0711_and_keeps_their_rows(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    labels = {"channel": "golden"}
    captured = ours("builder").run("snapshot", sandbox="base", name="golden", labels=labels)["snapshot"]
    msb = msb0711("builder")

    (row,) = msb.snapshots()

    assert (row["name"], row["snapshot_id"]) == ("golden", _snapshot_id(captured["digest"]))
    assert row["artifact_path"] == captured["path"]
    assert row["migration_state"] == "complete"
    assert "verified (" in msb.run("snapshot", "verify", captured["path"])


def test_our_archive_of_a_chain_is_imported_by_0711_with_the_same_parents(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    digests = []
    for name in ("one", "two", "three"):
        digests.append(builder.create_with_parent("base", name, digests[-1] if digests else None))
    archive = builder.home.parent / "chain.tar.zst"
    ours("builder").run(
        "snapshot_archive", state="exported", snapshot="three", path=archive, with_parents=True, layout="sparse"
    )
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    ids = [_snapshot_id(digest) for digest in digests]
    assert {row["snapshot_id"]: row["parent_digest"] for row in msb.snapshots()} == dict(zip(ids, [None, *ids[:-1]]))


def test_a_sandbox_of_0711_is_captured_to_an_explicit_path_and_its_home_stays_as_it_was(
    msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    msb = msb0711("builder")
    upper = msb.make_stopped_sandbox("base", root_disk="256M")
    before = tree(msb.home)
    path = msb.home.parent / "golden"

    captured = ours("builder").run("snapshot", sandbox="base", path=path)["snapshot"]

    assert tree(msb.home) == before
    assert captured["upper"]["apparent_bytes"] == 256 << 20
    assert captured["upper"]["allocated_bytes"] <= allocated_bytes(upper)
    (listed,) = ours("builder").run("snapshot_info", path=path, verify=True)["snapshots"]
    assert listed["upper"]["integrity"]["state"] == "verified"
    assert listed["digest"] == captured["digest"]
    theirs = path.with_name("theirs")  # opening it rewrites its descriptor, for good
    shutil.copytree(path, theirs)
    assert "verified (" in msb.run("snapshot", "verify", theirs)


def test_an_archive_of_such_a_capture_is_imported_and_verified_by_0711(msb0711: OnHome0711, ours: OnHomeOurs) -> None:
    msb = msb0711("builder")
    msb.make_stopped_sandbox("base", root_disk="256M")
    path = msb.home.parent / "golden"
    captured = ours("builder").run("snapshot", sandbox="base", path=path)["snapshot"]
    archive = path.with_name("golden.tar.zst")
    ours("builder").run("snapshot_archive", state="exported", snapshot=path, path=archive, layout="sparse")

    msb.run("snapshot", "import", archive)

    (row,) = msb.snapshots()
    assert row["snapshot_id"] == _snapshot_id(captured["digest"])
    assert "verified (" in msb.run("snapshot", "verify", row["artifact_path"])


def test_the_managed_store_of_0711_is_not_written_and_the_error_names_its_generation(
    msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    msb = msb0711("builder")
    msb.make_stopped_sandbox("base", root_disk="256M")
    before = tree(msb.home)

    with pytest.raises(ModuleFailure, match="G3") as failure:
        ours("builder").run("snapshot", sandbox="base", name="golden")

    assert failure.value.result["error"]["code"] == "unsupported"
    assert tree(msb.home) == before


def test_nothing_is_imported_into_the_managed_store_of_0711(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    builder.call("create", source_sandbox="base", name="golden")
    archive = builder.home.parent / "golden.tar.zst"
    builder.call("export", name_or_path="golden", out=archive)
    msb = msb0711("target")
    msb.snapshots()
    before = tree(msb.home)

    with pytest.raises(ModuleFailure, match="G3") as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "unsupported"
    assert tree(msb.home) == before


def test_an_archive_of_0711_is_refused_by_the_name_of_its_generation(
    msb0711: OnHome0711, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    msb = msb0711("builder")
    msb.make_stopped_sandbox("base", root_disk="256M")
    archive = msb.home.parent / "golden.msb"
    msb.run("snapshot", "create", "--sandbox", "base", "--output", archive, "golden")
    target = sdk062("target")
    target.call("list")
    before = set(tree(target.home))

    with pytest.raises(ModuleFailure) as failure:
        ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert failure.value.result["error"]["code"] == "unsupported"
    assert {name for name in tree(target.home) if name.startswith("snapshots/")} <= before


def test_a_store_that_0711_migrated_is_listed_without_touching_it(
    builder: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    msb = msb0711("builder")
    msb.snapshots()
    assert (msb.home / "snapshots/golden/snapshot.json").is_file()
    before = tree(msb.home)

    result = ours("builder").run("snapshot_info")

    listed = [Path(item["path"]).name for item in (*result["snapshots"], *result["invalid"])]
    assert listed == ["golden"]
    assert tree(msb.home) == before
