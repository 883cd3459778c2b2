# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on stores of many artifacts: a second run that has nothing to do, and a listing of everything."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from cached_image import IMAGE, add_image, pin_image
from contenders import LEVEL, Programs, Scene, link_sandbox
from measured import Cost, run
from real_062 import Sdk062

_HERE = Path(__file__).resolve().parent
_LAYER_BYTES = 16 << 20  # eight of them


def measure_unchanged(scene: Scene, artifacts: int, rounds: int) -> dict[str, Any]:
    """Run each module twice or more on a store of so many other artifacts, and return what the later runs cost.

    Raises:
        SystemExit: The first run changed nothing, or a later one something.
    """
    print(f"{scene.workload.name}: unchanged runs", file=sys.stderr, flush=True)
    home = scene.directory / "store"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    sdk = Sdk062(scene.programs.environment_062, home)
    link_sandbox(sdk, scene.image)
    add_image(home, _LAYER_BYTES, scene.programs)
    pin_image(sdk, "base")
    run([scene.programs.python, _HERE / "make_store.py", home, str(artifacts)], scene.programs.env)
    found = {}
    for name, (module, options) in _tasks(scene, home).items():
        first = _run_module(scene.programs, home, module, options)
        if not first.answer["changed"] and "absent" not in name and name != "snapshot_index":
            raise SystemExit(f"{name}: the first run changed nothing")
        costs = [_run_module(scene.programs, home, module, options) for dummy in range(rounds)]
        if any(cost.answer["changed"] for cost in costs):
            raise SystemExit(f"{name}: a second run changed something: {costs[0].answer['steps']}")
        found[name] = _figures(costs)
    shutil.rmtree(home)
    return found


def _tasks(scene: Scene, home: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return modules and options by the names of the rows; imports of images go into caches of their own."""
    exported = {"state": "exported", "snapshot": "golden", "level": LEVEL}
    imported = {"state": "imported", "name": "plain"}
    with_image, bundle = home / "with-image.tar.zst", home / "bundle.tar.zst"
    images = {"state": "exported", "images": [IMAGE.reference], "level": LEVEL}
    return {
        "snapshot: captured": ("snapshot", {"name": "golden", "sandbox": "base"}),
        "snapshot: absent": ("snapshot", {"name": "gone", "state": "absent"}),
        "snapshot: absent by digest": ("snapshot", {"digest": "sha256:" + "00" * 32, "state": "absent"}),
        "snapshot_index": ("snapshot_index", {}),
        "snapshot_archive: exported, dense": (
            "snapshot_archive",
            {**exported, "path": home / "dense.tar.zst", "layout": "dense"},
        ),
        "snapshot_archive: exported, sparse": (
            "snapshot_archive",
            {**exported, "path": home / "sparse.tar.zst", "layout": "sparse"},
        ),
        "snapshot_archive: exported, sparse, with its image": (
            "snapshot_archive",
            {**exported, "path": with_image, "layout": "sparse", "with_image": True},
        ),
        "snapshot_archive: imported": ("snapshot_archive", {**imported, "path": scene.archive("sparse")}),
        "snapshot_archive: imported, of 0.6.2 by digest": (
            "snapshot_archive",
            {"state": "imported", "path": scene.archive("dense-062"), "digest": _sealed_digest(scene)},
        ),
        "snapshot_archive: imported, with its image": (
            "snapshot_archive",
            {"state": "imported", "path": with_image, "cache_dir": home / "cache-of-archive"},
        ),
        "image_cache_bundle: exported": ("image_cache_bundle", {**images, "path": bundle}),
        "image_cache_bundle: imported": (
            "image_cache_bundle",
            {"state": "imported", "path": bundle, "cache_dir": home / "cache-of-bundle"},
        ),
    }


def measure_listing(home: Path, programs: Programs, artifacts: int, rounds: int) -> dict[str, Any]:
    """List a store of so many artifacts with snapshot_info and return the cost.

    Raises:
        SystemExit: It lists another number.
    """
    print(f"listing {artifacts} artifacts", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    Sdk062(programs.environment_062, home).call("list")  # makes the database
    run([programs.python, _HERE / "make_store.py", home, str(artifacts)], programs.env)
    costs = [_run_module(programs, home, "snapshot_info", {}) for dummy in range(rounds)]
    for cost in costs:
        listed = len(cost.answer["snapshots"])
        if listed != artifacts or cost.answer["invalid"] or cost.answer["index"]["missing_rows"]:
            raise SystemExit(f"snapshot_info lists {listed} of {artifacts} artifacts, or finds fault")
    shutil.rmtree(home)
    return _figures(costs)


def _sealed_digest(scene: Scene) -> str:
    return scene.sdk.call("open", path_or_name="sealed")["digest"]


def _run_module(programs: Programs, home: Path, module: str, options: dict[str, Any]) -> Cost:
    text = json.dumps({"ANSIBLE_MODULE_ARGS": {"home": home, **options}}, default=str)
    return run(programs.module(module), programs.env, text)


def _figures(costs: list[Cost]) -> dict[str, Any]:
    return {
        "seconds": [cost.seconds for cost in costs],
        "process": [cost.process_seconds for cost in costs],
        "peak": [cost.peak_bytes for cost in costs],
        "phases": costs[0].answer["elapsed"],
    }
