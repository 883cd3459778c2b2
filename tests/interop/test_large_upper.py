# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upper of 4 GiB with 1.4 MiB of data keeps its holes at every step, whoever wrote the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from listing import allocated_bytes, copy_sparse
from our_modules import OurModules
from real_062 import Sdk062
from real_0711 import Msb0711

_APPARENT_BYTES = 4 << 30
_ALLOCATED_LIMIT = 2 << 20

OnHomeOurs = Callable[[str], OurModules]


@pytest.fixture
def builder(sdk062: Callable[[str], Sdk062], msb0711: Callable[[str], Msb0711], content: Path) -> Sdk062:
    """Return the 0.6.2 SDK on a home whose sandbox ``base`` has an upper that microsandbox 0.7.11 formatted."""
    sdk = sdk062("builder")
    upper = sdk.make_stopped_sandbox("base", upper_bytes=16 << 20, content=content)
    upper.unlink()
    copy_sparse(msb0711("formatter").make_stopped_sandbox("base"), upper)
    assert upper.stat().st_size == _APPARENT_BYTES
    assert allocated_bytes(upper) < _ALLOCATED_LIMIT
    return sdk


def test_an_archive_of_062_takes_no_more_disk_after_our_import_than_the_data_it_holds(
    builder: Sdk062, sdk062: Callable[[str], Sdk062], ours: OnHomeOurs
) -> None:
    created = builder.call("create", source_sandbox="base", name="golden", record_integrity=True)
    archive = builder.home.parent / "golden.tar.zst"
    builder.call("export", name_or_path="golden", out=archive)

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    (snapshot,) = result["snapshots"]
    assert snapshot["digest"] == created["digest"]
    assert snapshot["upper"]["apparent_bytes"] == _APPARENT_BYTES
    upper = ours("target").home / "snapshots/golden/upper.ext4"
    assert snapshot["upper"]["allocated_bytes"] == allocated_bytes(upper) < _ALLOCATED_LIMIT
    assert sdk062("target").call("verify", path_or_name="golden")["upper"]["kind"] == "verified"


def test_capture_sparse_export_import_and_verify_take_the_disk_of_the_data_at_every_step(
    builder: Sdk062, ours: OnHomeOurs
) -> None:
    captured = ours("builder").run("snapshot", sandbox="base", name="golden")["snapshot"]
    assert captured["upper"]["apparent_bytes"] == _APPARENT_BYTES
    assert allocated_bytes(builder.home / "snapshots/golden/upper.ext4") < _ALLOCATED_LIMIT

    archive = builder.home.parent / "golden.tar"
    ours("builder").run("snapshot_archive", state="exported", snapshot="golden", path=archive, layout="sparse")
    assert archive.stat().st_size < _ALLOCATED_LIMIT

    ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")
    assert allocated_bytes(ours("target").home / "snapshots/golden/upper.ext4") < _ALLOCATED_LIMIT

    (snapshot,) = ours("target").run("snapshot_info", name="golden", verify=True)["snapshots"]
    assert snapshot["upper"]["integrity"]["state"] == "verified"
    assert snapshot["digest"] == captured["digest"]
    assert allocated_bytes(ours("target").home / "snapshots/golden/upper.ext4") < _ALLOCATED_LIMIT


def test_an_upper_beyond_eight_gib_travels_sparse_to_0711_and_back_to_us(
    msb0711: Callable[[str], Msb0711], ours: OnHomeOurs
) -> None:
    msb = msb0711("builder")
    upper = msb.make_stopped_sandbox("base", root_disk="9G")
    apparent = 9 << 30  # more than the octal digits of a tar header hold
    path = msb.home.parent / "golden"
    archive = path.with_name("golden.tar")
    captured = ours("builder").run("snapshot", sandbox="base", path=path, integrity=False)["snapshot"]
    ours("builder").run("snapshot_archive", state="exported", snapshot=path, path=archive, layout="sparse")

    msb.run("snapshot", "import", archive)
    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    (row,) = msb.snapshots()
    assert row["size_bytes"] == apparent
    (snapshot,) = result["snapshots"]
    assert snapshot["digest"] == captured["digest"]
    for copy in (Path(row["artifact_path"], "upper.ext4"), Path(snapshot["path"], "upper.ext4")):
        assert copy.stat().st_size == apparent
        assert allocated_bytes(copy) <= allocated_bytes(upper)
