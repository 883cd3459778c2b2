# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real microsandbox 0.6.2 and our modules at work in one home at the same time."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Callable

from our_modules import OurModules
from real_062 import Sdk062

_SECONDS = 8  # a dozen imports
_LEAST_ROUNDS = 5  # of the SDK's while we import; dozens as a rule
_PATIENCE_SECONDS = 120  # for so many rounds


def test_every_import_stands_and_nothing_is_lost_while_062_lists_creates_and_removes(
    sdk062: Callable[[str], Sdk062], ours: Callable[[str], OurModules], content: Path
) -> None:
    sdk, modules = sdk062("shared"), ours("shared")
    sdk.make_stopped_sandbox("base", upper_bytes=16 << 20, content=content)
    wanted = {name: _create(sdk, name) for name in ("golden", "bystander")}
    archive = sdk.home.parent / "golden.tar.zst"
    sdk.call("export", name_or_path="golden", out=archive)
    sdk.call("remove", path_or_name="golden")
    task = {"state": "imported", "path": archive, "name": "golden", "digest": wanted["golden"]}

    outcomes, began = set(), time.monotonic()
    with sdk.churn("base") as rounds:
        while (seconds := time.monotonic() - began) < _SECONDS or (
            len(rounds()) < _LEAST_ROUNDS and seconds < _PATIENCE_SECONDS
        ):
            for module, options in (("snapshot", {"state": "absent", "name": "golden"}), ("snapshot_archive", task)):
                result = modules.run(module, **options)
                # A warning would be that the index could not be kept.
                outcomes.add((module, _installed(sdk, "golden"), tuple(result.get("warnings", ()))))
        rounds_beside_imports = len(rounds())

    assert rounds_beside_imports >= _LEAST_ROUNDS
    assert outcomes == {("snapshot", None, ()), ("snapshot_archive", wanted["golden"], ())}
    trouble = rounds()
    assert [wrong for wrong in trouble if wrong] == []
    last = f"theirs-{len(trouble) - 1}"
    wanted[last] = str(_installed(sdk, last))
    _require_agreement(sdk, modules, wanted)
    # The next runs find nothing to do, in the index neither.
    assert modules.run("snapshot_archive", **task)["changed"] is False
    assert modules.run("snapshot_index")["changed"] is False


def _create(sdk: Sdk062, name: str) -> str:
    """Let the SDK create a snapshot and return its digest."""
    return sdk.call("create", source_sandbox="base", name=name, record_integrity=True)["digest"]


def _require_agreement(sdk: Sdk062, modules: OurModules, wanted: dict[str, str]) -> None:
    """Require that both list the wanted snapshots, with their content, and that nothing else lies beside them."""
    listed = modules.run("snapshot_info", verify=True)
    assert {item["name"]: item["digest"] for item in listed["snapshots"]} == wanted
    assert {item["upper"]["integrity"]["state"] for item in listed["snapshots"]} == {"verified"}
    assert {row["name"]: row["digest"] for row in sdk.call("list")} == wanted
    assert {sdk.call("verify", path_or_name=name)["upper"]["kind"] for name in wanted} == {"verified"}
    assert {path.name for path in (sdk.home / "snapshots").iterdir()} == set(wanted)


def _installed(sdk: Sdk062, name: str) -> str | None:
    """Return the digest of the snapshot that stands under a name, None without one."""
    try:
        manifest = (sdk.home / "snapshots" / name / "manifest.json").read_bytes()
    except FileNotFoundError:
        return None
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"
