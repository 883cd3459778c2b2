# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stopped sandboxes that the other tests start from are ones that the real microsandbox itself captures."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from real_062 import Sdk062
from real_0711 import Msb0711

_MIB = 1 << 20


def test_version_062_captures_and_verifies_the_stopped_sandbox_we_made_for_it(
    sdk062: Callable[[str], Sdk062], content: Path
) -> None:
    sdk = sdk062("home")
    upper = sdk.make_stopped_sandbox("base", upper_bytes=64 * _MIB, content=content)
    assert upper.stat().st_size == 64 * _MIB
    assert upper.stat().st_blocks * 512 < 16 * _MIB

    created = sdk.call("create", source_sandbox="base", name="golden", record_integrity=True)

    assert created["size_bytes"] == 64 * _MIB
    assert sdk.call("verify", path_or_name="golden")["upper"]["kind"] == "verified"


def test_version_0711_captures_and_verifies_the_stopped_sandbox_it_failed_to_boot(
    msb0711: Callable[[str], Msb0711],
) -> None:
    msb = msb0711("home")
    upper = msb.make_stopped_sandbox("base")
    assert upper.stat().st_size == 4096 * _MIB
    assert upper.stat().st_blocks * 512 < 2 * _MIB
    assert msb.status("base") == "Stopped"

    msb.run("snapshot", "create", "--sandbox", "base", "--integrity", "golden")

    (row,) = msb.snapshots()
    assert row["size_bytes"] == 4096 * _MIB
    msb.run("snapshot", "verify", row["artifact_path"])
